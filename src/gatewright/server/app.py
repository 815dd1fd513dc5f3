"""The composition root: the only module that knows all parts, and contains nothing else."""

import contextlib
import re
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp
from uvicorn.supervisors import Multiprocess

from gatewright.server.bootstrap import make_first_records, open_store, prepare_tls
from gatewright.server.context import Server
from gatewright.server.dashboard.app import Dashboard
from gatewright.server.dashboard.entry import new_start_link
from gatewright.server.dashboard.rendering import PREFIX, static_file
from gatewright.server.dashboard.start import start_page
from gatewright.server.errors import OAuthError, StartupError, StoreUnavailable
from gatewright.server.events import EventLog, Source
from gatewright.server.keys import SigningKeys
from gatewright.server.limits import Limits
from gatewright.server.listening import listen
from gatewright.server.logs import configure_logging
from gatewright.server.management.app import ManagementApi
from gatewright.server.oauth.metadata import key_set, server_metadata
from gatewright.server.oauth.revocations import FEED_PATH, revocation_feed
from gatewright.server.oauth.token import issue_token
from gatewright.server.openapi import OPENAPI_PATH, OpenApiDocument
from gatewright.server.requests import MANAGEMENT_PATH, RequestFrame, json_response, render
from gatewright.server.revocations import Revocations
from gatewright.server.settings import Settings
from gatewright.server.store import Store, Transaction

if TYPE_CHECKING:
    from gatewright.server.metrics import Metrics

Clock = Callable[[], float]
Door = Callable[[Server, Request], Awaitable[Response]]

GRACE = 8  # seconds for requests in flight when the server stops
START_DEADLINE = 30.0


def build(settings: Settings, *, now: Clock = time.time) -> Server:
    """A server's parts, on a database that is ready.

    Raises:
        StartupError: with a plain sentence.
    """
    host = urlsplit(settings.issuer).hostname or "localhost"
    store = open_store(settings)
    try:
        # Opened before anything is written: a wrong master key shows here.
        keys = SigningKeys(store, host=host, now=now)
        make_first_records(store, settings, keys, now=now())
    except StoreUnavailable as error:
        store.close()
        raise StartupError(f"The server cannot start: {error}.") from error
    except BaseException:
        store.close()
        raise
    source = Source(tenant=settings.tenant, hostname=host)
    metrics = _counting(store) if settings.metrics else None
    return Server(
        settings=settings,
        store=store,
        keys=keys,
        events=EventLog(store, metrics=metrics),
        limits=Limits(store, now=now),
        revocations=Revocations(store, keys, issuer=settings.issuer, now=now),
        source=source,
        now=now,
        metrics=metrics,
    )


def close(server: Server) -> None:
    """Writes what is left, then lets go of the database."""
    server.events.close()
    server.store.close()


def make_app(server: Server) -> Starlette:
    """The ASGI application of a built server; its end closes the server."""

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        close(server)

    def route(path: str, door: Door, method: str = "GET") -> Route:
        return Route(path, partial(door, server), methods=[method])

    routes = [
        route("/oauth/token", issue_token, "POST"),
        route("/.well-known/openid-configuration", server_metadata),
        route("/.well-known/oauth-authorization-server", server_metadata),
        route("/.well-known/jwks.json", key_set),
        route(FEED_PATH, revocation_feed),
        # Before the Management API, which would ask for a token.
        Route(OPENAPI_PATH, OpenApiDocument(server.settings.issuer)),
        _mount(ManagementApi(server)),
        route(f"{PREFIX}/static/{{name}}", static_file),
        Mount(PREFIX, app=Dashboard(server, partial(issue_token, server))),
        route("/health/live", _alive),
        route("/health/ready", _ready),
        route("/", start_page),
    ]
    app = Starlette(
        routes=routes,
        lifespan=lifespan,
        middleware=[
            Middleware(
                RequestFrame,
                trusted_proxies=server.settings.trusted_proxies,
                answered=None if server.metrics is None else server.metrics.answered,
            )
        ],
        exception_handlers={OAuthError: _refusal, HTTPException: _no_such_page},  # type: ignore[dict-item]  # Starlette types handlers by Exception
    )
    app.router.redirect_slashes = False  # such a redirect goes to whatever host the request named
    return app


@dataclass(frozen=True, slots=True)
class Worker:
    """Makes the application inside a worker process; only the settings travel there."""

    settings: Settings

    def __call__(self) -> Starlette:
        """Called by the HTTP server in each worker."""
        configure_logging(self.settings)
        return make_app(build(self.settings))


def serve(
    settings: Settings,
    *,
    prepare: Callable[[ASGIApp], None] | None = None,
    ready: Callable[[str | None], None] | None = None,
) -> None:
    """Serves until SIGINT or SIGTERM.

    ``prepare`` is given the application before anybody else can reach it; what it raises ends the start.
    ``ready`` is called once the sockets are bound and the data is there, with the link for the first
    administrator of the dashboard while there is none.

    Raises:
        StartupError: with a plain sentence.
    """
    configure_logging(settings)
    host, port = settings.address
    sockets = listen(host, port)
    try:
        server = build(settings)
        app = make_app(server)
        try:
            tls = prepare_tls(settings, now=time.time())
            if prepare is not None:
                prepare(app)
            link = new_start_link(server)
        except BaseException:
            close(server)
            raise
        if settings.workers == 1:
            with _telling(server):
                if ready is not None:
                    ready(link)
                uvicorn.Server(_config(app, tls)).run(sockets)
            return
        close(server)  # made here so that a fault is said once, and the workers find everything made
        with _telling_of_workers(settings):
            if ready is not None:
                ready(link)
            config = _config(Worker(settings), tls, factory=True, workers=settings.workers)
            Multiprocess(config, sockets=sockets).run()
    finally:
        for each in sockets:
            each.close()


class RunningServer:
    """A server in a background thread of this process; a context manager that stops it."""

    def __init__(
        self,
        settings: Settings,
        *,
        now: Clock = time.time,
        sockets: Sequence[socket.socket] | None = None,
        behind: Callable[[ASGIApp], ASGIApp] | None = None,
    ) -> None:
        self.settings = settings
        self.issuer = settings.issuer
        self._told = contextlib.ExitStack()
        self._sockets = list(sockets or listen(*settings.address))
        try:
            self.server = build(settings, now=now)
            tls = prepare_tls(settings, now=now())
            self._told.enter_context(_telling(self.server))
        except BaseException:
            self._close_sockets()
            raise
        app = make_app(self.server)
        self._http = uvicorn.Server(_config(app if behind is None else behind(app), tls))
        # A stop that was forgotten must not keep the process from ending.
        self._thread = threading.Thread(
            target=self._http.run, args=(self._sockets,), name="gatewright-server", daemon=True
        )
        self._thread.start()
        self._wait_until_it_answers()

    def stop(self) -> None:
        """Ends requests in flight, writes events, closes the database; may be called twice."""
        self._http.should_exit = True
        self._thread.join()
        self._told.close()
        self._close_sockets()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_DEADLINE
        while not self._http.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                self.stop()
                raise StartupError("The HTTP server did not start.")
            time.sleep(0.005)

    def _close_sockets(self) -> None:
        for each in self._sockets:
            each.close()


def start(
    settings: Settings,
    *,
    now: Clock = time.time,
    sockets: Sequence[socket.socket] | None = None,
    behind: Callable[[ASGIApp], ASGIApp] | None = None,
) -> RunningServer:
    """Starts a server in a background thread and returns when it answers; for the demo and for tests.

    ``sockets`` are those to serve on, bound and listening; it binds those of the settings without them, and
    closes either. ``behind`` puts another application in front of the server's own.

    Raises:
        StartupError: with a plain sentence.
    """
    return RunningServer(settings, now=now, sockets=sockets, behind=behind)


def _config(
    app: ASGIApp | Worker, tls: tuple[Path, Path] | None, *, factory: bool = False, workers: int = 1
) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        ssl_certfile=None if tls is None else tls[0],
        ssl_keyfile=None if tls is None else tls[1],
        factory=factory,
        workers=workers,
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        ws="none",
        timeout_graceful_shutdown=GRACE,
    )


def _counting(store: Store) -> "Metrics":
    from gatewright.server.metrics import Metrics  # noqa: PLC0415 - for those who want metrics

    metrics = Metrics()
    metrics.applied(store.read(Transaction.revision))
    store.on_change(lambda batch: metrics.applied(batch.revision))
    return metrics


def _telling(server: Server) -> contextlib.AbstractContextManager[None]:
    """Tells what this process counts, if it does."""
    address = server.settings.metrics_address
    if address is None or server.metrics is None:
        return contextlib.nullcontext()
    from gatewright.server.metrics import exposed  # noqa: PLC0415 - as above

    return exposed(address, server.metrics.registry)


def _telling_of_workers(settings: Settings) -> contextlib.AbstractContextManager[None]:
    """Tells what the workers count that are started within, if they do."""
    if settings.metrics_address is None:
        return contextlib.nullcontext()
    from gatewright.server.metrics import gathered  # noqa: PLC0415 - as above

    return gathered(settings.metrics_address)


def _mount(api: ManagementApi) -> Mount:
    mount = Mount(MANAGEMENT_PATH, app=api)
    # Starlette's pattern ends at a line break; an escaped identifier in the path may hold one.
    mount.path_regex = re.compile(mount.path_regex.pattern, re.DOTALL)
    return mount


async def _alive(_: Server, __: Request) -> Response:
    return json_response({"status": "ok"}, headers={"Cache-Control": "no-store"})


async def _ready(server: Server, _: Request) -> Response:
    try:
        await server.store.aread(lambda tx: tx.revision())
    except StoreUnavailable:
        body = {"status": "unavailable", "reason": "the database does not answer"}
        return json_response(body, status=503, headers={"Cache-Control": "no-store", "Retry-After": "5"})
    return json_response({"status": "ok"}, headers={"Cache-Control": "no-store"})


async def _refusal(_: Request, refusal: OAuthError) -> Response:
    return render(refusal)


async def _no_such_page(_: Request, error: HTTPException) -> Response:
    code = "not_found" if error.status_code == HTTPStatus.NOT_FOUND else "method_not_allowed"
    return render(OAuthError(error.status_code, code, error.detail, headers=error.headers))
