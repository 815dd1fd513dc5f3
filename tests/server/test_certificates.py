from __future__ import annotations

import base64

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from gatewright.jose import JWK
from gatewright.server import certificates
from tests.records import NOW


@pytest.fixture
def pem() -> str:
    return certificates.self_signed(JWK.generate("ES256").native, host="auth.example", now=NOW)


def test_a_certificate_is_good_from_now_on_for_years(pem: str) -> None:
    certificate = x509.load_pem_x509_certificate(pem.encode())
    assert certificate.not_valid_before_utc.timestamp() == NOW
    assert certificate.not_valid_after_utc.timestamp() > NOW + 10 * 365 * 86400


def test_its_other_shapes_are_the_same_certificate(pem: str) -> None:
    certificate = x509.load_pem_x509_certificate(pem.encode())
    thumbprint = certificate.fingerprint(hashes.SHA1())  # noqa: S303 - x5t is SHA-1 by definition
    assert pkcs7.load_pem_pkcs7_certificates(certificates.as_pkcs7(pem).encode()) == [certificate]
    assert base64.b64decode(certificates.x5c(pem)) == certificate.public_bytes(Encoding.DER)
    assert base64.urlsafe_b64decode(certificates.x5t(pem) + "=") == thumbprint
    assert bytes.fromhex(certificates.fingerprint(pem).replace(":", "")) == thumbprint
    assert certificates.fingerprint(pem) == certificates.fingerprint(pem).upper()


@pytest.mark.parametrize("host", ["localhost", "::1", "a" * 60 + ".auth.example", "x"])
def test_any_host_makes_a_certificate(host: str) -> None:
    pem = certificates.self_signed(JWK.generate("EdDSA").native, host=host, now=NOW)
    assert x509.load_pem_x509_certificate(pem.encode()).subject.rfc4514_string() == f"CN={host[:64]}"
