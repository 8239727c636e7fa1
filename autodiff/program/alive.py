"""How much of a program's memory holds something, instruction by instruction."""

from __future__ import annotations

from .instructions import Buffer, Code
from .layout import Lifetimes, lifetimes


def memory_alive(code: Code) -> list[int]:
    """Bytes of working memory that hold something that is written or still read, the most during each instruction."""
    whole = lifetimes(code)
    alive = _alive(whole)
    found, time = [0] * len(code.instructions), 0
    for block in code.blocks():
        own = _alive(whole.own[block.start]) if block.bound else {}
        for number in range(block.start, block.stop):
            now = alive.get(time + number - block.start, 0) + own.get(number - block.start, 0)
            found[number] = max(found[number], now * code.dtype.itemsize)
        time += block.stop - block.start
    return found


def _alive(part: Lifetimes) -> dict[int, int]:
    """Elements that hold something, at every time at which any do."""
    coming: dict[int, list[Buffer]] = {}
    going: dict[int, list[Buffer]] = {}
    for key, slot in part.slots.items():
        coming.setdefault(slot.birth, []).append(part.buffers[key])
        going.setdefault(slot.death + 1, []).append(part.buffers[key])
    held: dict[int, list[int]] = {}  # by where it begins: one place may be handed on from an operand to the result
    found, total = {}, 0
    for time in range(max(going, default=0)):
        for buffer in coming.get(time, ()):
            sizes = held.setdefault(buffer.offset, [])
            total += max([buffer.size, *sizes]) - max(sizes, default=0)
            sizes.append(buffer.size)
        for buffer in going.get(time, ()):
            sizes = held[buffer.offset]
            total -= max(sizes)
            sizes.remove(buffer.size)
            total += max(sizes, default=0)
        found[time] = total
    return found
