"""A real authorization server for a test: its own port, keys, database and folder, gone when it stops.

It is the server that `gatewright serve` runs, in this process. What a test needs to say is one call each;
what a test wants to go wrong is in `faults`, in front of the server and not in it.
"""

import contextlib
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote, urlencode

from gatewright.guard import Guard
from gatewright.guard.fetching import Answer
from gatewright.testing.clocks import ServerClock
from gatewright.testing.faults import Asgi, Faults
from gatewright.testing.issuer import trusting
from gatewright.testing.management import ManagementApi, Refused, parsed
from gatewright.testing.starting import installed, start

_MACHINE: Final = {"app_type": "non_interactive", "grant_types": ["client_credentials"]}
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}
_FINE: Final = 200


@dataclass(frozen=True, slots=True)
class Application:
    """An application of the server: what it needs to ask for tokens."""

    client_id: str
    client_secret: str = field(repr=False)


def server(
    *,
    seed: str | Path | Mapping[str, object] | None = None,
    port: int | None = 0,
    issuer: str | None = None,
    frozen: bool = False,
) -> "ThrowawayServer":
    """Start a server; it answers when this returns. Use it in a `with`, or call `stop()`.

    Args:
        seed: a file as `gatewright import` takes it, or its content, brought in before this returns.
        port: of 127.0.0.1; 0 is a free one. None opens no port: requests are then made in this process, by a
            guard with `fetch=server.fetch`, or by an ASGI client on `server.asgi`.
        issuer: what `iss` says; else `http://127.0.0.1:PORT/`, or without a port `https://server.test/`.
        frozen: whether `server.clock` stands still from the start.

    Raises:
        ImportError: the server is not installed; the message says what to install.
        ValueError: the seed or the issuer is not usable.
        OSError: the port is taken.
    """
    return ThrowawayServer(seed=seed, port=port, issuer=issuer, frozen=frozen)


class ThrowawayServer:
    """A running server; made by `server`.

    Attributes:
        issuer: what `iss` says and a guard trusts; ends with a slash.
        url: where requests go; the same as `issuer`, unless that was chosen.
        clock: the server's time, which a guard in this process can share: `Guard(..., now=server.clock)`.
        faults: what goes wrong, nothing at first.
        management: the Management API, with every scope.
        asgi: the whole server as an ASGI application, faults included.
    """

    def __init__(
        self,
        *,
        seed: str | Path | Mapping[str, object] | None = None,
        port: int | None = 0,
        issuer: str | None = None,
        frozen: bool = False,
    ) -> None:
        self.clock = ServerClock()
        if frozen:
            self.clock.freeze()
        self.faults = Faults()
        self._stopping = threading.Lock()
        with contextlib.ExitStack() as parts:
            started = start(parts, port=port, issuer=issuer, faults=self.faults, now=self.clock)
            self.issuer = started.issuer
            self.url = started.url
            self.asgi: Asgi = self.faults
            self._started = started
            self.management = ManagementApi(started.managing())
            if seed is not None:
                self.seed(seed)
            self._parts = parts.pop_all()

    def stop(self) -> None:
        """End the server and remove its folder; may be called twice."""
        with self._stopping:
            self._parts.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def api(
        self, identifier: str, *, scopes: Sequence[str] | None = None, **members: object
    ) -> dict[str, Any]:
        """The API with this identifier (the audience of its tokens), made unless it is there, and as said.

        `scopes` are all that it defines; None leaves those it has. Other members are the Management API's:
        `token_lifetime=60`, `signing_alg="ES256"`. Answers the record.

        Raises:
            ValueError: the server does not take it.
        """
        wanted = {"identifier": identifier, **members}
        if scopes is not None:
            wanted["scopes"] = [{"value": scope} for scope in scopes]
        self.seed({"resourceServers": [wanted]})
        record: dict[str, Any] = self.management.get(f"resource-servers/{quote(identifier, safe='')}")
        return record

    def app(
        self, name: str, *, grants: Mapping[str, Sequence[str]] | None = None, **members: object
    ) -> Application:
        """The application of this name, made unless it is there, and as said.

        `grants` has for each audience the scopes that it may have there; audiences not named stay as they
        are. Other members are the Management API's; a new one may be given its `client_id` and
        `client_secret`.

        Raises:
            ValueError: the server does not take it; an audience is no API, or does not define a scope.
        """
        known = self._client(name)
        client = {"name": name, **({} if known else _MACHINE), **members}
        granted = [
            {"client_id": name, "audience": audience, "scope": list(scopes)}
            for audience, scopes in (grants or {}).items()
        ]
        self.seed({"clients": [client], "clientGrants": granted})
        made = self._client(name)
        assert made is not None  # noqa: S101 - it has just been made
        return Application(made["client_id"], made.get("client_secret", ""))

    def token(self, app: Application, audience: str, scope: str | None = None) -> str:
        """An access token from the token endpoint, by client credentials, faults and all.

        `scope` is a list parted by spaces; without it the token has all that is granted.

        Raises:
            Refused: by the server; `status` and `body` tell.
            ConnectionError: nobody answered.
        """
        form = {
            "grant_type": "client_credentials",
            "client_id": app.client_id,
            "client_secret": app.client_secret,
            "audience": audience,
            **({} if scope is None else {"scope": scope}),
        }
        answer = self._started.ask(
            "POST", f"{self.url}oauth/token", headers=_FORM, body=urlencode(form).encode()
        )
        body = parsed(answer)
        if answer.status != _FINE:
            raise Refused("POST /oauth/token", answer.status, body)
        token: str = body["access_token"]
        return token

    def bearer(self, app: Application, audience: str, scope: str | None = None) -> dict[str, str]:
        """Headers with such a token."""
        return {"Authorization": f"Bearer {self.token(app, audience, scope)}"}

    def seed(self, tenant: str | Path | Mapping[str, object]) -> None:
        """Bring the tenant to what a file says, or the content of one; what it does not name stays.

        Raises:
            ValueError: it is none, or the server refuses something in it.
            TypeError: it has values that JSON has not.
            ImportError: a file needs PyYAML, which is not installed.
        """
        from gatewright.cli.failures import Failure  # noqa: PLC0415 - only those who have a server
        from gatewright.cli.tenant_changes import changes, scopes_for  # noqa: PLC0415 - likewise
        from gatewright.cli.tenant_file import checked, read_file  # noqa: PLC0415 - likewise

        try:
            if isinstance(tenant, Mapping):
                document = checked(json.loads(json.dumps(dict(tenant))), "The seed")
            else:
                with installed("cli"):
                    document = read_file(Path(tenant))
            for _ in changes(self._started.managing(*scopes_for(document)), document):
                pass  # each is done when the next is asked for
        except Failure as failure:
            raise ValueError(" ".join([failure.message, *failure.steps])) from failure

    def rotate_keys(self) -> None:
        """The next key signs from now on, a fresh one is announced; tokens of the key before stay valid."""
        self.management.post("keys/signing/rotate")

    def revoke_old_keys(self) -> None:
        """End every key that signed before a rotation; guards learn of it when they next ask for the keys."""
        for key in self.management.get("keys/signing"):
            if key.get("previous") and not key.get("revoked"):
                self.management.put(f"keys/signing/{key['kid']}/revoke")

    def fetch(self, url: str) -> Answer:
        """What the server publishes at `url`: a guard's `fetch`.

        Raises:
            OSError: nobody answered.
        """
        answer = self._started.ask("GET", self.url + url.removeprefix(self.issuer))
        return answer.status, answer.headers, answer.body

    @contextlib.contextmanager
    def trusted_by(self, guard: Guard) -> Iterator["ThrowawayServer"]:
        """Let `guard` trust this server, and it only, and live by its clock; its audience and rules stay."""
        with trusting(guard, self.issuer, fetch=self.fetch, now=self.clock, otherwise="RS256"):
            yield self

    def _client(self, name: str) -> dict[str, Any] | None:
        """The newest application of this name, its secret included."""
        named = [each for each in self._started.managing().all("clients") if each["name"] == name]
        return named[-1] if named else None
