"""Texts that must not become HMAC secrets because they are not secret: public keys and certificates.

The real defence against key confusion is that keys are typed objects bound to one family of algorithms
and nothing turns text into a secret by itself. This is the second line, for the caller who configures
a symmetric key and pastes the issuer's public key.
"""

import binascii
import re

# The shortest public key in DER, an Ed25519 one, has 44 bytes. A shorter random secret is never suspected.
_SHORTEST_DER = 44
_SEQUENCE = 0x30
# INTEGER, BIT STRING, OCTET STRING, OBJECT IDENTIFIER, SEQUENCE, [0], [1]: what key formats begin with.
_DER_TAGS = frozenset({0x02, 0x03, 0x04, 0x06, _SEQUENCE, 0xA0, 0xA1})

_ARMOUR = b"-----BEGIN "
_SSH2_ARMOUR = b"---- BEGIN SSH2"
_SSH_LINE = re.compile(rb"(?:ssh-|ecdsa-sha2-|sk-ssh-|sk-ecdsa-)[a-z0-9@.-]+[ \t]+AAAA")
_SSH_BLOB = re.compile(rb"\x00\x00\x00[\x07-\x40](?:ssh-|ecdsa-sha2-|sk-ssh-|sk-ecdsa-)", re.DOTALL)
_JWK_MEMBER = re.compile(rb'"(?:kty|keys)"\s*:')


def looks_like_a_public_key(secret: bytes) -> bool:
    """Whether `secret` is a key or certificate in PEM, DER, base64 of DER, SSH or JWK form."""
    text = secret.strip()
    if _ARMOUR in text or _SSH2_ARMOUR in text or _SSH_LINE.search(text) or _SSH_BLOB.match(secret):
        return True
    if text.startswith((b"{", b"[")) and _JWK_MEMBER.search(text):
        return True
    return _is_der(secret) or _is_der(_unarmoured(text))


def _unarmoured(text: bytes) -> bytes:
    """The bytes of a PEM body whose armour was left away; nothing when `text` is none."""
    letters = b"".join(text.split()).translate(bytes.maketrans(b"-_", b"+/")).rstrip(b"=")
    try:
        return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4), strict_mode=True)
    except binascii.Error:
        return b""


def _is_der(data: bytes) -> bool:
    """Whether `data` is one DER SEQUENCE whose members fill it exactly."""
    if len(data) < _SHORTEST_DER or data[0] != _SEQUENCE:
        return False
    position, end = _contents(data, 0)
    if end != len(data):
        return False
    while position < end:
        if data[position] not in _DER_TAGS:
            return False
        position = _contents(data, position)[1]
    return position == end


def _contents(data: bytes, start: int) -> tuple[int, int]:
    """Where the contents of the element at `start` begin and end; past the end when that is broken."""
    beyond = len(data) + 1
    if start + 1 >= len(data):
        return beyond, beyond
    length = data[start + 1]
    begin = start + 2
    if length >= 0x80:  # noqa: PLR2004 - X.690, 8.1.3.5: the long form of a length
        begin += length & 0x7F
        length = int.from_bytes(data[start + 2 : begin], "big")
    return begin, begin + length
