"""The report on a terminal."""

from __future__ import annotations

import io

from rich.console import Console

from proxy.doctor.text import print_report
from tests.proxy.doctor.traffic import ALICE, SERVER, clean_call, invite, report_on
from tests.support.captures import pcap, udp


def printed(report):
    file = io.StringIO()
    print_report(report, Console(file=file, width=500))
    return file.getvalue()


def test_report_says_who_what_how_often_and_what_mends_it():
    shown = printed(report_on([udp(ALICE, SERVER, invite(Contact=None))]))
    assert "server: 93.184.216.1:5060 (a guess" in shown
    assert "domain: example.com (a guess" in shown
    assert "Phone/1.0  client, 1 messages by udp from 93.184.216.34\n" in shown
    assert "error   contact-missing-request x1" in shown
    assert "          + Contact: <sip:alice@" in shown
    assert "repair:\n  contact-missing-request: repair\n" in shown


def test_empty_report_says_so():
    shown = printed(report_on(clean_call()))
    assert shown.rstrip().endswith("nothing found")
    assert "repair:" not in shown


def test_damage_and_losses_are_told():
    shown = printed(report_on(pcap([udp(ALICE, SERVER, invite())], snap=100) + b"x"))
    assert "stopped: the file ends at byte" in shown
    assert "not used: 1 packets of which the capture kept the beginning only" in shown


def test_hostile_names_are_escaped():
    shown = printed(report_on([udp(ALICE, SERVER, invite(Contact=None, User_Agent="[bold]\x1b[31mEvil"))]))
    assert "[bold]\\x1b[31mEvil" in shown
    assert "\x1b" not in shown
