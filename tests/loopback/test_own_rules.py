"""Rules of one's own and the section `headers` in a running proxy, by real sockets; reloaded by a signal."""

from __future__ import annotations

import signal

import pytest

from proxy.new_rule import write_rule
from tests.support.wire_end import answer, request

pytestmark = pytest.mark.loopback

HEADERS = "headers: [{name: site, add: X-Site, value: berlin, when: {direction: to_server}}]\n"


def passes(scene, proxy, server, call):
    """A MESSAGE with an empty Subject as the server gets it."""
    client = scene.udp()
    client.send(
        request("MESSAGE", f"127.0.0.1:{client.port}", "sip:bob@example.com", "Subject:", call=call), port=proxy.port
    )
    asked = server.read(b"MESSAGE")
    server.send(answer(asked, 200))
    assert client.read(200).one(b"Call-ID") == call.encode()
    return asked


def reload(proxy, generation):
    proxy.process.send_signal(signal.SIGHUP)
    proxy.wait(lambda: proxy.metric("sipmend_config_generation") == generation)


def test_a_new_rule_works_is_changed_and_goes(scene, tmp_path):
    rule = write_rule("acme-subject", tmp_path / "rule")[0]
    server = scene.udp()
    plugins = f"plugins: ['{rule}']\n"
    proxy = scene.proxy(f"sip:127.0.0.1:{server.port}", extra=plugins + HEADERS)
    asked = passes(scene, proxy, server, "1@test")
    assert (asked.all(b"Subject"), asked.one(b"X-Site")) == ([], b"berlin")
    assert proxy.metric('sipmend_repairs_total{header="Subject",mode="repair",rule="acme-subject"}') == 1

    # The file is read anew; a rule that raises costs nobody a message, and is counted by its name.
    rule.write_text(
        rule.read_text("utf-8").replace(
            "if line < 0 or", "if message.call_id == b'2@test':\n            1 / 0\n        if line < 0 or"
        )
    )
    reload(proxy, 2)
    assert passes(scene, proxy, server, "2@test").all(b"Subject") == [b""]
    assert proxy.metric('sipmend_plugin_errors_total{rule="acme-subject"}') == 1
    assert passes(scene, proxy, server, "3@test").all(b"Subject") == []

    # One that cannot be loaded leaves all as it was.
    good = rule.read_text("utf-8")
    rule.write_text(good + "\nimport nothing_of_this_name\n")
    proxy.process.send_signal(signal.SIGHUP)
    proxy.wait(lambda: "nothing_of_this_name" in proxy.errors)
    assert passes(scene, proxy, server, "4@test").all(b"Subject") == []

    proxy.write("")
    reload(proxy, 3)
    asked = passes(scene, proxy, server, "5@test")
    assert (asked.all(b"Subject"), asked.all(b"X-Site")) == ([b""], [])
