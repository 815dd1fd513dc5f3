"""The certificates of `--tls local`: what they are good for, and when they are made anew."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gatewright.jose import JWK
from gatewright.server import local_tls
from gatewright.server.local_tls import LocalTls
from tests.records import NOW

DAY = 86400.0


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path


def contents(files: LocalTls) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in files.folder.iterdir()}


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> str | None:
    """Which protocol two ends agree on, over a real pair of sockets."""
    ours, theirs = socket.socketpair()
    failures: list[Exception] = []

    def answer() -> None:
        try:
            server.wrap_socket(theirs, server_side=True).close()
        except OSError as error:
            failures.append(error)

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        with client.wrap_socket(ours, server_hostname=name) as agreed:
            return agreed.version()
    finally:
        ours.close()
        thread.join(timeout=5)


def shown(files: LocalTls) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.certificate, files.key)
    return context


@pytest.mark.parametrize("trusted", ["authority", "bundle"])
@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1"])
def test_whoever_trusts_the_authority_trusts_this_machine(data: Path, trusted: str, name: str) -> None:
    files = local_tls.ensure(data, now=time.time())
    client = ssl.create_default_context(cafile=getattr(files, trusted))
    assert handshake(shown(files), client, name) is not None


def test_whoever_does_not_trust_it_refuses(data: Path) -> None:
    files = local_tls.ensure(data, now=time.time())
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(shown(files), ssl.create_default_context(), "localhost")


def test_the_authority_can_vouch_for_no_other_host(data: Path, tmp_path: Path) -> None:
    """What a thief of its key would do."""
    files = local_tls.ensure(data, now=time.time())
    authority = certificate(files.authority)
    stolen = JWK.from_pem(files.authority_key.read_bytes()).native
    assert isinstance(stolen, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    forged = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(authority.not_valid_before_utc)
        .not_valid_after(authority.not_valid_after_utc)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("bank.example")]), critical=True)
        .sign(stolen, hashes.SHA256())
    )
    chain = tmp_path / "forged.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    chain.write_bytes(private + forged.public_bytes(Encoding.PEM))
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(chain)
    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree"):
        handshake(server, ssl.create_default_context(cafile=files.authority), "bank.example")


def test_it_lasts_a_year_and_only_its_owner_may_read_it(data: Path) -> None:
    files = local_tls.ensure(data, now=NOW)
    for path in (files.authority, files.certificate):
        assert certificate(path).not_valid_after_utc.timestamp() == NOW + 365 * DAY
        assert certificate(path).not_valid_before_utc.timestamp() == NOW - 3600
    assert {path.stat().st_mode & 0o777 for path in files.folder.iterdir()} == {0o600}
    assert files.folder.stat().st_mode & 0o777 == 0o700


def test_what_is_good_stays_and_is_made_anew_a_month_before_it_ends(data: Path) -> None:
    first = contents(local_tls.ensure(data, now=NOW))
    assert set(first) == {"ca.pem", "ca.key", "server.pem", "server.key", "bundle.pem"}
    assert contents(local_tls.ensure(data, now=NOW + 334 * DAY)) == first
    later = contents(local_tls.ensure(data, now=NOW + 336 * DAY))
    assert not [name for name in first if later[name] == first[name]]


@pytest.mark.parametrize("lost", ["server.pem", "server.key", "ca.pem", "ca.key", "bundle.pem"])
@pytest.mark.parametrize("how", ["gone", "broken", "another's"])
def test_what_is_lost_or_broken_is_made_anew_and_fits(
    data: Path, tmp_path: Path, lost: str, how: str
) -> None:
    files = local_tls.ensure(data, now=time.time())
    before = contents(files)
    (tmp_path / "other").mkdir()
    other = contents(local_tls.ensure(tmp_path / "other", now=time.time()))
    if how == "gone":
        (files.folder / lost).unlink()
    else:
        (files.folder / lost).write_bytes(b"nothing of use" if how == "broken" else other[lost])
    local_tls.ensure(data, now=time.time())
    after = contents(files)
    # The authority stays as long as it is whole: it may be trusted in many places.
    assert (after["ca.pem"] == before["ca.pem"]) == (not lost.startswith("ca"))
    client = ssl.create_default_context(cafile=files.bundle)
    assert handshake(shown(files), client, "localhost") is not None


def test_the_bundle_has_the_systems_authorities_too_and_never_itself(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = tmp_path / "system.pem"
    system.write_text("# the system's\n")
    monkeypatch.setenv("SSL_CERT_FILE", str(system))
    files = local_tls.ensure(data, now=NOW)
    assert files.bundle.read_text() == files.authority.read_text() + "# the system's\n"
    monkeypatch.setenv("SSL_CERT_FILE", str(files.bundle))
    local_tls.ensure(data, now=NOW)
    assert files.bundle.read_text().count(files.authority.read_text()) == 1
