"""Idle WebSocket clients on one sipmend: memory for each, keep-alives, and a part of them cut off at once.

    python bench/idle.py                                  10,000 clients over ws
    python bench/idle.py --clients 2000 --tls             over wss

sipmend is a process of its own, as an administrator runs it; clients and registrar are this one. Prints one JSON
object; the exit code is 1 if a client was lost, a keep-alive missed, or a client takes more than --most kilobytes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import resource
import socket
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import cast

from idle_client import DOMAIN, Client, answer, field
from processes import cpu_seconds, stolen, stop

ROOT = Path(__file__).parents[1]
EDGE = "127.0.0.1"
PATIENCE = 60.0  # seconds that any one step may take without progress
Figures = dict[str, float | int | str]


class Registrar(asyncio.DatagramProtocol):
    """Answers REGISTER, knows each client's Contact as the proxy shows it, and asks clients for an answer."""

    def __init__(self) -> None:
        self.contacts: dict[str, bytes] = {}
        self.answered: set[str] = set()
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 23)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        assert self.transport is not None
        if data.startswith(b"SIP/2.0 200"):
            self.answered.add(field(data, b"Call-ID")[0].split()[1].decode())
        elif data.startswith(b"REGISTER"):
            contact = field(data, b"Contact")[0].partition(b":")[2].strip()
            found = re.search(rb"sip:u(\d+)@", field(data, b"To")[0])
            assert found is not None
            self.contacts[found[1].decode()] = contact[contact.index(b"<") + 1 : contact.index(b">")]
            self.transport.sendto(answer(data, b"Contact: " + contact + b"\r\n"), addr)
        elif data.startswith(b"OPTIONS"):
            self.transport.sendto(answer(data), addr)

    def ask(self, user: str, round_: str, proxy: tuple[str, int]) -> str:
        """Send MESSAGE to the client; returns its Call-ID. The same again is a retransmission."""
        assert self.transport is not None
        host, port = self.transport.get_extra_info("sockname")
        here = f"{host}:{port}"
        call = f"ask-{round_}-{user}"
        self.transport.sendto(
            b"MESSAGE %b SIP/2.0\r\nVia: SIP/2.0/UDP %b;branch=z9hG4bK%b\r\nMax-Forwards: 70\r\n"
            b"From: <sip:server@%b>;tag=s\r\nTo: <sip:u%b@%b>\r\nCall-ID: %b\r\nCSeq: 1 MESSAGE\r\n"
            b"Content-Length: 0\r\n\r\n"
            % (self.contacts[user], here.encode(), call.encode(), DOMAIN.encode(), user.encode(), DOMAIN.encode(),
               call.encode()),
            proxy,
        )  # fmt: skip
        return call


class Bench:
    """The clients and what happened to them."""

    def __init__(self, options: argparse.Namespace, work: Path) -> None:
        self.options = options
        self.registrar = Registrar()
        self.disturbed = 0
        self.reached: dict[str, int] = {}
        self.port, self.side, self.admin, self.server = (free_port() for _ in range(4))
        self.work = work
        self.config = work / "sipmend.yaml"
        self.clients = [Client(n, self, b"%b:%d" % (EDGE.encode(), self.port)) for n in range(options.clients)]
        self.waiters: dict[int, asyncio.Future[None]] = {}
        self._proxy: subprocess.Popen[bytes] | None = None
        self._context: ssl.SSLContext | None = None

    # -- Tally

    def registered(self, client: Client) -> None:
        waiter = self.waiters.get(client.number)
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def lost(self, client: Client) -> None:
        self.disturbed += 1

    def asked(self, client: Client, message: bytes) -> None:
        call = field(message, b"Call-ID")[0].split()[1].decode()
        if call.rpartition("-")[2] == str(client.number):
            self.reached[call] = client.connections

    # -- the proxy

    def start_proxy(self) -> None:
        tls = ""
        if self.options.tls:
            names = [str(self.work / name) for name in ("cert.pem", "key.pem")]
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=bench",
                 "-addext", f"subjectAltName=IP:{EDGE}", "-out", names[0], "-keyout", names[1]],
                check=True, capture_output=True,
            )  # fmt: skip
            tls = f"tls: {{certificate: {names[0]}, private_key: {names[1]}}}\n"
            self._context = ssl.create_default_context(cafile=names[0])
        self.config.write_text(
            f"server:\n  domain: {DOMAIN}\n  uri: sip:{EDGE}:{self.server}\n  bind: udp://{EDGE}:{self.side}\n"
            f"public_address: {EDGE}\nlisten: ['{'wss' if tls else 'ws'}://{EDGE}:{self.port}']\n"
            f"admin: {{listen: '{EDGE}:{self.admin}'}}\ntoken_key: {self.work}/key\n"
            f"store: sqlite:{self.work}/bindings.db\nlimits: {{websocket_ping: {self.options.ping}s}}\n{tls}"
        )
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        command = [self.options.python, "-m", "proxy", "run", "-c", str(self.config)]
        with (self.work / "out").open("wb") as out, (self.work / "err").open("wb") as err:
            # The usual soft limit of a shell or a service: it has to raise that by itself.
            self._proxy = subprocess.Popen(
                command, stdout=out, stderr=err, cwd=self.options.cwd, start_new_session=True,
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (min(1024, hard), hard)),
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )  # fmt: skip

    @property
    def pid(self) -> int:
        assert self._proxy is not None
        return self._proxy.pid

    def rss_kb(self) -> int:
        found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{self.pid}/status").read_text())
        assert found is not None
        return int(found[1])

    def stored(self) -> int:
        """The clients that the store's file has."""
        with closing(sqlite3.connect(f"file:{self.work}/bindings.db?mode=ro", uri=True)) as file:
            count: int = file.execute("SELECT count(*) FROM binding").fetchone()[0]
            return count

    def skipped(self) -> int:
        """Answers that went to clients before their binding was in the file, and bindings that never got there."""
        with urllib.request.urlopen(f"http://{EDGE}:{self.admin}/metrics", timeout=PATIENCE) as page:
            found = re.findall(r'store_writes_total{result="(?!written)\w+"} ([\d.e+]+)', page.read().decode())
        return int(sum(map(float, found)))

    def stop_proxy(self) -> str:
        """End it; returns what it wrote on standard error."""
        stop(self._proxy, 15)
        return (self.work / "err").read_text()

    # -- steps

    async def until(self, what: str, left: Callable[[], int]) -> None:
        """Wait until nothing is left; gives up when nothing changes any more."""
        before, since = left(), now()
        while (count := left()) > 0:
            if count != before:
                before, since = count, now()
            if now() - since > PATIENCE:
                raise RuntimeError(f"{what}: {count} are left")
            await asyncio.sleep(0.02)

    async def connect(self, clients: Sequence[Client], window: int) -> None:
        """Let them connect and register, so many at once."""
        loop = asyncio.get_running_loop()
        slots = asyncio.Semaphore(window)

        async def one(client: Client) -> None:
            async with slots:
                sock = socket.socket()
                sock.setblocking(False)
                # So that its port is nobody else's hindrance, who listens on all addresses.
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind((f"127.0.{1 + client.number // 2000}.1", 0))
                await loop.sock_connect(sock, (EDGE, self.port))
                name = EDGE if self._context else None
                await loop.create_connection(lambda: client, sock=sock, ssl=self._context, server_hostname=name)
                done = self.waiters[client.number] = loop.create_future()
                if not client.registered:
                    await asyncio.wait_for(done, PATIENCE)

        await asyncio.gather(*(one(client) for client in clients))

    async def keep_alive(self) -> tuple[int, int]:
        """Half of them send keep-alives, half answer those of the proxy; returns how many were sent and missed."""
        options = self.options
        talkers = self.clients[::2]
        end = now() + options.idle
        while now() < end:
            begun = now()
            for index, client in enumerate(talkers):
                client.keep_alive()
                if index % 50 == 49:  # spread over the interval, as clients are
                    ahead = begun + options.interval * index / len(talkers) - now()
                    await asyncio.sleep(max(0.0, ahead))
            await asyncio.sleep(max(0.0, begun + options.interval - now()))
        with_answer = [client for client in talkers if client.waiting]
        if with_answer:
            await asyncio.sleep(5)
        return sum(c.sent for c in talkers), sum(c.sent - c.answered for c in talkers)

    async def ask_all(self, clients: Sequence[Client], round_: str) -> int:
        """A MESSAGE of the server side to each; returns how many were reached on the connection they have now."""
        slots = asyncio.Semaphore(100)

        async def one(client: Client) -> int:
            async with slots:
                for _ in range(8):
                    call = self.registrar.ask(str(client.number), round_, (EDGE, self.side))
                    for _ in range(40):
                        await asyncio.sleep(0.02)
                        if call in self.registrar.answered:
                            return int(self.reached.get(call) == client.connections)
                return 0

        return sum(await asyncio.gather(*(one(client) for client in clients)))

    async def run(self) -> Figures:
        options = self.options
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self.registrar, local_addr=(EDGE, self.server))
        self.start_proxy()
        await self.until("sipmend starts", lambda: int(b"ready" not in (self.work / "out").read_bytes()))
        await asyncio.sleep(1)
        steal, empty, cpu, begun = stolen()[0], self.rss_kb(), cpu_seconds(self.pid), now()
        await self.connect(self.clients, options.window)
        figures: Figures = {"clients": options.clients, "transport": "wss" if options.tls else "ws"}
        figures["register_s"] = round(now() - begun, 1)
        figures["register_cpu_s"] = round(cpu_seconds(self.pid) - cpu, 1)
        figures["rss_empty_kb"] = empty
        await asyncio.sleep(options.settle)
        figures["stored"], figures["store_skipped"] = self.stored(), self.skipped()
        figures["kb_per_client"] = round((self.rss_kb() - empty) / options.clients, 1)

        cpu, begun = cpu_seconds(self.pid), now()
        sent, missed = await self.keep_alive()
        figures["idle_cpu_percent"] = round(100 * (cpu_seconds(self.pid) - cpu) / (now() - begun), 1)
        figures["keep_alives"], figures["missed"] = sent, missed
        figures["slowest_ms"] = round(1000 * max(client.slowest for client in self.clients))
        silent = self.clients[1::2]
        figures["pinged_by_proxy"] = sum(client.pinged for client in silent)
        figures["never_pinged"] = sum(not client.pinged for client in silent)

        cut = self.clients[:: max(1, options.clients // options.cut)][: options.cut]
        cpu, begun = cpu_seconds(self.pid), now()
        for index, client in enumerate(cut):
            client.cut_off(reset=index % 2 == 0)
        await self.connect(cut, len(cut))
        figures["cut"], figures["reconnect_s"] = len(cut), round(now() - begun, 2)
        figures["reconnect_cpu_s"] = round(cpu_seconds(self.pid) - cpu, 2)
        figures["reached_again"] = await self.ask_all(cut, "cut")
        figures["reached"] = await self.ask_all(self.clients, "all")
        figures["disturbed"] = self.disturbed
        figures["kb_per_client_at_the_end"] = round((self.rss_kb() - empty) / options.clients, 1)
        figures["steal_s"] = round(stolen()[0] - steal, 1)
        return figures


def now() -> float:
    return asyncio.get_running_loop().time()


def free_port() -> int:
    with socket.socket() as stream, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram:
        stream.bind((EDGE, 0))
        port: int = stream.getsockname()[1]
        datagram.bind((EDGE, port))
        return port


def complaints(figures: Figures, most: float, errors: str) -> list[str]:
    """What the figures say is wrong."""
    clients = figures["clients"]
    wanted = dict.fromkeys(("missed", "store_skipped", "never_pinged", "disturbed"), 0)
    wanted |= {"stored": clients, "reached": clients, "reached_again": figures["cut"]}
    found = [f"{name} is {figures[name]}, not {value}" for name, value in wanted.items() if figures[name] != value]
    if float(figures["kb_per_client"]) > most:
        found.append(f"a client takes {figures['kb_per_client']} kB, more than {most}")
    if "Traceback" in errors:
        found.append(f"sipmend wrote a traceback: {errors[-2000:]}")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=10_000)
    parser.add_argument("--cut", type=int, default=1_000, help="how many lose their connection at once")
    parser.add_argument("--window", type=int, default=500, help="how many connect and register at once")
    parser.add_argument("--idle", type=float, default=90.0, help="seconds of keep-alives")
    parser.add_argument("--interval", type=float, default=20.0, help="seconds between a client's keep-alives")
    parser.add_argument("--ping", type=int, default=30, help="limits.websocket_ping, seconds")
    parser.add_argument("--most", type=float, default=20.0, help="kilobytes a client may take")
    parser.add_argument("--settle", type=float, default=7.0, help="seconds until memory is read: more than T4")
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--python", default=sys.executable, help="of the environment whose sipmend is measured")
    parser.add_argument("--cwd", default=str(ROOT), help="where it is started; elsewhere than the tree if compiled")
    options = parser.parse_args(arguments)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard < options.clients + 100:
        parser.error(f"{options.clients} clients need as many open files; the hard limit here is {hard}")
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options, Path(folder))
        errors = ""
        try:
            figures = asyncio.run(bench.run())
        finally:
            errors = bench.stop_proxy()
            sys.stderr.write(errors[-3000:])
    print(json.dumps(figures))
    found = complaints(figures, options.most, errors)
    for text in found:
        print(text, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
