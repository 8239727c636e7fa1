"""What a process has used of its processor, and whether others took it away meanwhile."""

from __future__ import annotations

import time

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

LOST = 0.02  #: share of a stretch of time without the processor, from which on it was disturbed

Usage = tuple[int, float]  #: involuntary context switches of this process, and seconds of its processor time


def usage() -> Usage | None:
    """What this process, all of its threads together, has used by now; None where the system does not count it."""
    if resource is None:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw, time.process_time()


def interrupted(before: Usage | None, after: Usage | None, took: float) -> bool:
    """Whether this process was switched away from against its will, and lost over :data:`LOST` of ``took`` seconds.

    Waiting of its own accord is no switch of that kind. Where the system does not count, nothing is known, and False.
    """
    if before is None or after is None:
        return False
    return after[0] > before[0] and took - (after[1] - before[1]) > LOST * took
