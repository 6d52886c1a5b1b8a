"""sipsak, a real command line client, through the proxy: OPTIONS, and REGISTER with a bare Contact."""

from __future__ import annotations

import subprocess

from clients import MakeClient
from kamailio_peer import Kamailio
from peer_process import need
from sip_client import addr_spec
from sipmend_peer import Sipmend


def sipsak(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run sipsak to its end."""
    argv = [need("sipsak", "sipsak"), *arguments]
    return subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)


def test_options_is_answered_by_the_server(edge: Sipmend, kamailio: Kamailio) -> None:
    """OPTIONS passes the proxy, and sipsak accepts the answer that comes back."""
    done = sipsak("-S", "-vv", "-s", f"sip:{kamailio.host}", "-p", f"{edge.edge}:5060")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [seen.method for seen in kamailio.from_clients(edge.inside)] == ["OPTIONS"]


def test_bare_contact_is_registered_and_called(edge: Sipmend, kamailio: Kamailio, make_client: MakeClient) -> None:
    """sipsak writes its Contact without <>: it registers with digest, and a call for it comes to us."""
    arguments = ["-S", "-U", "-i", "-C", "sip:alice@10.9.8.7:5099", "-s", f"sip:alice@{kamailio.host}"]
    done = sipsak(*arguments, "-u", "alice", "-a", "alicepw", "-x", "60", "-p", f"{edge.edge}:5060", "-vv")
    assert done.returncode == 0, done.stdout + done.stderr
    registers = [seen for seen in kamailio.seen(edge.inside) if seen.method == "REGISTER"]
    assert registers
    assert all(seen.contact.startswith(f"sip:alice@{edge.inside}:5070;") for seen in registers)
    bob = make_client("bob", kamailio.address)
    asked = bob.start("INVITE", "sip:alice@pbx.test", bob.contact_lines())
    challenge = bob.final(asked)
    bob.acknowledge_failure(asked, challenge)
    asked = bob.again(asked, challenge)
    seen = bob.expect(100)
    assert seen.first("Call-ID") == asked.call_id
    assert edge.becomes("sipmend_messages_total", 1, type="INVITE", direction="in", side="server")


def test_username_at_the_proxy_is_registered_in_the_domain(
    edge: Sipmend, kamailio: Kamailio, make_client: MakeClient
) -> None:
    """A client that knows no domain but the address it sends to: digest holds, and it is called as alice@pbx.test."""
    arguments = ["-S", "-U", "-i", "-C", "sip:alice@10.9.8.7:5099", "-s", f"sip:alice@{edge.edge}"]
    done = sipsak(*arguments, "-u", "alice", "-a", "alicepw", "-x", "60", "-p", f"{edge.edge}:5060", "-vv")
    assert done.returncode == 0, done.stdout + done.stderr
    registers = [seen for seen in kamailio.seen(edge.inside) if seen.method == "REGISTER"]
    assert registers
    for seen in registers:
        assert [addr_spec(seen.first(name)) for name in ("From", "To")] == ["sip:alice@pbx.test"] * 2
    assert edge.total("sipmend_repairs_total", rule="server-domain", header="To", mode="repair") >= 1
    bob = make_client("bob", kamailio.address)
    asked = bob.start("INVITE", "sip:alice@pbx.test", bob.contact_lines())
    bob.acknowledge_failure(asked, challenge := bob.final(asked))
    bob.again(asked, challenge)
    assert edge.becomes("sipmend_messages_total", 1, type="INVITE", direction="in", side="server")
