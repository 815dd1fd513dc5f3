"""A call of the console: what is typed, what is sent, what came back, and what to do when it was refused."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from gatewright.guard.walkthrough import FIXES
from gatewright.jose import JoseError
from gatewright.jose.encoding import parse_json
from gatewright.server.dashboard.console_token import Anatomy
from gatewright.server.dashboard.operations import Record
from gatewright.server.dashboard.page import Form
from gatewright.server.dashboard.relay import LARGEST_ANSWER, Answered, Outgoing, RelayRefused
from gatewright.server.dashboard.requests_as_code import Variable, WrittenRequest

SENDS: Final = ("token", "none", "changed")
NOWHERE: Final = "http://localhost:3000"
MOST_HEADERS: Final = 20
TOKEN: Final = Variable("TOKEN")

_CHALLENGE = "www-authenticate"
_QUOTED = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')
_REFUSED: Final = frozenset({401, 403})
_SUCCESSES: Final = range(200, 300)
_LACKS: Final = 403
_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,280}")


@dataclass(frozen=True, slots=True)
class Call:
    """What is typed: the token, and whether it is sent, left out, or sent with a character changed."""

    token: str = ""
    sends: str = SENDS[0]
    method: str = "GET"
    base_url: str = ""
    path: str = "/"
    headers: str = ""
    body: str = ""

    @property
    def sent_token(self) -> str:
        """The token as it goes out, "" for none."""
        if self.sends == "none" or not self.token:
            return ""
        if self.sends == "token":
            return self.token
        # In the middle of the signature: the last character of one may stand for the same bytes.
        at = len(self.token) - len(self.token.rpartition(".")[2]) // 2 - 1
        return self.token[:at] + ("A" if self.token[at] != "A" else "B") + self.token[at + 1 :]


@dataclass(frozen=True, slots=True)
class Reading:
    """What an answer means: ``missing`` are permissions that a button may give."""

    body: str
    said: str
    is_good: bool
    fix: str = ""
    missing: tuple[str, ...] = ()


def typed_call(form: Form) -> Call:
    """The call of a form."""
    sends, token = form.text("sends"), form.text("token")
    words = token.split()
    return Call(
        token=words[-1] if words else "",  # with or without the word Bearer in front
        sends=sends if sends in SENDS else SENDS[0],
        method=form.text("method") or "GET",
        base_url=form.text("base_url"),
        path=form.text("path") or "/",
        headers=form.text("headers"),
        body=form.fields.get("body", [""])[0],
    )


def outgoing(call: Call) -> Outgoing:
    """The request that is sent.

    Raises:
        RelayRefused: a line of the headers is none.
    """
    headers = _typed_headers(call.headers)
    if call.sent_token:
        headers = [each for each in headers if each[0].lower() != "authorization"]
        headers.append(("Authorization", f"Bearer {call.sent_token}"))
    if not call.base_url:
        raise RelayRefused("Say first where your API listens.")
    return Outgoing(call.method, call.base_url, call.path, tuple(headers), call.body.encode())


def request_to_copy(call: Call, base_urls: list[str]) -> WrittenRequest:
    """The call as lines to paste, with a variable in the place of the token."""
    try:
        headers = tuple(_typed_headers(call.headers))
    except RelayRefused:
        headers = ()
    base = call.base_url or next(iter(base_urls), NOWHERE)
    token = None if call.sends == "none" else TOKEN
    return WrittenRequest(call.method, base + call.path, headers, token, body=call.body)


def observed(form: Form) -> Answered | None:
    """The answer that the browser has sent along; None when it made no call, or none that can be read."""
    text = form.text("answer")
    if not text:
        return None
    try:
        members = parse_json(text.encode())
    except JoseError:
        return None
    match members:
        case {"status": int(status), "headers": list(pairs), "body": str(body), "milliseconds": int(elapsed)}:
            headers = tuple((str(pair[0]), str(pair[1])) for pair in pairs if _is_pair(pair))
            sent = body.encode()
            return Answered(status, headers, sent[:LARGEST_ANSWER], elapsed, len(sent) > LARGEST_ANSWER)
        case _:
            return None


def hides_challenge(answered: Answered) -> bool:
    """Whether it is a refusal without its reason: CORS may have hidden the header from the browser."""
    return answered.status in _REFUSED and not _header(answered, _CHALLENGE)


def answer_read(
    answered: Answered, call: Call, anatomy: Anatomy | None, api: Record, held: Record | None
) -> Reading:
    """What the answer says, and what would let the request in."""
    body = _shown_body(answered)
    if answered.status not in _REFUSED:
        is_good = answered.status in _SUCCESSES
        said = "The request was let in." if is_good else _beyond_the_guard(answered.status)
        return Reading(body, said, is_good)
    challenge = _challenge(_header(answered, _CHALLENGE))
    if answered.status == _LACKS:
        return _lacking(body, challenge, anatomy, api, held)
    said = challenge.get("error_description", "The API wants an access token.")
    return Reading(body, f"{said}.".replace("..", "."), is_good=False, fix=_fix(call, anatomy))


def _lacking(
    body: str, challenge: Mapping[str, str], anatomy: Anatomy | None, api: Record, held: Record | None
) -> Reading:
    wanted = [word for word in challenge.get("scope", "").split() if _SCOPE.fullmatch(word)]
    has = anatomy.scopes if anatomy else ()
    missing = tuple(word for word in wanted if word not in has)
    if not missing:
        said = "The token is valid, and not enough for this endpoint."
        fix = "The answer names no permission that is missing. The rule of the endpoint says what it wants."
        return Reading(body, said, is_good=False, fix=fix)
    said = f"The token lacks {', '.join(missing)}."
    granted = set((held or {}).get("scope") or [])
    if held is not None and (held.get("allow_all_scopes") or set(missing) <= granted):
        return Reading(body, said, is_good=False, fix="The application has it by now.", missing=missing)
    defined = {scope["value"] for scope in api.get("scopes") or []}
    undefined = [word for word in missing if word not in defined]
    fix = f"The API does not define {', '.join(undefined)} yet." if undefined else ""
    return Reading(body, said, is_good=False, fix=fix, missing=missing)


def _fix(call: Call, anatomy: Anatomy | None) -> str:
    if not call.sent_token:
        return FIXES["no_token"]
    if call.sends == "changed":
        return "A character of the signature was changed, as you chose. Send the token as it is."
    reason = anatomy.explanation.reason if anatomy else ""
    if reason == "accepted":
        return (
            "This server would accept the token. Compare the API's three values with these: issuer, "
            "audience, algorithm; and look whether it can fetch the keys."
        )
    return FIXES.get(reason, "")


def _beyond_the_guard(status: int) -> str:
    """What an answer says that no guard gives."""
    meanings = {
        404: "The API has no such path. Its guard may have let the request in.",
        405: "The API has this path for another method.",
        422: "The request was let in; the API does not like what it holds.",
        503: "The API cannot answer now. When its guard says so, it cannot fetch this server's keys.",
    }
    if status in meanings:
        return meanings[status]
    if status in range(300, 400):
        return "The API leads elsewhere; redirects are not followed here."
    return "The API answers with an error." if status >= 400 else "The API has answered."  # noqa: PLR2004 - RFC 9110


def _challenge(header: str) -> dict[str, str]:
    """The parameters of a Bearer challenge (RFC 6750, section 3)."""
    scheme, _, rest = header.partition(" ")
    if scheme.lower() != "bearer":
        return {}
    return {name: re.sub(r"\\(.)", r"\1", value) for name, value in _QUOTED.findall(rest)}


def _header(answered: Answered, name: str) -> str:
    return next((value for known, value in answered.headers if known.lower() == name), "")


def _shown_body(answered: Answered) -> str:
    text = answered.body.decode("utf-8", "replace")
    if "\0" in text:
        return f"{len(answered.body)} bytes that are no text"
    if not answered.is_cut and "json" in _header(answered, "content-type").lower():
        try:
            return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
        except ValueError:
            return text
    return text


def _typed_headers(text: str) -> list[tuple[str, str]]:
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > MOST_HEADERS:
        raise RelayRefused(f"At most {MOST_HEADERS} headers are sent from here.")
    headers = []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise RelayRefused("A header is a line such as X-Trace: 1.")
        headers.append((name.strip(), value.strip()))
    return headers


def _is_pair(pair: object) -> bool:
    return isinstance(pair, list) and len(pair) == 2  # noqa: PLR2004 - name and value
