"""The registrar of the demo: who may register, and what it keeps."""

from __future__ import annotations

import pytest

from proxy.demo.compose import request
from proxy.demo.digest import credentials
from proxy.demo.registrar import RefusedError, Registrar
from proxy.sip.parser import parse_message

NOW = 1000.0


@pytest.fixture
def registrar():
    registrar = Registrar(b"demo.test")
    registrar.add_account(b"anna", b"secret")
    return registrar


def register(*contacts, to=b"anna", headers=()):
    lines = [
        (b"Via", b"SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1"),
        (b"From", b"<sip:anna@demo.test>;tag=f"),
        (b"To", b"<sip:%b@demo.test>" % to),
        (b"Call-ID", b"c1"),
        (b"CSeq", b"1 REGISTER"),
        *[(b"Contact", contact) for contact in contacts],
        *headers,
    ]
    return parse_message(request(b"REGISTER", b"sip:demo.test", lines))


def listed(headers):
    return [value for name, value in headers if name == b"Contact"]


def signed(registrar, user=b"anna", password=b"secret"):
    with pytest.raises(RefusedError) as refused:
        registrar.authenticate(register())
    assert refused.value.status == 401
    asked = dict(refused.value.headers)[b"WWW-Authenticate"]
    given = credentials(asked, user, password, b"REGISTER", b"sip:demo.test", b"c")
    return register(headers=[(b"Authorization", given)])


def test_right_password_gets_in(registrar):
    assert registrar.authenticate(signed(registrar)) == b"anna"


@pytest.mark.parametrize(("user", "password"), [(b"anna", b"wrong"), (b"nobody", b"secret")])
def test_wrong_password_and_unknown_user_are_refused(registrar, user, password):
    with pytest.raises(RefusedError) as refused:
        registrar.authenticate(signed(registrar, user, password))
    assert refused.value.status == 403


def test_nonce_that_is_not_ours_is_challenged_anew_as_stale(registrar):
    value = credentials(b'Digest realm="demo.test",nonce="x"', b"anna", b"secret", b"REGISTER", b"sip:d", b"c")
    with pytest.raises(RefusedError) as refused:
        registrar.authenticate(register(headers=[(b"Authorization", value)]))
    assert b"stale=true" in dict(refused.value.headers)[b"WWW-Authenticate"]


def test_contact_is_kept_as_written_and_lapses(registrar):
    headers = registrar.register(register(b"<sip:anna@192.168.1.2;x=Y>;expires=60"), b"anna", NOW)
    assert listed(headers) == [b"<sip:anna@192.168.1.2;x=Y>;expires=60"]
    assert registrar.contact_of(b"anna", NOW + 59) == b"sip:anna@192.168.1.2;x=Y"
    assert registrar.contact_of(b"anna", NOW + 60) is None


def test_query_lists_and_changes_nothing(registrar):
    registrar.register(register(b"<sip:a@h>;expires=60"), b"anna", NOW)
    assert listed(registrar.register(register(), b"anna", NOW + 1)) == [b"<sip:a@h>;expires=59"]


def test_expires_of_the_contact_beats_the_header_and_bounds_hold(registrar):
    expires = [(b"Expires", b"100")]
    message = register(b"<sip:a@h>;expires=50", b"<sip:b@h>", headers=expires)
    assert listed(registrar.register(message, b"anna", NOW)) == [b"<sip:a@h>;expires=50", b"<sip:b@h>;expires=100"]
    message = register(b"<sip:a@h>;expires=5", b"<sip:b@h>;expires=99999999", b"<sip:c@h>;expires=soon")
    kept = listed(registrar.register(message, b"anna", NOW))
    assert kept == [b"<sip:a@h>;expires=30", b"<sip:b@h>;expires=3600", b"<sip:c@h>;expires=3600"]


def test_expires_0_removes_the_one_and_star_all(registrar):
    registrar.register(register(b"<sip:a@h>", b"<sip:b@h>"), b"anna", NOW)
    assert len(listed(registrar.register(register(b"<sip:a@h>;expires=0"), b"anna", NOW))) == 1
    assert listed(registrar.register(register(b"*", headers=[(b"Expires", b"0")]), b"anna", NOW)) == []


def test_star_with_an_expiry_is_a_mistake(registrar):
    """RFC 3261 10.2.2: 'The REGISTER-specific Contact header field value of "*" ... MUST NOT be used unless the
    Expires header field is present with a value of "0"'."""
    with pytest.raises(RefusedError) as refused:
        registrar.register(register(b"*"), b"anna", NOW)
    assert refused.value.status == 400


def test_nobody_registers_for_another(registrar):
    with pytest.raises(RefusedError) as refused:
        registrar.register(register(b"<sip:a@h>", to=b"ben"), b"anna", NOW)
    assert refused.value.status == 403


def test_removed_account_is_forgotten(registrar):
    registrar.register(register(b"<sip:a@h>"), b"anna", NOW)
    registrar.remove_account(b"anna")
    assert registrar.contact_of(b"anna", NOW) is None
    with pytest.raises(RefusedError):
        registrar.authenticate(signed(registrar))
