"""Tokens in a folder that the processes of one user share, so that a machine asks once and not each of them.

One file for each combination of issuer, endpoint, client, audience and scopes, named by a digest of them::

    {"format": 1,
     "for": {"issuer": ..., "token_endpoint": ..., "client_id": ..., "audience": ..., "scope": [...]},
     "access_token": "...",
     "obtained_at": 1800000000.0,       seconds since 1970
     "expires_at": 1800086400.0}

Whoever reads the file can call the API: it is made for its owner alone (0600, in a folder 0700), and neither
used nor left in use when it belongs to another user or others may read it. Beside it, `.lock` is what the
processes take turns by. Where the system has no such locks (Windows) each process asks for itself, once, and
owners and modes are not looked at: the folder is to be one that only its user may enter.
"""

import hashlib
import json
import logging
import os
import stat
from pathlib import Path
from typing import Final

from gatewright.client.request import LONGEST_LIFETIME, Granted, Wish, can_be_carried
from gatewright.guard.shared_file import (
    OTHERS_MAY_READ,
    OTHERS_MAY_WRITE,
    FileRefused,
    Turns,
    content_of,
    replace,
)
from gatewright.jose.encoding import parse_json
from gatewright.jose.errors import MalformedToken

MAX_BYTES: Final = 64 * 1024
_FORMAT: Final = 1
_OTHERS: Final = OTHERS_MAY_READ | OTHERS_MAY_WRITE
_OTHERS_MAY_ENTER: Final = _OTHERS | stat.S_IXGRP | stat.S_IXOTH

logger = logging.getLogger("gatewright.client")


def identity(wish: Wish, token_endpoint: str | None) -> dict[str, object]:
    """What two sources must have in common to share a token."""
    return {
        "issuer": wish.issuer,
        "token_endpoint": token_endpoint,
        "client_id": wish.client_id,
        "audience": wish.audience,
        "scope": sorted(wish.scope),
    }


def digest(identified: dict[str, object]) -> str:
    """A name for it, fit for a file."""
    return hashlib.sha256(json.dumps(identified, sort_keys=True).encode()).hexdigest()[:32]


def made_folder(path: object) -> Path:
    """The folder, made for this user alone if there is none yet.

    Raises:
        TypeError: no path.
        ValueError: it cannot be made, is no folder, belongs to another user, or others may enter it.
    """
    if not isinstance(path, str | Path):
        raise TypeError(f"cache is the path of a folder, not {path!r}")
    folder = Path(path)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        about = folder.stat()
    except OSError as error:
        raise ValueError(f"cache {str(path)!r} is to be a folder: {error.strerror}") from error
    if hasattr(os, "geteuid"):
        if about.st_uid != os.geteuid():
            raise ValueError(f"cache {str(path)!r} belongs to another user: name a folder of your own")
        if about.st_mode & _OTHERS_MAY_ENTER:
            raise ValueError(f"cache {str(path)!r} is open to others: chmod 700, or name a new folder")
    return folder


class TokenFile:
    """The file of one source; nothing here raises, for the issuer can always be asked instead."""

    def __init__(self, folder: Path, identified: dict[str, object]) -> None:
        self.path = folder / f"{digest(identified)}.json"
        self.turns = Turns(self.path, self._complain)
        self._identified = identified
        self._complained: str | None = None

    def read(self) -> Granted | None:
        """The token in it, good or not any more; None where there is none to be believed."""
        try:
            return self._parsed(content_of(self.path, limit=MAX_BYTES, refused=_OTHERS))
        except FileNotFoundError:
            return None
        except (OSError, FileRefused, MalformedToken) as error:
            self._complain(f"is not used: {error}")
            return None

    def write(self, granted: Granted) -> None:
        """Put the token in place of the one before, whole or not at all."""
        document = {
            "format": _FORMAT,
            "for": self._identified,
            "access_token": granted.token,
            "obtained_at": granted.obtained_at,
            "expires_at": granted.expires_at,
        }
        try:
            replace(self.path, json.dumps(document).encode("ascii"))
        except OSError as error:
            self._complain(f"cannot be written: {error.strerror}")

    def _parsed(self, content: bytes) -> Granted:
        document = parse_json(content)
        if not isinstance(document, dict) or document.get("format") != _FORMAT:
            raise FileRefused("it is not of this format")
        if document.get("for") != self._identified:
            raise FileRefused("it is for something else")
        token = document.get("access_token")
        if not isinstance(token, str) or not can_be_carried(token):
            raise FileRefused("it holds no token")
        found = Granted(token, _number(document, "obtained_at"), _number(document, "expires_at"))
        if not 0 < found.lifetime <= LONGEST_LIFETIME:
            raise FileRefused("its times cannot be")
        return found

    def _complain(self, text: str) -> None:
        # Once for each reason: it is looked at again and again.
        if text != self._complained:
            self._complained = text
            logger.warning("the token cache %s %s", self.path, text)


def _number(document: dict[str, object], name: str) -> float:
    value = document.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FileRefused(f"its {name} is no number")
    return float(value)
