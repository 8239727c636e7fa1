"""Floors: what an engine takes to differentiate the identity of one element, a call that has nothing to compute.

Below some tens of units packages are compared by what they take to be called: to find a compiled function, to begin a
trace, to start a transform. That is measured by the engine's own call on :func:`identity`, compiled, bound, verified
and timed as all its others are, and kept under a case of its own, which is asked for nowhere and can win nothing. A
real network hands over more arrays, so that this is the least that a call can take.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...layers import Elementwise
from ...network import Network
from .names import AGAIN, FLOOR
from .sweep import Case, Series, Sweep

PROBLEM = f"{__name__}:identity"
PLOTS = ("peers",)  #: the kinds of sweeps whose engines' floors are measured
SAME = {"gradient": "jacobian"}  #: operations that are one on one output


def identity() -> Network:
    """``y = x``, one element."""
    return Network([Elementwise("identity", 1)], name="identity")


def floor_of(operation: str) -> str:
    """The name of the case that an operation's floors are kept under."""
    own = SAME.get(operation, operation)
    return FLOOR if own == "jacobian" else f"{FLOOR}-{own}"


def is_floor(case: str) -> bool:
    """A case of that name holds floors."""
    return case.startswith(FLOOR)


def floors(sweep: Sweep, engines: Sequence[str]) -> list[Case]:
    """The cases of a sweep's floors, one for each of its operations, whose series name the engines; none for most.

    Args:
        sweep: what is measured.
        engines: instead of its own, if any.
    """
    if sweep.kind not in PLOTS:
        return []
    found: dict[str, list[str]] = {}
    for series in sweep.series:
        own = found.setdefault(SAME.get(series.operation, series.operation), [])
        own += [name for name in engines or series.engines if name not in own and not name.endswith(AGAIN)]
    return [
        Case(sweep.name, 0, Series(problem=PROBLEM, operation=operation, engines=names), (), ())
        for operation, names in found.items()
    ]
