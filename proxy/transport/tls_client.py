"""TLS towards the server: its certificate is verified, and must name the domain that was meant (RFC 5922)."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final
from typing import Protocol as Contract

from OpenSSL import SSL
from twisted.internet.interfaces import IHandshakeListener, IOpenSSLClientConnectionCreator
from twisted.internet.protocol import Protocol, connectionDone
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from proxy.certificate import Certificate, CertificateError
from proxy.effects import Note
from proxy.transport.tls import TlsFiles, new_context, trust, use_pair

# How many addresses are remembered at which TLS did not work.
_MOST_TOLD: Final = 1000
# X509_verify_cert_error (OpenSSL): what the administrator can do something about.
_REASONS: Final = {
    9: "its certificate is not valid yet: compare the clocks",
    10: "its certificate has expired",
    18: "its certificate is signed by itself: name it as server.tls.ca to trust it",
    19: "its certificate is signed by a CA that is not known here: name that CA as server.tls.ca",
    20: "its certificate is signed by a CA that is not known here: name that CA as server.tls.ca, "
    "or let the server send the certificates between",
    21: "its certificate is signed by a CA that is not known here: name that CA as server.tls.ca, "
    "or let the server send the certificates between",
    23: "its certificate is revoked",
    26: "its certificate is not meant for servers",
}


class Ends(Contract):
    """What the TLS connection of an attempt tells it. `given_up` is why we do not want it any more, if so."""

    given_up: str

    def proven(self, transport: Any) -> None:
        """The far end is who it should be."""

    def refused(self, reason: str) -> None:
        """It is not, or there is no TLS with it."""


class Verifier:
    """Makes TLS connections of ours and judges who answers. `use` must have been called before the first one."""

    def __init__(self, names: Callable[[str], tuple[str, ...]], note: Callable[[Note], None]) -> None:
        """`names` gives the domains that the server at an IP address may have, the likeliest first."""
        self.files = TlsFiles(())
        self.certificates: list[tuple[Path, Certificate]] = []
        self._names = names
        self._note = note
        self._context: SSL.Context | None = None
        # What was said of an address; nothing is said twice in a row.
        self._told: dict[tuple[str, int], str] = {}

    def use(self, files: TlsFiles) -> None:
        """Read these files and use them from the next connection on. Raises CertificateError and changes nothing."""
        context = new_context(SSL.TLS_CLIENT_METHOD)
        if files.ca is None:
            context.set_default_verify_paths()
        else:
            trust(context, files.ca)
        context.set_verify(SSL.VERIFY_PEER, _judge)
        certificates = [(pair[0], use_pair(context, pair)) for pair in files.pairs]
        self.files, self.certificates, self._context = files, certificates, context

    def wrap(self, attempt: Ends, factory: Any, address: tuple[str, int], reactor: Any) -> Protocol:
        """The protocol that makes TLS with `address` and tells the attempt how that went."""
        if self._context is None:
            raise CertificateError("no CA was read")
        names = self._names(address[0])
        creator: Any = _Creator(self._context, names)
        tls: Any = TLSMemoryBIOProtocol
        inner = Proving(self, attempt, address, names)
        made: Protocol = tls(TLSMemoryBIOFactory(creator, True, factory, reactor), inner)
        return made

    def failed(self, address: tuple[str, int], why: str) -> None:
        """Say once why there is no TLS with that address."""
        if self._told.get(address) != why and len(self._told) < _MOST_TOLD:
            self._told[address] = why
            fields: dict[str, object] = {"host": address[0], "port": address[1], "why": why}
            self._note(Note("error", "no TLS with the server at {host}:{port}: {why}", fields))

    def worked(self, address: tuple[str, int]) -> None:
        """Say so if it did not before."""
        if self._told.pop(address, None) is not None:
            fields: dict[str, object] = {"host": address[0], "port": address[1]}
            self._note(Note("info", "TLS with the server at {host}:{port} works again", fields))


@implementer(IOpenSSLClientConnectionCreator)
class _Creator:
    """Makes the TLS side of one connection, with the name that is asked for (SNI)."""

    def __init__(self, context: SSL.Context, names: tuple[str, ...]) -> None:
        self._context = context
        self._asked = next((name for name in names if not _is_address(name)), "")

    def clientConnectionForTLS(self, protocol: Any) -> SSL.Connection:  # noqa: N802 - Twisted's
        connection = SSL.Connection(self._context, None)
        if self._asked:
            connection.set_tlsext_host_name(self._asked.encode())
        return connection


@implementer(IHandshakeListener)
class Proving(Protocol):
    """A connection of ours whose far end has not proven yet who it is."""

    def __init__(self, verifier: Verifier, attempt: Ends, address: tuple[str, int], names: tuple[str, ...]) -> None:
        self.trouble = ""
        self._verifier = verifier
        self._attempt = attempt
        self._address = address
        self._names = names

    def handshakeCompleted(self) -> None:  # noqa: N802 - Twisted's
        transport: Any = self.transport
        shown = transport.getPeerCertificate()
        found = None if shown is None else Certificate(shown.to_cryptography())
        if found is not None and found.is_for_domain(self._names):
            self._verifier.worked(self._address)
            self._attempt.proven(transport)
            return
        names = ", ".join(found.domains) if found is not None and found.domains else "nobody"
        wanted = " or ".join(self._names)
        self.trouble = f"its certificate is for {names}, and should be for {wanted} (RFC 5922: wildcards do not count)"
        transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        error = reason.value
        why = self.trouble
        if not why and isinstance(error, SSL.Error) and error.args and error.args[0]:
            why = "; ".join(str(part[-1]) for part in error.args[0])
        given_up = self._attempt.given_up
        if not given_up or given_up == "handshake_timeout":
            usual = "it does not answer the handshake" if given_up else "it closed the connection in the handshake"
            self._verifier.failed(self._address, why or f"{usual}: does it speak TLS at that port?")
        self._attempt.refused("bad_certificate" if self.trouble else "tls_failed")


def _judge(connection: SSL.Connection, shown: Any, number: int, depth: int, ok: int) -> bool:
    """Keep why OpenSSL does not trust a certificate: the error that comes of it does not say."""
    if not ok:
        waiting = connection.get_app_data().wrappedProtocol
        waiting.trouble = _REASONS.get(number, f"its certificate cannot be verified (OpenSSL error {number})")
    return bool(ok)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
