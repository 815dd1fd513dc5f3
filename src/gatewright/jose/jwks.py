"""JSON Web Key sets (RFC 7517, section 5): which key a token names. Nothing here fetches them."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from gatewright.jose import material
from gatewright.jose.encoding import parse_json, shown
from gatewright.jose.errors import InvalidKey, MalformedToken, UnknownKey
from gatewright.jose.jwk import JWK

MAX_JWKS_BYTES: Final = 512 * 1024
MAX_JWKS_KEYS: Final = 100


@dataclass(frozen=True, slots=True, eq=False, init=False)
class JWKS:
    """A set of keys to verify with. Symmetric and asymmetric keys never share a set.

    `skipped` tells, a line each, which members of a parsed set are not used and why.

    Raises:
        InvalidKey: symmetric and asymmetric keys mixed.
    """

    keys: tuple[JWK, ...]
    skipped: tuple[str, ...]
    # (kid, alg) and (None, alg) to the one key that fits, None where several do.
    _fitting: Mapping[tuple[str | None, str], JWK | None] = field(repr=False)

    def __init__(self, keys: Iterable[JWK], *, skipped: Iterable[str] = ()) -> None:
        known = tuple(keys)
        if len({key.kty == "oct" for key in known}) > 1:
            raise InvalidKey("symmetric and asymmetric keys in one set")
        fitting = _index(known)
        ambiguous = (
            f"kid {shown(kid)}: several keys for {alg}"
            for (kid, alg), key in fitting.items()
            if key is None and kid is not None
        )
        object.__setattr__(self, "keys", known)
        object.__setattr__(self, "skipped", (*skipped, *ambiguous))
        object.__setattr__(self, "_fitting", fitting)

    @staticmethod
    def parse(
        document: bytes | str | Mapping[str, object],
        *,
        public_only: bool = False,
        max_bytes: int = MAX_JWKS_BYTES,
        max_keys: int = MAX_JWKS_KEYS,
    ) -> "JWKS":
        """The keys of a JWK set (RFC 7517, section 5), as a document or as its members.

        With `public_only`, meant for sets that were fetched, a member that is symmetric, private or
        unusable is skipped and the others are kept. Without, it makes the whole set invalid.

        Raises:
            InvalidKey: no JWK set, larger than `max_bytes`, more than `max_keys` members, or (without
                `public_only`) a member that must not be used or a mix of symmetric and asymmetric keys.
        """
        members = _set_members(document, max_bytes)
        entries = members.get("keys")
        if not isinstance(entries, list):
            raise InvalidKey("a JWK set is a JSON object with a list of keys")
        if len(entries) > max_keys:
            raise InvalidKey(f"a JWK set of {len(entries)} keys, at most {max_keys} are taken")
        if not public_only:
            return JWKS(JWK.parse(entry) for entry in entries)
        return _public_set(entries)

    def select(self, *, kid: str | None, alg: str) -> JWK:
        """The one key for a token with this `kid` and `alg`; without a `kid`, the only one that fits.

        Raises:
            UnknownKey: no key fits, or several different ones do.
        """
        key = self._fitting.get((kid, alg))
        if key is None:
            raise UnknownKey("no key of the set fits the token, or several do")
        return key

    def to_dict(self) -> dict[str, object]:
        """The set as it may be published: public members only.

        Raises:
            ValueError: the set holds symmetric keys.
        """
        return {"keys": [key.to_dict() for key in self.keys]}


def _index(keys: Iterable[JWK]) -> dict[tuple[str | None, str], JWK | None]:
    fitting: dict[tuple[str | None, str], JWK | None] = {}
    prints: dict[tuple[str | None, str], str] = {}
    for key in keys:
        thumbprint = key.thumbprint()
        names = {key.kid, None} if key.can_verify else set()
        for place in ((kid, alg) for kid in names for alg in key.algorithms):
            # One key listed twice is not ambiguous.
            if prints.setdefault(place, thumbprint) == thumbprint:
                fitting.setdefault(place, key)
            else:
                fitting[place] = None
    return fitting


def _public_set(entries: Collection[object]) -> JWKS:
    keys, skipped = [], []
    for position, entry in enumerate(entries):
        try:
            keys.append(_parse_public(entry))
        except InvalidKey as error:
            kid = entry.get("kid") if isinstance(entry, Mapping) else None
            named = f" (kid {shown(kid)})" if isinstance(kid, str) else ""
            skipped.append(f"key {position}{named}: {error}")
    return JWKS(keys, skipped=skipped)


def _parse_public(entry: object) -> JWK:
    if not isinstance(entry, Mapping):
        raise InvalidKey("a JWK is a JSON object")
    if entry.get("kty") == "oct":
        raise InvalidKey("a symmetric key in a public set")
    if not material.PRIVATE_MEMBERS.isdisjoint(entry):
        raise InvalidKey("private members in a public set")
    return JWK.parse(entry)


def _set_members(document: bytes | str | Mapping[str, object], max_bytes: int) -> Mapping[str, object]:
    if isinstance(document, Mapping):
        return document
    if len(document) > max_bytes:
        raise InvalidKey(f"a JWK set larger than {max_bytes} bytes")
    try:
        members = parse_json(document if isinstance(document, bytes) else document.encode("utf-8"))
    except MalformedToken as error:
        raise InvalidKey(f"the JWK set is not sound JSON: {error}") from None
    except UnicodeEncodeError:
        raise InvalidKey("the JWK set is not sound JSON: half of a surrogate pair") from None
    if not isinstance(members, dict):
        raise InvalidKey("a JWK set is a JSON object with a list of keys")
    return members
