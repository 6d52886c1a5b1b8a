"""A real Kamailio as the PBX behind the proxy, and what it received, octet for octet."""

from __future__ import annotations

import base64
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from peer_process import PeerProcess, need
from sip_wire import Seen

TEMPLATE = Path(__file__).parent / "kamailio" / "pbx.cfg.in"
SEEN = re.compile(r"SEEN (\w+):([\d.]+:\d+) ([A-Za-z0-9+/=]+)")
WAY = re.compile(r"WAY (\S+) BY (\S+)")
DOMAIN = "pbx.test"


@dataclass
class Trust:
    """Files for TLS: Kamailio's certificate and key, and the CA that it holds its peers against."""

    certificate: Path
    private_key: Path
    ca: Path

    def settings(self) -> str:
        """Kamailio's own file. Whom it connects to has to be known to the CA."""
        pair = f"method = TLSv1.2+\nprivate_key = {self.private_key}\ncertificate = {self.certificate}\n"
        return (
            f"[server:default]\n{pair}verify_certificate = no\nrequire_certificate = no\n"
            f"[client:default]\n{pair}verify_certificate = yes\nrequire_certificate = yes\nca_list = {self.ca}\n"
        )


class Kamailio:
    """Kamailio on UDP and TCP port 5060 of one address; users alice, bob, carol with password NAME + `pw`.

    `patience` is how long it waits for the first answer to a request, in milliseconds. With `trust` it has TLS on
    port 5061 too. `defines` are variants of its configuration: OPEN (asks nobody for a password), WITH_PATH (stores
    Path and sends by it), WITH_WEBSOCKET (takes browsers on port 8080).
    """

    def __init__(
        self,
        address: str,
        work: Path,
        patience: int = 30_000,
        trust: Trust | None = None,
        defines: Sequence[str] = (),
    ) -> None:
        self.host = address
        self.address = (address, 5060)
        work.mkdir(parents=True, exist_ok=True)
        config = work / "kamailio.cfg"
        text = TEMPLATE.read_text().replace("@ADDRESS@", address).replace("@WORK@", str(work))
        listen = module = ""
        if trust is not None:
            (work / "tls.cfg").write_text(trust.settings())
            listen = f"enable_tls=yes\nlisten=tls:{address}:5061"
            module = f'loadmodule "tls.so"\nmodparam("tls", "config", "{work}/tls.cfg")'
        text = text.replace("@TLS_LISTEN@", listen).replace("@TLS_MODULE@", module)
        config.write_text(text.replace("@PATIENCE@", str(patience)))
        argv = [need("kamailio", "kamailio"), "-DD", "-E", "-f", str(config), "-m", "64", "-M", "8"]
        argv += ["-w", str(work), "-Y", str(work), "-P", str(work / "kamailio.pid")]
        argv += [word for define in defines for word in ("-A", define)]
        self.process = PeerProcess(argv, work, "kamailio")
        self.process.await_start(self._answers)

    def _answers(self) -> bool:
        probe = (
            f"OPTIONS sip:{self.host} SIP/2.0\r\nVia: SIP/2.0/TCP {self.host};branch=z9hG4bKprobe\r\n"
            "Max-Forwards: 1\r\nFrom: <sip:probe@pbx.test>;tag=1\r\nTo: <sip:pbx.test>\r\nCall-ID: probe\r\n"
            "CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
        )
        try:
            with socket.create_connection(self.address, 0.5) as stream:
                stream.settimeout(0.5)
                stream.sendall(probe.encode())
                return stream.recv(64).startswith(b"SIP/2.0")
        except OSError:
            return False

    def seen(self, source: str = "") -> list[Seen]:
        """Every message it received, in order; only those from this IP address if one is given."""
        found = []
        for _, origin, encoded in SEEN.findall(self.process.log()):
            if not source or origin.rpartition(":")[0] == source:
                found.append(Seen(base64.b64decode(encoded), origin))
        return found

    def transports(self, source: str) -> set[str]:
        """The transports by which this IP address sent what was received."""
        return {kind for kind, origin, _ in SEEN.findall(self.process.log()) if origin.rpartition(":")[0] == source}

    def from_clients(self, proxy: str) -> list[Seen]:
        """What came from clients through the proxy at this IP address, without the proxy's own probes."""
        return [seen for seen in self.seen(proxy) if seen.method != "OPTIONS" or len(seen.all("Via")) > 1]

    def ways(self) -> list[tuple[str, str]]:
        """Where calls to users went: each Request-URI, and the Route of a Path that was used (else `<null>`)."""
        return WAY.findall(self.process.log())

    def stop(self) -> None:
        self.process.stop()
