"""Laying out a program's arrays in one block of memory, each for just as long as it is needed."""

from __future__ import annotations

import bisect
from dataclasses import dataclass

ALIGN = 8  #: elements that an array starts at a multiple of, a cache line of float64


@dataclass(slots=True)
class Slot:
    """An array of ``size`` elements that is first written at instruction ``birth`` and last used at ``death``."""

    size: int
    birth: int
    death: int
    offset: int = -1


def lay_out(slots: list[Slot]) -> int:
    """Give every slot an offset so that no two that live at the same time overlap; returns the elements needed.

    First fit in the order of birth. That is not always the least possible, which is NP-hard to find, but for the
    nested lifetimes of a bracketing it rarely wastes anything.
    """
    active: list[tuple[int, int, int]] = []  # offset, end, death
    total = 0
    for slot in sorted(slots, key=lambda one: one.birth):
        if not slot.size:
            slot.offset = 0
            continue
        active = [one for one in active if one[2] >= slot.birth]
        size, offset = -(-slot.size // ALIGN) * ALIGN, 0
        for start, end, _ in active:
            if offset + size <= start:
                break
            offset = max(offset, end)
        slot.offset = offset
        bisect.insort(active, (offset, offset + size, slot.death))
        total = max(total, offset + size)
    return total
