"""Whether the STUN servers of the settings answer, and what they say. Blocking; for the command line only.

They are asked from a port of their own: that of the listener may be in use by the proxy that runs.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from functools import cache
from time import monotonic

from proxy.config.address import stun_server
from proxy.config.errors import KeyPath
from proxy.config.model import Config
from proxy.stun import TRANSACTION, StunError, binding_request, read_answer

# Seconds to wait after each request (RFC 8489 section 6.2.1, but not as long: somebody is watching).
WAITS = (0.5, 1.0, 2.0, 4.0)
_MOST_OCTETS = 1500


class _NoAnswerError(Exception):
    """No address was told; the text says why."""


def check_stun(config: Config) -> Iterator[tuple[KeyPath, str]]:
    """Each STUN server that tells nothing, with the reason. No server is asked twice."""
    for path, name, told, trouble in _asked(config):
        if not told:
            yield path, f"the STUN server {name} {trouble}"


def tell_stun(config: Config) -> Iterator[tuple[KeyPath, str]]:
    """What each STUN server says."""
    for path, name, told, _ in _asked(config):
        if told:
            yield path, f"the STUN server {name} sees this machine at {told}"


def _asked(config: Config) -> Iterator[tuple[KeyPath, str, str, str]]:
    """Key, server, address and trouble of each question: one for every address that listeners are bound to."""
    done: set[tuple[str, str]] = set()
    for index, listener in enumerate(config.listen):
        server = stun_server(listener, config.public_address)
        host = listener.uri.host
        if server is None or (str(server), host) in done:
            continue
        done.add((str(server), host))
        own: KeyPath = ("listen", index, "public_address")
        path = own if listener.public_address is not None else ("public_address",)
        yield path, str(server), *_ask(server.host, server.port, host)


@cache
def _ask(server: str, port: int, host: str) -> tuple[str, str]:
    """The address that the server sees, or why there is none. Asked once in the life of the process."""
    try:
        return _ask_by(server, port, host), ""
    except _NoAnswerError as error:
        return "", str(error)
    except OSError as error:
        return "", f"cannot be asked: {error.strerror or error}"


def _ask_by(server: str, port: int, host: str) -> str:
    # A socket on [::] is asked about as if it were one on 0.0.0.0: it is IPv4 that has NATs.
    family = socket.AF_INET6 if ":" in host and host != "::" else socket.AF_INET
    address = socket.getaddrinfo(server, port, family, socket.SOCK_DGRAM)[0][4]
    with socket.socket(family, socket.SOCK_DGRAM) as asking:
        asking.bind(("" if host == "::" else host, 0))
        # Connected: then nobody else is heard, and a closed port is told.
        asking.connect(address)
        transaction = os.urandom(TRANSACTION)
        for wait in WAITS:
            asking.send(binding_request(transaction))
            told = _await(asking, transaction, wait)
            if told is not None:
                return told
    raise _NoAnswerError(f"does not answer within {sum(WAITS):g} s")


def _await(asking: socket.socket, transaction: bytes, wait: float) -> str | None:
    """The address in the answer; None if none comes in that time."""
    end = monotonic() + wait
    while (left := end - monotonic()) > 0:
        asking.settimeout(left)
        try:
            told = read_answer(asking.recv(_MOST_OCTETS), transaction)
        except TimeoutError:
            return None
        except StunError as error:
            raise _NoAnswerError(str(error)) from error
        if told is not None:
            return told[0]
    return None
