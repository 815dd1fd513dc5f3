"""What each framework needs to guard two endpoints; «places» are filled in with the values of an API."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Quickstart:
    """The steps: what to install, the file to write, how to run it; "" where a step is not needed.

    Without ``code`` the sources are those of the folder to download.
    """

    name: str
    install: str
    file: str
    code: str
    run: str


_GUARD = "guard = Guard(«issuer», audience=«audience», algorithms=(«algorithm»,))"

_FASTAPI = f"""\
from fastapi import FastAPI

from gatewright import Guard
from gatewright.fastapi import protect

{_GUARD}
app = FastAPI()
require = protect(app, guard, public=["/health"])


@app.get("/authtest")
def authtest():
    return {{"loggedin": True}}


@app.get("/blogs", dependencies=[require(«reads»)])
def read():
    return {{"readBlogAccess": True}}


@app.post("/blogs", dependencies=[require(«creates»)])
def create():
    return {{"createBlogAccess": True}}


@app.get("/health")
def health():
    return {{"up": True}}
"""

_STARLETTE = f"""\
from starlette.applications import Starlette
from starlette.responses import JSONResponse

from gatewright import Guard
from gatewright.starlette import protect

{_GUARD}
app = Starlette()
require = protect(app, guard, public=["/health"])


async def authtest(request):
    return JSONResponse({{"loggedin": True}})


@require(«reads»)
async def read(request):
    return JSONResponse({{"readBlogAccess": True}})


@require(«creates»)
async def create(request):
    return JSONResponse({{"createBlogAccess": True}})


async def health(request):
    return JSONResponse({{"up": True}})


app.add_route("/authtest", authtest)
app.add_route("/blogs", read, methods=["GET"])
app.add_route("/blogs", create, methods=["POST"])
app.add_route("/health", health)
"""

_FLASK = f"""\
from flask import Flask

from gatewright import Guard
from gatewright.flask import protect

{_GUARD}
app = Flask(__name__)
require = protect(app, guard, public=["/health"])


@app.get("/authtest")
def authtest():
    return {{"loggedin": True}}


@app.get("/blogs")
@require(«reads»)
def read():
    return {{"readBlogAccess": True}}


@app.post("/blogs")
@require(«creates»)
def create():
    return {{"createBlogAccess": True}}


@app.get("/health")
def health():
    return {{"up": True}}
"""

_DJANGO = """\
import sys

from django.conf import settings

settings.configure(
    SECRET_KEY="change me",
    ALLOWED_HOSTS=["localhost", "127.0.0.1"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["gatewright.django.Middleware"],
    GATEWRIGHT={
        "issuer": «issuer»,
        "audience": «audience»,
        "algorithms": [«algorithm»],
        "public": ["/health"],
    },
)

from django.core.asgi import get_asgi_application
from django.core.management import execute_from_command_line
from django.http import JsonResponse
from django.urls import path
from gatewright.django import protect, require


def authtest(request):
    return JsonResponse({"loggedin": True})


@require(GET=«reads», POST=«creates»)
def blogs(request):
    return JsonResponse({"readBlogAccess" if request.method == "GET" else "createBlogAccess": True})


def health(request):
    return JsonResponse({"up": True})


urlpatterns = [path("authtest", authtest), path("blogs", blogs), path("health", health)]
application = protect(get_asgi_application())

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
"""

_LITESTAR = f"""\
from litestar import Litestar, get, post

from gatewright import Guard
from gatewright.litestar import Require, protect

{_GUARD}
require = Require(guard)


@get("/authtest")
async def authtest() -> dict[str, bool]:
    return {{"loggedin": True}}


@get("/blogs", guards=[require(«reads»)])
async def read() -> dict[str, bool]:
    return {{"readBlogAccess": True}}


@post("/blogs", guards=[require(«creates»)])
async def create() -> dict[str, bool]:
    return {{"createBlogAccess": True}}


@get("/health")
async def health() -> dict[str, bool]:
    return {{"up": True}}


app = Litestar([authtest, read, create, health])
protect(app, guard, public=["/health"])
"""

_AIOHTTP = f"""\
from aiohttp import web

from gatewright import Guard
from gatewright.aiohttp import protect

{_GUARD}
app = web.Application()
require = protect(app, guard, public=["/health"])


async def authtest(request):
    return web.json_response({{"loggedin": True}})


@require(«reads»)
async def read(request):
    return web.json_response({{"readBlogAccess": True}})


@require(«creates»)
async def create(request):
    return web.json_response({{"createBlogAccess": True}})


async def health(request):
    return web.json_response({{"up": True}})


app.router.add_get("/authtest", authtest)
app.router.add_get("/blogs", read)
app.router.add_post("/blogs", create)
app.router.add_get("/health", health)

if __name__ == "__main__":
    web.run_app(app, host="127.0.0.1", port=3000)
"""

_CURL = """\
# Refused: no token
curl -i http://localhost:3000/authtest

# A token; client id and secret stand on the page of the application
TOKEN=$(curl --silent «token_url» \\
  --data grant_type=client_credentials \\
  --data-urlencode «audience_field» \\
  --data-urlencode client_id="$CLIENT_ID" \\
  --data-urlencode client_secret="$CLIENT_SECRET" | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')

# Let in
curl -i http://localhost:3000/authtest -H "Authorization: Bearer $TOKEN"

# Refused until the application has the permission
curl -i http://localhost:3000/blogs -H "Authorization: Bearer $TOKEN"
"""

_UVICORN = "uvicorn app:app --port 3000"

QUICKSTARTS: Final = {
    "fastapi": Quickstart("FastAPI", "pip install fastapi uvicorn", "app.py", _FASTAPI, _UVICORN),
    "starlette": Quickstart("Starlette", "pip install starlette uvicorn", "app.py", _STARLETTE, _UVICORN),
    "flask": Quickstart("Flask", "pip install flask", "app.py", _FLASK, "flask run --port 3000"),
    "django": Quickstart("Django", "pip install django", "app.py", _DJANGO, "python app.py runserver 3000"),
    "litestar": Quickstart("Litestar", "pip install litestar uvicorn", "app.py", _LITESTAR, _UVICORN),
    "aiohttp": Quickstart("aiohttp", "pip install aiohttp", "app.py", _AIOHTTP, "python app.py"),
    "express": Quickstart(
        "Express", "npm install express express-jwt express-jwt-authz jwks-rsa", "", "", "node server.js"
    ),
    "go": Quickstart("Go", "go mod init blogs", "", "", "go run ."),
    "curl": Quickstart("curl", "", "", _CURL, ""),
}
