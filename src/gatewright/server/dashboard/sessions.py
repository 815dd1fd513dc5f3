"""Who is in: a cookie that says nothing by itself, and the session in the database that it stands for."""

import hashlib
import secrets
from dataclasses import replace
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from gatewright.server.context import Server
from gatewright.server.dashboard.notices import Notice
from gatewright.server.people import Administrator, Session

IDLE: Final = 8 * 3600.0  # seconds without a request after which a session has ended
LONGEST: Final = 7 * 86400.0
CONFIRMED_FOR: Final = 900.0  # seconds for which a password that was given again counts
NOTED_EVERY: Final = 60.0
COOKIE: Final = "gatewright-session"


async def load(server: Server, http: Request) -> Session | None:
    """The session of a request, if it has one that has not ended."""
    cookie = http.cookies.get(_name(server))
    if not cookie:
        return None
    digest, now = _digest(cookie), server.now()
    session = await server.store.aread(lambda tx: tx.sessions.find(digest))
    if session is None or now - session.seen_at > IDLE or now - session.created_at > LONGEST:
        return None
    if now - session.seen_at > NOTED_EVERY:
        await server.store.awrite(lambda tx: tx.sessions.change(digest, seen_at=now))
    return session


async def begin(server: Server, http: Request, person: Administrator, response: Response) -> None:
    """Logs somebody in: a new cookie on the response, whatever came with the request ends."""
    await end(server, http)
    cookie, now = secrets.token_urlsafe(32), server.now()
    session = Session(_digest(cookie), person, secrets.token_urlsafe(32), now, now, confirmed_at=now)
    await server.store.awrite(lambda tx: tx.sessions.begin(session, ended_before=now - IDLE))
    response.set_cookie(
        _name(server), cookie, path="/", secure=_is_https(server), httponly=True, samesite="lax"
    )


async def end(server: Server, http: Request) -> None:
    """Logs out."""
    cookie = http.cookies.get(_name(server))
    if cookie:
        digest = _digest(cookie)
        await server.store.awrite(lambda tx: tx.sessions.end(digest))


async def confirm(server: Server, session: Session) -> Session:
    """The password was given again."""
    now = server.now()
    await server.store.awrite(lambda tx: tx.sessions.change(session.digest, confirmed_at=now))
    return replace(session, confirmed_at=now)


def is_confirmed(server: Server, session: Session) -> bool:
    """Whether the password was given not long ago."""
    return session.confirmed_at is not None and server.now() - session.confirmed_at < CONFIRMED_FOR


async def leave_notice(server: Server, session: Session, notice: Notice) -> None:
    """What the next page is to say."""
    kept = notice.kept()
    await server.store.awrite(lambda tx: tx.sessions.change(session.digest, notice=kept))


async def take_notice(server: Server, session: Session) -> Notice:
    """What this page is to say, once."""
    if session.notice:
        await leave_notice(server, session, Notice())
    return Notice.of(session.notice)


def _name(server: Server) -> str:
    # Browsers take the prefix over https only: no other host, and no page over http, can set such a cookie.
    return f"__Host-{COOKIE}" if _is_https(server) else COOKIE


def _is_https(server: Server) -> bool:
    return server.settings.issuer.startswith("https:")


def _digest(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()
