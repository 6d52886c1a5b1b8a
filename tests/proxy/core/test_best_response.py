"""Which refusal of several branches goes home, and what becomes of it (RFC 3261 section 16.7 steps 6 and 7)."""

from __future__ import annotations

import pytest
from parts import K, node, request, response

from proxy.core.best_response import NONE_YET, BestResponse, rank


class Nobody:
    """The user of a branch that nobody asks anything."""


def branch(name=b"b1"):
    """A client transaction: it is only handed back."""
    return node().layer.open_client(request(), name, K, Nobody(), [])


def best_of(*responses):
    best = BestResponse()
    for one in responses:
        best.add(branch(), one)
    return best


@pytest.mark.parametrize(
    ("better", "worse"),
    [(603, 200), (600, 302), (302, 401), (401, 486), (407, 404), (415, 404), (420, 403), (484, 400), (404, 487),
     (404, 408), (486, 500), (408, 500), (500, 503)],
)  # fmt: skip
def test_order(better, worse):
    """> ... give preference to responses that provide information affecting resubmission of this request, such as
    > 401, 407, 415, 420, and 484 if the 4xx class is chosen (16.7 step 6)
    """
    assert rank(better) < rank(worse)


@pytest.mark.parametrize(("statuses", "chosen"), [((486, 404), 486), ((404, 486), 404), ((503, 500, 502), 500)])
def test_first_of_equals(statuses, chosen):
    assert best_of(*(response(status) for status in statuses)).take().status == chosen


def test_nothing_yet():
    assert NONE_YET.branch is None
    assert BestResponse().branch is None
    assert not BestResponse().is_poor()


@pytest.mark.parametrize(("status", "poor"), [(408, True), (487, True), (503, True), (486, False), (500, False)])
def test_poor_is_what_says_that_a_branch_came_to_nothing(status, poor):
    assert best_of(response(status)).is_poor() == poor


def test_branch_is_that_of_the_best():
    best, first, second = BestResponse(), branch(b"b1"), branch(b"b2")
    best.add(first, response(486))
    assert best.branch is first
    best.add(second, response(302))
    assert best.branch is second
    assert best.take().status == 302
    assert best.branch is None


def test_challenges_of_all_are_put_together():
    """> ... MUST collect any WWW-Authenticate and Proxy-Authenticate header field values from all other 401 and 407
    > responses received so far in this response context and add them to this response (16.7 step 7)
    """
    one = response(401, 'WWW-Authenticate: Digest realm="a"')
    two = response(407, 'Proxy-Authenticate: Digest realm="b"', 'Proxy-Authenticate: Digest realm="c"')
    other = response(404, 'WWW-Authenticate: Digest realm="d"')
    taken = best_of(other, one, two).take()
    assert taken is one
    assert taken.values(b"www-authenticate") == [b'Digest realm="a"']
    assert taken.values(b"proxy-authenticate") == [b'Digest realm="b"', b'Digest realm="c"']


def test_a_challenge_of_one_branch_stays_as_it_is():
    one = response(407, 'Proxy-Authenticate: Digest realm="a"')
    before = one.octets()
    assert best_of(one).take().octets() == before


def test_503_goes_home_as_500():
    """> ... if the only response that was received is a 503, the proxy SHOULD generate a 500 (16.7 step 6)"""
    taken = best_of(response(503, "Retry-After: 10")).take()
    assert taken.status == 500
    assert taken.lines[0] == b"SIP/2.0 500 Next hop answered 503 Phrase"
    assert taken.value(b"retry-after") == b"10"
