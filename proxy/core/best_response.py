"""The best response (RFC 3261 section 16.7 steps 6 and 7): which final response of several branches goes home."""

from __future__ import annotations

from typing import Final

from proxy.sip.message import Response
from proxy.sip.registry import PROXY_AUTHENTICATE, WWW_AUTHENTICATE
from proxy.transaction.layer import ClientTransaction

_INFORMATIVE: Final = frozenset((401, 407, 415, 420, 484))
_POOR: Final = frozenset((408, 487, 503))
_CHALLENGES: Final = (WWW_AUTHENTICATE, PROXY_AUTHENTICATE)


class BestResponse:
    """The best of the refusals so far and the branch it came by; `branch` is None while there is none."""

    __slots__ = ("_challenges", "_response", "branch")

    def __init__(self) -> None:
        self.branch: ClientTransaction | None = None
        self._response: Response | None = None
        self._challenges: list[Response] = []

    def add(self, branch: ClientTransaction, response: Response) -> None:
        """Take note of a final response other than 2xx."""
        if response.status in (401, 407):
            self._challenges.append(response)
        best = self._response
        if best is None or rank(response.status) < rank(best.status):
            self.branch = branch
            self._response = response

    def is_poor(self) -> bool:
        """Whether it only says that a branch came to nothing."""
        return self._response is not None and self._response.status in _POOR

    def take(self) -> Response:
        """The response to send home, finished; only where there is one."""
        response = self._response
        assert response is not None  # noqa: S101  # by `branch`
        if response.status in (401, 407):
            _add_challenges(response, self._challenges)
        elif response.status == 503:
            _soften(response)
        self.branch = self._response = None
        return response


# Before the first refusal: one value for all requests, most of which never get any. Nobody changes it.
NONE_YET: Final = BestResponse()


def rank(status: int) -> tuple[int, int]:
    """The lower, the better is a final response (16.7 step 6): 6xx, then the lower class.

    > If a response class is chosen, ... give preference to responses that provide information affecting resubmission
    > of this request, such as 401, 407, 415, 420, and 484 if the 4xx class is chosen. (16.7 step 6)

    What says that a branch came to nothing (408, 487, 503) is the last of its class.
    """
    if status >= 600:
        return (0, 0)
    return (status // 100, 0 if status in _INFORMATIVE else 2 if status in _POOR else 1)


def _add_challenges(response: Response, others: list[Response]) -> None:
    """> ... collect all WWW-Authenticate and Proxy-Authenticate header field values from all other 401 and 407 ...
    > and add them to this response without modification before forwarding. (16.7 step 7)
    """
    for other in others:
        for line, name in zip(other.lines, other.names, strict=True):
            if other is not response and name in _CHALLENGES:
                response.append(name, line)


def _soften(response: Response) -> None:
    """> ... a proxy which receives a 503 ... SHOULD NOT forward it ... if the only response that was received is a
    > 503, the proxy SHOULD generate a 500 (16.7 step 6): 503 would mean that we ourselves can take no request.
    """
    response.status = 500
    response.lines[0] = b"SIP/2.0 500 Next hop answered 503 " + response.reason
