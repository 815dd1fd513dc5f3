"""What an issuer has told of tokens that it revoked before their end: read strictly, asked in no time.

A page of the feed is a JWT of its own type, `revocations+jwt`, with `iss`, `iat`, `exp`, `rev` (the revision
that it brings up to), `since` (the one that it goes on from), `more` (whether another page follows) and
`revocations`. Each of these is about a `jti`, or a `kid`, or a `client_id`, alone or with an `aud`. Tokens
of a client are meant that were issued at `before` or earlier. `exp` is when no such token can be alive,
`undone` that it was taken back.

Tokens are known by what they say and never by their text, of which one signature allows several. A page
that is not understood, in part or as a whole, is not used, and nothing is forgotten because of it.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias, cast

from gatewright.guard.errors import InvalidToken, Unavailable
from gatewright.guard.token import AccessToken
from gatewright.guard.verdicts import logger
from gatewright.guard.waiting import Script, asked

RevokedHook: TypeAlias = Callable[[AccessToken], "bool | Awaitable[bool]"]

FEED_TYPE: Final = "revocations+jwt"

_Subject: TypeAlias = tuple[str | None, ...]

_WORDS: Final[Mapping[str, str]] = {
    "jti": "the token with the jti {0!a} was revoked",
    "client": "the tokens of the client {0!a} were revoked",
    "grant": "the tokens of the client {0!a} for {1!a} were revoked",
}


class BadFeed(Exception):
    """A page that is not what an issuer's feed has to be now."""


@dataclass(frozen=True, slots=True)
class FeedHealth:
    """How one issuer's revocation feed is doing, for readiness and metrics.

    Attributes:
        revision: what was revoked is known up to here; 0 before the first good answer.
        entries: how many revocations are known that can still matter.
        fetched_at: when the last good answer was asked for, seconds since 1970; None before the first.
        age: seconds since then.
        failures: how many attempts failed since the last good answer.
        last_failure: what the last of them was; None after a good answer.
        stale: what is revoked now may not be known: tokens are decided about as if there were no feed,
            but for what was revoked before.
    """

    revision: int
    entries: int
    fetched_at: float | None
    age: float | None
    failures: int
    last_failure: str | None
    stale: bool


@dataclass(frozen=True, slots=True)
class Revocation:
    """One entry; `subject` is what it is about, times are seconds since 1970."""

    subject: _Subject
    before: float | None
    ends_at: float
    undone: bool

    def covers(self, token: AccessToken) -> bool:
        """Whether a token of the subject is meant; one that does not say when it was issued is."""
        return self.before is None or token.issued_at is None or token.issued_at <= self.before


@dataclass(frozen=True, slots=True)
class Page:
    """One answer of a feed, its signature, type, issuer and times already judged."""

    since: int
    revision: int
    more: bool
    expires_at: float
    revocations: tuple[Revocation, ...]


class KnownRevocations:
    """All that is known of one issuer. Read by many threads, told by one; no lock, as each step is atomic."""

    def __init__(self) -> None:
        self.revision = 0
        self._by_subject: dict[_Subject, Revocation] = {}

    def __len__(self) -> int:
        return len(self._by_subject)

    def learn(self, page: Page, now: float) -> None:
        """Add what a page tells.

        Raises:
            BadFeed: it is older than what is known, or does not go on from there: a replay, or a gap.
        """
        if page.revision < self.revision:
            raise BadFeed(f"revision {page.revision} is older than {self.revision}, which is known")
        if page.since > self.revision:
            raise BadFeed(f"it goes on from revision {page.since}, and {self.revision} is known")
        if page.more and page.revision == self.revision:
            raise BadFeed("it promises more and does not go on")
        for each in page.revocations:
            if each.undone or each.ends_at <= now:
                self._by_subject.pop(each.subject, None)
            else:
                self._by_subject[each.subject] = each
        self.revision = page.revision

    def forget_ended(self, now: float) -> None:
        """Drop what no living token can be meant by."""
        for subject, each in tuple(self._by_subject.items()):
            if each.ends_at <= now:
                self._by_subject.pop(subject, None)

    def has_key(self, kid: str | None) -> bool:
        """Whether the key with this name was revoked."""
        return kid is not None and ("kid", kid) in self._by_subject

    def tells(self, token: AccessToken, kid: str | None) -> str | None:
        """By what a token that the key `kid` signed is revoked, in words for logs; None: it is not."""
        if not self._by_subject:
            return None
        if self.has_key(kid):
            return f"its key {kid!a} was revoked"
        for subject in _subjects(token):
            found = self._by_subject.get(subject)
            if found is not None and found.covers(token):
                return _WORDS[str(subject[0])].format(*subject[1:])
        return None


def read_page(claims: Mapping[str, object]) -> Page:
    """What the claims of a page say.

    Raises:
        BadFeed: a member is missing or of the wrong type.
    """
    entries = claims.get("revocations")
    if not isinstance(entries, list) or not isinstance(claims.get("more"), bool):
        raise BadFeed("revocations is no list, or more is neither true nor false")
    return Page(
        since=_whole(claims, "since"),
        revision=_whole(claims, "rev"),
        more=claims["more"] is True,
        expires_at=_number(claims, "exp"),
        revocations=tuple(_read(entry) for entry in entries),
    )


def require_unrevoked(revoked: RevokedHook, token: AccessToken, *, realm: str) -> Script[None]:
    """Ask the function that a guard was given.

    Raises:
        InvalidToken: it says that the token was revoked.
        Unavailable: it raised.
        TypeError: it gives neither True nor False.
    """
    try:
        said: object = yield asked(revoked, token)
    except Exception as error:
        logger.exception("revoked raised; the request is answered with 503")
        detail = f"revoked raised {type(error).__name__}"
        raise Unavailable("revocation_unavailable", realm=realm, detail=detail) from error
    if not isinstance(said, bool):
        raise TypeError(f"revoked gives True or False, not {type(said).__name__}")
    if said:
        raise InvalidToken("revoked", realm=realm, detail=f"jti {token.token_id!r}")


def _subjects(token: AccessToken) -> Iterator[_Subject]:
    if token.token_id is not None:
        yield ("jti", token.token_id)
    if token.client_id is not None:
        yield ("client", token.client_id)
        for audience in token.audience:
            yield ("grant", token.client_id, audience)


def _read(entry: object) -> Revocation:
    if not isinstance(entry, dict):
        raise BadFeed("a revocation is no JSON object")
    members = cast("dict[str, object]", entry)
    named = frozenset(members) & {"jti", "kid", "client_id"}
    if len(named) != 1 or ("aud" in members) > ("client_id" in members):
        raise BadFeed("a revocation is about one token, one key, or one client")
    (name,) = named
    of_client = name == "client_id"
    subject: tuple[str | None, ...] = (name, _text(members, name))
    if of_client:
        subject = ("client", subject[1])
        if "aud" in members:
            subject = ("grant", subject[1], _text(members, "aud"))
    undone = members.get("undone", False)
    if not isinstance(undone, bool):
        raise BadFeed("undone is neither true nor false")
    before = _number(members, "before") if of_client else None
    return Revocation(subject, before, _number(members, "exp"), undone)


def _text(members: Mapping[str, object], name: str) -> str:
    value = members.get(name)
    if not isinstance(value, str):
        raise BadFeed(f"{name} is no string")
    return value


def _number(members: Mapping[str, object], name: str) -> float:
    value = members.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadFeed(f"{name} is no number")
    return value


def _whole(members: Mapping[str, object], name: str) -> int:
    value = members.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise BadFeed(f"{name} is no revision")
    return value
