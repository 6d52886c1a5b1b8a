"""The report for programs."""

from __future__ import annotations

import json

from proxy.doctor.objects import as_object
from tests.proxy.doctor.traffic import ALICE, SERVER, clean_call, invite, report_on
from tests.support.captures import udp


def test_object_has_everything_and_is_json():
    found = json.loads(json.dumps(as_object(report_on([udp(ALICE, SERVER, invite(Contact=None))]))))
    assert found["servers"] == ["93.184.216.1:5060"]
    assert found["stopped"] is None
    (client,) = found["clients"]
    (finding,) = client["findings"]
    assert (client["user_agent"], client["kind"], client["addresses"]) == ("Phone/1.0", "client", ["93.184.216.34"])
    assert (finding["name"], finding["rule"], finding["count"]) == ("contact-missing-request",) * 2 + (1,)
    assert finding["example"]["lines"][1].startswith("+ Contact: <sip:alice@")
    assert "contact-missing-request: repair" in found["settings"]


def test_sound_capture():
    found = as_object(report_on(clean_call()))
    assert (found["clients"], found["sound"], found["settings"]) == ([], 2, None)
