"""How a guard reaches its issuers by the standard library: certificates, proxy, headers, time.

`HttpFetch` is what users configure and hand over as `fetch=`; the request itself, with its limits, is in
`gatewright.guard.fetching`.
"""

import base64
import math
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import NoReturn
from urllib.parse import unquote, urlsplit

from gatewright.guard.fetching import TIMEOUT, Answer, exchange


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpFetch:
    """A `fetch` that is configured and not written: `Guard(..., fetch=HttpFetch(ca_file="ca.pem"))`.

    Redirects are not followed, at most 512 KiB are read, and the loopback is asked without the
    environment's proxy, as always.

    Args:
        timeout: seconds for everything that one refresh of the keys takes.
        ca_file: certificates (PEM) of the authorities that are believed, in place of the system's.
        proxy: an HTTP proxy such as `http://proxy.example:3128`, user and password allowed, for every
            request; the empty string for none; None for what the environment says.
        headers: sent with every request, also to the host that the issuer names in its `jwks_uri`.
        client_certificate: the files (PEM) of a certificate chain and its key, for issuers that ask for
            one; the key is not encrypted.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: an argument cannot be right, or a file does not hold what it should.
        FileNotFoundError: a file is not there. Other `OSError`s: it cannot be read.
    """

    timeout: float = TIMEOUT
    ca_file: str | Path | None = None
    proxy: str | None = field(default=None, repr=False)  # it may hold a password
    headers: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    client_certificate: tuple[str | Path, str | Path] | None = None
    _context: ssl.SSLContext = field(init=False, repr=False, compare=False)
    _by: str | None = field(init=False, repr=False, compare=False)
    _to_proxy: Mapping[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by, to_proxy = _proxy(self.proxy)
        checked: dict[str, object] = {
            "timeout": _seconds(self.timeout),
            "headers": _headers(self.headers),
            "_context": _context(self.ca_file, self.client_certificate),
            "_by": by,
            "_to_proxy": to_proxy,
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    def __call__(
        self,
        url: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Answer:
        """Status, headers and body at `url`; by POST when `body` is given, a form unless `headers` say else.

        `headers` stand over those of the object. `timeout` can only shorten the time.

        Raises:
            OSError: no http or https URL, no answer, a broken one, or none in time.
        """
        return exchange(
            url,
            timeout=self.timeout if timeout is None else min(self.timeout, timeout),
            body=body,
            headers={**self.headers, **(headers or {}), **self._to_proxy},
            context=self._context,
            proxy=self._by,
        )


def _seconds(timeout: object) -> float:
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):
        raise TypeError(f"timeout is a number of seconds, not {timeout!r}")
    if not math.isfinite(timeout) or timeout <= 0:
        raise ValueError(f"timeout is a finite number of seconds above 0, not {timeout!r}")
    return float(timeout)


def _headers(headers: object) -> Mapping[str, str]:
    # No value is repeated in a message: it may be a secret.
    if not isinstance(headers, Mapping):
        raise TypeError("headers is a mapping of names to values, both strings")
    for name, value in headers.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError("headers is a mapping of names to values, both strings")
        if not name.isascii() or not name.replace("-", "").replace("_", "").isalnum():
            raise ValueError(f"{name!r} is no name of a header")
        if not value.isascii() or not value.isprintable():
            raise ValueError(f"the value of the header {name} is not printable ASCII")
    return MappingProxyType(dict(headers))


def _proxy(proxy: object) -> tuple[str | None, Mapping[str, str]]:
    """Host and port of the proxy, and what it is sent to know us by."""
    if proxy is None or proxy == "":
        return (None if proxy is None else ""), {}
    if not isinstance(proxy, str):
        raise TypeError("proxy is a URL such as 'http://proxy.example:3128'")
    fault = "proxy is no URL such as 'http://proxy.example:3128'"
    try:
        parts = urlsplit(proxy)
        port = parts.port
    except ValueError:
        raise ValueError(fault) from None
    printable = proxy.isascii() and proxy.isprintable() and " " not in proxy
    if parts.scheme != "http" or not parts.hostname or not printable or parts.path not in ("", "/"):
        raise ValueError(fault)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    by = host if port is None else f"{host}:{port}"
    if parts.username is None:
        return by, {}
    named = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return by, {"Proxy-Authorization": "Basic " + base64.b64encode(named.encode()).decode("ascii")}


def _context(
    ca_file: str | Path | None, client_certificate: tuple[str | Path, str | Path] | None
) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except ssl.SSLError as error:
        raise ValueError(f"ca_file {str(ca_file)!r} holds no certificates (PEM): {error.reason}") from None
    except FileNotFoundError:
        raise FileNotFoundError(f"ca_file {str(ca_file)!r} is not there") from None
    if client_certificate is None:
        return context
    given: object = client_certificate
    if not isinstance(given, tuple) or len(given) != 2:  # noqa: PLR2004 - a pair
        raise TypeError("client_certificate is a pair: the file of the certificate and that of its key")
    try:
        # Without a password to give, OpenSSL would ask the terminal.
        context.load_cert_chain(*client_certificate, password=_no_password)
    except ssl.SSLError as error:
        raise ValueError(f"client_certificate: no certificate (PEM) and its key: {error.reason}") from None
    except FileNotFoundError:
        missing = " or ".join(repr(str(each)) for each in client_certificate)
        raise FileNotFoundError(f"client_certificate: {missing} is not there") from None
    return context


def _no_password() -> NoReturn:
    raise ValueError("client_certificate: the key is encrypted")
