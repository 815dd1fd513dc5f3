"""What the deployment decides: read once at start, checked as a whole, never changed while it runs.

What an administrator changes while the server runs (lifetimes, names, options of the tenant) is not
here: it is stored and edited through the Management API.
"""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote, urlsplit

from gatewright.server.errors import SettingsError

PREFIX = "GATEWRIGHT_SERVER_"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
LOOPBACK_NETWORKS = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))
LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("auto", "text", "json")
HIGHEST_PORT = 65535
MOST_WORKERS = 64
LOCAL = "local"

Network: TypeAlias = IPv4Network | IPv6Network


class Secret:
    """A text that never prints itself: not in logs, not in a traceback's locals, not in a dump."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself; call it where it is used, and keep the result nowhere."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(…)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text  # settings are compared in tests only

    def __hash__(self) -> int:
        return hash(self._text)


@dataclass(frozen=True, slots=True)
class Settings:
    """The deployment's decisions; each is also ``GATEWRIGHT_SERVER_<NAME>`` and a name in the TOML file.

    Attributes:
        listen: ``HOST:PORT`` to listen on; ``localhost`` means 127.0.0.1 and ::1.
        issuer: public base URL, ends with ``/``; becomes ``iss`` in each token. Never taken from a request.
        data: folder for the SQLite file, the master key and the command line's credentials.
        database: SQLAlchemy URL; by default a SQLite file in ``data``.
        master_key: seals secrets at rest: 32 bytes in base64url, several separated by commas (the first
            one writes). ``None``: kept in ``data/master.key``.
        workers: processes that serve.
        tls: empty for http, ``local`` for https with a certificate that the server makes itself for
            localhost, or ``CERT,KEY``: the files (PEM) of a certificate chain and its key.
        metrics: ``HOST:PORT`` where counts for Prometheus are told at ``/metrics``; nowhere when empty.
        trusted_proxies: addresses and networks, separated by commas, whose ``X-Forwarded-For`` is believed.
        relay_networks: addresses and networks, separated by commas, where the dashboard's console may call
            APIs beside the public internet; by default loopback while the issuer is on it, else none.
        allow_insecure_issuer: an ``http://`` issuer that is not on loopback is a fault unless this is set.
        seed: a file that ``gatewright serve`` brings in at each start, before it is ready; ``None`` is none.
        log_level: ``debug``, ``info``, ``warning`` or ``error``.
        log_format: ``text`` for people, ``json`` for programs; ``auto`` looks whether a terminal reads.
    """

    listen: str = "localhost:8844"
    issuer: str = ""
    data: Path = Path(".gatewright")
    database: str = ""
    master_key: Secret | None = None
    workers: int = 1
    tls: str = ""
    metrics: str = ""
    trusted_proxies: tuple[Network, ...] = ()
    relay_networks: tuple[Network, ...] = ()
    allow_insecure_issuer: bool = False
    seed: Path | None = None
    log_level: str = "info"
    log_format: str = "auto"

    @classmethod
    def load(cls, environ: Mapping[str, str], file: Path | None = None, **overrides: object) -> "Settings":
        """Reads flags (``overrides``; ``None`` means not given), then environment, then the TOML file.

        Raises:
            SettingsError: naming every fault at once.
            TypeError: an override is no setting.
        """
        if unknown := overrides.keys() - PARSERS.keys():
            raise TypeError(f"no settings: {', '.join(sorted(unknown))}")
        faults: list[str] = []
        given = _from_file(file, faults) | _from_environ(environ, faults)
        given |= {name: value for name, value in overrides.items() if value is not None}
        values = {
            name: value for name, raw in given.items() if (value := _parse(name, raw, faults)) is not None
        }
        settings = _with_defaults(Settings(**values), given, faults)  # type: ignore[arg-type]  # each was parsed
        if faults:
            raise SettingsError(faults)
        return settings

    @property
    def address(self) -> tuple[str, int]:
        """Host and port to listen on."""
        return split_address(self.listen)

    @property
    def metrics_address(self) -> tuple[str, int] | None:
        """Host and port where counts are told, if they are."""
        return split_address(self.metrics) if self.metrics else None

    @property
    def certificate_files(self) -> tuple[Path, Path] | None:
        """Certificate chain and key that the operator brought; none with ``local`` and with http."""
        certificate, comma, key = self.tls.partition(",")
        return (Path(certificate), Path(key)) if comma else None

    @property
    def management_audience(self) -> str:
        """The identifier of the system API; derived, so that a new issuer just works."""
        return self.issuer + "api/v2/"

    @property
    def tenant(self) -> str:
        """The tenant's name as Auth0 writes it: the first label of the issuer's host."""
        return (urlsplit(self.issuer).hostname or "localhost").split(".")[0]


def split_address(text: str) -> tuple[str, int]:
    """``HOST:PORT`` or ``[IPV6]:PORT`` in two parts.

    Raises:
        ValueError: when there is no port between 1 and 65535.
    """
    host, separator, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (separator and host and port.isascii() and port.isdigit() and 0 < int(port) <= HIGHEST_PORT):
        raise ValueError(f"{text!r} is not HOST:PORT")
    return host, int(port)


def _from_environ(environ: Mapping[str, str], faults: list[str]) -> dict[str, object]:
    given: dict[str, object] = {}
    for variable, value in environ.items():
        if not variable.startswith(PREFIX):
            continue
        name = variable.removeprefix(PREFIX).lower()
        if name in PARSERS:
            given[name] = value
        else:
            faults.append(f"{variable} is no setting; the settings are: {', '.join(sorted(PARSERS))}")
    return given


def _from_file(file: Path | None, faults: list[str]) -> dict[str, object]:
    if file is None:
        return {}
    try:
        members = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        faults.append(f"{file} cannot be read: {error}")
        return {}
    faults += [f"{name} in {file} is no setting" for name in members if name not in PARSERS]
    return {name: value for name, value in members.items() if name in PARSERS}


def _parse(name: str, raw: object, faults: list[str]) -> object | None:
    try:
        return PARSERS[name](raw)
    except (ValueError, TypeError) as error:
        faults.append(f"{name}: {error}")
        return None


def _with_defaults(settings: Settings, given: Mapping[str, object], faults: list[str]) -> Settings:
    """Fills in what follows from other settings; what was given and is wrong is no second fault here."""
    if "issuer" not in given:
        settings = replace(settings, issuer=_local_issuer(settings, faults))
    if "database" not in given:
        path = quote(str(settings.data.absolute() / "gatewright.db"))
        settings = replace(settings, database=f"sqlite:///{path}")
    url = urlsplit(settings.issuer)
    if "relay_networks" not in given and url.hostname in LOOPBACK:
        settings = replace(settings, relay_networks=LOOPBACK_NETWORKS)
    if url.scheme == "http" and url.hostname not in LOOPBACK and not settings.allow_insecure_issuer:
        faults.append(
            f"issuer: {settings.issuer} is not https; tokens and secrets would travel in clear. "
            "Set allow_insecure_issuer to accept that"
        )
    if settings.tls and settings.issuer.startswith("http:"):
        faults.append(f"issuer: {settings.issuer} is http, and tls makes the server speak https")
    if settings.tls == LOCAL and settings.issuer and url.hostname not in LOOPBACK:
        faults.append(
            f"tls: a local certificate is for localhost, not for {url.hostname}: "
            "bring one of your own with --tls CERT,KEY"
        )
    return settings


def _local_issuer(settings: Settings, faults: list[str]) -> str:
    host, port = settings.address
    if host in LOOPBACK:
        scheme = "https" if settings.tls else "http"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}/"
    faults.append(
        f"issuer: listening on {host} needs the public URL of this server, for example "
        "--issuer https://auth.example.com/"
    )
    return ""


def _text(raw: object) -> str:
    if not isinstance(raw, str) or not raw:
        raise ValueError("a text is wanted")
    return raw


def _issuer(raw: object) -> str:
    issuer = _text(raw)
    url = urlsplit(issuer)
    printable = issuer.isascii() and issuer.isprintable() and " " not in issuer
    if url.scheme not in {"https", "http"} or not url.hostname or not printable:
        raise ValueError(f"{issuer!r} is no http(s) URL")
    if "?" in issuer or "#" in issuer or "@" in url.netloc:
        raise ValueError(f"{issuer!r} has a query, a fragment or a user")
    if not issuer.endswith("/"):
        raise ValueError(f"the issuer ends with '/': write {issuer}/")
    _ = url.port  # a ValueError when it is none
    return issuer


def _listen(raw: object) -> str:
    split_address(_text(raw))
    return _text(raw)


def _database(raw: object) -> str:
    url = _text(raw)
    if not url.startswith("sqlite:///"):
        raise ValueError(
            "only sqlite:///PATH works in this version; PostgreSQL is on the way (see CHANGELOG.md)"
        )
    path = url.removeprefix("sqlite:///")
    if not path or path == ":memory:" or "?" in path:
        raise ValueError("sqlite:///PATH wants the path of a file, and takes no options")
    return url


def _workers(raw: object) -> int:
    text = str(raw)
    count = int(text) if text.isascii() and text.isdigit() else 0
    if not 1 <= count <= MOST_WORKERS:
        raise ValueError(f"a number from 1 to {MOST_WORKERS} is wanted, not {raw!r}")
    return count


def _tls(raw: object) -> str:
    if raw in ("", LOCAL):
        return str(raw)
    files = _text(raw).split(",")
    if len(files) != 2 or not all(files):  # noqa: PLR2004 - a pair
        raise ValueError(f"{LOCAL} or CERT,KEY is wanted, not {raw!r}")
    for file in files:
        if not Path(file).is_file():
            raise ValueError(f"{file} is no file")
    return ",".join(str(Path(file).absolute()) for file in files)


def _file(raw: object) -> Path:
    file = raw if isinstance(raw, Path) else Path(_text(raw))
    if not file.is_file():
        raise ValueError(f"{file} is no file")
    return file


def _networks(raw: object) -> tuple[Network, ...]:
    words: object = raw.replace(",", " ").split() if isinstance(raw, str) else raw
    if not isinstance(words, list | tuple):
        raise TypeError("addresses and networks are wanted, separated by commas")
    return tuple(ip_network(word) for word in words)


def _switch(raw: object) -> bool:
    if isinstance(raw, bool):
        return raw
    known = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    if not isinstance(raw, str) or raw.lower() not in known:
        raise ValueError(f"true or false is wanted, not {raw!r}")
    return known[raw.lower()]


def _one_of(*choices: str) -> Callable[[object], str]:
    def parse(raw: object) -> str:
        if raw not in choices:
            raise ValueError(f"one of {', '.join(choices)} is wanted, not {raw!r}")
        return str(raw)

    return parse


PARSERS: dict[str, Callable[[object], object]] = {
    "listen": _listen,
    "issuer": _issuer,
    "data": lambda raw: raw if isinstance(raw, Path) else Path(_text(raw)),
    "database": _database,
    "master_key": lambda raw: raw if isinstance(raw, Secret) else Secret(_text(raw)),
    "workers": _workers,
    "tls": _tls,
    "metrics": lambda raw: raw if raw == "" else _listen(raw),
    "trusted_proxies": _networks,
    "relay_networks": _networks,
    "allow_insecure_issuer": _switch,
    "seed": _file,
    "log_level": _one_of(*LOG_LEVELS),
    "log_format": _one_of(*LOG_FORMATS),
}
