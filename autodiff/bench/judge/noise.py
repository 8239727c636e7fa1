"""Whether the machine was quiet while it was measured on, and its core left alone, in one sentence."""

from __future__ import annotations

from collections import defaultdict
from statistics import fmean
from typing import Any

import numpy as np

from ...machine.host import busy_warning
from ..ask.names import MACHINE
from ..records.record import Record, is_kernel

STEADY = 1.15  #: factor between the machine's fastest and slowest pass that is called steady
DISTURBED = 0.05  #: mean share of rounds that other processes interrupted, from which on it is worth a word
MOST = 0.5  #: share of a measurement's rounds, from which on it is named
NAMED = 3  #: of them
STOLEN = 0.02  #: share of processor time taken by other machines on the same host, from which on it is worth a word
ADVICE = (
    "ratios are taken within a pass and hold within their intervals, times of different runs do not compare; "
    "close other programs or take a machine of your own, and raise --passes"
)


def verdict(environment: dict[str, Any], found: list[Record]) -> str:
    """Empty for a quiet machine; else what was noisy, and what to do about it."""
    said = noise(environment, found)
    return f"This machine was noisy: {said}; {ADVICE}." if said else ""


def noise(environment: dict[str, Any], found: list[Record]) -> str:
    """What was noisy, as a part of a sentence; empty for a quiet machine."""
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
    reasons.append(interrupted(environment, found))
    return ", ".join(reason for reason in reasons if reason)


def interrupted(environment: dict[str, Any], found: list[Record]) -> str:
    """How many rounds other processes interrupted, by the mean over the measurements, and where most; or empty."""
    shares: dict[str, list[float]] = defaultdict(list)
    for record in found:
        if record.sweep != MACHINE and record.disturbed is not None:
            shares[f"{record.sweep} {record.case} {record.engine}"].append(record.disturbed)
    each = [share for row in shares.values() for share in row]
    many = sum(share > MOST for share in each)
    if not each or (fmean(each) < DISTURBED and not many):
        return ""
    said = f"other processes interrupted {fmean(each):.0%} of the rounds{_where(environment)}"
    if not many:
        return said
    means = {name: fmean(row) for name, row in shares.items() if max(row) > MOST}
    worst = sorted(means, key=lambda name: -means[name])
    names = "; ".join(f"{name} {means[name]:.0%}" for name in worst[:NAMED])
    more = f"; and {len(worst) - NAMED} more rows" if len(worst) > NAMED else ""
    return f"{said}, in {many} of {len(each)} measurements more than half ({names}{more})"


def _where(environment: dict[str, Any]) -> str:
    cores = environment.get("pinned_to")
    if not isinstance(cores, list) or not cores:
        return ""
    return f" on core{'s' if len(cores) > 1 else ''} {', '.join(map(str, cores))}"


def speed_swing(found: list[Record]) -> float:
    """The machine's slowest pass over its fastest, by the geometric mean over the float64 kernels; 1 for one pass."""
    logs: dict[int, list[float]] = defaultdict(list)
    for record in found:
        if is_kernel(record) and record.case == "float64" and record.median_s:
            logs[record.number].append(np.log(record.median_s))
    most = max((len(one) for one in logs.values()), default=0)
    means = [np.mean(one) for one in logs.values() if len(one) == most]
    return float(np.exp(max(means) - min(means))) if means else 1.0
