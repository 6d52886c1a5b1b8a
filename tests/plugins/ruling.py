"""Puts messages through the rules of `plugins` in the world of the samples; for the tests of all rules."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import plugins
from proxy.flow import Flow
from proxy.repair.catalog import Catalog
from proxy.repair.rule import OFF, REPAIR, Context, Rule
from proxy.repair.sample import sample_flow, sample_message
from proxy.repair.testing import DEFAULT, UDP, method_of, request, response
from proxy.repair.testing import Run as AnyRun
from proxy.sip.message import Request, Response

__all__ = ["CATALOG", "CORPUS", "DEFAULT", "SHOWN", "UDP", "USUAL", "Run", "method_of", "put", "request", "response"]

CATALOG = Catalog(plugins.ORDER)
# What is on when nobody chose anything.
USUAL = tuple(rule for rule in CATALOG.rules if rule.default != OFF)
CORPUS = Path(__file__).parent.parent / "corpus" / "clean"
SHOWN = "sip:alice@10.0.0.2:5070;transport=udp;b=k3v9x2m7q4w8z5c1"


class Run(AnyRun):
    """The same with the usual rules, unless others are given."""

    def __init__(
        self,
        message: Request | Response,
        flow: Flow,
        context: Context | None = None,
        registered: bool = False,
        stage: int | None = None,
        rules: Iterable[Rule] | None = None,
        mode: str = REPAIR,
        asked: str = "",
    ) -> None:
        super().__init__(message, flow, USUAL if rules is None else rules, context, registered, stage, mode, asked)


def put(text: str, sender: str = UDP, registered: bool = False, stage: int | None = None, **more: object) -> Run:
    """Put a message, written with LF line ends, through all rules that are on by default."""
    return Run(sample_message(text), sample_flow(sender), registered=registered, stage=stage, **more)  # type: ignore[arg-type]
