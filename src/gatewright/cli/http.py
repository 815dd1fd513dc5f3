"""HTTP for the command line: one request, one answer, whatever its status.

Redirects are not followed, so that no token travels further than it was sent. Certificates are checked
against the system's, or against SSL_CERT_FILE; our own server's against the authority it has made.
Loopback addresses are reached directly, others through the proxy of the environment.
"""

import http.client
import ipaddress
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import IO, Protocol
from urllib.parse import urlsplit

from gatewright._version import __version__

TIMEOUT = 15.0
LARGEST_ANSWER = 16 * 1024 * 1024
_REFUSED_FROM = 400


class Unreachable(Exception):
    """Nothing answers; the message says why, in a few words."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. Header names are in lower case; repeated ones are joined by a comma."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def phrase(self) -> str:
        """The status in words."""
        try:
            return HTTPStatus(self.status).phrase
        except ValueError:
            return ""

    @property
    def text(self) -> str:
        """The body as text, whatever its bytes are."""
        return self.body.decode("utf-8", "replace")

    @property
    def is_refusal(self) -> bool:
        """Whether the status is 4xx or 5xx."""
        return self.status >= _REFUSED_FROM


class Send(Protocol):
    """`send`, or what does the same in another way."""

    def __call__(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout: float = TIMEOUT,
        ca_file: str | None = None,
    ) -> Answer:
        """One answer to one request."""


def send(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    timeout: float = TIMEOUT,
    ca_file: str | None = None,
) -> Answer:
    """Sends one request; `ca_file` has the only certificates that are believed, in place of the system's.

    Raises:
        Unreachable: no answer came, or one larger than 16 MiB; or `ca_file` cannot be used.
        ValueError: the URL is no http or https URL.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"{url!r} is no http or https URL")
    request = urllib.request.Request(url, data=body, method=method)  # noqa: S310 - checked above
    for name, value in {"User-Agent": f"gatewright/{__version__}", **(headers or {})}.items():
        request.add_header(name, value)
    try:
        with _opener(parts.hostname, ca_file).open(request, timeout=timeout) as response:
            return _answer(response)
    except urllib.error.HTTPError as error:
        with error:
            return _answer(error)
    except urllib.error.URLError as error:
        raise Unreachable(_reason(error.reason)) from error
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(_reason(error)) from error


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self,
        req: urllib.request.Request,  # noqa: ARG002 - likewise
        fp: IO[bytes],  # noqa: ARG002
        code: int,  # noqa: ARG002
        msg: str,  # noqa: ARG002
        headers: http.client.HTTPMessage,  # noqa: ARG002
        newurl: str,  # noqa: ARG002
    ) -> None:
        return None


def _opener(host: str, ca_file: str | None) -> urllib.request.OpenerDirector:
    handlers: list[urllib.request.BaseHandler] = [_NoRedirect()]
    if ca_file is not None:
        context = ssl.create_default_context(cafile=ca_file)
        handlers.append(urllib.request.HTTPSHandler(context=context))
    if is_loopback(host):
        handlers.append(urllib.request.ProxyHandler({}))
    return urllib.request.build_opener(*handlers)


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _answer(response: http.client.HTTPResponse | urllib.error.HTTPError) -> Answer:
    body = response.read(LARGEST_ANSWER + 1)
    if len(body) > LARGEST_ANSWER:
        raise Unreachable("the answer is larger than 16 MiB")
    headers: dict[str, str] = {}
    for name, value in response.headers.items():
        key = name.lower()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    return Answer(int(response.status or 0), headers, body)


def _reason(error: BaseException | str) -> str:
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error) or type(error).__name__
