"""Fixed keys (those of the RFCs' own examples), and a forger who can write any header and payload."""

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from gatewright.jose import ALGORITHMS, JWK, JWKS, jwt
from gatewright.jose.encoding import decode, encode

NOW = 1_700_000_000.0
ISSUER = "https://issuer.example/"
AUDIENCE = "https://blog-api"


def _rsa_members() -> dict[str, object]:
    """The key of RFC 7515, appendix A.2; what the primes imply is computed."""
    n = (
        "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SF"
        "d2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo"
        "7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkM"
        "Ls91kzk2PAcDTW9gb54h4FRWyuXpoQ"
    )
    p = (
        "4BzEEOtIpmVdVEZNCqS7baC4crd0pqnRH_5IB3jw3bcxGn6QLvnEtfdUdiYrqBdss1l58BQ3KhooKeQTa9AB0Hw_Py5PJdTJNPY8cQn7"
        "ouZ2KKDcmnPGBY5t7yLc1QlQ5xHdwW1VhvKn-nXqhJTBgIPgtldC-KDV5z-y2XDwGUc"
    )
    primes = (
        int.from_bytes(decode(p), "big"),
        int.from_bytes(decode(n), "big") // int.from_bytes(decode(p), "big"),
    )
    d = pow(65537, -1, (primes[0] - 1) * (primes[1] - 1))
    numbers = {
        "d": d,
        "p": primes[0],
        "q": primes[1],
        "dp": rsa.rsa_crt_dmp1(d, primes[0]),
        "dq": rsa.rsa_crt_dmq1(d, primes[1]),
        "qi": rsa.rsa_crt_iqmp(*primes),
    }
    private = {
        name: encode(value.to_bytes((value.bit_length() + 7) // 8, "big")) for name, value in numbers.items()
    }
    return {"kty": "RSA", "n": n, "e": "AQAB", **private}


MEMBERS: Mapping[str, dict[str, object]] = MappingProxyType(
    {
        "RSA": _rsa_members(),
        # RFC 7515, A.3
        "P-256": {
            "kty": "EC",
            "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
            "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
        },
        # RFC 6979, A.2.6
        "P-384": {
            "kty": "EC",
            "crv": "P-384",
            "x": encode(
                bytes.fromhex(
                    "EC3A4E415B4E19A4568618029F427FA5DA9A8BC4AE92E02E"
                    "06AAE5286B300C64DEF8F0EA9055866064A254515480BC13"
                )
            ),
            "y": encode(
                bytes.fromhex(
                    "8015D9B72D7D57244EA8EF9AC0C621896708A59367F9DFB9"
                    "F54CA84B3F1C9DB1288B231C3AE0D4FE7344FD2533264720"
                )
            ),
            "d": encode(
                bytes.fromhex(
                    "6B9D3DAD2E1B8C1C05B19875B6659F4DE23C3B667BF297BA"
                    "9AA47740787137D896D5724E4C70A825F872C9EA60D2EDF5"
                )
            ),
        },
        # RFC 7515, A.4
        "P-521": {
            "kty": "EC",
            "crv": "P-521",
            "x": "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",
            "y": "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2",
            "d": "AY5pb7A0UFiB3RELSD64fTLOSV_jazdF7fLYyuTw8lOfRhWg6Y6rUrPAxerEzgdRhajnu0ferB0d53vM9mE15j2C",
        },
        # RFC 8037, A.1
        "Ed25519": {
            "kty": "OKP",
            "crv": "Ed25519",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
            "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
        },
        # RFC 7515, A.1
        "oct": {
            "kty": "oct",
            "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
        },
    }
)


@pytest.fixture(scope="session")
def members() -> Mapping[str, Mapping[str, object]]:
    """Private JWK members, without alg and kid, by curve, or by type where there is no curve."""
    return MEMBERS


@pytest.fixture(scope="session")
def keys() -> Mapping[str, JWK]:
    """A private key or secret for each algorithm; its kid is the algorithm in small letters."""
    return {
        name: JWK.parse({**MEMBERS[row.crv or row.kty], "alg": name, "kid": name.lower()})
        for name, row in ALGORITHMS.items()
    }


@pytest.fixture(scope="session")
def public_set(keys: Mapping[str, JWK]) -> JWKS:
    """What an issuer publishes: one key for each asymmetric algorithm."""
    return JWKS([key.public() for key in keys.values() if key.kty != "oct"])


@pytest.fixture
def claims() -> dict[str, object]:
    """Claims in which nothing is wrong at NOW."""
    return {
        "iss": ISSUER,
        "sub": "client@clients",
        "aud": AUDIENCE,
        "iat": int(NOW) - 10,
        "exp": int(NOW) + 600,
        "jti": "token-1",
    }


@pytest.fixture(scope="session")
def expectations() -> dict[str, Any]:
    """What `jwt.verify` is told besides token, keys and algorithms."""
    return {"issuer": ISSUER, "audience": AUDIENCE, "now": NOW}


Forge = Callable[..., str]


@pytest.fixture(scope="session")
def forge() -> Forge:
    """`forge(header, payload, key, alg=)`: a token really signed, whatever header and payload say."""

    def forge(header: object, payload: object, key: JWK, *, alg: str | None = None) -> str:
        signing_input = f"{encode(_document(header))}.{encode(_document(payload))}"
        name = alg or next(iter(key.algorithms))
        signature = ALGORITHMS[name].sign(key.native, signing_input.encode("ascii"))
        return f"{signing_input}.{encode(signature)}"

    return forge


def _document(value: object) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value).encode()


Verify = Callable[..., dict[str, object]]


@pytest.fixture
def verify(public_set: JWKS, expectations: dict[str, Any]) -> Verify:
    """`verify(token, keys=, **other)`: as the API of the issuer would, but with every algorithm allowed."""

    def verify(token: str | bytes, keys: JWKS | JWK = public_set, **other: Any) -> dict[str, object]:  # noqa: ANN401 - of several types
        return jwt.verify(token, keys, **{"algorithms": list(ALGORITHMS), **expectations, **other})

    return verify


@pytest.fixture
def accept(
    keys: Mapping[str, JWK], forge: Forge, expectations: dict[str, Any]
) -> Callable[..., dict[str, object]]:
    """`accept(claims, typ=, **other expectations)`: sign the claims, whatever they are, and verify them."""

    def accept(claims: object, *, typ: object = "JWT", **other: object) -> dict[str, object]:
        header = {"alg": "HS256", "kid": "hs256"} | ({} if typ is None else {"typ": typ})
        token = forge(header, claims, keys["HS256"])
        return jwt.verify(token, keys["HS256"], algorithms=["HS256"], **{**expectations, **other})

    return accept
