"""The automatic check of every message in a ladder: what the test does not name must be as it was sent.

For a forwarded message: all header lines octet for octet and in order, but for the hop's own doing (our Via on top,
`received` and `rport` in the one below, one less in Max-Forwards, our Via gone from a response). For an answer of the
core: exactly what RFC 3261 section 8.2.6 copies. For ACK and CANCEL of the core: sections 9.1 and 17.1.1.3.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from proxy.flow import VIA_TRANSPORTS, Flow
from tests.support.sip_text import SipText, split_list, tag_of

if TYPE_CHECKING:
    from tests.support.party import Party
    from tests.support.world import World


def complaints(world: World, party: Party, text: SipText, named: set[str]) -> list[str]:
    """What changed on the way to this party without being named."""
    if text.is_response:
        found = _origin(world, text)
        if found is not None:
            return _forwarded_response(found[1], text, named)
        # CSeq and start line may contradict each other in what was sent.
        key = text.key()[:2]
        asked = [request for request in party.sent if not request.is_response and request.key()[:2] == key]
        if not asked:
            return ["this party never sent the request that this answers"]
        return _own_answer(asked[-1], text, named)
    if text.method == "CANCEL" or (text.method == "ACK" and _is_hop_ack(party, text)):
        return _hop_request(party, text, named)
    found = _origin(world, text)
    if found is None:
        return [] if "origin" in named else ["nobody sent this request"]
    return _forwarded_request(world, *found, text, named)


def _origin(world: World, text: SipText) -> tuple[Party, SipText] | None:
    """The message that came in and left as this one."""
    for sender, sent in reversed(world.arrived):
        if sent.is_response == text.is_response and sent.key() == text.key() and text.status == sent.status != 100:
            return sender, sent
        if not sent.is_response and not text.is_response and sent.key() == text.key():
            return sender, sent
    return None


def stamped(value: str, flow: Flow) -> str:
    """The topmost Via value with what 18.2.1 and RFC 3581 make its receiver add."""
    host = f"[{flow.remote_host}]" if ":" in flow.remote_host else flow.remote_host
    sent_by = re.match(r"SIP\s*/\s*2\.0\s*/\s*\w+\s+(\[[^]]*\]|[^\s:;]+)", value)
    asks = re.search(r";\s*rport(?=[;\s]|$)", value)
    if asks:
        value = value[: asks.end()] + f"={flow.remote_port}" + value[asks.end() :]
    if asks or sent_by is None or sent_by.group(1) != host:
        value = re.sub(r";received=[^;]*", "", value) + f";received={flow.remote_host}"
    return value


def _forwarded_request(world: World, sender: Party, sent: SipText, text: SipText, named: set[str]) -> list[str]:
    problems = []
    if "start line" not in named and text.start != sent.start:
        problems.append(f"start line: sent {sent.start!r}, came out {text.start!r}")
    if "via" not in named:
        before, after = sent.elements("via"), text.elements("via")
        transport = "|".join(name.decode() for name in VIA_TRANSPORTS)
        if not re.fullmatch(rf"SIP/2\.0/({transport}) [^ ;]+;branch=z9hG4bK[a-z0-9A-Z]+", after[0] if after else ""):
            problems.append(f"our Via is not on top: {after}")
        wanted = [stamped(before[0], sender.flow), *before[1:]] if before else []
        if after[1:] != wanted:
            problems.append(f"Via below ours: expected {wanted}, got {after[1:]}")
    if "max-forwards" not in named:
        hops = sent.value("max-forwards")
        if text.value("max-forwards") != (str(int(hops) - 1) if hops.isdigit() else hops):
            problems.append(f"Max-Forwards: sent {hops!r}, came out {text.value('max-forwards')!r}")
    return problems + _rest(sent, text, {*named, "via", "max-forwards"})


def _forwarded_response(sent: SipText, text: SipText, named: set[str]) -> list[str]:
    problems = []
    if text.start != sent.start:
        problems.append(f"status line: sent {sent.start!r}, came out {text.start!r}")
    if "via" not in named and text.elements("via") != sent.elements("via")[1:]:
        problems.append(f"Via: expected {sent.elements('via')[1:]}, got {text.elements('via')}")
    return problems + _rest(sent, text, {*named, "via"})


def _rest(sent: SipText, text: SipText, named: set[str]) -> list[str]:
    before = [line for line, name in zip(sent.lines, sent.names, strict=True) if name not in named]
    after = [line for line, name in zip(text.lines, text.names, strict=True) if name not in named]
    problems = [f"gone or changed without being named: {line}" for line in before if line not in after]
    problems += [f"came in without being named: {line}" for line in after if line not in before]
    if not problems and before != after:
        problems.append(f"the order of the headers changed: {after}")
    if "body" not in named and sent.body != text.body:
        problems.append(f"the body changed from {sent.body!r} to {text.body!r}")
    return problems


def _own_answer(request: SipText, text: SipText, named: set[str]) -> list[str]:
    problems = []
    vias = request.elements("via")
    got = text.elements("via")
    if "via" not in named and (got[1:] != vias[1:] or not _is_stamped(vias[0], got[0])):
        problems.append(f"Via of our answer: sent {vias}, came back {got}")
    for name in ("from", "call-id", "cseq"):
        if name not in named and text.values(name) != request.values(name):
            problems.append(f"{name} of our answer: sent {request.values(name)}, came back {text.values(name)}")
    to, back = request.value("to"), text.value("to")
    if "to" not in named:
        if text.status == 100 or tag_of(to):
            fits = back == to
        else:
            fits = back.startswith(to) and bool(tag_of(back))
        if not fits:
            problems.append(f"To of our answer: sent {to!r}, came back {back!r}")
    if "content-length" not in named and text.values("content-length") != ["0"]:
        problems.append("our answer needs Content-Length: 0")
    known = {"via", "from", "to", "call-id", "cseq", "content-length", "timestamp", *named}
    more = [line for line, name in zip(text.lines, text.names, strict=True) if name not in known]
    return problems + [f"in our answer without being named: {line}" for line in more]


def _is_stamped(sent: str, back: str) -> bool:
    """Whether a Via value came back as it was, with `received` and the value of `rport` at most."""
    return re.sub(r";received=[^;]*", "", re.sub(r";rport=\d+", ";rport", back)) == sent


def _is_hop_ack(party: Party, text: SipText) -> bool:
    """An ACK to a final response other than 2xx that this party gave: it comes from the core itself."""
    return any(sent.status >= 300 and (sent.call_id, sent.number) == (text.call_id, text.number) for sent in party.sent)


def _hop_request(party: Party, text: SipText, named: set[str]) -> list[str]:
    """9.1 and 17.1.1.3: Request-URI, Call-ID, From, CSeq number, Route and the one Via of the INVITE."""
    key = (text.call_id, text.number, "INVITE")
    invites = [request for request in party.received if not request.is_response and request.key() == key]
    if not invites:
        return ["there was no INVITE to which this belongs"]
    invite = invites[-1]
    problems = []
    for name in ("from", "call-id", "route"):
        if name not in named and text.values(name) != invite.values(name):
            problems.append(f"{name} is not the INVITE's: {text.values(name)}")
    if text.uri != invite.uri:
        problems.append(f"the Request-URI is not the INVITE's: {text.uri}")
    if text.values("via") != split_list(invite.values("via")[0])[:1]:
        problems.append(f"Via is not the INVITE's topmost: {text.values('via')}")
    to = invite.value("to")
    if text.method == "ACK":
        finals = [sent for sent in party.sent if sent.status >= 300 and sent.call_id == text.call_id]
        to = finals[-1].value("to")
    if "to" not in named and text.value("to") != to:
        problems.append(f"To is {text.value('to')}, not {to}")
    return problems
