"""What a dry run takes from the configuration."""

from __future__ import annotations

from ipaddress import ip_network

from proxy.config.model import Config
from proxy.explain import OUR_ADDRESS
from proxy.explain_setting import setting_of
from proxy.flow import SERVER, TCP, UDP


def config(**server):
    return Config.model_validate(
        {
            "server": {"domain": "example.com", **server},
            "listen": ["udp://198.51.100.2:5060"],
            "repair": {"maxfwd-missing": "off"},
        }
    )


def test_rules_and_addresses_are_those_of_the_file():
    setting = setting_of(config(uri="sip:127.0.0.5:5090;transport=tcp", networks=["10.0.0.0/8"]))
    assert setting.modes["maxfwd-missing"] == "off"
    assert setting.servers == (ip_network("10.0.0.0/8"), ip_network("127.0.0.5"))
    assert setting.core.domain == b"example.com"
    assert setting.core.server_transport == TCP
    own = [listener.public_host for listener in setting.core.listeners if listener.side == SERVER]
    assert own == [b"127.0.0.1"] * 2


def test_name_of_the_server_is_not_looked_up():
    """A dry run asks no DNS: an address stands in."""
    setting = setting_of(config(uri="sip:pbx.example.com", address=OUR_ADDRESS))
    assert setting.servers == ()
    assert setting.core.server_transport == UDP
