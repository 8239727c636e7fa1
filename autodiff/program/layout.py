"""Laying out a program's working memory in one block, each array for just as long as it is needed."""

from __future__ import annotations

import bisect
import heapq
from dataclasses import dataclass, field

from .instructions import Block, Buffer, Code, Instruction, Operand

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

    Best fit in the order of birth: the smallest gap that is large enough, of equal ones the first. That is not always
    the least possible, which is NP-hard to find, but for the nested lifetimes of a program it rarely wastes anything.
    """
    gaps = _Gaps()
    dying: list[tuple[int, int, int]] = []  # death, start, end
    total = 0
    for slot in sorted(slots, key=lambda one: one.birth):
        while dying and dying[0][0] < slot.birth:
            _, start, end = heapq.heappop(dying)
            gaps.add(start, end)
        size = -(-slot.size // ALIGN) * ALIGN
        found = gaps.taken(size)
        if found is None:
            found = gaps.ending(total)  # what is free at the end is the beginning
            total = found + size
        slot.offset = found
        heapq.heappush(dying, (slot.death, found, found + size))
    return total


class _Gaps:
    """Free memory, no two pieces of which touch."""

    def __init__(self) -> None:
        self._by_size: list[tuple[int, int]] = []  # size and start, in order
        self._ends: dict[int, int] = {}  # by start
        self._starts: dict[int, int] = {}  # by end

    def add(self, start: int, end: int) -> None:
        """Memory that is free again, joined with the gaps that it touches."""
        if end in self._ends:
            end = self._remove(end)
        if start in self._starts:
            start = self._starts[start]
            self._remove(start)
        self._ends[start], self._starts[end] = end, start
        bisect.insort(self._by_size, (end - start, start))

    def taken(self, size: int) -> int | None:
        """Where so many elements fit, which are free no longer; None if nowhere."""
        at = bisect.bisect_left(self._by_size, (size, 0))
        if at == len(self._by_size):
            return None
        start = self._by_size[at][1]
        end = self._remove(start)
        if start + size < end:
            self.add(start + size, end)
        return start

    def ending(self, total: int) -> int:
        """Where the gap begins that ends at ``total``, which is free no longer; ``total`` if there is none."""
        start = self._starts.get(total, total)
        if start < total:
            self._remove(start)
        return start

    def _remove(self, start: int) -> int:
        """Forget the gap that begins there; returns its end."""
        end = self._ends.pop(start)
        del self._starts[end]
        del self._by_size[bisect.bisect_left(self._by_size, (end - start, start))]
        return end


@dataclass(slots=True)
class Lifetimes:
    """When buffers are used.

    Attributes:
        slots, buffers: by the buffer's id.
        own: of each segment, by its first instruction: the arrays that it uses besides its arguments, whose times
            count from its beginning. They lie in memory that all segments share.
    """

    slots: dict[int, Slot] = field(default_factory=dict)
    buffers: dict[int, Buffer] = field(default_factory=dict)
    own: dict[int, Lifetimes] = field(default_factory=dict)

    def slot(self, buffer: Buffer, now: int) -> Slot | None:
        """A buffer's slot, born now if it has none yet; None for what is no working memory."""
        found = self.slots.get(id(buffer))
        if found is None and buffer.place in ("memory", "value"):
            found = self.slots[id(buffer)] = Slot(buffer.size, now, now)
            self.buffers[id(buffer)] = buffer
        return found

    def walk(self, code: Code, block: Block, time: int) -> None:
        """Note what a block uses that begins at ``time``."""
        end = time + block.stop - block.start - 1
        for here, one in enumerate(code.instructions[block.start : block.stop], start=time):
            for operand in (*one.inputs, one.out):
                slot = self.slot(operand.buffer, here)
                if slot is not None:
                    slot.death = end if block.count > 1 and slot.birth < time else here

    def lay_out(self) -> int:
        """Give the buffers their offsets; returns the elements needed."""
        total = lay_out(list({id(slot): slot for slot in self.slots.values()}.values()))
        for key, buffer in self.buffers.items():
            buffer.offset = self.slots[key].offset
        return total


def lifetimes(code: Code) -> Lifetimes:
    """When each buffer is used; an instruction takes one unit of time every time that it comes up.

    What is born before a loop and used in it lives to its end; what a call is given, and what it gives, lives all
    through the call.
    """
    whole, time = Lifetimes(), 0
    for block in code.blocks():
        end = time + block.stop - block.start
        for _, buffer in block.bound:
            slot = whole.slot(buffer, time)
            if slot is not None:
                slot.death = end - 1
        if not block.bound:
            whole.walk(code, block, time)
        elif block.start not in whole.own:
            whole.own[block.start] = Lifetimes()
            whole.own[block.start].walk(code, block, 0)
        time = end
    if code.value is not None and id(code.value.buffer) in whole.slots:
        whole.slots[id(code.value.buffer)].death = time
    return whole


def place(code: Code, reuse: bool = True) -> int:
    """Give every buffer in working memory its offset; returns the elements of the block.

    An elementwise instruction whose operand is read for the last time writes where it reads.

    Args:
        code: the program; its buffers are changed.
        reuse: False gives every array a place of its own, for checks.
    """
    whole = lifetimes(code)
    parts = [whole, *whole.own.values()]
    if not reuse:
        for slot in (slot for part in parts for slot in part.slots.values()):
            slot.birth, slot.death = 0, len(code.instructions)
    else:
        time = 0
        for block in code.blocks():
            part, begin = (whole, time) if not block.bound else (whole.own[block.start], 0)
            if not block.bound or block.at == block.start:
                for here, one in enumerate(code.instructions[block.start : block.stop], start=begin):
                    _share(here, one, part.slots, begin if block.count > 1 else 0)
            time += block.stop - block.start
    shared = max((part.lay_out() for part in whole.own.values()), default=0)
    total = whole.lay_out()
    for part in whole.own.values():
        for buffer in part.buffers.values():
            buffer.offset += total
    return total + shared


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
