"""The sample API of the tutorial: three endpoints, guarded."""

from fastapi import FastAPI

from gatewright.fastapi import protect
from gatewright.guard import Guard


def build(guard: Guard) -> FastAPI:
    """The API; `/authtest` takes any valid token, the blogs ask for a permission each."""
    app = FastAPI(title="Blog API")
    require = protect(app, guard)

    @app.get("/authtest")
    def authtest() -> dict[str, bool]:
        return {"loggedin": True}

    @app.get("/blogs", dependencies=[require("read:blog")])
    def read_blogs() -> dict[str, bool]:
        return {"readBlogAccess": True}

    @app.post("/blogs", dependencies=[require("create:blog")])
    def create_blog() -> dict[str, bool]:
        return {"createBlogAccess": True}

    return app
