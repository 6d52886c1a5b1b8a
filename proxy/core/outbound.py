"""What a client is told about keep-alives in answers: Flow-Timer (RFC 5626 section 5.4) and `keep` (RFC 6223).

Both say how often it should send them, in seconds; it sends sooner by up to a fifth. We are the first hop.
"""

from __future__ import annotations

from proxy.core.field_values import has_option
from proxy.core.registration import Registration
from proxy.flow import Flow
from proxy.sip.message import Response
from proxy.sip.registry import FLOW_TIMER, REQUIRE
from proxy.sip.via import fill_param


def add_flow_timer(registration: Registration, response: Response, flow: Flow) -> None:
    """Say it in a 2xx to REGISTER, which has been accepted.

    > The last proxy to forward a successful registration response to a UA MAY include a Flow-Timer header field if the
    > response contains the outbound option-tag in a Require header field value in the response. (5.4)
    """
    seconds = flow.listener.flow_timer
    if not seconds or FLOW_TIMER in response.names:
        return
    if not any(has_option(value, b"outbound") for value in response.values(REQUIRE)):
        return
    if any(named.asked != 0 and named.binding.reg_id for named in registration.named):
        response.append(FLOW_TIMER, b"Flow-Timer: %d" % seconds)


def answer_keep(response: Response, flow: Flow) -> None:
    """Say it in the client's own Via, if that asks: ours is off already.

    RFC 6223 section 4.4: who is willing to receive keep-alives gives the parameter a value, in the answer that sets up
    the registration or the dialog. The caller knows that this one does.
    """
    seconds = flow.listener.flow_timer
    index = response.places().via
    if not seconds or index < 0:
        return
    line = response.lines[index]
    if b"keep" not in line.lower():
        return
    name, _, value = line.partition(b":")
    response.replace(index, b"%b:%b" % (name, fill_param(value, b"keep", b"%d" % seconds)))
