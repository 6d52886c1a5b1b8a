"""What pip calls to build sipmend (PEP 517): setuptools, and mypy only where SIPMEND_COMPILE=1 asks to compile."""

from __future__ import annotations

import os
from typing import Any

from setuptools import build_meta
from setuptools.build_meta import *  # noqa: F403 - a build backend is the set of hooks that it exports

COMPILER = ["mypy>=1.11"]


def wants_compiled() -> bool:
    """As setup.py reads it."""
    return os.environ.get("SIPMEND_COMPILE") == "1"


def get_requires_for_build_wheel(config_settings: Any = None) -> list[str]:
    """The packages to build with; setup.py, which setuptools would ask, cannot run before mypy is there."""
    return COMPILER if wants_compiled() else build_meta.get_requires_for_build_wheel(config_settings)


def refuse_editable() -> None:
    """Leave no compiled modules beside the sources, where they would hide every later change."""
    if wants_compiled():
        raise SystemExit("SIPMEND_COMPILE=1 and an editable install do not go together: leave one of them out")


def get_requires_for_build_editable(config_settings: Any = None) -> list[str]:
    """As setuptools says; ends with a sentence where a compiled build is wanted."""
    refuse_editable()
    return build_meta.get_requires_for_build_editable(config_settings)


def build_editable(wheel_directory: str, config_settings: Any = None, metadata_directory: str | None = None) -> str:
    """As setuptools does it; ends with a sentence where a compiled build is wanted."""
    refuse_editable()
    return build_meta.build_editable(wheel_directory, config_settings, metadata_directory)
