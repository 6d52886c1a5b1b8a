"""The sections: defaults, units, and that nothing can be changed afterwards."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from pydantic import ValidationError

from proxy.config.errors import Origin
from proxy.config.model import Config
from proxy.config.uris import HostPort, ListenUri

SMALLEST = {"server": {"domain": "Example.com", "uri": "sip:10.0.0.5:5060"}, "listen": ["udp://10.0.0.2:5060"]}


def test_the_smallest_configuration_has_a_default_for_all_else():
    config = Config.model_validate(SMALLEST)
    assert config.server.domain == "example.com"
    assert config.listen[0].uri == ListenUri(transport="udp", host="10.0.0.2", port=5060)
    assert config.server.bind == ListenUri(transport="udp", host="0.0.0.0", port=5070)
    assert (config.server.path, config.server.in_dialog, config.server.options_gone) == ("auto", "server", "silent")
    assert config.admin.listen == HostPort(host="127.0.0.1", port=9060)
    assert config.store == "sqlite:/var/lib/sipmend/bindings.db"
    assert config.limits.max_message == 65535
    assert config.limits.linger == 12 * 3600
    assert (config.timers.t1, config.timers.t2, config.timers.t4) == (0.5, 4.0, 5.0)


def test_timer_c_is_longer_than_three_minutes():
    """RFC 3261 section 16.6 step 11: "The timer MUST be larger than 3 minutes." """
    assert Config.model_validate(SMALLEST).timers.c > 180


def test_short_and_long_form_of_a_listener_are_the_same():
    long = Config.model_validate({**SMALLEST, "listen": [{"uri": "udp://10.0.0.2:5060"}]})
    assert long == Config.model_validate(SMALLEST)


def test_settings_are_frozen():
    config = Config.model_validate(SMALLEST)
    with pytest.raises(ValidationError, match="frozen"):
        config.store = "other"
    with pytest.raises(ValidationError, match="frozen"):
        config.limits.guests = 5


def test_every_key_of_the_file_is_understood():
    config = Config.model_validate(
        {
            "server": {
                "domain": "example.com",
                "targets": [{"uri": "sip:10.0.0.5", "priority": "1", "weight": 2}],
                "address": "10.0.0.2",
                "path": False,
                "health": {"interval": "1m", "timeout": "500ms"},
                "networks": ["10.0.0.0/24"],
                "aliases": ["SIP.example.com"],
                "options_gone": 480,
            },
            "listen": [{"uri": "udp://0.0.0.0", "public_port": "5062", "proxies": ["10.1.0.0/16"], "contact": "leave"}],
            "limits": {"max_head": "16k"},
            "admin": {"listen": "off"},
            "networks": {"local": ["192.168.0.0/16"]},
        }
    )
    assert config.server.targets[0].priority == 1
    assert (config.server.path, config.server.options_gone) == ("off", "480")
    assert (config.server.health.interval, config.server.health.timeout) == (60, 0.5)
    assert config.server.networks == (ip_network("10.0.0.0/24"),)
    assert config.server.aliases == ("sip.example.com",)
    assert (config.listen[0].public_port, config.listen[0].contact) == (5062, "leave")
    assert config.limits.max_head == 16384
    assert config.admin.listen is None
    assert config.networks.local == (ip_network("192.168.0.0/16"),)


@pytest.mark.parametrize("word", ["", "sqlite:", "postgres://x", "Memory", "memory "])
def test_a_store_is_one_of_three_kinds(word):
    with pytest.raises(ValidationError):
        Config.model_validate({**SMALLEST, "store": word})


def test_a_configuration_knows_where_it_came_from_and_is_the_same_without():
    config = Config.model_validate(SMALLEST)
    placed = config.placed(Origin("edge.yaml"))
    assert placed.origin.file == "edge.yaml"
    assert config.origin.file == "configuration"
    assert placed.model_dump() == config.model_dump()
