"""A client and what it proves with who it is, as records: no input or output, nothing of HTTP or SQL."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, cast

from gatewright.jose import JWK, InvalidKey

Document = Mapping[str, object]

# What Auth0 takes for client assertions, and so what a public key may be registered for.
ASSERTION_ALGORITHMS: Final = ("RS256", "RS384", "PS256")


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """One secret of a client, made at ``created_at`` (seconds since 1970), where that is known."""

    id: str
    value: str = field(repr=False)
    created_at: float | None = None


@dataclass(frozen=True, slots=True)
class Client:
    """An application; ``secrets`` are all that are valid now, the newest first: that one is shown."""

    client_id: str
    document: Document
    secrets: tuple[ClientSecret, ...] = field(default=(), repr=False)

    @property
    def name(self) -> str:
        """What people call it."""
        return cast("str", self.document.get("name", ""))

    @property
    def grant_types(self) -> tuple[str, ...]:
        """The ways it may ask for a token."""
        return tuple(cast("list[str]", self.document.get("grant_types") or []))

    @property
    def has_authentication_methods(self) -> bool:
        """Whether keys or certificates authenticate it, and so no secret."""
        return self.document.get("client_authentication_methods") is not None

    @property
    def uses_secret(self) -> bool:
        """Whether a client secret authenticates it (else it is public, or has keys or certificates)."""
        return (
            not self.has_authentication_methods and self.document.get("token_endpoint_auth_method") != "none"
        )

    def without_credential(self, id_: str) -> "Client":
        """This client after a credential was removed; a method stays, even when none is left for it."""
        kept = {
            name: {**method, "credentials": [each for each in _listed(method) if each["id"] != id_]}
            for name, method in self._methods.items()
        }
        if kept == self._methods:
            return self
        return replace(self, document={**self.document, "client_authentication_methods": kept})

    @property
    def assertion_key_ids(self) -> tuple[str, ...]:
        """The credentials whose keys may sign its assertions (``private_key_jwt``)."""
        return tuple(member["id"] for member in _listed(self._methods.get("private_key_jwt", {})))

    @property
    def _methods(self) -> Mapping[str, Document]:
        return cast("Mapping[str, Document]", self.document.get("client_authentication_methods") or {})


@dataclass(frozen=True, slots=True)
class ClientCredential:
    """A key or certificate of a client; only the public half is ever here.

    ``key`` is there for public keys that may be used; certificates are kept by thumbprint and name.
    """

    id: str
    client_id: str
    document: Document
    key: JWK | None = field(default=None, compare=False)

    @classmethod
    def of(cls, id_: str, client_id: str, document: Document) -> "ClientCredential":
        """The record of a document, its key read."""
        return cls(id_, client_id, document, _key(document))

    @property
    def type(self) -> str:
        """``public_key``, ``x509_cert`` or ``cert_subject_dn``."""
        return cast("str", self.document["credential_type"])

    @property
    def expires_at(self) -> float | None:
        """When it ends, in seconds since 1970; ``None`` is never."""
        return cast("float | None", self.document.get("expires_at"))

    def has_expired(self, now: float) -> bool:
        """Whether it must not be used any more."""
        return self.expires_at is not None and now >= self.expires_at


def _key(document: Document) -> JWK | None:
    jwk = cast("Document | None", document.get("jwk"))
    if jwk is None:
        return None
    try:
        return JWK.parse({**jwk, "alg": document["alg"], "kid": document["kid"]})
    except InvalidKey:
        return None  # good once, and refused by rules that have become stricter: it proves nothing now


def _listed(method: Document) -> list[dict[str, str]]:
    return cast("list[dict[str, str]]", method.get("credentials") or [])
