"""Starts the command line. The one place that imports the reactor, as doing so installs it for the whole process."""

from __future__ import annotations

from twisted.internet import reactor

from proxy.cli import cli


def main() -> None:
    """The command `sipmend`."""
    cli(obj=reactor)


if __name__ == "__main__":
    main()
