"""How many files this process may have open: each connection takes one. Must not import twisted."""

from __future__ import annotations

import resource
from typing import Final

from proxy.config.model import Config

# What is open beside connections: listeners, log, the store's files, DNS, the administrator's page.
OTHERS: Final = 100


def raise_limit() -> None:
    """Raise the soft limit of open files to the hard one, as every process may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def shortage(config: Config) -> str | None:
    """What an administrator should know if `limits.flows` connections need more open files than are allowed, or None.

    With UDP alone no client takes a file.
    """
    flows = config.limits.flows
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    wanted = flows + OTHERS
    if allowed == resource.RLIM_INFINITY or wanted <= allowed:
        return None
    if all(listener.uri.transport == "udp" for listener in config.listen):
        return None
    return (
        f"{flows} connections cannot be reached with {allowed} open files: raise LimitNOFILE (systemd) or `ulimit -Hn` "
        f"to {wanted}, or set limits.flows to {max(1, allowed - OTHERS)}"
    )
