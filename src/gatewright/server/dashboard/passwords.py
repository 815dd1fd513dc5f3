"""Passwords of administrators: argon2id (RFC 9106), in a thread, for it is slow on purpose."""

import asyncio
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

SHORTEST: Final = 12
LONGEST: Final = 256

_hasher = PasswordHasher()
# Checked where there is no such person, so that nobody learns names by the time an answer takes.
_NOBODYS: Final = (
    "$argon2id$v=19$m=65536,t=3,p=4$bm9ib2R5bm9ib2R5bm9ib2R5$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
)


def fault_in(password: str, name: str) -> str | None:
    """What is wrong with a password that somebody chooses; None when nothing is."""
    if len(password) < SHORTEST:
        return f"The password has fewer than {SHORTEST} characters."
    if len(password) > LONGEST:
        return f"The password has more than {LONGEST} characters."
    if password.casefold() == name.casefold() or len(set(password)) == 1:
        return "The password is too easy to guess."
    return None


async def hashed(password: str) -> str:
    """What is kept of a password."""
    return await asyncio.to_thread(_hasher.hash, password)


async def fits(password: str, password_hash: str | None) -> bool:
    """Whether it is the password that was kept; without one it takes as long and is not."""
    return await asyncio.to_thread(_fits, password[: LONGEST + 1], password_hash)


def _fits(password: str, password_hash: str | None) -> bool:
    try:
        _hasher.verify(password_hash or _NOBODYS, password)
    except (VerificationError, InvalidHashError):
        return False
    return password_hash is not None
