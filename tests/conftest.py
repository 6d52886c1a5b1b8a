"""Settings for all tests: in continuous integration hypothesis plays the same examples each time.

Elsewhere it looks for new ones: what it finds at a desk becomes a test, what it finds in CI only holds up others.
"""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("ci", derandomize=True)
if os.environ.get("CI") == "true":
    settings.load_profile("ci")
