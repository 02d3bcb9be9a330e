"""Certificates for one run: an authority and what it signs. Both kinds of key are those that are in use everywhere."""

import datetime
import ipaddress
import os
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ECDSA, RSA = "ECDSA P-256", "RSA 2048"
# Clients believe no longer ones.
DAYS = 90
# Scanners want a place that tells of withdrawn certificates; nobody asks there.
NOWHERE = x509.DistributionPoint([x509.UniformResourceIdentifier("http://localhost/withdrawn.crl")], None, None, None)


def new_key(kind: str) -> ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey:
    if kind == RSA:
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1())


def replace(path: Path, content: bytes | str) -> None:
    """The file is the old one or the new one, never a part of it."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_bytes(content.encode() if isinstance(content, str) else content)
    os.replace(beside, path)


class Authority:
    """Signs certificates for localhost and 127.0.0.1."""

    def __init__(self) -> None:
        self.key = new_key(ECDSA)
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Authority of this run")])
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        self.certificate = (
            self.begin(self.name, self.key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(self.key, hashes.SHA256())
        )

    def begin(self, subject: x509.Name, key: object, days: int = DAYS) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        begin = min(now, now + datetime.timedelta(days=days)) - datetime.timedelta(hours=1)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        )

    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, kind: str = ECDSA, days: int = DAYS) -> tuple[bytes, bytes]:
        """A new certificate and its key, both PEM; one that has expired if the days are negative."""
        key = new_key(kind)
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
        certificate = (
            self.begin(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]), key.public_key(), days)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.CRLDistributionPoints([NOWHERE]), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        return (
            certificate.public_bytes(serialization.Encoding.PEM),
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
        )

    def write(self, directory: Path, kind: str = ECDSA) -> None:
        """tls.crt and tls.key, as Kubernetes names them, and the root that clients need."""
        directory.mkdir(parents=True, exist_ok=True)
        certificate, key = self.issue(kind)
        replace(directory / "tls.crt", certificate)
        replace(directory / "tls.key", key)
        replace(directory / "ca.crt", self.pem())
