"""The sample API of the tutorial, guarded by three values."""

# Annotations are read by FastAPI, so they must not be put off.
from fastapi import FastAPI

from gatewright import Guard
from gatewright.fastapi import protect


def sample(guard: Guard) -> FastAPI:
    """`/authtest` for any valid token, `/blogs` by permission."""
    app = FastAPI()
    require = protect(app, guard)

    @app.get("/authtest")
    def authtest() -> dict[str, bool]:
        return {"loggedin": True}

    @app.get("/blogs", dependencies=[require("read:blog")])
    def read() -> dict[str, bool]:
        return {"readBlogAccess": True}

    @app.post("/blogs", dependencies=[require("create:blog")])
    def create() -> dict[str, bool]:
        return {"createBlogAccess": True}

    return app
