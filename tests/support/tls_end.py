"""The other end of a TLS connection, turned by hand together with the reactor of the test."""

from __future__ import annotations

import socket
import ssl


class TlsEnd:
    """A TLS client or server on a socket. `pump` turns what is under test."""

    def __init__(self, sock, context, pump, server_name=None, server_side=False):
        self._pump = pump
        sock.setblocking(False)
        self.socket = context.wrap_socket(
            sock, server_side=server_side, server_hostname=server_name, do_handshake_on_connect=False
        )

    @classmethod
    def connect(cls, address, context, pump, server_name=None):
        sock = socket.create_connection(address, timeout=10)
        return cls(sock, context, pump, server_name)

    def shake(self):
        """Finish the handshake; raises ssl.SSLError or OSError as it fails."""
        self._until(self.socket.do_handshake)
        return self

    def send(self, octets):
        self._until(lambda: self.socket.send(octets))

    def read(self):
        """What comes next; empty at the end of the connection."""
        return self._until(lambda: self.socket.recv(65536))

    def _until(self, step):
        for _ in range(2000):
            try:
                return step()
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                self._pump()
        raise AssertionError("what the test waits for did not happen")

    @property
    def certificate_names(self):
        """The names in the certificate that the other end showed."""
        return [value for _, value in self.socket.getpeercert()["subjectAltName"]]

    def close(self):
        self.socket.close()


def client_context(authority=None, pair=None, newest=None):
    """A client that trusts this CA, or anybody."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE if authority is None else ssl.CERT_REQUIRED
    if authority is not None:
        context.load_verify_locations(authority.file)
    if pair is not None:
        context.load_cert_chain(*pair)
    if newest is not None:
        context.minimum_version = min(newest, ssl.TLSVersion.TLSv1_2)
        context.maximum_version = newest
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
    return context


def server_context(pair):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    return context
