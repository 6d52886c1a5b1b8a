"""baresip, a real SIP client without a sound card, steered over its control socket (`ctrl_tcp`, JSON in netstrings)."""

from __future__ import annotations

import json
import math
import re
import socket
import struct
import time
import wave
from pathlib import Path

from kamailio_peer import DOMAIN
from peer_process import PeerProcess, free_port, fresh_address, need, need_file
from sip_client import Address

PACKAGE = "baresip-core"
MODULES = "/usr/lib/*/baresip/modules"
PATIENCE = 20.0
REGISTERED = re.compile(r"^SIP/2.0 200 OK\r?\n(?:\S[^\n]*\n)*CSeq: \d+ REGISTER", re.MULTILINE)
CONFIG = """\
poll_method epoll
sip_listen {host}:{port}
call_local_timeout 60
call_max_calls 4
audio_source aufile,{work}/tone.wav
audio_level no
ausrc_srate 8000
auplay_srate 8000
rtp_stats yes
rtp_timeout 60
rtcp_mux yes
module_path {modules}
module g711.so
module opus.so
module aufile.so
module srtp.so
module dtls_srtp.so
module ice.so
module uuid.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen {host}:{control}
"""
ACCOUNT = (
    "<sip:{user}@{domain};transport={transport}>;auth_user={user};auth_pass={user}pw;"
    'outbound="sip:{proxy};transport={transport}";answermode=auto;regint=600;{more}\n'
)


class Baresip:
    """One user of the PBX by baresip, which answers every call at once; registered when this returns.

    `more` are parameters of its account, such as `mediaenc=dtls_srtp`; `host` is its address.
    """

    def __init__(
        self,
        user: str,
        proxy: Address,
        transport: str,
        work: Path,
        more: str = "audio_codecs=pcmu",
        host: str = "",
    ) -> None:
        self.user = user
        self.host = host or fresh_address()
        self.port = free_port(self.host)
        program = need("baresip", PACKAGE)
        work.mkdir(parents=True, exist_ok=True)
        control = free_port(self.host)
        _tone(work / "tone.wav")
        (work / "config").write_text(
            CONFIG.format(host=self.host, port=self.port, control=control, work=work, modules=_modules())
        )
        (work / "accounts").write_text(
            ACCOUNT.format(user=user, domain=DOMAIN, transport=transport, proxy=f"{proxy[0]}:{proxy[1]}", more=more)
        )
        (work / "contacts").write_text("")
        self._unread = b""
        self._events: list[dict[str, str]] = []
        self._control: socket.socket | None = None
        # Line by line: what it says into a file would stand in its buffer.
        argv = ["stdbuf", "-oL", program, "-4", "-s", "-f", str(work)]
        self.process = PeerProcess(argv, work, f"baresip-{user}")
        try:
            self.process.await_start(lambda: bool(REGISTERED.search(self.log())))
            self._control = socket.create_connection((self.host, control), PATIENCE)
        except BaseException:
            self.process.stop()
            raise

    def log(self) -> str:
        """What it wrote, its SIP messages among it, without the colours."""
        return re.sub(r"\x1b\[[0-9;]*m", "", self.process.log())

    def do(self, command: str, params: str = "") -> None:
        """Have it run a command of its menu, such as `dial`, `hangup`, `hold`."""
        assert self._control is not None
        text = json.dumps({"command": command, "params": params, "token": command}).encode()
        self._control.sendall(b"%d:%b," % (len(text), text))

    def call(self, user: str) -> None:
        self.do("dial", f"sip:{user}@{DOMAIN}")

    def expect(self, kind: str) -> None:
        """Wait for this event (`CALL_ESTABLISHED` ...) and drop what came before. AssertionError if it stays away."""
        deadline = time.monotonic() + PATIENCE
        while True:
            while self._events:
                if self._events.pop(0).get("type") == kind:
                    return
            self._read(deadline, kind)

    def _read(self, deadline: float, kind: str) -> None:
        assert self._control is not None
        self._control.settimeout(max(0.01, deadline - time.monotonic()))
        try:
            more = self._control.recv(65536)
        except TimeoutError:
            more = b""
        assert more, f"{self.user}: no {kind}\n{self.log()[-6000:]}"
        self._unread += more
        while (found := re.match(rb"(\d+):", self._unread)) and len(self._unread) > found.end() + int(found[1]):
            end = found.end() + int(found[1])
            said = json.loads(self._unread[found.end() : end])
            self._unread = self._unread[end + 1 :]
            if said.get("event"):
                self._events.append(said)

    def stop(self) -> None:
        if self._control is not None:
            self._control.close()
        self.process.stop()


def _modules() -> str:
    """Debian has them in a folder of the architecture or not, by version."""
    for pattern in ("/usr/lib/baresip/modules", MODULES):
        found = [path for path in Path("/").glob(pattern.lstrip("/")) if (path / "ctrl_tcp.so").exists()]
        if found:
            return str(found[0])
    need_file(f"{MODULES}/ctrl_tcp.so", PACKAGE)
    raise AssertionError("baresip has no modules")


def _tone(path: Path) -> None:
    """Twenty seconds of 440 Hz."""
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        wanted = range(20 * 8000)
        sound.writeframes(b"".join(struct.pack("<h", int(8000 * math.sin(math.tau * 440 * i / 8000))) for i in wanted))
