"""Certificates for TLS listeners: chosen by the name a client asks for (SNI), read again when their files change.

TLS 1.2 is the oldest version spoken (RFC 8996). A connection keeps the certificate that it began with.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final
from typing import Protocol as Contract

from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.internet.task import LoopingCall
from zope.interface import implementer

from proxy.certificate import DAY, Certificate, CertificateError, read_authorities, read_pair
from proxy.effects import Note

LOOK: Final = 60.0  # seconds between two looks at the files

Pair = tuple[Path, Path]
Stamp = tuple[tuple[int, int, int] | None, ...]


class TlsFiles:
    """The files for one kind of TLS connections: pairs of certificate and key, and the CA that judges the peers.

    A listener shows the first pair to clients that name no other. With `ca` its clients have to show a certificate of
    that CA, or may do so if it is not `required`.
    """

    __slots__ = ("ca", "pairs", "required")

    def __init__(self, pairs: Sequence[Pair], ca: Path | None = None, required: bool = True) -> None:
        self.pairs = tuple(pairs)
        self.ca = ca
        self.required = required

    def all(self) -> list[Path]:
        """Every file."""
        return [path for pair in self.pairs for path in pair] + ([self.ca] if self.ca else [])

    def check(self) -> None:
        """Raises CertificateError where `use` would."""
        for pair in self.pairs:
            read_pair(*pair)
        if self.ca is not None:
            read_authorities(self.ca)


def new_context(method: int) -> SSL.Context:
    """What every context of ours has in common."""
    context = SSL.Context(method)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE)
    # An idle connection otherwise holds two buffers of 17 kB each.
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    return context


def use_pair(context: SSL.Context, pair: Pair) -> Certificate:
    """Put a certificate and its key into a context. Raises CertificateError."""
    found = read_pair(*pair)
    try:
        context.use_certificate_chain_file(str(pair[0]))
        context.use_privatekey_file(str(pair[1]))
    except SSL.Error as error:
        raise CertificateError(f"{pair[0]} cannot be used: {error}") from error
    return found


def trust(context: SSL.Context, authority: Path) -> None:
    """Let the CA certificates of a file vouch for peers. Raises CertificateError."""
    read_authorities(authority)
    try:
        context.load_verify_locations(str(authority))
    except SSL.Error as error:
        raise CertificateError(f"{authority} cannot be used: {error}") from error


def stamp_of(paths: Sequence[Path]) -> Stamp:
    """What changes when a file does. A file that cannot be looked at has None."""
    stamps: list[tuple[int, int, int] | None] = []
    for path in paths:
        try:
            found = os.stat(path)
            stamps.append((found.st_mtime_ns, found.st_size, found.st_ino))
        except OSError:
            stamps.append(None)
    return tuple(stamps)


@implementer(IOpenSSLServerConnectionCreator)
class ListenerCertificates:
    """Makes the TLS side of connections that come in. `use` must have been called before the first one."""

    def __init__(self) -> None:
        self.files = TlsFiles(())
        # Each certificate in use and the file it came from.
        self.certificates: list[tuple[Path, Certificate]] = []
        self._first: SSL.Context | None = None
        self._by_name: dict[bytes, SSL.Context] = {}

    def use(self, files: TlsFiles) -> None:
        """Read these files and use them from the next connection on. Raises CertificateError and changes nothing."""
        certificates = []
        by_name: dict[bytes, SSL.Context] = {}
        contexts = []
        for pair in files.pairs:
            context = new_context(SSL.TLS_SERVER_METHOD)
            found = use_pair(context, pair)
            if files.ca is not None:
                _ask_clients(context, files.ca, files.required)
            context.set_tlsext_servername_callback(self._choose)
            certificates.append((pair[0], found))
            contexts.append(context)
            for name in found.hosts:
                by_name.setdefault(name.encode(), context)
        self.files, self.certificates, self._by_name, self._first = files, certificates, by_name, contexts[0]

    def serverConnectionForTLS(self, protocol: Any) -> SSL.Connection:  # noqa: N802 - Twisted's
        context = self._first
        if context is None:
            raise CertificateError("no certificate was read")
        return SSL.Connection(context, None)

    def _choose(self, connection: SSL.Connection) -> None:
        """The client has named the host it wants (RFC 6066 section 3)."""
        name = (connection.get_servername() or b"").lower()
        known = self._by_name
        context = known.get(name) or known.get(b"*." + name.partition(b".")[2])
        if context is not None:
            connection.set_context(context)


def _ask_clients(context: SSL.Context, authority: Path, required: bool) -> None:
    """Let clients show a certificate of this CA."""
    trust(context, authority)
    context.load_client_ca(os.fsencode(authority))
    # A session that is resumed must belong to a context that asks the same.
    context.set_session_id(b"sipmend")
    mode = SSL.VERIFY_PEER | (SSL.VERIFY_FAIL_IF_NO_PEER_CERT if required else 0)
    context.set_verify(mode, lambda connection, shown, number, depth, ok: bool(ok))


class CertificateUser(Contract):
    """Something with certificates that can be read again, as `CertificateWatch` sees it."""

    files: TlsFiles
    certificates: list[tuple[Path, Certificate]]

    def use(self, files: TlsFiles) -> None:
        """Read the files. Raises CertificateError and changes nothing."""


class CertificateWatch:
    """Looks at the files once a minute: new ones are used, and the last days of a certificate are told daily."""

    def __init__(
        self,
        users: Sequence[CertificateUser],
        reactor: Any,
        wall_clock: Callable[[], float],
        note: Callable[[Note], None],
    ) -> None:
        """`wall_clock` gives seconds since 1970."""
        self._users = tuple(users)
        self._wall_clock = wall_clock
        self._note = note
        self._stamps: dict[int, Stamp] = {}
        self._told: dict[Path, float] = {}
        self._call = LoopingCall(self.look)
        self._call.clock = reactor

    def note_files(self) -> None:
        """The files have just been read, by somebody else."""
        self._told.clear()
        for index, user in enumerate(self._users):
            self._stamps[index] = stamp_of(user.files.all())

    def start(self) -> None:
        """Look from now on."""
        self.note_files()
        if self._users:
            self._call.start(LOOK, now=False)
        self._warn()

    def stop(self) -> None:
        """Look no more."""
        if self._call.running:
            self._call.stop()

    def look(self) -> None:
        """Read again what has changed; what cannot be used is told once, and the old one stays."""
        for index, user in enumerate(self._users):
            stamp = stamp_of(user.files.all())
            if stamp == self._stamps.get(index):
                continue
            self._stamps[index] = stamp
            try:
                user.use(user.files)
            except CertificateError as error:
                text = "the certificate files have changed and cannot be used, the old ones stay: {error}"
                self._note(Note("error", text, {"error": str(error)}))
            else:
                self._told.clear()
                names = ", ".join(str(path) for path, _ in user.certificates)
                self._note(Note("info", "certificates read again: {files}", {"files": names}))
        self._warn()

    def _warn(self) -> None:
        """Name what has expired or soon will, once a day."""
        now = self._wall_clock()
        for user in self._users:
            for path, certificate in user.certificates:
                warning = certificate.warning(now)
                if warning and now - self._told.get(path, 0.0) >= DAY:
                    self._told[path] = now
                    level = "error" if certificate.trouble(now) else "warn"
                    self._note(Note(level, "the certificate {file} {warning}", {"file": str(path), "warning": warning}))
