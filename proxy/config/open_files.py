"""Whether `limits.flows` can be reached with the open files that the system allows: each connection takes one."""

from __future__ import annotations

import resource

from proxy.config.model import Config
from proxy.open_files import RESERVE


def shortage(config: Config) -> str | None:
    """What an administrator should know if `limits.flows` connections need more open files than are allowed, or None.

    With UDP alone no client takes a file.
    """
    flows = config.limits.flows
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    wanted = flows + RESERVE
    if allowed == resource.RLIM_INFINITY or wanted <= allowed:
        return None
    if all(listener.uri.transport == "udp" for listener in config.listen):
        return None
    return (
        f"{flows} connections cannot be reached with {allowed} open files: raise LimitNOFILE (systemd) or `ulimit -Hn` "
        f"to {wanted}, or set limits.flows to {max(1, allowed - RESERVE)}"
    )
