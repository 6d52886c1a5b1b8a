from proxy.counts import *  # noqa: F403  # moved to proxy.counts; goes away before release
from proxy.counts import DURATION_BOUNDS, Counts, Histogram  # noqa: F401
