"""Whether the machine was quiet while it was measured on, in one sentence."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from ...machine.host import busy_warning
from ..ask.names import MACHINE
from ..records.record import Record

STEADY = 1.15  #: factor between the machine's fastest and slowest pass that is called steady
STOLEN = 0.02  #: share of processor time taken by other machines on the same host, from which on it is worth a word
ADVICE = (
    "ratios are taken within a pass and hold within their intervals, times of different runs do not compare; "
    "close other programs or take a machine of your own, and raise --passes"
)


def verdict(environment: dict[str, Any], found: list[Record]) -> str:
    """Empty for a quiet machine; else what was noisy, and what to do about it."""
    reasons = []
    swing = speed_swing(found)
    if swing > STEADY:
        reasons.append(f"its speed changed by a factor of {swing:.2f} between passes")
    stolen = environment.get("steal_share")
    if isinstance(stolen, (int, float)) and stolen > STOLEN:
        reasons.append(f"{stolen:.0%} of its processor time went to other machines on the same host")
    for name, when in (("busy_share", "before the run"), ("busy_share_after", "after the run")):
        busy = environment.get(name)
        reasons.append(busy_warning(busy, when) if isinstance(busy, (int, float)) else "")
    reasons = [reason for reason in reasons if reason]
    return f"This machine was noisy: {', '.join(reasons)}; {ADVICE}." if reasons else ""


def speed_swing(found: list[Record]) -> float:
    """The machine's slowest pass over its fastest, by the geometric mean over the float64 kernels; 1 for one pass."""
    logs: dict[int, list[float]] = defaultdict(list)
    for record in found:
        if record.sweep == MACHINE and record.case == "float64" and record.median_s:
            logs[record.number].append(np.log(record.median_s))
    most = max((len(one) for one in logs.values()), default=0)
    means = [np.mean(one) for one in logs.values() if len(one) == most]
    return float(np.exp(max(means) - min(means))) if means else 1.0
