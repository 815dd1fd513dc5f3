"""A blog API whose endpoints only open for access tokens of your Gatewright server."""

from fastapi import FastAPI

from gatewright import Guard
from gatewright.fastapi import protect

app = FastAPI(title="Blog API")
require = protect(app, Guard.from_env())


@app.get("/authtest")
def authtest() -> dict[str, bool]:
    """For any valid token."""
    return {"loggedin": True}


@app.get("/blogs", dependencies=[require("read:blog")])
def read_blogs() -> dict[str, bool]:
    """For tokens with `read:blog`."""
    return {"readBlogAccess": True}


@app.post("/blogs", dependencies=[require("create:blog")])
def create_blog() -> dict[str, bool]:
    """For tokens with `create:blog`."""
    return {"createBlogAccess": True}
