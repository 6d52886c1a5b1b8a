"""Certificates for tests: a CA of their own, and whatever it signs."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NOW = datetime.now(UTC)
PEM = serialization.Encoding.PEM


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def alternative(text):
    """`edge.example.com`, an address, or a URI."""
    if ":" in text and text.partition(":")[0] in ("sip", "sips", "https"):
        return x509.UniformResourceIdentifier(text)
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


class Authority:
    """A CA whose files lie in `folder`; `file` is its certificate."""

    def __init__(self, folder: Path, title: str = "Test CA") -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = name(title)
        self.certificate = self._sign(self.name, self.key.public_key(), NOW - timedelta(days=9), 3650, (), True)
        self.file = folder / f"{title.replace(' ', '')}.pem"
        self.file.write_bytes(self.certificate.public_bytes(PEM))

    def issue(self, stem, *names, begins=-1, days=90, common="test", alternatives=True):
        """Certificate and key as files `stem.pem` and `stem.key`, for these names, from `begins` days on."""
        key = ec.generate_private_key(ec.SECP256R1())
        start = NOW + timedelta(days=begins)
        made = self._sign(name(common), key.public_key(), start, days, names if alternatives else None, False)
        files = (self.folder / f"{stem}.pem", self.folder / f"{stem}.key")
        files[0].write_bytes(made.public_bytes(PEM))
        files[1].write_bytes(key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        return files

    def _sign(self, subject, public_key, start, days, names, is_authority):
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(start + timedelta(days=days))
            .add_extension(x509.BasicConstraints(is_authority, None), True)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName([alternative(text) for text in names]), False)
        return builder.sign(self.key, hashes.SHA256())
