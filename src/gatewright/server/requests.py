"""What every door does with a request alike: id, bounded body, log line, and the rendering of errors.

The doors differ in what they accept and in the format of their errors; that stays in the doors.
"""

import json
import logging
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gatewright.jose import JoseError
from gatewright.jose.encoding import parse_json
from gatewright.server.errors import ApiError, BodyRefused, OAuthError
from gatewright.server.events import Caller
from gatewright.server.settings import Network

MANAGEMENT_PATH = "/api/v2"
LONGEST_USER_AGENT = 512
_REFUSED_FROM = 400

# The standard library's, so that a program which embeds the server decides how lines look.
logger = logging.getLogger("gatewright.server")


class RequestFrame:
    """Outermost: gives the request its id, logs one line for it, and turns an unknown failure into a 500."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        trusted_proxies: Sequence[Network] = (),
        answered: Callable[[str, int], None] | None = None,
    ) -> None:
        self._app = app
        self._answered = answered
        self._trusted_proxies = trusted_proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI connection; the lifespan passes through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._trusted_proxies:
            scope["client"] = _forwarded_client(scope, self._trusted_proxies)
        request_id = secrets.token_hex(8)
        facts: dict[str, object] = {}
        state = scope.setdefault("state", {})
        state.update(request_id=request_id, facts=facts, is_routine=False)
        begun = time.perf_counter()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except ClientDisconnect:
            facts["note"] = "the client went away"
        except Exception:
            about = {"request_id": request_id, "method": scope["method"], "path": scope["path"]}
            logger.exception("request failed", extra=about)
            if status:
                raise  # the answer has begun; only breaking the connection tells the client
            await unknown_failure(scope["path"], request_id)(scope, receive, send_with_id)
        finally:
            milliseconds = round((time.perf_counter() - begun) * 1000, 2)
            line = {"method": scope["method"], "path": scope["path"], "status": status, "ms": milliseconds}
            level = logging.DEBUG if state["is_routine"] and status < _REFUSED_FROM else logging.INFO
            logger.log(level, "request", extra={**line, "request_id": request_id, **facts})
            if self._answered is not None:
                self._answered(scope["path"], status)


def routine(request: Request) -> None:
    """Marks a request that comes all the time: its log line is for debugging, unless it is refused."""
    request.scope["state"]["is_routine"] = True


def note(request: Request, **facts: object) -> None:
    """Adds facts to the request's log line. Never a secret, never a token.

    What a stranger sent is escaped, so that it cannot steer the terminal of whoever reads the log.
    """
    escaped = {
        name: ascii(fact) if isinstance(fact, str) and not fact.isprintable() else fact
        for name, fact in facts.items()
    }
    request.scope["state"]["facts"].update(escaped)


def request_id(request: Request) -> str:
    """The id that the answer carries as ``X-Request-Id``."""
    return str(request.scope["state"]["request_id"])


def caller(request: Request) -> Caller:
    """Who asks. The address is the connection's own, or the one that a trusted proxy names."""
    return Caller(
        ip=request.client.host if request.client else "",
        user_agent=request.headers.get("user-agent", "")[:LONGEST_USER_AGENT],
        request_id=request_id(request),
    )


def _forwarded_client(scope: Scope, trusted: Sequence[Network]) -> tuple[str, int] | None:
    """Who asked the first of the proxies that are trusted: read from the right, where they write."""
    client: tuple[str, int] | None = scope.get("client")
    lists = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
    named = [entry.strip() for entry in ",".join(lists).split(",") if entry.strip()]
    while named and client is not None and _is_among(client[0], trusted):
        entry = _address(named.pop())
        if entry is None:
            break  # a proxy that writes anything else is believed no further
        client = (str(entry), 0)
    return client


def _is_among(text: str, networks: Sequence[Network]) -> bool:
    address = _address(text)
    return address is not None and any(address in network for network in networks)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


async def read_body(request: Request, *, limit: int) -> bytes:
    """The body, never more than ``limit`` bytes of it.

    Raises:
        BodyRefused: 413 when it is larger, 400 when its declared length is no number.
    """
    declared = request.headers.get("content-length", "0")
    if not (declared.isascii() and declared.isdigit()):
        raise BodyRefused(400, "The Content-Length header is not a number")
    if int(declared) > limit:
        raise BodyRefused(413, f"The request body is larger than {limit} bytes")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise BodyRefused(413, f"The request body is larger than {limit} bytes")
    return bytes(body)


def require_media_type(request: Request, *accepted: str) -> str:
    """The Content-Type without parameters, one of those accepted; UTF-8 is the only charset.

    Raises:
        BodyRefused: 415 for another type or charset.
    """
    kind, *parameters = (part.strip() for part in request.headers.get("content-type", "").split(";"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value.strip().strip('"').lower() not in {"utf-8", "utf8"}:
            raise BodyRefused(415, "The request body must be in UTF-8")
    if kind.lower() not in accepted:
        raise BodyRefused(415, f"The Content-Type must be {' or '.join(accepted)}")
    return kind.lower()


def parse_object(body: bytes) -> dict[str, object]:
    """A JSON object, read by the one strict decoder.

    Raises:
        BodyRefused: 400, saying what is wrong.
    """
    document = parse_value(body)
    if not isinstance(document, dict):
        raise BodyRefused(400, "The request body must be a JSON object")
    return document


def parse_value(body: bytes) -> object:
    """Any JSON, read by the one strict decoder.

    Raises:
        BodyRefused: 400, saying what is wrong.
    """
    try:
        return parse_json(body)
    except JoseError as error:
        raise BodyRefused(400, f"The request body is not sound JSON: {error}") from error


def json_response(
    body: object,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    content_type: str = "application/json",
) -> Response:
    """A JSON answer with exactly this content type."""
    content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(content, status, {"Content-Type": content_type, **(headers or {})})


def is_known(request: Request, etag: str) -> bool:
    """Whether the caller has what this strong entity tag stands for (RFC 9110 section 13.1.2)."""
    known = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    return etag in known or known == ["*"]


def render(error: OAuthError | ApiError) -> Response:
    """A refusal as its door writes it: the error knows its own answer."""
    return json_response(
        error.body, status=error.status, headers=error.headers, content_type=error.content_type
    )


def unknown_failure(path: str, failed_request: str) -> Response:
    """The answer when we do not know what went wrong; the log does, under the request id."""
    if path.startswith(MANAGEMENT_PATH):
        return render(ApiError(500, f"An internal server error occurred (request {failed_request})"))
    return render(OAuthError(500, "server_error", f"An internal error occurred (request {failed_request})"))
