"""Each request as it comes, with the reason of every refusal and the command that would fix it."""

import logging
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field

from rich.console import Console
from rich.text import Text
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gatewright.demo.narrator import colour
from gatewright.guard import AccessToken, Denied, InsufficientScope, Request

# The guard decides inside the request; what it decided is found again where the request ends.
_slot: ContextVar[list[AccessToken | Denied | None] | None] = ContextVar("_slot", default=None)
NO_PERMISSION = "no permission"
_TOKEN_PATH = "/oauth/token"  # noqa: S105 - a path
_MANAGEMENT_PATH = "/api/v2/"
_REPORTS_PATH = "/api/v2/guard-reports"


@dataclass(slots=True)
class Feed:
    """The lines beneath the walk. Silent until `is_live`; `decisions` are kept while it is silent.

    `names` are the applications' names by client id; those in `silent`, the command line's and the reporter,
    ask for tokens all the time, which is not worth a line. The remedies say what helps after a refusal: the
    guard's, or the token endpoint's (its description, and the application's name).
    """

    console: Console
    is_live: bool = False
    names: Mapping[str, str] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    remedy: Callable[[Denied], str] = lambda _: ""
    token_remedy: Callable[[str, str], str] = lambda _, __: ""
    decisions: list[AccessToken | Denied | None] = field(default_factory=list)

    def observe(self, _: Request, decision: AccessToken | Denied | None) -> None:
        """The guard's hook."""
        if not self.is_live:
            self.decisions.append(decision)
        seen = _slot.get()
        if seen is not None:
            seen.append(decision)

    def around(self, app: ASGIApp) -> ASGIApp:
        """The sample API, with a line for each request."""

        async def watched(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            begun, status, seen = time.perf_counter(), 0, list[AccessToken | Denied | None]()
            _slot.set(seen)

            async def send_and_note(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                await send(message)

            try:
                await app(scope, receive, send_and_note)
            finally:
                took = (time.perf_counter() - begun) * 1000
                self._sample_line(f"{scope['method']} {scope['path']}", status, took, seen)

        return watched

    def server_request(self, facts: Mapping[str, object]) -> None:
        """A request to the server, as its log tells it; reading alone is left out."""
        method, path = str(facts.get("method")), str(facts.get("path"))
        asks, refused = path == _TOKEN_PATH, str(facts.get("refused") or "")
        changes = path.startswith(_MANAGEMENT_PATH) and method != "GET" and path != _REPORTS_PATH
        is_own = facts.get("client_id") in self.silent and not refused
        if not changes and (not asks or is_own):
            return
        status, took = facts.get("status"), facts.get("ms")
        who = self._name(facts.get("client_id"))
        self._line(
            f"{method} {path if asks else '/'.join(path.split('/')[:4])}",
            status if isinstance(status, int) else 0,
            took if isinstance(took, int | float) else 0,
            who=who,
            said=refused or (str(facts.get("scope") or NO_PERMISSION) if asks else ""),
            then=self.token_remedy(refused, who) if refused else "",
        )

    def _sample_line(
        self, what: str, status: int, took: float, seen: list[AccessToken | Denied | None]
    ) -> None:
        decision = seen[-1] if seen else None
        if isinstance(decision, Denied):
            self._line(what, status, took, who="", said=_reason(decision), then=self.remedy(decision))
        elif decision is not None:
            scopes = " ".join(decision.scopes) or NO_PERMISSION
            self._line(what, status, took, who=self._name(decision.client_id), said=scopes)
        else:
            self._line(what, status, took, who="", said="public")

    def _line(self, what: str, status: int, took: float, *, who: str, said: str, then: str = "") -> None:
        if not self.is_live:
            return
        line = Text.assemble(
            (time.strftime("%H:%M:%S"), "dim"),
            ("  " + str(status), colour(status)),
            f"  {_safe(what):<18}",
            f"  {_safe(who) or '-':<28}",
            f"  {_safe(said)}",
            (f"  {took:.1f} ms", "dim"),
        )
        self.console.print(line, soft_wrap=True)
        if then:
            self.console.print(Text(f"               └ {then}", style="yellow"), soft_wrap=True)

    def _name(self, client_id: object) -> str:
        return self.names.get(str(client_id), str(client_id or ""))


class LogLines(logging.Handler):
    """The server's log, turned into lines of the feed; what is not about a request is shown when it warns."""

    def __init__(self, feed: Feed) -> None:
        super().__init__()
        self._feed = feed

    def emit(self, record: logging.LogRecord) -> None:
        """One record. The guard's own lines are left out: the feed has its decisions first hand."""
        if record.name.startswith("gatewright.guard"):
            return
        said = record.getMessage()
        if said == "request":
            self._feed.server_request(vars(record))
        elif record.levelno >= logging.WARNING:
            self._feed.console.print(Text(f"{record.name}: {_safe(said)}", style="red"), soft_wrap=True)


def _reason(refusal: Denied) -> str:
    if isinstance(refusal, InsufficientScope):
        return f"{refusal.reason}: needs {' '.join(refusal.scopes)}"
    return f"{refusal.reason}: {refusal.detail}" if refusal.detail else refusal.reason


def _safe(text: str) -> str:
    """What a stranger sent may not steer the terminal."""
    return "".join(mark if mark.isprintable() else ascii(mark)[1:-1] for mark in text)
