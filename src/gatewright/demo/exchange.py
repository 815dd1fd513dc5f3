"""A request of the walk, and how it and its answer look with curl; secrets and tokens are shortened."""

import json
import shlex
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gatewright.cli.http import Answer

SECRETS = frozenset({"client_secret", "access_token"})
SHOWN_HEADERS = ("www-authenticate", "content-type", "retry-after")
LONGEST_TEXT = 60
LONGEST_LINE = 88
LONGEST_BODY = 80
WORDS = frozenset({"message", "error_description", "scope"})
MORE = "…"


class NoAnswer(Exception):
    """A request that nothing answered."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent: `members` as a JSON body, `token` in the Authorization header."""

    method: str
    url: str
    token: str | None = None
    members: Mapping[str, object] | None = None

    def send(self) -> "Answer":
        """The answer, whatever it is.

        Raises:
            NoAnswer: none came.
        """
        from gatewright.cli import http  # noqa: PLC0415 - the two packages know each other lazily

        headers = {} if self.token is None else {"Authorization": f"Bearer {self.token}"}
        body = None
        if self.members is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(self.members).encode()
        try:
            return http.send(self.method, self.url, headers=headers, body=body)
        except http.Unreachable as error:
            raise NoAnswer(f"{self.url} does not answer: {error}") from error

    def as_curl(self) -> list[str]:
        """The command, in lines as one would type them."""
        implied = "GET" if self.members is None else "POST"
        method = "" if self.method == implied else f"-X {self.method} "
        options = []
        if self.token is not None:
            options.append(f"-H 'Authorization: Bearer {shortened(self.token)}'")
        if self.members is not None:
            options.append("-H 'Content-Type: application/json'")
            options.append(f"-d {_quoted(_masked(self.members))}")
        first = f"curl -i {method}{self.url}"
        if len(first) + sum(len(option) + 1 for option in options) <= LONGEST_LINE:
            return [" ".join([first, *options])]
        lines = " \\\n".join([first, *(f"  {option}" for option in options)])
        return lines.split("\n")


def answer_lines(answer: "Answer", only: Collection[str] = ()) -> Iterator[str]:
    """The answer as `curl -i` prints it, without the headers that say nothing here.

    `only` are the members of a record worth showing; an ellipsis stands for the others.
    """
    yield f"HTTP/1.1 {answer.status} {answer.phrase}"
    for name in SHOWN_HEADERS:
        if name in answer.headers:
            yield f"{name}: {answer.headers[name]}"
    yield ""
    try:
        document = json.loads(answer.body)
    except ValueError:
        yield answer.text
        return
    yield from _document_lines(_masked(document), only)


def shortened(text: str) -> str:
    """Enough to recognise it, not enough to use it; a token keeps the end of its signature, if it has one."""
    return f"{text[:6]}{MORE}{text[-4:]}"


def _document_lines(document: Any, only: Collection[str]) -> Iterator[str]:  # noqa: ANN401 - any JSON
    if isinstance(document, dict) and len(document) == 1 and isinstance(next(iter(document.values())), list):
        ((name, items),) = document.items()
        yield f'{{"{name}": ['
        yield from (f"  {_object(item, only)}{',' * (item is not items[-1])}" for item in items)
        yield "]}"
        return
    line = _object(document, only)
    if len(line) <= LONGEST_LINE or not isinstance(document, dict):
        yield line
        return
    members = [*_members(document, only), *([MORE] * _is_cut(document, only))]
    yield "{"
    yield from (f"  {member}{',' * (member is not members[-1])}" for member in members)
    yield "}"


def _quoted(members: Mapping[str, object]) -> str:
    """A JSON body as a word for the shell; a long one on several lines."""
    text = json.dumps(members, ensure_ascii=False)
    if len(text) > LONGEST_BODY:
        lines = ",\n".join(f"    {_member(name, value)}" for name, value in members.items())
        text = f"{{\n{lines}\n  }}"
    return shlex.quote(text)


def _object(value: Any, only: Collection[str]) -> str:  # noqa: ANN401 - any JSON
    if not isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    members = [*_members(value, only), *([MORE] * _is_cut(value, only))]
    return "{" + ", ".join(members) + "}"


def _members(document: Mapping[str, object], only: Collection[str]) -> list[str]:
    names = [name for name in only if name in document] or list(document)
    return [_member(name, document[name]) for name in names]


def _member(name: str, value: object) -> str:
    return f'"{name}": {json.dumps(value, ensure_ascii=False)}'


def _is_cut(document: Mapping[str, object], only: Collection[str]) -> bool:
    return bool(only) and not set(document) <= set(only)


def _masked(value: Any, name: str = "") -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, Mapping):
        return {key: _masked(member, key) for key, member in value.items()}
    if isinstance(value, list):
        return [_masked(member, name) for member in value]
    if isinstance(value, str) and (name in SECRETS or (len(value) > LONGEST_TEXT and name not in WORDS)):
        return shortened(value)
    return value
