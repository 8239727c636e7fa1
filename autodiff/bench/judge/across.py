"""Cases that are the same but for one key, such as the precision: what differs between them is what the key does."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..ask.sweep import Scalar, Sweep
from .intervals import Floats, zero_crossing
from .results import Results


@dataclass
class Group:
    """Cases of one series that differ in one key.

    Attributes:
        name: what they have in common, as a case is named.
        index: of their series in the sweep.
        items: their other keys.
        cases: names by the key's value, in the sweep's order; the first is what the others are compared with.
    """

    name: str
    index: int
    items: dict[str, Any]
    cases: dict[Scalar, str] = field(default_factory=dict)

    @property
    def base(self) -> Scalar:
        """The key's first value."""
        return next(iter(self.cases))


def groups(results: Results, sweep: Sweep) -> list[Group]:
    """The cases of a sweep that compares across a key, by what they have in common."""
    found: dict[tuple[int, str], Group] = {}
    for case in (case for (name, _), case in results.cases.items() if name == sweep.name):
        common = case.without(sweep.across)
        group = found.setdefault((case.index, common.name), Group(common.name, case.index, common.keys))
        group.cases[case.value(sweep.across)] = case.name
    return list(found.values())


def moving(own: list[Group]) -> str:
    """The key of numbers that groups of a series differ in, the first of several that are equal; else empty."""
    names = [key for key in own[0].items if len({group.items[key] for group in own}) > 1]
    numbers = [key for key in names if all(isinstance(group.items[key], int | float) for group in own)]
    alike = all(len({group.items[key] for key in names}) == 1 for group in own)
    return numbers[0] if numbers == names and numbers and alike else ""


def equal_cost(sizes: list[float], ratios: Floats) -> list[float | None]:
    """Where a ratio, its lower and its upper end cross 1, by linear interpolation of logarithms; None if they do not.

    Args:
        sizes: above 0.
        ratios: a row per size: ratio, low, high.
    """
    logs = np.log2(ratios)
    crossings = [zero_crossing(np.log2(sizes).tolist(), column.tolist()) for column in logs.T]
    return [None if one is None else 2**one for one in crossings]
