"""What a page is made with: who is there, what was sent, the operations, and how it is answered."""

import hmac
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias
from urllib.parse import parse_qsl, quote, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gatewright.server.context import Server
from gatewright.server.dashboard import sessions
from gatewright.server.dashboard.notices import Notice, Undo
from gatewright.server.dashboard.operations import Operations
from gatewright.server.dashboard.relay import Relay
from gatewright.server.dashboard.rendering import HEADERS, PREFIX, html
from gatewright.server.errors import BodyRefused
from gatewright.server.people import Session
from gatewright.server.requests import json_response, read_body, require_media_type

FORM: Final = "application/x-www-form-urlencoded"
LARGEST_FORM: Final = 256 * 1024
MOST_FIELDS: Final = 2000
CSRF_FIELD: Final = "csrf"

Access: TypeAlias = Literal["everybody", "viewer", "administrator"]


class FormRefused(Exception):
    """A form that did not come from one of our pages, or that cannot be read."""


@dataclass(frozen=True, slots=True)
class Form:
    """What was sent, every field with all its values."""

    fields: Mapping[str, list[str]] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """The field, without blanks around it; "" where there is none."""
        values = self.fields.get(name)
        return values[0].strip() if values else ""

    def all(self, name: str) -> list[str]:
        """Every value of a field that may be there several times."""
        return [value.strip() for value in self.fields.get(name, []) if value.strip()]

    def has(self, name: str) -> bool:
        """Whether a box was ticked, or a button with this name pressed."""
        return name in self.fields


@dataclass(frozen=True, slots=True)
class Visit:
    """A request to a page that needs nobody to be logged in."""

    server: Server
    http: Request
    form: Form
    session: Session | None

    def render(self, template: str, *, status: int = 200, **context: object) -> Response:
        """The page of a template."""
        issuer = self.server.settings.issuer
        return html(template, {"issuer": issuer, "prefix": PREFIX, **context}, status=status)


@dataclass(frozen=True, slots=True)
class Page:
    """A request of somebody who is logged in."""

    server: Server
    http: Request
    session: Session
    form: Form
    operations: Operations
    path: Mapping[str, str]
    notice: Notice
    token_endpoint: "TokenEndpoint"
    relay: Relay

    @property
    def query(self) -> Mapping[str, str]:
        """The query of the address."""
        return self.http.query_params

    def number(self, *, last: int) -> int:
        """``?page=``, from 1 to ``last``; what is no number is the first."""
        text = self.query.get("page", "")
        is_number = text.isascii() and text.isdigit() and len(text) <= len(str(last))
        return min(max(int(text), 1), last) if is_number else 1

    def render(
        self,
        template: str,
        *,
        status: int = 200,
        fault: str = "",
        connects_to: Sequence[str] = (),
        **context: object,
    ) -> Response:
        """The page of a template, in the frame; ``fault`` is what was wrong with what was sent.

        ``connects_to`` are URLs to whose servers its script may send requests.
        """
        frame = {
            "issuer": self.server.settings.issuer,
            "prefix": PREFIX,
            "person": self.session.administrator,
            "csrf": self.session.csrf,
            "here": self.http.url.path,
            "notice": self.notice.text,
            "undo": self.notice.undo,
            "fault": fault,
            "now": self.server.now(),
        }
        status = 400 if fault and status == 200 else status  # noqa: PLR2004 - RFC 9110
        return html(template, {**frame, **context}, status=status, connects_to=connects_to)

    async def go(self, path: str, notice: str = "", *, undo: Undo | None = None) -> Response:
        """Leads to another page, which says ``notice`` and offers to take back what was done."""
        if notice:
            await sessions.leave_notice(self.server, self.session, Notice(notice, undo))
        return redirect(path)

    @property
    def wants_json(self) -> bool:
        """Whether script asks, which stays on its page."""
        return self.http.headers.get("accept", "") == "application/json"

    def json(self, body: object) -> Response:
        """An answer for script."""
        return json_response(body, headers=HEADERS)


TokenEndpoint: TypeAlias = Callable[[Request], Awaitable[Response]]
View: TypeAlias = Callable[[Page], Awaitable[Response]]
OpenView: TypeAlias = Callable[[Visit], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Route:
    """A row of a module's table: ``path`` below ``/ui``, and who may come.

    What is no page (a download, what script asks for) leaves the notice to the next page.
    """

    method: str
    path: str
    view: View
    access: Access = "viewer"
    is_page: bool = True


@dataclass(frozen=True, slots=True)
class OpenRoute:
    """A page that needs nobody to be logged in."""

    method: str
    path: str
    view: OpenView


def redirect(path: str) -> Response:
    """303 to a page of ours."""
    return RedirectResponse(f"{PREFIX}{path}", status_code=303, headers=HEADERS)


def ours(text: str) -> str:
    """The path below ``/ui`` of an address to go on to; never anybody else's address."""
    is_ours = text.startswith(f"{PREFIX}/") and text.isprintable() and "\\" not in text and "//" not in text
    return text.removeprefix(PREFIX) if is_ours else "/"


def part(text: str) -> str:
    """One part of a path."""
    return quote(text, safe="")


async def read_form(http: Request) -> Form:
    """The form of a POST.

    Raises:
        FormRefused: it was sent from elsewhere, is too large, or no form.
    """
    if http.method != "POST":
        return Form()
    if not _is_from_here(http):
        raise FormRefused("The form was sent from another site.")
    try:
        require_media_type(http, FORM)
        body = await read_body(http, limit=LARGEST_FORM)
        pairs = parse_qsl(
            body.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS
        )
    except (BodyRefused, ValueError) as error:
        raise FormRefused("What was sent is no form.") from error
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    return Form(fields)


def require_token(form: Form, session: Session) -> None:
    """The form is one that this session was shown.

    Raises:
        FormRefused: it is not.
    """
    if not hmac.compare_digest(form.text(CSRF_FIELD).encode(), session.csrf.encode()):
        raise FormRefused("The page was too old. Go back, load it again, and send it once more.")


def _is_from_here(http: Request) -> bool:
    site = http.headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        return False
    origin = http.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == http.headers.get("host")
