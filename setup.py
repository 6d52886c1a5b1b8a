"""Build of sipmend; everything that is declared stands in setup.cfg.

By default the build is pure Python. With SIPMEND_COMPILE=1 in the environment mypyc turns the modules that every
message passes through into one C extension (docs/operations.md). Only then mypy and a C compiler are needed:
scripts/build_backend.py asks pip for mypy.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from setuptools import Extension, setup

# pip asks for the metadata first, which do not depend on it.
COMPILE = os.environ.get("SIPMEND_COMPILE") == "1" and "dist_info" not in sys.argv
if COMPILE:
    try:
        from mypyc.build import mypycify
    except ImportError:
        sys.exit("SIPMEND_COMPILE=1 needs mypyc: pip install mypy, or build without --no-build-isolation")

ROOT = Path(__file__).resolve().parent
PACKAGES = ("proxy/sip", "proxy/transaction", "proxy/repair", "proxy/core")
MODULES = ("proxy/flow.py", "proxy/events.py", "proxy/effects.py", "proxy/binding.py", "proxy/counts.py")
# Rules of users derive from `Rule` and set its attributes on their class: compiled code would not see those. Nor does
# mypyc set the defaults that a class derived from Exception has in its body.
# No message passes through STUN; patterns only hand texts to RE2.
# What is there for rules of users only, and what derives from `Rule`, is interpreted too.
INTERPRETED = (
    "proxy/repair/header_rules.py",
    "proxy/repair/rule.py",
    "proxy/repair/setting.py",
    "proxy/repair/testing.py",
    "proxy/repair/watched.py",
    "proxy/sip/errors.py",
    "proxy/stun.py",
    "proxy/pattern.py",
    "proxy/values.py",
)


def compiled_modules() -> list[str]:
    """Paths below this folder, in a fixed order; the empty `__init__.py` have nothing to compile."""
    found = [path.relative_to(ROOT).as_posix() for folder in PACKAGES for path in sorted((ROOT / folder).glob("*.py"))]
    return [*MODULES, *(path for path in found if path not in INTERPRETED and not path.endswith("/__init__.py"))]


def extensions() -> list[Extension]:
    """What makes all these modules one C extension."""
    # The settings of mypy in setup.cfg name a plugin for the configuration, which is not compiled.
    options = ["--config-file=", "--strict"]
    return list(mypycify([*options, *compiled_modules()], opt_level="3", debug_level="0", group_name="sipmend"))


if __name__ == "__main__":
    setup(ext_modules=extensions() if COMPILE else [])
