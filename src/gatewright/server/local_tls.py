"""Certificates for this machine alone (`--tls local`): an authority of its own, and what it signs.

In the folder `tls` of the data folder, for their owner alone where they are secret::

    ca.pem, ca.key          the authority: good for localhost and the loopback addresses, whoever has its key
    server.pem, server.key  what the server shows
    bundle.pem              the system's authorities and ours, for programs that take one file of all

The authority is limited by its own certificate (RFC 5280, section 4.2.1.10): a program that trusts it
trusts it for no other host. Nothing here touches what the system trusts.
"""

import datetime as dt
import ipaddress
import os
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gatewright.server.files import write_privately

FOLDER: Final = "tls"
_LIFETIME: Final = dt.timedelta(days=365)
_RENEWED_BEFORE: Final = dt.timedelta(days=30)
_NAMES: Final = ("localhost",)
_ADDRESSES: Final = ("127.0.0.1", "::1")
_NETWORKS: Final = ("127.0.0.0/8", "::1/128")
_BUNDLES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


@dataclass(frozen=True, slots=True)
class LocalTls:
    """Where the files are."""

    folder: Path

    @property
    def authority(self) -> Path:
        """The authority's certificate."""
        return self.folder / "ca.pem"

    @property
    def authority_key(self) -> Path:
        """Its private key."""
        return self.folder / "ca.key"

    @property
    def certificate(self) -> Path:
        """What the server shows."""
        return self.folder / "server.pem"

    @property
    def key(self) -> Path:
        """The server's private key."""
        return self.folder / "server.key"

    @property
    def bundle(self) -> Path:
        """The system's authorities and ours."""
        return self.folder / "bundle.pem"


def local_tls(data: Path) -> LocalTls:
    """Where the files of a data folder are, made or not."""
    return LocalTls(data.absolute() / FOLDER)


def ensure(data: Path, *, now: float) -> LocalTls:
    """The files, made where one is missing, broken or about to end; what is good stays as it is.

    A new authority is made a month before the old one ends, and then has to be trusted anew.

    Raises:
        OSError: the folder cannot be used.
    """
    files, at = local_tls(data), dt.datetime.fromtimestamp(now, dt.UTC)
    files.folder.mkdir(mode=0o700, exist_ok=True)
    authority = _pair(files.authority, files.authority_key)
    if authority is None or not _is_good(authority[0], at):
        authority = _new_authority(at)
        _write(files.authority, files.authority_key, authority)
    shown = _pair(files.certificate, files.key)
    if shown is None or not _is_good(shown[0], at) or not _is_signed_by(shown[0], authority[0]):
        shown = _new_certificate(authority, at)
        _write(files.certificate, files.key, shown)
    _write_if_other(files.bundle, _bundle(authority[0], ours=files.folder))
    return files


_Pair = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def _new_authority(at: dt.datetime) -> _Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("Gatewright local authority")
    networks = [x509.IPAddress(ipaddress.ip_network(network)) for network in _NETWORKS]
    permitted = [*(x509.DNSName(name) for name in _NAMES), *networks]
    builder = (
        _begun(name, key, at, ends=at + _LIFETIME)
        .issuer_name(name)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.NameConstraints(permitted, None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    )
    return builder.sign(key, hashes.SHA256()), key


def _new_certificate(authority: _Pair, at: dt.datetime) -> _Pair:
    certificate, authority_key = authority
    key = ec.generate_private_key(ec.SECP256R1())
    addresses = [x509.IPAddress(ipaddress.ip_address(address)) for address in _ADDRESSES]
    hosts = [*(x509.DNSName(name) for name in _NAMES), *addresses]
    identifier = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = (
        _begun(_name("localhost"), key, at, ends=certificate.not_valid_after_utc)
        .issuer_name(certificate.subject)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False
        )
    )
    return builder.sign(authority_key, hashes.SHA256()), key


def _begun(
    name: x509.Name, key: ec.EllipticCurvePrivateKey, at: dt.datetime, *, ends: dt.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # An hour ago, for clocks that differ, as those of virtual machines do.
        .not_valid_before(at - dt.timedelta(hours=1))
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pair(certificate: Path, key: Path) -> _Pair | None:
    """A certificate and its key, if the files hold both and they belong together."""
    try:
        shown = x509.load_pem_x509_certificate(certificate.read_bytes())
        private = load_pem_private_key(key.read_bytes(), None)
    except (FileNotFoundError, ValueError, TypeError):
        return None
    if not isinstance(private, ec.EllipticCurvePrivateKey) or shown.public_key() != private.public_key():
        return None
    return shown, private


def _is_good(certificate: x509.Certificate, at: dt.datetime) -> bool:
    return certificate.not_valid_before_utc <= at < certificate.not_valid_after_utc - _RENEWED_BEFORE


def _is_signed_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _write(certificate: Path, key: Path, pair: _Pair) -> None:
    private = pair[1].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    # The key first: a certificate without its key would be taken for a good one by nobody.
    write_privately(key, private.decode("ascii"))
    write_privately(certificate, pair[0].public_bytes(Encoding.PEM).decode("ascii"))


def _write_if_other(file: Path, text: str) -> None:
    if not file.exists() or file.read_bytes() != text.encode():
        write_privately(file, text)


def _bundle(authority: x509.Certificate, *, ours: Path) -> str:
    system = _system_authorities(ours).strip()
    own = authority.public_bytes(Encoding.PEM).decode("ascii")
    return f"{own}{system}\n" if system else own


def _system_authorities(ours: Path) -> str:
    """The certificates that programs of this system trust, as far as they stand in a file."""
    paths = ssl.get_default_verify_paths()
    candidates: Iterable[str | None] = (
        os.environ.get(paths.openssl_cafile_env),
        paths.openssl_cafile,
        *_BUNDLES,
    )
    for candidate in candidates:
        # A shell that has our variables set already names our own bundle.
        if candidate and ours not in Path(candidate).absolute().parents and Path(candidate).is_file():
            return Path(candidate).read_text(encoding="utf-8", errors="replace")
    return "".join(
        ssl.DER_cert_to_PEM_cert(der) for der in ssl.create_default_context().get_ca_certs(binary_form=True)
    )
