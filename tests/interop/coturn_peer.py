"""A real STUN server: coturn, with everything but STUN turned off."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from peer_process import PeerProcess, eventually, need

from proxy.stun import binding_request, read_answer
from tests.support.wire_end import WireEnd

PORT = 3478


class Coturn:
    """turnserver on UDP port 3478 of one address; `inside` is a command that runs it in a network namespace."""

    def __init__(self, address: str, work: Path, inside: Sequence[str] = ()) -> None:
        self.host = address
        work.mkdir(parents=True, exist_ok=True)
        config = work / "turnserver.conf"
        config.write_text(
            f"listening-ip={address}\nlistening-port={PORT}\nrelay-ip={address}\n"
            "no-tls\nno-dtls\nno-cli\nno-auth\nstun-only\nno-rfc5780\nsimple-log\nlog-file=stdout\n"
            f"pidfile={work}/turnserver.pid\nuserdb={work}/turndb\n"
        )
        argv = [*inside, need("turnserver", "coturn"), "-c", str(config)]
        self.process = PeerProcess(argv, work, "coturn")
        self.process.await_start(lambda: "Total General servers" in self.process.log())
        if not inside:
            assert eventually(self._answers), self.process.log()

    def _answers(self) -> bool:
        client = WireEnd.udp("127.0.0.1")
        try:
            transaction = os.urandom(12)
            client.send(binding_request(transaction), self.host, PORT)
            return not client.silent(0.5) and read_answer(client.read(), transaction) is not None
        finally:
            client.close()

    @property
    def uri(self) -> str:
        """As it is written in a configuration."""
        return f"stun:{self.host}:{PORT}"

    def stop(self) -> None:
        self.process.stop()
