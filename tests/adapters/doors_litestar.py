"""Litestar: the contract's API as handlers, async and not, controllers, routers and a mounted application."""

# ruff: noqa: ANN401 - handlers of any kind
# Annotations are read by Litestar, so they must not be put off.
from collections.abc import Callable
from typing import Any

from litestar import Controller, Litestar, Router, asgi, route
from litestar.enums import HttpMethod
from litestar.exceptions import MethodNotAllowedException
from litestar.params import JSONBody
from litestar.types import Receive, Scope, Send

from gatewright import Guard
from gatewright.guard.rules import Rule
from gatewright.litestar import Require, protect
from tests.adapters.doors import PUBLIC, RULES, App, Door, over_asgi

NAMES: dict[str, Rule | None] = {**RULES, "GET /health": None}


def handler(name: str, entered: list[str], *, is_async: bool, **options: Any) -> Any:
    """One endpoint; that of a POST takes a body, which Litestar reads and validates."""
    method, path = name.split()

    async def create(data: JSONBody[dict[str, int]]) -> dict[str, bool]:
        del data
        entered.append(name)
        return {"entered": True}

    async def read() -> dict[str, bool]:
        entered.append(name)
        return {"entered": True}

    def create_sync(data: JSONBody[dict[str, int]]) -> dict[str, bool]:
        del data
        entered.append(name)
        return {"entered": True}

    def read_sync() -> dict[str, bool]:
        entered.append(name)
        return {"entered": True}

    if is_async:
        return route(path, http_method=[method], status_code=200, **options)(  # type: ignore[list-item]
            create if method == "POST" else read
        )
    return route(path, http_method=[method], status_code=200, sync_to_thread=False, **options)(  # type: ignore[list-item]
        create_sync if method == "POST" else read_sync
    )


def no_options() -> Any:
    """The contract has nothing answer OPTIONS that nobody declared; Litestar by itself would."""

    @route("/blogs", http_method=[HttpMethod.OPTIONS], status_code=204)
    async def refuse() -> None:
        raise MethodNotAllowedException

    return refuse


async def answer_no_options(self: Any) -> None:
    del self
    raise MethodNotAllowedException


def functions(guard: Guard, entered: list[str], *, is_async: bool = True) -> App:
    require = Require(guard)
    served = [
        handler(name, entered, is_async=is_async, guards=[require(rule)] if rule else [])
        for name, rule in NAMES.items()
    ]
    app = Litestar([no_options(), *served])
    protect(app, guard, public=PUBLIC)
    return app


def functions_sync(guard: Guard, entered: list[str]) -> App:
    return functions(guard, entered, is_async=False)


def controllers(guard: Guard, entered: list[str]) -> App:
    """A controller for each path: rules on its handlers, or on itself where there is one method."""
    require = Require(guard)

    def controller(path: str) -> type[Controller]:
        rules = {name.split()[0]: rule for name, rule in NAMES.items() if name.split()[1] == path}
        whole = [rule for rule in rules.values() if rule is not None and len(rules) == 1]
        members: dict[str, Any] = {"path": path, "guards": [require(*whole)] if whole else []}
        for method, rule in rules.items():
            guards = [require(rule)] if rule is not None and not whole else []
            members[method.lower()] = method_of(method, path, guards)
        if path == "/blogs":
            # The name of its function makes it the first: only so does Litestar add none of its own.
            members["options"] = route("/", http_method=[HttpMethod.OPTIONS], status_code=204)(
                answer_no_options
            )
        return type(f"Controller{path[1:].title()}", (Controller,), members)

    def method_of(method: str, path: str, guards: list[Any]) -> Any:
        async def create(self: Any, data: JSONBody[dict[str, int]]) -> dict[str, bool]:
            del self, data
            entered.append(f"{method} {path}")
            return {"entered": True}

        async def read(self: Any) -> dict[str, bool]:
            del self
            entered.append(f"{method} {path}")
            return {"entered": True}

        served = create if method == "POST" else read
        return route("/", http_method=[method], status_code=200, guards=guards)(served)  # type: ignore[list-item]

    paths = dict.fromkeys(name.split()[1] for name in NAMES)
    app = Litestar([controller(path) for path in paths])
    protect(app, guard, public=PUBLIC)
    return app


def routers(guard: Guard, entered: list[str]) -> App:
    """Rules on routers, the routers in another one, which needs any valid token."""
    require = Require(guard)
    inner = [
        Router(
            "/",
            route_handlers=[handler(name, entered, is_async=True)],
            guards=[require(rule)] if rule else [require()],
        )
        for name, rule in RULES.items()
    ]
    app = Litestar(
        [
            Router("/", route_handlers=[no_options(), *inner]),
            handler("GET /health", entered, is_async=True),
        ]
    )
    protect(app, guard, public=PUBLIC)
    return app


def mounted(guard: Guard, entered: list[str]) -> App:
    """A mounted ASGI application beside handlers."""
    require = Require(guard)

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        entered.append("GET /gold")
        length = (b"content-length", b"2")
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": b"{}", "more_body": False})

    gold = RULES["GET /gold"]
    assert gold is not None
    mount = asgi("/gold", is_mount=True, copy_scope=True, guards=[require(gold)])(serve)
    rest = [
        handler(name, entered, is_async=True, guards=[require(rule)] if rule else [])
        for name, rule in NAMES.items()
        if name != "GET /gold"
    ]
    app = Litestar([no_options(), mount, *rest])
    protect(app, guard, public=PUBLIC)
    return app


DOORS: dict[str, Callable[[Guard], Door]] = {
    "litestar": over_asgi(functions),
    "litestar sync": over_asgi(functions_sync),
    "litestar controllers": over_asgi(controllers),
    "litestar routers": over_asgi(routers),
    "litestar mounted": over_asgi(mounted),
}
