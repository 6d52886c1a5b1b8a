"""The operator's log into a text of the test's own, without touching the logging of the process."""

from __future__ import annotations

import io
import sys
import warnings
from collections.abc import Callable

from twisted.logger import LogBeginner, LogPublisher

from proxy.logs import OperatorLog, start_logging


def private_log(call_later: Callable[..., object], level: str = "info") -> tuple[OperatorLog, io.StringIO]:
    """The log, and the text that its lines are written to."""
    stream = io.StringIO()
    beginner = LogBeginner(LogPublisher(), io.StringIO(), sys, warnings)
    return start_logging(level, "text", stream, call_later, beginner=beginner), stream
