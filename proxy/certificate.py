"""A certificate as far as it concerns us: whom it names, when it is valid, whether its key fits.

Names are compared in two ways: as SIP peers do (RFC 5922 section 7.2, no wildcards), where we judge; and as browsers do
(RFC 6125 section 6.4.3, `*.` for one label), where others judge us. Knows no connection; must not import twisted.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import ExtensionOID, NameOID

DAY = 86400.0
# Days before the end of a certificate from which on it is worth a line.
SOON = 14


class CertificateError(Exception):
    """A file cannot be used; the text says which and why. `of_key` tells that the fault is with the private key."""

    def __init__(self, text: str, of_key: bool = False) -> None:
        super().__init__(text)
        self.of_key = of_key


class Certificate:
    """What a certificate says. Names are in lower case; `begins` and `ends` are seconds since 1970.

    `hosts` are the names and addresses that it is for; `domains` those by which a SIP server may be known.
    """

    __slots__ = ("begins", "domains", "ends", "hosts")

    def __init__(self, found: x509.Certificate) -> None:
        self.begins = found.not_valid_before_utc.timestamp()
        self.ends = found.not_valid_after_utc.timestamp()
        names, addresses, uris = _alternatives(found)
        self.hosts = (*names, *addresses)
        # > Implementations MUST accept a domain name system (DNS) identifier as a SIP domain identity if and only if
        # > no other identity is found that matches the "sip" URI type identity (RFC 5922 section 7.1)
        self.domains = (*(uris or names), *addresses)

    def is_for_host(self, host: str) -> bool:
        """Whether a browser or phone that connects to that host takes the certificate."""
        wanted = host.lower()
        _, dot, rest = wanted.partition(".")
        return wanted in self.hosts or (bool(dot) and f"*.{rest}" in self.hosts)

    def is_for_domain(self, domains: Iterable[str]) -> bool:
        """Whether it identifies one of these SIP domains or addresses.

        > Implementations MUST NOT match any form of wildcard (RFC 5922 section 7.2)
        """
        return any(domain.lower() in self.domains for domain in domains)

    def trouble(self, now: float) -> str:
        """What is wrong with its time, `expired on 2026-01-31` or `is not valid before 2026-01-31`; or nothing."""
        if self.ends <= now:
            return f"expired on {day(self.ends)}"
        return f"is not valid before {day(self.begins)}" if self.begins > now else ""

    def warning(self, now: float) -> str:
        """As `trouble`, and from two weeks before its end on `expires on 2026-01-31, in 9 days`."""
        left = int((self.ends - now) / DAY)
        if self.ends > now >= self.begins and left < SOON:
            return f"expires on {day(self.ends)}, in {left} day{'' if left == 1 else 's'}"
        return self.trouble(now)


def day(moment: float) -> str:
    """The day as it is written everywhere, in UTC."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d")


def _alternatives(found: x509.Certificate) -> tuple[list[str], list[str], list[str]]:
    """DNS names, addresses, and the domains of SIP URIs."""
    try:
        values = found.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value
    except (x509.ExtensionNotFound, ValueError):
        # > if and only if the subjectAltName does not appear in the certificate, the implementation MAY examine the CN
        common = found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return [str(name.value).lower() for name in common], [], []
    if not isinstance(values, x509.SubjectAlternativeName):
        return [], [], []
    names = [name.lower() for name in values.get_values_for_type(x509.DNSName)]
    addresses = [str(address) for address in values.get_values_for_type(x509.IPAddress)]
    uris = [_domain(uri.lower()) for uri in values.get_values_for_type(x509.UniformResourceIdentifier)]
    return names, addresses, [domain for domain in uris if domain]


def _domain(uri: str) -> str:
    """The domain of a SIP URI without a user part: with one it names a person (RFC 5922 section 7.1)."""
    scheme, _, rest = uri.partition(":")
    return "" if scheme != "sip" or "@" in rest else rest.partition(";")[0].partition("?")[0]


def parse_certificate(octets: bytes) -> Certificate:
    """The first certificate of a PEM text, or one in DER. Raises ValueError."""
    if b"-----BEGIN" not in octets:
        return Certificate(x509.load_der_x509_certificate(octets))
    return Certificate(x509.load_pem_x509_certificates(octets)[0])


def read_certificate(path: Path) -> Certificate:
    """The first certificate of a file. Raises CertificateError."""
    try:
        return parse_certificate(path.read_bytes())
    except OSError as error:
        raise CertificateError(f"{path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise CertificateError(f"{path} is no certificate in PEM form") from error


def read_pair(certificate: Path, private_key: Path) -> Certificate:
    """The certificate, if it and its key can be used together. Raises CertificateError."""
    for path in (certificate, private_key):
        try:
            path.read_bytes()
        except OSError as error:
            text = f"{path} cannot be read: {error.strerror or error}"
            raise CertificateError(text, path == private_key) from error
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # The empty password keeps OpenSSL from asking for one at the terminal.
        context.load_cert_chain(certificate, private_key, password="")
    except (ssl.SSLError, ValueError) as error:
        reason = error.reason if isinstance(error, ssl.SSLError) else str(error)
        if reason == "KEY_VALUES_MISMATCH":
            raise CertificateError(f"{private_key} is not the key of {certificate}", True) from error
        why = f" ({reason})" if reason else ""
        files = f"{certificate} and {private_key}"
        text = f"{files} are not a certificate and its key, in PEM form and without password{why}"
        raise CertificateError(text) from error
    return read_certificate(certificate)


def read_authorities(path: Path) -> int:
    """How many CA certificates a file has. Raises CertificateError where there is none."""
    try:
        return len(x509.load_pem_x509_certificates(path.read_bytes()))
    except OSError as error:
        raise CertificateError(f"{path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise CertificateError(f"{path} has no CA certificate in PEM form") from error
