import hashlib
from collections.abc import Mapping

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from gatewright.jose import ALGORITHMS, JWK
from gatewright.jose.algorithms import CURVES

EXPECTED = {
    "RS256": ("RSA", None, 32),
    "RS384": ("RSA", None, 48),
    "RS512": ("RSA", None, 64),
    "PS256": ("RSA", None, 32),
    "PS384": ("RSA", None, 48),
    "PS512": ("RSA", None, 64),
    "ES256": ("EC", "P-256", 32),
    "ES384": ("EC", "P-384", 48),
    "ES512": ("EC", "P-521", 64),
    "EdDSA": ("OKP", "Ed25519", 64),
    "Ed25519": ("OKP", "Ed25519", 64),
    "HS256": ("oct", None, 32),
    "HS384": ("oct", None, 48),
    "HS512": ("oct", None, 64),
}
HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
SIGNATURE_SIZE = {"ES256": 64, "ES384": 96, "ES512": 132, "EdDSA": 64, "Ed25519": 64} | {
    "HS256": 32,
    "HS384": 48,
    "HS512": 64,
}

every_algorithm = pytest.mark.parametrize("name", EXPECTED)
ecdsa = pytest.mark.parametrize("name", ["ES256", "ES384", "ES512"])


def test_the_table_holds_these_algorithms_and_no_other() -> None:
    assert {name: (row.kty, row.crv, row.digest_size) for name, row in ALGORITHMS.items()} == EXPECTED
    assert "none" not in ALGORITHMS


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        ALGORITHMS["none"] = ALGORITHMS["HS256"]  # type: ignore[index]  # what must not be possible


@every_algorithm
def test_a_signature_verifies_and_any_flipped_bit_breaks_it(name: str, keys: Mapping[str, JWK]) -> None:
    row, key = ALGORITHMS[name], keys[name]
    signature = row.sign(key.native, b"data")
    assert len(signature) == SIGNATURE_SIZE.get(name, 256)
    assert row.verify(key.verifier, b"data", signature)
    assert not row.verify(key.verifier, b"Data", signature)
    for place in (0, len(signature) // 2, len(signature) - 1):
        broken = bytearray(signature)
        broken[place] ^= 1
        assert not row.verify(key.verifier, b"data", bytes(broken))


@every_algorithm
def test_another_key_of_the_same_kind_does_not_verify(name: str, keys: Mapping[str, JWK]) -> None:
    other = JWK.generate(name)
    assert not ALGORITHMS[name].verify(
        other.verifier, b"data", ALGORITHMS[name].sign(keys[name].native, b"data")
    )


@every_algorithm
@pytest.mark.parametrize("change", [b"", b"\x00"], ids=["shortened", "lengthened"])
def test_a_signature_of_another_length_is_refused(name: str, change: bytes, keys: Mapping[str, JWK]) -> None:
    row, key = ALGORITHMS[name], keys[name]
    signature = row.sign(key.native, b"data")
    for wrong in (
        signature + change if change else signature[:-1],
        change + signature if change else signature[1:],
        b"",
    ):
        assert not row.verify(key.verifier, b"data", wrong)


@pytest.mark.parametrize("name", ["RS256", "PS256"])
def test_an_rsa_signature_without_its_leading_zero_is_refused(name: str, keys: Mapping[str, JWK]) -> None:
    row, key = ALGORITHMS[name], keys[name]
    signed = ((data, row.sign(key.native, data)) for data in map(str.encode, map(str, range(20_000))))
    data, signature = next((data, made) for data, made in signed if made[0] == 0)
    assert row.verify(key.verifier, data, signature)
    assert not row.verify(key.verifier, data, signature[1:])


@pytest.mark.parametrize("size", ["256", "384", "512"])
@pytest.mark.parametrize("family", ["RS", "PS", "HS"])
def test_each_algorithm_of_a_family_uses_its_own_hash(
    family: str, size: str, keys: Mapping[str, JWK]
) -> None:
    signature = ALGORITHMS[family + size].sign(keys[family + size].native, b"data")
    verified = {
        name
        for name in EXPECTED
        if name[:2] == family and ALGORITHMS[name].verify(keys[name].verifier, b"data", signature)
    }
    assert verified == {family + size}


@pytest.mark.parametrize("size", ["256", "384", "512"])
def test_rsa_signatures_are_those_of_the_standard(size: str, keys: Mapping[str, JWK]) -> None:
    digest = HASHES[size]
    key = keys[f"RS{size}"].native
    assert isinstance(key, rsa.RSAPrivateKey)
    assert ALGORITHMS[f"RS{size}"].sign(key, b"data") == key.sign(b"data", padding.PKCS1v15(), digest)
    pss = padding.PSS(mgf=padding.MGF1(digest), salt_length=digest.digest_size)
    key.public_key().verify(ALGORITHMS[f"PS{size}"].sign(key, b"data"), b"data", pss, digest)


@pytest.mark.parametrize("salt", [0, 20, 31, 33, padding.PSS.MAX_LENGTH])
def test_pss_with_another_salt_length_than_the_hash_is_refused(salt: int, keys: Mapping[str, JWK]) -> None:
    key = keys["PS256"].native
    assert isinstance(key, rsa.RSAPrivateKey)
    signature = key.sign(
        b"data", padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=salt), hashes.SHA256()
    )
    assert not ALGORITHMS["PS256"].verify(key.public_key(), b"data", signature)


def test_pss_with_another_mask_hash_is_refused(keys: Mapping[str, JWK]) -> None:
    key = keys["PS256"].native
    assert isinstance(key, rsa.RSAPrivateKey)
    scheme = padding.PSS(mgf=padding.MGF1(hashes.SHA512()), salt_length=32)
    signature = key.sign(b"data", scheme, hashes.SHA256())
    assert not ALGORITHMS["PS256"].verify(key.public_key(), b"data", signature)


def test_pkcs1_without_the_null_parameter_is_refused(keys: Mapping[str, JWK]) -> None:
    # Wycheproof's MissingNull: DigestInfo of SHA-256 without the NULL that RFC 8017 demands.
    key = keys["RS256"].native
    assert isinstance(key, rsa.RSAPrivateKey)
    digest_info = bytes.fromhex("302f300b0609608648016503040201 0420") + hashlib.sha256(b"data").digest()
    encoded = b"\x00\x01" + b"\xff" * (256 - 3 - len(digest_info)) + b"\x00" + digest_info
    numbers = key.private_numbers()
    signature = pow(int.from_bytes(encoded, "big"), numbers.d, numbers.public_numbers.n).to_bytes(256, "big")
    assert not ALGORITHMS["RS256"].verify(key.public_key(), b"data", signature)


@ecdsa
def test_the_curves_have_the_order_and_prime_they_should(name: str) -> None:
    curve = CURVES[EXPECTED[name][1] or ""]
    size = curve.curve.key_size
    assert curve.prime.bit_length() == curve.order.bit_length() == size
    assert curve.size == (size + 7) // 8
    # order - 1 is the greatest private key: its point is the negated base point. The order itself is none.
    highest = ec.derive_private_key(curve.order - 1, curve.curve).public_key().public_numbers()
    lowest = ec.derive_private_key(1, curve.curve).public_key().public_numbers()
    assert (highest.x, highest.y) == (lowest.x, curve.prime - lowest.y)


@ecdsa
def test_a_der_signature_is_refused(name: str, keys: Mapping[str, JWK]) -> None:
    row, key = ALGORITHMS[name], keys[name]
    raw = row.sign(key.native, b"data")
    half = len(raw) // 2
    der = encode_dss_signature(int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))
    assert not row.verify(key.verifier, b"data", der)


@ecdsa
def test_r_and_s_with_leading_zeros_are_written_in_full(name: str, keys: Mapping[str, JWK]) -> None:
    row, key = ALGORITHMS[name], keys[name]
    half = SIGNATURE_SIZE[name] // 2
    signatures = (row.sign(key.native, b"data") for _ in range(10_000))
    short = next(signature for signature in signatures if 0 in (signature[0], signature[half]))
    assert len(short) == SIGNATURE_SIZE[name]
    assert row.verify(key.verifier, b"data", short)
