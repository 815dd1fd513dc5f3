"""What an attacker does to a token without having its key, and the documents only a lenient decoder reads."""

import json
import random
import string
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from gatewright.jose import ALGORITHMS, JWK
from gatewright.jose.algorithms import CURVES
from gatewright.jose.encoding import decode, encode

NOW = 1_700_000_000
# A time that is far off for a verifier that looks at the real clock, too.
FAR = 4_000_000_000
AUDIENCE = "https://blog-api"


@dataclass(frozen=True, slots=True)
class Known:
    """What an attacker knows: tokens, kids, the public keys in every text form; and a key of their own."""

    issued: tuple[str, ...]
    kids: tuple[str, ...]
    public_texts: tuple[bytes, ...]
    attacker: JWK


Altering = Callable[[random.Random, str, Known], str]

LETTERS = string.ascii_letters + string.digits + "-_"
FOREIGN = LETTERS + '=+/.,~ \t\r\n\0"{}é\u2028\N{GRINNING FACE}'
ALG_NAMES = [
    "none",
    "None",
    "NONE",
    "nOnE",
    "",
    " ",
    "RS256",
    "PS256",
    "ES256",
    "ES384",
    "EdDSA",
    "HS256",
    "HS512",
    "RS512",
    "rs256",
    "dir",
    "ES256K",
]
ODD_VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    1.5,
    "",
    "x",
    [],
    ["x"],
    {},
    {"a": 1},
    2**53,
    10**300,
    "\0",
    "\ud800",
    "é",
    FAR,
    str(FAR),
    [AUDIENCE],
    NOW + 10,
    NOW - 10,
]
RAW_VALUES = [
    "NaN",
    "Infinity",
    "-Infinity",
    "1e400",
    "9" * 5000,
    "[" * 200 + "]" * 200,
    '"\\ud800"',
    "01",
    "nul",
    '{"a":1,"a":2}',
]
HEADER_NAMES = [
    "alg",
    "kid",
    "typ",
    "crit",
    "b64",
    "zip",
    "jku",
    "x5u",
    "x5c",
    "jwk",
    "cty",
    "x5t",
    "epk",
    "p2c",
    "x",
]
CLAIM_NAMES = [
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "scope",
    "client_id",
    "azp",
    "permissions",
    "nonce",
    "x",
]


def _parts(token: str) -> list[str]:
    return token.split(".")


def change_letter(chance: random.Random, token: str, _: Known) -> str:
    place = chance.randrange(len(token))
    return token[:place] + chance.choice(FOREIGN) + token[place + 1 :]


def _insert_letters(chance: random.Random, token: str, _: Known) -> str:
    place = chance.randrange(len(token) + 1)
    return token[:place] + "".join(chance.choices(FOREIGN, k=chance.choice((1, 1, 2, 4, 40)))) + token[place:]


def _delete_letters(chance: random.Random, token: str, _: Known) -> str:
    place = chance.randrange(len(token))
    return token[:place] + token[place + chance.choice((1, 1, 2, 3, 4, 100)) :]


def _swap_letters(chance: random.Random, token: str, _: Known) -> str:
    first, second = sorted(chance.sample(range(len(token)), 2))
    return token[:first] + token[second] + token[first + 1 : second] + token[first] + token[second + 1 :]


def _flip_decoded_bit(chance: random.Random, token: str, _: Known) -> str:
    parts = _parts(token)
    which = chance.randrange(3)
    data = bytearray(decode(parts[which]))
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    parts[which] = encode(bytes(data))
    return ".".join(parts)


def _respell_base64(chance: random.Random, token: str, _: Known) -> str:
    parts = _parts(token)
    which = chance.randrange(3)
    text = parts[which]
    last = LETTERS.index(text[-1]) if text[-1] in LETTERS else 0
    parts[which] = chance.choice(
        [
            text + "=" * chance.randint(1, 4),
            text.replace("-", "+").replace("_", "/") + " " * ("-" not in text and "_" not in text),
            text[:-1] + LETTERS[last ^ 1],
            text + "\n",
            "\n".join(text[start : start + 64] for start in range(0, len(text), 64)) + "\n",
            text + "A",
            "%" + text,
        ]
    )
    return ".".join(parts)


def _rearrange_parts(chance: random.Random, token: str, known: Known) -> str:
    parts, other = _parts(token), _parts(chance.choice(known.issued))
    return chance.choice(
        [
            ".".join([other[0], *parts[1:]]),
            ".".join([parts[0], other[1], parts[2]]),
            ".".join([*parts[:2], other[2]]),
            ".".join(parts[:2]) + ".",
            ".".join(parts[:2]),
            f"{parts[0]}..{parts[2]}",
            f".{parts[1]}.{parts[2]}",
            ".".join(reversed(parts)),
            ".".join(parts + other[:2]),
            token + "." + parts[2],
            "." * chance.choice((2, 3, 5000)),
            token + token,
            f"Bearer {token}",
            json.dumps({"protected": parts[0], "payload": parts[1], "signature": parts[2]}),
            json.dumps({"payload": parts[1], "signatures": [{"protected": parts[0], "signature": parts[2]}]}),
            encode(token.encode()) + "." + token,
            token.upper(),
            token.swapcase(),
        ]
    )


def edit_document(chance: random.Random, text: str, names: list[str]) -> str:
    """A JSON object with one thing changed, sometimes in a way only a lenient decoder reads."""
    members = json.loads(text)
    name, value = chance.choice(names), chance.choice(ODD_VALUES)
    if name == "alg":
        value = chance.choice(ALG_NAMES)
    raw = chance.choice(RAW_VALUES) if chance.random() < 0.2 else json.dumps(value)
    removed = {other: kept for other, kept in members.items() if other != name}
    return chance.choice(
        [
            json.dumps({**members, name: value}),
            json.dumps(removed, separators=(",", ":")),
            f'{{"{name}":{raw},{text[1:]}',
            f'{text[:-1]},"{name}":{raw}}}',
            text.replace('"', '"\\u00', 1),
            " " + text,
            "\ufeff" + text,
            json.dumps(members, indent=1),
            text + chance.choice([" ", "x", "{}", "\0", ","]),
            f"[{text}]",
            chance.choice(["", "null", "[]", "{}", '"x"', "{", raw]),
        ]
    )


def _edit_header(chance: random.Random, token: str, _: Known) -> str:
    head, _dot, rest = token.partition(".")
    return encode(encoded(edit_document(chance, decode(head).decode(), HEADER_NAMES))) + "." + rest


def _edit_claims(chance: random.Random, token: str, _: Known) -> str:
    head, payload, signature = _parts(token)
    return (
        f"{head}.{encode(encoded(edit_document(chance, decode(payload).decode(), CLAIM_NAMES)))}.{signature}"
    )


def encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _make_up_signature(chance: random.Random, token: str, _: Known) -> str:
    head, payload, text = _parts(token)
    signature = decode(text)
    half = len(signature) // 2
    r, s = int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
    order = chance.choice([curve.order for curve in CURVES.values()])
    made_up = chance.choice(
        [
            bytes(len(signature)),
            b"\xff" * len(signature),
            b"",
            signature + b"\0",
            b"\0" + signature,
            signature[:-1],
            signature[half:] + signature[:half],
            encode_dss_signature(r, s),
            (order % 2 ** (8 * half)).to_bytes(half, "big") + bytes(half),
            bytes(half - 1) + b"\1" + bytes(half - 1) + b"\1",
            chance.randbytes(len(signature)),
        ]
    )
    return f"{head}.{payload}.{encode(made_up)}"


def _confuse_families(chance: random.Random, token: str, known: Known) -> str:
    """HMAC over the token with a public key's text as the secret, under each kid there is."""
    _head, payload, _signature = _parts(token)
    header = {
        "alg": chance.choice(["HS256", "HS384", "HS512"]),
        "typ": "JWT",
        "kid": chance.choice(known.kids),
    }
    if chance.random() < 0.2:
        del header["kid"]
    text = chance.choice(known.public_texts)
    secret = chance.choice([text, text.strip(), text.replace(b"\n", b"\r\n"), b"", encode(text).encode()])
    signing_input = f"{encode(json.dumps(header).encode())}.{payload}"
    return f"{signing_input}.{encode(ALGORITHMS[header['alg']].sign(secret, signing_input.encode()))}"


def _bring_own_key(chance: random.Random, token: str, known: Known) -> str:
    """Signed by the attacker, whose key the header offers."""
    _head, payload, _signature = _parts(token)
    public = known.attacker.to_dict()
    offers: list[dict[str, object]] = [
        {"jwk": public},
        {"jwk": public, "kid": "eddsa"},
        {"kid": "eddsa"},
        {"jku": "https://attacker.example/jwks.json", "kid": "eddsa"},
        {"x5u": "file:///etc/passwd"},
        {"x5c": ["AAAA"], "kid": "rs256"},
        {},
    ]
    header = {"alg": "EdDSA", **chance.choice(offers)}
    signing_input = f"{encode(json.dumps(header).encode())}.{payload}"
    return (
        f"{signing_input}.{encode(ALGORITHMS['EdDSA'].sign(known.attacker.native, signing_input.encode()))}"
    )


ALTERINGS: tuple[Altering, ...] = (
    change_letter,
    _insert_letters,
    _delete_letters,
    _swap_letters,
    _flip_decoded_bit,
    _respell_base64,
    _rearrange_parts,
    _edit_header,
    _edit_header,
    _edit_claims,
    _edit_claims,
    _make_up_signature,
    _confuse_families,
    _bring_own_key,
)
