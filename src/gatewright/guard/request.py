"""What the guard looks at of a request, and the access token in it (RFC 6750, section 2.1)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

Headers: TypeAlias = Iterable[tuple[str | bytes, str | bytes]]


@dataclass(frozen=True, slots=True)
class Request:
    """A request, as little of it as a decision needs; never its body.

    `url` may be absolute or a path. `headers` are (name, value) pairs, each a str or latin-1 bytes, names
    in any case, with repetitions kept. `path_params` are those of the matched route, `route` is its
    template, such as `/blogs/{id}`; None where no route is known. `peer_certificate` is the client's
    certificate in DER.
    """

    method: str
    url: str
    headers: Headers = ()
    path_params: Mapping[str, object] = field(default_factory=dict)
    peer_certificate: bytes | None = None
    route: str | None = None


def header_values(headers: Headers, wanted: str) -> list[str]:
    """The values of all headers of the name `wanted`, which is in lower case, in the order sent.

    Raises:
        TypeError: `headers` are not pairs of str or bytes.
    """
    # A mapping is what a careless caller has; walked as it is, it would give names alone.
    if not isinstance(headers, list | tuple) and isinstance(headers, Mapping):
        headers = tuple(cast("Any", headers).items())
    length = len(wanted)
    values = []
    for name, value in headers:
        # Most names have another length: cheaper to see than to fold their case.
        if len(name) == length and _latin(name).lower() == wanted:
            values.append(_latin(value))
    return values


def bearer_token(value: str) -> str | None:
    """The words after `Bearer`, whatever they are; None when the scheme is another one.

    The scheme is compared without regard to case and ends at the first space (RFC 9110, section 11.4).
    """
    scheme, _, words = value.strip(" ").partition(" ")
    return words.strip(" ") if scheme.lower() == "bearer" else None


def _latin(text: str | bytes) -> str:
    if isinstance(text, str):
        return text
    if isinstance(text, bytes):
        return text.decode("latin-1")
    raise TypeError(f"headers are pairs of str or bytes, not of {type(text).__name__}")
