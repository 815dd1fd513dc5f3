"""The projects that can be made, and what differs between them beside their templates."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Framework: TypeAlias = Literal[
    "fastapi", "starlette", "litestar", "aiohttp", "flask", "django", "django-rest", "asgi", "wsgi"
]


@dataclass(frozen=True, slots=True)
class Kind:
    """What its README and requirements say of it."""

    title: str
    packages: tuple[str, ...]
    serve: str


_UVICORN: Final = "uvicorn app:app --port 3000"
_MANAGE: Final = "python manage.py runserver 3000"

KINDS: Final[Mapping[Framework, Kind]] = {
    "fastapi": Kind("FastAPI", ("fastapi", "uvicorn", "httpx2"), _UVICORN),
    "starlette": Kind("Starlette", ("starlette", "uvicorn", "httpx2"), _UVICORN),
    "litestar": Kind("Litestar", ("litestar", "uvicorn"), _UVICORN),
    "aiohttp": Kind("aiohttp", ("aiohttp",), "python app.py"),
    "flask": Kind("Flask", ("flask",), "flask run --port 3000"),
    "django": Kind("Django", ("django",), _MANAGE),
    "django-rest": Kind("Django REST framework", ("django", "djangorestframework"), _MANAGE),
    "asgi": Kind("ASGI", ("uvicorn", "httpx2"), _UVICORN),
    "wsgi": Kind("WSGI", ("httpx2",), "python app.py"),
}


@dataclass(frozen=True, slots=True)
class Foreign:
    """A project without Python: what its README says of it."""

    title: str
    prepare: str
    serve: str


FOREIGN: Final[Mapping[str, Foreign]] = {
    "express": Foreign("Express", "npm install", "node server.js"),
    "go": Foreign("Go", "go vet .", "go run ."),
    "curl": Foreign("curl", "", ""),
}
