"""The steps of a ladder: what goes in (`>>`) and what has to come out (`<<`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from proxy.effects import CloseFlow, Note, OpenFlow, Ping, Record, Send, StoreBindings
from proxy.events import BindingsStored, FlowClosed, MessageReceived, SendFailed
from tests.support.sip_text import SipText, header_name
from tests.support.unchanged import complaints

if TYPE_CHECKING:
    from tests.support.party import Party
    from tests.support.world import Output, World


class MismatchError(Exception):
    """What came out is not what the step expects."""


class Step:
    """One step. `direction` is `>>` for what goes into the core and `<<` for what comes out."""

    direction = ">>"

    def play(self, world: World) -> None:
        raise NotImplementedError

    def __str__(self) -> str:
        raise NotImplementedError


class Sends(Step):
    """A party sends a message."""

    def __init__(self, party: Party, make: Callable[[], bytes], what: str) -> None:
        self.party = party
        self.make = make
        self.what = what

    def play(self, world: World) -> None:
        octets = self.make()
        text = SipText(octets)
        world.arrived.append((self.party, text))
        self.party.note_sent(text)
        world.feed(MessageReceived(self.party.flow, octets, world.now))

    def __str__(self) -> str:
        return f"{self.party.name} {self.what}"


class Closes(Step):
    def __init__(self, party: Party, reason: str) -> None:
        self.party = party
        self.reason = reason

    def play(self, world: World) -> None:
        world.feed(FlowClosed(self.party.flow, self.reason, world.now))

    def __str__(self) -> str:
        return f"{self.party.name} closes"


class Fails(Step):
    def __init__(self, party: Party, reason: str) -> None:
        self.party = party
        self.reason = reason

    def play(self, world: World) -> None:
        world.feed(SendFailed(self.party.flow, self.reason, world.now))

    def __str__(self) -> str:
        return f"{self.party.name} cannot be reached"


class Connects(Step):
    def __init__(self, party: Party, address: str) -> None:
        self.party = party
        self.address = address

    def play(self, world: World) -> None:
        flow = world.flow(self.party.flow.listener, self.address)
        self.party.flow = flow
        self.party.flows.append(flow)

    def __str__(self) -> str:
        return f"{self.party.name} connects from {self.address}"


class After(Step):
    """Virtual time passes, deadline by deadline."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def play(self, world: World) -> None:
        world.wait(self.seconds)

    def __str__(self) -> str:
        return f"after {self.seconds:g} s"


class Does(Step):
    """Something that is neither message nor time: a call with the world."""

    def __init__(self, action: Callable[[World], object], what: str) -> None:
        self.action = action
        self.what = what

    def play(self, world: World) -> None:
        self.action(world)

    def __str__(self) -> str:
        return self.what


class Stored(Step):
    """The store reports the oldest commit that was held (`World.hold_store`)."""

    def play(self, world: World) -> None:
        if not world.held:
            raise MismatchError("nothing waits for the store")
        world.feed(BindingsStored(world.held.pop(0), world.now))

    def __str__(self) -> str:
        return "the store commits"


class Expectation(Step):
    """A step that takes outputs away."""

    direction = "<<"

    def next_due(self, world: World) -> Output:
        due = world.due
        if not due:
            raise MismatchError("nothing came out")
        return due[0]


class Gets(Expectation):
    """A party gets a message: the next thing that comes out."""

    def __init__(self, party: Party, what: str | int, again: bool, at: float | None, headers: dict[str, Any]) -> None:
        self.party = party
        self.what = str(what)
        self.again = again
        self.at = at
        self.body = headers.pop("body", None)
        self.headers = {header_name(keyword): value for keyword, value in headers.items()}

    def play(self, world: World) -> None:
        output = self.next_due(world)
        effect = output.effect
        if not isinstance(effect, Send) or world.party_at(effect.flow) is not self.party:
            raise MismatchError(f"the next output is not for {self.party.name}: {world.describe(output)}")
        if not effect.flow.open:
            raise MismatchError("it was sent on a closed flow")
        if not effect.flow.outgoing and effect.flow.key != self.party.flow.key:
            raise MismatchError(f"it was sent to where {self.party.name} was before: {effect.flow!r}")
        text = SipText(effect.octets)
        problems = self._problems(world, output.time, text)
        if problems:
            shown = ["    " + line for line in str(text).split("\n")]
            raise MismatchError("\n".join([*problems, "", "what came out:", *shown]))
        world.outputs.remove(output)
        self.party.note_received(text)

    def _problems(self, world: World, time: float, text: SipText) -> list[str]:
        problems = []
        if self.at is not None and abs(time - world.started - self.at) > 0.0005:
            problems.append(f"it came at {time - world.started:.3f} s, not {self.at:.3f} s")
        repeated = any(text.octets == known.octets for known in self.party.received)
        if repeated != self.again:
            problems.append("it was sent before (again=True)" if repeated else "it differs from what was sent before")
        if text.is_response:
            head = text.start.removeprefix("SIP/2.0 ")
            wanted = self.what if len(self.what) > 3 else f"{self.what} {{*}}"
        else:
            head = text.start.removesuffix(" SIP/2.0")
            wanted = self.what if " " in self.what else f"{self.what} {{*}}"
        if not world.names.fits(wanted, head):
            problems.append(f"expected {world.names.shown(self.what)}, got {head}")
            return problems
        for name, value in self.headers.items():
            problems += _header_problems(world, text, name, value)
        if self.body is not None and text.body != self.body:
            problems.append(f"the body is {text.body!r}, not {self.body!r}")
        named = {*self.headers, *(["body"] if self.body is not None else [])}
        if " " in self.what:
            named.add("start line")
        if not self.again:
            problems += complaints(world, self.party, text, named)
        return problems

    def __str__(self) -> str:
        return f"{self.party.name} {self.what}" + (" again" if self.again else "")


def _header_problems(world: World, text: SipText, name: str, value: Any) -> list[str]:
    actual = text.values(name)
    if name == "via" and isinstance(value, int):
        count = len(text.elements("via"))
        return [] if count == value else [f"{count} Via values, not {value}"]
    if name == "branch":
        return _header_fits(world, "branch", [text.value("via").partition(";branch=")[2].partition(";")[0]], [value])
    wanted = [] if value is None else [str(one) for one in (value if isinstance(value, list | tuple) else [value])]
    return _header_fits(world, name, actual, wanted)


def _header_fits(world: World, name: str, actual: list[str], wanted: list[str]) -> list[str]:
    if len(actual) == len(wanted) and all(world.names.fits(w, a) for w, a in zip(wanted, actual, strict=True)):
        return []
    shown = [world.names.shown(text) for text in wanted]
    return [f"{name}: expected {shown}", *(f"{' ' * len(name)}       got {actual}",)]


class Opened(Expectation):
    """The core opens a connection to the party."""

    def __init__(self, party: Party) -> None:
        self.party = party

    def play(self, world: World) -> None:
        output = self.next_due(world)
        if not isinstance(output.effect, OpenFlow) or world.party_at(output.effect.flow) is not self.party:
            raise MismatchError(f"no connection to {self.party.name} was opened, but: {world.describe(output)}")
        world.outputs.remove(output)

    def __str__(self) -> str:
        return f"{self.party.name} connection opened"


class Pinged(Expectation):
    """The party gets two CRLFs; `at` is in seconds since the ladder began."""

    def __init__(self, party: Party, at: float) -> None:
        self.party = party
        self.at = at

    def play(self, world: World) -> None:
        output = self.next_due(world)
        if not isinstance(output.effect, Ping) or world.party_at(output.effect.flow) is not self.party:
            raise MismatchError(f"{self.party.name} was not pinged, but: {world.describe(output)}")
        if abs(output.time - world.started - self.at) > 0.0005:
            raise MismatchError(f"it came at {output.time - world.started:.3f} s, not {self.at:.3f} s")
        world.outputs.remove(output)

    def __str__(self) -> str:
        return f"{self.party.name} two CRLFs"


class Closed(Expectation):
    """The core closes the party's connection."""

    def __init__(self, party: Party, reason: str) -> None:
        self.party = party
        self.reason = reason

    def play(self, world: World) -> None:
        output = self.next_due(world)
        effect = output.effect
        if (
            not isinstance(effect, CloseFlow)
            or world.party_at(effect.flow) is not self.party
            or not world.names.fits(self.reason, effect.reason)
        ):
            raise MismatchError(f"{self.party.name}'s connection was not closed, but: {world.describe(output)}")
        world.outputs.remove(output)

    def __str__(self) -> str:
        return f"{self.party.name} closed: {self.reason}"


def note_text(note: Note) -> str:
    """A note as the log shows it: octets as text."""
    fields = {
        name: value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value
        for name, value in note.fields.items()
    }
    return note.text.format(**fields)


class Noted(Expectation):
    """A line for the operator's log; the pattern fits somewhere in it."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern

    def play(self, world: World) -> None:
        for output in world.outputs:
            effect = output.effect
            if isinstance(effect, Note) and world.names.fits("{*}" + self.pattern + "{*}", note_text(effect)):
                world.outputs.remove(output)
                return
        raise MismatchError(f"no note says {self.pattern!r}")

    def __str__(self) -> str:
        return f"note {self.pattern}"


class Recorded(Expectation):
    """A repair or restoration was recorded: by rule, header, and (patterns) what stood there before and after."""

    def __init__(self, rule: str, header: str | None, before: str | None, after: str | None) -> None:
        self.rule = rule
        self.header = header
        self.before = before
        self.after = after

    def play(self, world: World) -> None:
        for output in world.outputs:
            effect = output.effect
            if isinstance(effect, Record) and effect.rule == self.rule and self._fits(world, effect):
                world.outputs.remove(output)
                return
        raise MismatchError(f"no such repair was recorded: {self.rule}")

    def _fits(self, world: World, record: Record) -> bool:
        if self.header is not None and record.header != self.header:
            return False
        for pattern, octets in ((self.before, record.before), (self.after, record.after)):
            actual = (octets or b"").decode("utf-8", "surrogateescape")
            if pattern is not None and not world.names.fits(pattern, actual):
                return False
        return True

    def __str__(self) -> str:
        return f"record {self.rule}"


class Stores(Expectation):
    """Bindings of these AoRs were given to the store; `waiting`: whether an answer waits for it."""

    def __init__(self, aors: tuple[str, ...], waiting: bool | None) -> None:
        self.aors = aors
        self.waiting = waiting

    def play(self, world: World) -> None:
        for output in world.outputs:
            effect = output.effect
            if isinstance(effect, StoreBindings):
                found = tuple(binding.aor.decode() for binding in effect.bindings)
                if found == self.aors and self.waiting in (None, effect.ticket != 0):
                    world.outputs.remove(output)
                    return
        raise MismatchError(f"nothing like this was given to the store: {', '.join(self.aors)}")

    def __str__(self) -> str:
        return "store " + ", ".join(self.aors)


class Nothing(Expectation):
    """Nothing came out that has to be asserted."""

    def play(self, world: World) -> None:
        if world.due:
            raise MismatchError("something came out")

    def __str__(self) -> str:
        return "nothing"
