"""A request as lines to paste: curl, HTTPie, Python, JavaScript. A secret stands there as a variable."""

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias
from urllib.parse import quote

from gatewright.scaffold.spelling import literal


@dataclass(frozen=True, slots=True)
class Variable:
    """A value that is not written down: ``$NAME`` of whoever runs the lines."""

    name: str


Text: TypeAlias = str | Variable
Fields: TypeAlias = tuple[tuple[str, Text], ...]


@dataclass(frozen=True, slots=True)
class WrittenRequest:
    """A request to be written down.

    ``token`` goes into the header Authorization; ``basic`` are user and password, escaped before they are
    joined (RFC 6749, section 2.3.1). ``form`` and ``body`` exclude each other.
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    token: Text | None = None
    basic: tuple[str, Text] | None = None
    form: Fields = ()
    body: str = ""


def written(request: WrittenRequest) -> dict[str, str]:
    """The request in each language, by the language's name."""
    return {name: write(request) for name, write in _LANGUAGES.items()}


def curl(request: WrittenRequest) -> str:
    """For a shell with curl."""
    lines = [f"curl {'' if request.form else '-i '}{shlex.quote(request.url)}"]
    if request.method != ("POST" if request.form or request.body else "GET"):
        lines.append("--head" if request.method == "HEAD" else f"--request {request.method}")
    if request.basic is not None:
        lines.append(f"--user {_basic_in_shell(*request.basic)}")
    if request.token is not None:
        lines.append(f"--header {_bearer_in_shell('Authorization: Bearer ', request.token)}")
    lines += [f"--header {shlex.quote(f'{name}: {value}')}" for name, value in request.headers]
    lines += [f"--data-urlencode {_pair_in_shell(name, value)}" for name, value in request.form]
    if request.body:
        lines.append(f"--data-raw {shlex.quote(request.body)}")
    return " \\\n  ".join(lines)


def httpie(request: WrittenRequest) -> str:
    """For a shell with HTTPie, whose options stand before the address."""
    options = ["--ignore-stdin"]  # or what comes from there would be the body, as in a script
    if request.form:
        options.append("--form")
    if request.basic is not None:
        options.append(f"--auth {_basic_in_shell(*request.basic)}")
    if request.body:
        options.append(f"--raw {shlex.quote(request.body)}")
    lines = [f"http {' '.join(options)} {request.method} {shlex.quote(request.url)}"]
    if request.token is not None:
        lines.append(_bearer_in_shell("Authorization:Bearer ", request.token))
    lines += [shlex.quote(f"{name}:{value}") for name, value in request.headers]
    lines += [_pair_in_shell(name, value) for name, value in request.form]
    return " \\\n  ".join(lines)


def python(request: WrittenRequest) -> str:
    """For Python with requests."""
    arguments = [literal(request.method), literal(request.url)]
    if request.basic is not None:
        user, password = request.basic
        arguments.append(f"auth=({literal(quote(user, safe=''))}, quote({_in_python(password)}, safe=''))")
    headers = [f"{literal(name)}: {literal(value)}" for name, value in request.headers]
    if request.token is not None:
        headers.insert(0, f'"Authorization": "Bearer " + {_in_python(request.token)}')
    if headers:
        arguments.append(f"headers={{{', '.join(headers)}}}")
    if request.form:
        members = ", ".join(f"{literal(name)}: {_in_python(value)}" for name, value in request.form)
        arguments.append(f"data={{{members}}}")
    if request.body:
        arguments.append(f"data={literal(request.body)}.encode()")
    joined = ",\n    ".join(arguments)
    used = "os.environ" in joined
    imports = ("import os\n" if used else "") + ("from urllib.parse import quote\n" if request.basic else "")
    start = f"{imports}\nimport requests\n" if imports else "import requests\n"
    return f"{start}\nanswer = requests.request(\n    {joined},\n)\nprint(answer.status_code, answer.text)"


def javascript(request: WrittenRequest) -> str:
    """For JavaScript: Node.js 18 or newer."""
    headers = [f"{literal(name)}: {literal(value)}" for name, value in request.headers]
    if request.token is not None:
        headers.insert(0, f'Authorization: "Bearer " + {_in_javascript(request.token)}')
    if request.basic is not None:
        user, password = request.basic
        joined = f"{literal(quote(user, safe='') + ':')} + encodeURIComponent({_in_javascript(password)})"
        headers.insert(0, f'Authorization: "Basic " + btoa({joined})')
    options = [f"method: {literal(request.method)}"]
    if headers:
        options.append(f"headers: {{ {', '.join(headers)} }}")
    if request.form:
        members = ",\n    ".join(f"{literal(name)}: {_in_javascript(value)}" for name, value in request.form)
        options.append(f"body: new URLSearchParams({{\n    {members},\n  }})")
    if request.body:
        options.append(f"body: {literal(request.body)}")
    joined = ",\n  ".join(options)
    address = literal(request.url)
    return (
        f"const answer = await fetch({address}, {{\n  {joined},\n}});\n"
        "console.log(answer.status, await answer.text());"
    )


_LANGUAGES: Final[Mapping[str, Callable[[WrittenRequest], str]]] = {
    "curl": curl,
    "HTTPie": httpie,
    "Python": python,
    "JavaScript": javascript,
}


def _basic_in_shell(user: str, password: Text) -> str:
    """Both are encoded before they are joined, which the programs do not do."""
    name = shlex.quote(quote(user, safe=""))
    if isinstance(password, Variable):
        return f'{name}:"${password.name}"'
    return f"{name}:{shlex.quote(quote(password, safe=''))}"


def _pair_in_shell(name: str, value: Text) -> str:
    if isinstance(value, Variable):
        return f'{name}="${value.name}"'
    return shlex.quote(f"{name}={value}")


def _bearer_in_shell(start: str, token: Text) -> str:
    return f'"{start}${token.name}"' if isinstance(token, Variable) else shlex.quote(start + token)


def _in_python(text: Text) -> str:
    return f'os.environ["{text.name}"]' if isinstance(text, Variable) else literal(text)


def _in_javascript(text: Text) -> str:
    return f"process.env.{text.name}" if isinstance(text, Variable) else literal(text)
