"""Laying out a program's working memory in one block, each array for just as long as it is needed."""

from __future__ import annotations

import bisect
import heapq
from dataclasses import dataclass

from .instructions import Buffer, Code, Instruction, Operand

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
    nested lifetimes of a program it rarely wastes anything.
    """
    gaps: list[tuple[int, int]] = []  # start and end of free memory below ``total``, in order and apart
    dying: list[tuple[int, int, int]] = []  # death, start, end
    total = 0
    for slot in sorted(slots, key=lambda one: one.birth):
        while dying and dying[0][0] < slot.birth:
            _, start, end = heapq.heappop(dying)
            _release(gaps, start, end)
        size = -(-slot.size // ALIGN) * ALIGN
        found = next((k for k, (start, end) in enumerate(gaps) if end - start >= size), None)
        if found is not None:
            slot.offset, end = gaps[found]
            gaps[found : found + 1] = [(slot.offset + size, end)] if slot.offset + size < end else []
        else:
            if gaps and gaps[-1][1] == total:  # what is free at the end is the beginning
                slot.offset = gaps.pop()[0]
            else:
                slot.offset = total
            total = slot.offset + size
        heapq.heappush(dying, (slot.death, slot.offset, slot.offset + size))
    return total


def _release(gaps: list[tuple[int, int]], start: int, end: int) -> None:
    """Memory that is free again, joined with the gaps that it touches."""
    at = bisect.bisect(gaps, (start, end))
    if at < len(gaps) and gaps[at][0] == end:
        end = gaps.pop(at)[1]
    if at and gaps[at - 1][1] == start:
        start = gaps.pop(at - 1)[0]
        at -= 1
    gaps.insert(at, (start, end))


def place(code: Code, reuse: bool = True) -> int:
    """Give every buffer in working memory its offset; returns the elements of the block.

    An elementwise instruction whose operand is read for the last time writes where it reads. What is born before a
    loop and used in it lives to its end.

    Args:
        code: the program; its buffers are changed.
        reuse: False gives every array a place of its own, for checks.
    """
    slots: dict[int, Slot] = {}
    buffers: dict[int, Buffer] = {}
    loops = [(loop.start, loop.stop) for loop in code.loops]
    which = 0
    for here, one in enumerate(code.instructions):
        while which < len(loops) and here >= loops[which][1]:
            which += 1
        inside = loops[which] if which < len(loops) and here >= loops[which][0] else None
        for operand in (*one.inputs, one.out):
            buffer = operand.buffer
            if buffer.place not in ("memory", "value"):
                continue
            key = id(buffer)
            slot = slots.get(key)
            if slot is None:
                slot = slots[key] = Slot(buffer.size, here, here)
                buffers[key] = buffer
            slot.death = here if inside is None or slot.birth >= inside[0] else inside[1] - 1
    last = len(code.instructions)
    if code.value is not None and id(code.value.buffer) in slots:
        slots[id(code.value.buffer)].death = last
    if not reuse:
        for slot in slots.values():
            slot.birth, slot.death = 0, last
    else:
        starts = [0] * last
        for loop in code.loops:
            starts[loop.start : loop.stop] = [loop.start] * (loop.stop - loop.start)
        for here, one in enumerate(code.instructions):
            _share(here, one, slots, starts[here])
    unique = list({id(slot): slot for slot in slots.values()}.values())
    total = lay_out(unique)
    for key, buffer in buffers.items():
        buffer.offset = slots[key].offset
    return total


def _share(here: int, one: Instruction, slots: dict[int, Slot], start: int) -> None:
    """Let an elementwise instruction write into an operand that is not read again; a loop begins at ``start``."""
    out = slots.get(id(one.out.buffer))
    if one.kind != "map" or out is None or out.birth != here:
        return
    for operand in one.inputs:
        own = slots.get(id(operand.buffer))
        if own is None or own is out or own.birth < start:
            continue
        if own.death == here and own.size == out.size and _same(operand, one.out):
            readers = [other for other in one.inputs if slots.get(id(other.buffer)) is own]
            if all(_same(other, one.out) for other in readers):
                own.death = out.death
                slots[id(one.out.buffer)] = own
                return


def _same(one: Operand, other: Operand) -> bool:
    return (one.shape, one.strides, one.offset, one.step) == (other.shape, other.strides, other.offset, other.step)
