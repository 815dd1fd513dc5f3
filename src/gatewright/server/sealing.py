"""Sealing: secrets at rest, AES-256-GCM under a master key.

An envelope is ``version (1 byte) | key id (4) | nonce (12) | ciphertext and tag``. The place where it
lies (``table|column|row id``) is associated data, so that an envelope moved elsewhere does not open.
Several master keys can open, the first one seals. Files and settings are not known here.
"""

import base64
import binascii
import hashlib
import secrets
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gatewright.server.errors import StartupError

KEY_BYTES = 32
_VERSION = b"\x01"
_ID_BYTES = 4
_NONCE_BYTES = 12


class Sealer:
    """Seals and opens; holds the master keys and shows them to nobody.

    Args:
        master_keys: texts of 32 bytes in base64url; the first one seals.

    Raises:
        StartupError: when a text is no such key.
    """

    __slots__ = ("_ciphers", "_writing")

    def __init__(self, master_keys: Sequence[str]) -> None:
        keys = [_decode(text) for text in master_keys]
        if not keys:
            raise StartupError("No master key was given.")
        self._ciphers = {_key_id(key): AESGCM(key) for key in keys}
        self._writing = _key_id(keys[0])

    def seal(self, plain: bytes, place: str) -> bytes:
        """The envelope of ``plain``, which opens at ``place`` only."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._ciphers[self._writing].encrypt(nonce, plain, place.encode())
        return _VERSION + self._writing + nonce + sealed

    def open(self, envelope: bytes, place: str) -> bytes:
        """What was sealed at ``place``.

        Raises:
            StartupError: when no master key of ours opens it: another key, another place, or damage.
        """
        key_id = envelope[1 : 1 + _ID_BYTES]
        cipher = self._ciphers.get(key_id)
        if envelope[:1] != _VERSION or cipher is None:
            raise StartupError(
                "The master key does not fit this database: its secrets were sealed with another key. "
                "Start with the key that was used when the database was made (GATEWRIGHT_SERVER_MASTER_KEY, "
                "or master.key in the data folder)."
            )
        body = 1 + _ID_BYTES
        nonce, sealed = envelope[body : body + _NONCE_BYTES], envelope[body + _NONCE_BYTES :]
        try:
            return cipher.decrypt(nonce, sealed, place.encode())
        except (InvalidTag, ValueError) as error:
            raise StartupError(
                f"A sealed value at {place.rpartition('|')[0]} is damaged or was moved."
            ) from error


def generate_master_key() -> str:
    """A new master key: 32 random bytes in base64url, 43 characters."""
    return base64.urlsafe_b64encode(secrets.token_bytes(KEY_BYTES)).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    try:
        key = base64.b64decode(text.strip() + "=" * (-len(text.strip()) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise StartupError(
            "The master key is not usable: it has to be 32 bytes in base64url (43 characters), as made by "
            "`gatewright serve` at its first start."
        )
    return key


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(b"gatewright master key id\0" + key).digest()[:_ID_BYTES]
