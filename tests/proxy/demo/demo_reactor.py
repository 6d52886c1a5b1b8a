"""A reactor of the test's own for real sockets on loopback: the global one stays untouched."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.selectreactor import SelectReactor


def run(reactor, coroutine, rounds=3000):
    """The result of the coroutine; the reactor turns until it is there, `rounds` times 10 ms at the most."""
    done = Deferred.fromCoroutine(coroutine)
    for _ in range(rounds):
        if done.called:
            break
        reactor.iterate(0.01)
    else:
        raise AssertionError("the reactor turned in vain")
    outcome = []
    done.addBoth(outcome.append)
    if hasattr(outcome[0], "raiseException"):
        outcome[0].raiseException()
    return outcome[0]


def turn(reactor, condition, rounds=300):
    """Let the reactor turn until the condition holds; says whether it came to hold."""
    for _ in range(rounds):
        if condition():
            return True
        reactor.iterate(0.01)
    return condition()


def make():
    """A reactor that is not installed."""
    return SelectReactor()


def close(reactor):
    """Close what the test and the reactor itself keep open."""
    for _ in range(5):  # sockets that were told to close do so on the next turn
        reactor.iterate(0)
    for call in reactor.getDelayedCalls():
        call.cancel()
    reactor.removeAll()
    for waker in reactor._internalReaders:
        waker.connectionLost(None)
