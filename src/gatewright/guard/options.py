"""What a guard is built with, checked once: a mistake is told when the program starts, not to its callers."""

import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from gatewright.guard.delivery import Reports
from gatewright.guard.fetching import is_loopback
from gatewright.jose import ALGORITHMS

DEFAULT_ALGORITHMS: Final = ("RS256", "PS256", "ES256", "EdDSA")
ISSUER: Final = "GATEWRIGHT_ISSUER"
AUDIENCE: Final = "GATEWRIGHT_AUDIENCE"
ALGORITHMS_ALLOWED: Final = "GATEWRIGHT_ALGORITHMS"
REPORT_CLIENT_ID: Final = "GATEWRIGHT_REPORT_CLIENT_ID"
REPORT_CLIENT_SECRET: Final = "GATEWRIGHT_REPORT_CLIENT_SECRET"  # noqa: S105 - a variable's name


def checked_issuer(issuer: object, *, allow_insecure: bool, what: str = "issuer") -> str:
    """An issuer as tokens spell it.

    Raises:
        TypeError: no string.
        ValueError: no absolute http or https URL, one with a query, fragment or user, or plain http to
            another machine.
    """
    if not isinstance(issuer, str):
        raise TypeError(f"{what} is a URL such as 'https://issuer.example/', not {issuer!r}")
    try:
        parts = urlsplit(issuer)
        host = parts.hostname
    except ValueError as error:
        raise ValueError(f"{what} {issuer!r} is no URL: {error}") from None
    printable = issuer.isascii() and issuer.isprintable() and " " not in issuer
    if parts.scheme not in ("https", "http") or not host or not printable:
        raise ValueError(f"{what} {issuer!r} is no URL such as 'https://issuer.example/'")
    if "?" in issuer or "#" in issuer or "@" in parts.netloc:
        raise ValueError(f"{what} {issuer!r} has a query, a fragment or a user (RFC 8414, section 2)")
    if parts.scheme == "http" and not (allow_insecure or is_loopback(issuer)):
        raise ValueError(
            f"{what} {issuer!r} is plain http to another machine: use https or allow_insecure_issuer=True"
        )
    return issuer


def checked_audience(audience: object) -> tuple[str, ...]:
    """The names under which this API is asked for; at least one.

    Raises:
        TypeError: neither a string nor a collection of strings.
        ValueError: none, or an empty one.
    """
    names = _names(audience, what="audience")
    if not names or not all(names):
        raise ValueError("audience is the identifier of this API, such as 'https://blog-api', and not empty")
    return names


def checked_algorithms(algorithms: object, *, keys_given: bool) -> tuple[str, ...]:
    """The algorithms allowed.

    Raises:
        TypeError: no collection of strings; one string too.
        ValueError: none, an unknown one, or HS* with keys that are published for all to see.
    """
    if isinstance(algorithms, str):
        raise TypeError(f"algorithms is a collection such as ({algorithms!r},), not one string")
    names = _names(algorithms, what="algorithms")
    unknown = [name for name in names if name not in ALGORITHMS]
    if not names or unknown:
        raise ValueError(f"algorithms {names!r}: name some of {', '.join(ALGORITHMS)}")
    if not keys_given and any(name.startswith("HS") for name in names):
        raise ValueError("HS256, HS384 and HS512 need the secret: pass keys=JWKS([JWK.symmetric(...)])")
    return names


def checked_leeway(leeway: object) -> float:
    """Seconds by which clocks may differ.

    Raises:
        TypeError: no number.
        ValueError: negative or not finite.
    """
    if isinstance(leeway, bool) or not isinstance(leeway, int | float):
        raise TypeError(f"leeway is a number of seconds, not {leeway!r}")
    if not math.isfinite(leeway) or leeway < 0:
        raise ValueError(f"leeway is a finite number of seconds from 0 on, not {leeway!r}")
    return float(leeway)


def checked_scope_claim(names: object) -> str | tuple[str, ...] | None:
    """The claim that holds the scopes, or the way to it through nested objects.

    Raises:
        TypeError: neither a string nor a tuple or list of strings.
        ValueError: empty.
    """
    if names is None or (isinstance(names, str) and names):
        return names
    path = _names(names, what="scope_claim")
    if not path or not all(path):
        raise ValueError("scope_claim is the name of a claim, such as 'permissions', and not empty")
    return path


def checked_size(size: object) -> int:
    """How many verified tokens are remembered.

    Raises:
        TypeError: no whole number.
        ValueError: negative.
    """
    if isinstance(size, bool) or not isinstance(size, int):
        raise TypeError(f"cache_size is a whole number, not {size!r}")
    if size < 0:
        raise ValueError(f"cache_size is a number from 0 on, not {size}")
    return size


def made_folder(path: str | Path | None) -> Path | None:
    """The folder of snapshots, made for this user alone if there is none yet.

    Raises:
        TypeError: no path.
        ValueError: it cannot be made, or is no folder.
    """
    if path is None:
        return None
    if not isinstance(path, str | Path):
        raise TypeError(f"snapshot is the path of a folder, not {path!r}")
    folder = Path(path)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"snapshot {str(path)!r} is to be a folder: {error.strerror}") from error
    return folder


def from_environment(
    environ: Mapping[str, str], *, allow_insecure: bool
) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """Issuer, audience and algorithms as the environment gives them.

    Raises:
        ValueError: something is missing or wrong; all of it is told at once.
    """
    faults: list[str] = []
    issuer = environ.get(ISSUER, "").strip()
    audience = tuple(environ.get(AUDIENCE, "").split())
    algorithms = tuple(environ.get(ALGORITHMS_ALLOWED, "").replace(",", " ").split()) or DEFAULT_ALGORITHMS
    if not issuer:
        faults.append(f"set {ISSUER} to the issuer's URL, such as https://issuer.example/")
    else:
        try:
            checked_issuer(issuer, allow_insecure=allow_insecure)
        except ValueError as error:
            faults.append(f"{ISSUER}: {error}")
    if not audience:
        faults.append(f"set {AUDIENCE} to the identifier of this API, such as https://blog-api")
    try:
        checked_algorithms(algorithms, keys_given=False)
    except ValueError as error:
        faults.append(f"{ALGORITHMS_ALLOWED}: {error}")
    if faults:
        raise ValueError("the guard cannot be set up from the environment:\n- " + "\n- ".join(faults))
    return issuer, audience, algorithms


def reports_from(environ: Mapping[str, str]) -> Reports | None:
    """Whether and as whom to report, as the environment says; None where it says nothing.

    Raises:
        ValueError: one of the two is missing.
    """
    client_id, secret = environ.get(REPORT_CLIENT_ID, ""), environ.get(REPORT_CLIENT_SECRET, "")
    if not client_id and not secret:
        return None
    if not client_id or not secret:
        raise ValueError(f"set both {REPORT_CLIENT_ID} and {REPORT_CLIENT_SECRET}, or neither")
    return Reports(client_id=client_id, client_secret=secret)


def _names(value: object, *, what: str) -> tuple[str, ...]:
    names = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, Collection) else None
    if names is None or not all(isinstance(name, str) for name in names):
        raise TypeError(f"{what} is a string or a collection of strings, not {value!r}")
    return names
