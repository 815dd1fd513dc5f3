"""Odd and weak keys: what RSA, EC, Ed25519 and HMAC keys must not be."""

import math
from collections.abc import Iterator, Mapping

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from gatewright.jose import JWK, InvalidKey
from gatewright.jose.encoding import decode, encode

Members = Mapping[str, Mapping[str, object]]

CURVE_PRIMES = {
    "P-256": 2**256 - 2**224 + 2**192 + 2**96 - 1,
    "P-384": 2**384 - 2**128 - 2**96 + 2**32 - 1,
    "P-521": 2**521 - 1,
}
ED25519_PRIME = 2**255 - 19
PAIRS = ["RSA", "P-256", "P-384", "P-521", "Ed25519"]


def _uint(value: int) -> str:
    return encode(value.to_bytes((value.bit_length() + 7) // 8 or 1, "big"))


def _number(members: Mapping[str, object], name: str) -> int:
    text = members[name]
    assert isinstance(text, str)
    return int.from_bytes(decode(text), "big")


def _public(members: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in members.items() if name in ("kty", "crv", "x", "y", "n", "e")}


def _rsa(modulus: int, exponent: int = 65537) -> dict[str, object]:
    return {"kty": "RSA", "n": _uint(modulus), "e": _uint(exponent)}


def _refused(members: Mapping[str, object], match: str | None = None) -> None:
    with pytest.raises(InvalidKey, match=match):
        JWK.parse(members)


@pytest.mark.parametrize("name", PAIRS)
def test_the_examples_of_the_rfcs_are_read_private_and_public(name: str, members: Members) -> None:
    assert JWK.parse(members[name]).is_private
    public = JWK.parse(_public(members[name]))
    assert not public.is_private
    assert public.thumbprint() == JWK.parse(members[name]).thumbprint()


# RSA


@pytest.mark.parametrize("bits", [512, 1024, 2047, 8193, 16384])
def test_rsa_modulus_outside_2048_to_8192_bits_is_refused(bits: int) -> None:
    _refused(_rsa(2 ** (bits - 1) + 2 ** (bits // 2) + 1), "bits|too long")


@pytest.mark.parametrize("bits", [2048, 3072, 4096, 8192])
def test_rsa_modulus_of_2048_to_8192_bits_is_read(bits: int) -> None:
    assert JWK.parse(_rsa(2 ** (bits - 1) + 2 ** (bits // 2) + 1)).kty == "RSA"


def test_an_enormous_member_is_refused_before_it_is_decoded() -> None:
    _refused({"kty": "RSA", "n": "A" * 10_000_000, "e": "AQAB"}, "n is too long")
    _refused({"kty": "EC", "crv": "P-256", "x": "A" * 10_000_000, "y": "A"}, "x is too long")


def test_even_rsa_modulus_is_refused(members: Members) -> None:
    _refused(_rsa(_number(members["RSA"], "n") + 1), "even")


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 17, 257, 65535, 65536, 65538, 2**32 - 2])
def test_small_or_even_rsa_exponent_is_refused(exponent: int, members: Members) -> None:
    _refused(_rsa(_number(members["RSA"], "n"), exponent), "exponent")


@pytest.mark.parametrize("exponent", [2**32 + 1, 2**64 + 1, 2**2040 + 1])
def test_huge_rsa_exponent_is_refused(exponent: int, members: Members) -> None:
    _refused(_rsa(_number(members["RSA"], "n"), exponent), "^e is")


def test_a_leading_zero_byte_does_not_make_room_for_a_huge_rsa_exponent(members: Members) -> None:
    for octets in (b"\x00" + (2**32 + 1).to_bytes(5, "big"), b"\x00\x01" + bytes(4) + b"\x01"):
        _refused({**members["RSA"], "e": encode(octets)}, "e is too long")


@pytest.mark.parametrize("exponent", [65537, 65539, 2**32 - 1])
def test_odd_rsa_exponent_from_65537_to_32_bits_is_read(exponent: int, members: Members) -> None:
    assert JWK.parse(_rsa(_number(members["RSA"], "n"), exponent)).kty == "RSA"


def _primorial(count: int) -> int:
    candidates = (n for n in range(2, 10_000) if all(n % divisor for divisor in range(2, int(n**0.5) + 1)))
    return math.prod(next(candidates) for _ in range(count))


@pytest.mark.parametrize(("bits", "primes"), [(2048, 126), (3072, 126), (4096, 225)])
def test_rsa_modulus_with_the_roca_fingerprint_is_refused(bits: int, primes: int) -> None:
    # The form of CVE-2017-15361: each prime is k * M + 65537**a mod M, so the modulus is 65537**c modulo M.
    product = _primorial(primes)
    remainder = pow(65537, 123_456_789, product)
    modulus = (2 ** (bits - 1) // product + 7) * product + remainder
    modulus += product * (modulus % 2 == 0)
    assert modulus.bit_length() == bits
    _refused(_rsa(modulus), "ROCA")


def test_one_remainder_off_the_roca_fingerprint_is_read() -> None:
    product = _primorial(126)
    modulus = (2**2047 // product + 7) * product + pow(65537, 99, product)
    # The same modulo every prime but the last one, 701, where it now is no power of 65537.
    powers = {pow(65537, exponent, 701) for exponent in range(700)}
    step = product // 701
    candidates = (modulus + shift * step for shift in range(1, 2 * 701))
    assert JWK.parse(_rsa(next(n for n in candidates if n % 2 and n % 701 not in powers))).kty == "RSA"


def test_one_leading_zero_byte_is_read_and_not_kept(members: Members) -> None:
    plain = _public(members["RSA"])
    padded = {**plain, "n": encode(b"\x00" + decode(str(plain["n"]))), "e": encode(b"\x00\x01\x00\x01")}
    assert JWK.parse(padded).to_dict() == JWK.parse(plain).to_dict()


@pytest.mark.parametrize("name", ["n", "e"])
def test_two_leading_zero_bytes_are_refused(name: str, members: Members) -> None:
    plain = _public(members["RSA"])
    _refused({**plain, name: encode(b"\x00\x00" + decode(str(plain[name])))})


@pytest.mark.parametrize("name", ["n", "e", "d", "p", "q", "dp", "dq", "qi"])
@pytest.mark.parametrize(
    "value", ["", "A", "AB", "AQAB=", "AQ AB", "+/==", 65537, None, ["AQAB"], {}, True, "é", "\ud800"]
)
def test_malformed_rsa_member_is_refused(name: str, value: object, members: Members) -> None:
    _refused({**members["RSA"], name: value})


@pytest.mark.parametrize("name", ["d", "p", "q", "dp", "dq", "qi"])
def test_rsa_private_member_that_does_not_fit_or_is_missing_is_refused(name: str, members: Members) -> None:
    _refused({**members["RSA"], name: _uint(_number(members["RSA"], name) + 2)})
    _refused({other: value for other, value in members["RSA"].items() if other != name})


@pytest.mark.parametrize("name", ["d", "p", "q", "dp", "dq", "qi"])
def test_rsa_private_member_of_another_key_is_refused(name: str, members: Members) -> None:
    other = JWK.generate("RS256").to_dict(private=True)
    _refused({**members["RSA"], name: other[name]})


def test_rsa_modulus_of_another_key_is_refused(members: Members) -> None:
    _refused({**members["RSA"], "n": JWK.generate("RS256").to_dict()["n"]})


def test_rsa_key_of_three_primes_is_refused(members: Members) -> None:
    _refused({**members["RSA"], "oth": [{"r": "AQ", "d": "AQ", "t": "AQ"}]}, "two primes")
    _refused({**_public(members["RSA"]), "oth": []}, "two primes")


# EC


@pytest.mark.parametrize("crv", CURVE_PRIMES)
@pytest.mark.parametrize("name", ["x", "y"])
def test_point_off_the_curve_is_refused(crv: str, name: str, members: Members) -> None:
    size = len(decode(str(members[crv][name])))
    shifted = (_number(members[crv], name) + 1).to_bytes(size, "big")
    _refused({**_public(members[crv]), name: encode(shifted)})


@pytest.mark.parametrize("crv", CURVE_PRIMES)
def test_point_at_infinity_and_coordinates_outside_the_field_are_refused(crv: str, members: Members) -> None:
    public = _public(members[crv])
    size = len(decode(str(public["x"])))
    _refused({**public, "x": encode(bytes(size)), "y": encode(bytes(size))})
    _refused({**public, "x": encode(CURVE_PRIMES[crv].to_bytes(size, "big"))}, "field")
    _refused({**public, "y": encode(CURVE_PRIMES[crv].to_bytes(size, "big"))}, "field")
    _refused({**public, "y": encode(b"\xff" * size)}, "field")


def test_a_coordinate_that_is_the_same_only_modulo_the_prime_is_refused(members: Members) -> None:
    # P-521 leaves seven bits of its 66 bytes free: x and x + p both fit.
    public = _public(members["P-521"])
    shifted = _number(public, "x") + CURVE_PRIMES["P-521"]
    _refused({**public, "x": encode(shifted.to_bytes(66, "big"))}, "field")


@pytest.mark.parametrize("crv", CURVE_PRIMES)
@pytest.mark.parametrize("name", ["x", "y", "d"])
def test_coordinate_of_another_length_is_refused(crv: str, name: str, members: Members) -> None:
    octets = decode(str(members[crv][name]))
    for wrong in (octets[:-1], octets + b"\x00", b"\x00" + octets, b""):
        _refused({**members[crv], name: encode(wrong)})


def test_coordinate_without_its_leading_zero_is_refused() -> None:
    # RFC 7518, section 6.2.1.2: the length is that of the field, whatever the number.
    keys = (ec.derive_private_key(d, ec.SECP256R1()).public_key().public_numbers() for d in range(1, 5000))
    short = next(numbers for numbers in keys if numbers.x < 2**248)
    x, y = short.x.to_bytes(32, "big"), short.y.to_bytes(32, "big")
    assert JWK.parse({"kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y)}).kty == "EC"
    _refused({"kty": "EC", "crv": "P-256", "x": encode(x[1:]), "y": encode(y)}, "32 bytes")


def test_the_smallest_and_greatest_private_keys_are_read() -> None:
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    for d in (1, order - 1):
        numbers = ec.derive_private_key(d, ec.SECP256R1()).public_key().public_numbers()
        x, y = encode(numbers.x.to_bytes(32, "big")), encode(numbers.y.to_bytes(32, "big"))
        members = {"kty": "EC", "crv": "P-256", "x": x, "y": y}
        assert JWK.parse({**members, "d": encode(d.to_bytes(32, "big"))}).is_private
        for wrong in (0, order, order + 1):
            _refused({**members, "d": encode(wrong.to_bytes(32, "big"))}, "range of private keys")


@pytest.mark.parametrize(
    "crv", ["P-256K", "secp256k1", "P-192", "p-256", "", "Ed25519", None, 256, ["P-256"], {}]
)
def test_unknown_curve_is_refused(crv: object, members: Members) -> None:
    _refused({**_public(members["P-256"]), "crv": crv}, "crv")


def test_point_of_another_curve_is_refused(members: Members) -> None:
    _refused({**_public(members["P-256"]), "crv": "P-384"})
    _refused({**_public(members["P-384"]), "crv": "P-256"})


@pytest.mark.parametrize("crv", CURVE_PRIMES)
def test_ec_private_key_that_does_not_fit_the_point_is_refused(crv: str, members: Members) -> None:
    size = len(decode(str(members[crv]["d"])))
    other = ec.derive_private_key(
        12345, {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}[crv]
    )
    for wrong in (other.private_numbers().private_value, 0, 2 ** (8 * size) - 1):
        _refused({**members[crv], "d": encode(wrong.to_bytes(size, "big"))})


# Ed25519


Point = tuple[int, int]
ED25519_D = -121665 * pow(121666, -1, ED25519_PRIME) % ED25519_PRIME
ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493


def _add(first: Point, second: Point) -> Point:
    (x1, y1), (x2, y2) = first, second
    product = ED25519_D * x1 * x2 * y1 * y2
    x = (x1 * y2 + x2 * y1) * pow(1 + product, -1, ED25519_PRIME)
    y = (y1 * y2 + x1 * x2) * pow(1 - product, -1, ED25519_PRIME)
    return x % ED25519_PRIME, y % ED25519_PRIME


def _multiply(scalar: int, point: Point) -> Point:
    result = (0, 1)
    for bit in f"{scalar:b}":
        result = _add(result, result)
        result = _add(result, point) if bit == "1" else result
    return result


def _some_points() -> Iterator[Point]:
    for y in range(2, 40):
        square = (y * y - 1) * pow(ED25519_D * y * y + 1, -1, ED25519_PRIME) % ED25519_PRIME
        root = pow(square, (ED25519_PRIME + 3) // 8, ED25519_PRIME)
        for x in (root, root * pow(2, (ED25519_PRIME - 1) // 4, ED25519_PRIME) % ED25519_PRIME):
            if x * x % ED25519_PRIME == square:
                yield x, y


def _low_order_encodings() -> list[bytes]:
    """The eight points of small order, computed, and each y once more with the other sign and uncanonical."""
    small = {_multiply(ED25519_ORDER, point) for point in _some_points()}
    small |= {_add(first, second) for first in small for second in small}
    assert len(small) == 8
    ys = {y for _, y in small} | {ED25519_PRIME, ED25519_PRIME + 1}
    return [(y | sign << 255).to_bytes(32, "little") for y in sorted(ys) for sign in (0, 1)]


@pytest.mark.parametrize("point", _low_order_encodings(), ids=bytes.hex)
def test_ed25519_point_of_low_order_is_refused(point: bytes) -> None:
    _refused({"kty": "OKP", "crv": "Ed25519", "x": encode(point)}, "low order|canonical")


def test_with_a_point_of_low_order_one_signature_would_fit_every_message() -> None:
    # Why the test above matters: what the library below us says to the neutral point.
    key = ed25519.Ed25519PublicKey.from_public_bytes(b"\x01" + bytes(31))
    for message in (b"any", b"other"):
        key.verify(b"\x01" + bytes(63), message)


@pytest.mark.parametrize("y", [2, 7, 8, 2**254 + 3])
def test_ed25519_point_off_the_curve_is_refused(y: int) -> None:
    # Half of all y belong to no point.
    refusals = []
    for candidate in range(y, y + 40):
        try:
            JWK.parse({"kty": "OKP", "crv": "Ed25519", "x": encode(candidate.to_bytes(32, "little"))})
        except InvalidKey as refusal:
            refusals.append(str(refusal))
    assert set(refusals) == {"the Ed25519 key is not on the curve"}
    assert 5 < len(refusals) < 35


def test_the_ed25519_points_are_those_of_the_curve_equation() -> None:
    # Section 5.1.3 of RFC 8032, with the root that it names: of small y these belong to a point.
    prime = 2**255 - 19
    d = -121665 * pow(121666, prime - 2, prime) % prime

    def has_root(y: int) -> bool:
        u, v = (y * y - 1) % prime, (d * y * y + 1) % prime
        root = u * pow(v, 3, prime) * pow(u * pow(v, 7, prime), (prime - 5) // 8, prime) % prime
        return v * root * root % prime in (u, -u % prime)

    def is_read(y: int) -> bool:
        try:
            JWK.parse({"kty": "OKP", "crv": "Ed25519", "x": encode(y.to_bytes(32, "little"))})
        except InvalidKey:
            return False
        return True

    assert [y for y in range(2, 80) if is_read(y)] == [y for y in range(2, 80) if has_root(y)]


def test_every_generated_ed25519_key_is_on_the_curve() -> None:
    for seed in range(50):
        public = ed25519.Ed25519PrivateKey.from_private_bytes(seed.to_bytes(32, "big")).public_key()
        JWK.parse({"kty": "OKP", "crv": "Ed25519", "x": encode(public.public_bytes_raw())})


@pytest.mark.parametrize("crv", ["X25519", "Ed448", "ed25519", "P-256", None, 1])
def test_other_okp_curve_is_refused(crv: object, members: Members) -> None:
    _refused({**members["Ed25519"], "crv": crv}, "crv")


@pytest.mark.parametrize("name", ["x", "d"])
def test_ed25519_member_of_another_length_or_key_is_refused(name: str, members: Members) -> None:
    octets = decode(str(members["Ed25519"][name]))
    other = {"x": decode(str(JWK.generate("EdDSA").to_dict()["x"])), "d": bytes(32)}[name]
    for wrong in (octets[:-1], octets + b"\x00", b"", other):
        _refused({**members["Ed25519"], name: encode(wrong)})


# HMAC


@pytest.mark.parametrize("length", [0, 1, 16, 31])
def test_secret_under_32_bytes_is_refused(length: int) -> None:
    _refused({"kty": "oct", "k": encode(b"x" * length)}, "at least 32")


@pytest.mark.parametrize(("alg", "length"), [("HS256", 31), ("HS384", 47), ("HS512", 63)])
def test_secret_shorter_than_the_hash_is_refused_and_as_long_as_it_is_read(alg: str, length: int) -> None:
    _refused({"kty": "oct", "alg": alg, "k": encode(b"x" * length)})
    with pytest.raises(InvalidKey, match=f"at least {length + 1}"):
        JWK.symmetric(b"x" * length, alg=alg)
    assert JWK.parse({"kty": "oct", "alg": alg, "k": encode(b"x" * (length + 1))}).algorithms == {alg}
    assert JWK.symmetric(b"x" * (length + 1), alg=alg).algorithms == {alg}


def test_secret_without_alg_serves_the_hashes_it_is_long_enough_for() -> None:
    lengths = {32: {"HS256"}, 48: {"HS256", "HS384"}, 64: {"HS256", "HS384", "HS512"}}
    for length, algorithms in lengths.items():
        assert JWK.parse({"kty": "oct", "k": encode(b"x" * length)}).algorithms == algorithms


def test_enormous_secret_is_refused() -> None:
    _refused({"kty": "oct", "k": encode(b"x" * 4097)}, "too long|more than")
    with pytest.raises(InvalidKey, match="more than 4096"):
        JWK.symmetric(b"x" * 4097, alg="HS256")
    assert JWK.symmetric(b"x" * 4096, alg="HS256").native == b"x" * 4096


@pytest.mark.parametrize("value", [None, 1, b"x" * 32, ["x"], "x" * 43 + "=", "x" * 41])
def test_malformed_secret_member_is_refused(value: object) -> None:
    _refused({"kty": "oct", "k": value}, "^k is")


def test_native_keys_are_those_of_the_numbers(members: Members) -> None:
    native = JWK.parse(members["RSA"]).native
    assert isinstance(native, rsa.RSAPrivateKey)
    assert native.public_key().public_numbers().n == _number(members["RSA"], "n")
    assert JWK.parse(members["oct"]).native == decode(str(members["oct"]["k"]))
