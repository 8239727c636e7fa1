"""A model of one executor on this machine: seconds of measured pieces of work, and what they say of others.

A step takes what the same step takes in the first-level cache, or what moving its operands takes, whichever is more,
since processors fetch ahead while they compute. Matrix products are read off a table of measured ones, between whose
sizes logarithms of times are interpolated. Source: Peise and Bientinesi, Performance modeling for dense linear algebra
(SC Companion 2012), for predicting programs from measured kernels; Williams, Waterman and Patterson, Roofline
(CACM 52, 2009), for the larger of two bounds.
"""

from __future__ import annotations

import itertools
import math
import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..program.count import Work
from ..program.instructions import EXACT
from ..program.steps import MOVED, PARTS, TURN, Step

GRID = (1, 2, 4, 16, 64, 256, 1024)  #: m, k and n of the products that are measured, as far as :func:`measured` says
LARGE, THIN = 256, 1 << 22  #: sizes up to which all of them are, multiply-adds up to which the others are
LAYOUTS = ("", "a", "b", "ab")  #: which of their operands are transposed
SINGLE, SMALLEST = "matmul  1 1 1", "matmul  2 2 2"  #: products that are nothing but calls
KINDS = ("reduce", "select", "gather", "scatter")  #: of instructions, whose times are lines
MOST = 1e15  #: of seconds or bytes that are believed
#: how far from its reuse distance to all the data of a program, by doublings, the last level takes an operand to be. On
#: an EPYC (Zen 5) of 32 MiB matrices of 20 to 64 MiB in all take as long read back and forth as round and round, which
#: is 1; groups of 2 to 16 MiB of 48 that are read twice take what 2/3 to 0.9 says.
WHOLE = 5 / 6
UNKNOWN = "tanh"  #: stands for ufuncs that were not measured


@dataclass(frozen=True, slots=True)
class Rates:
    """Seconds per unit of work.

    Attributes:
        call: of an instruction.
        start: of a run, whatever it does.
        element: of an array element that is read or written.
        transcendental: of an evaluation of tanh.
        fma: of a multiply-add in a product.
    """

    call: float
    start: float
    element: float
    transcendental: float
    fma: float

    def predict(self, work: Work) -> float:
        """Seconds that a run with this work should take."""
        return (
            self.start
            + work.calls * self.call
            + work.elements * self.element
            + work.transcendental * self.transcendental
            + work.fma * self.fma
        )


@dataclass(frozen=True, slots=True)
class Model:
    """Seconds by what was measured.

    Attributes:
        table: by name: ``start``; ``map NAME call`` and ``map NAME element``; ``row``, and ``row called`` of ufuncs
            that no executor has loops of its own for; ``strided``, what an element takes more where it is; ``reduce``,
            ``select``, ``gather`` and ``scatter`` in the same way as a ufunc; ``matmul LAYOUT
            m k n``, ``matmul x`` for a multiply-add that BLAS does not do; ``read BYTES``, ``across BYTES`` and
            ``write BYTES`` for a byte of a working set of so many, read along or across the rows of a matrix;
            ``turn`` for what an instruction in a loop takes more, and ``moved`` for each operand that is moved there;
            ``mixed`` for what a call takes more among others than after its like.
        near: bytes that the first-level cache holds, the operands of which cost nothing more.
        private: bytes that the second level holds.
        itemsize: bytes of an element.
        disturbed: share of the rounds that other processes interrupted.
    """

    table: Mapping[str, float]
    near: int
    private: int
    itemsize: int = 8
    disturbed: float = 0.0
    _sets: list[int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        sets = sorted(int(name.split()[1]) for name in self.table if name.startswith("read "))
        object.__setattr__(self, "_sets", sets)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "near": self.near,
            "private": self.private,
            "itemsize": self.itemsize,
            "disturbed": self.disturbed,
            "table": dict(self.table),
        }

    @classmethod
    def read(cls, data: object) -> Model | None:
        """From what :meth:`to_dict` gave; None if that is no model, or of another version."""
        if not isinstance(data, dict) or data.keys() != {"near", "private", "itemsize", "disturbed", "table"}:
            return None
        table = data["table"]
        if not isinstance(table, dict) or not all(map(_usable, table.values())):
            return None
        if not all(_usable(data[name]) for name in ("near", "private", "disturbed")) or data["itemsize"] not in (4, 8):
            return None
        if not _complete(table):
            return None
        return cls(table, data["near"], data["private"], data["itemsize"], data["disturbed"])

    def predict(self, steps: Iterable[Step]) -> float:
        """Seconds that a run of these steps should take."""
        known = list(steps)
        whole = max((distance for one in known for distance, _ in (*one.read, *one.written)), default=0)
        return self.table["start"] + sum(one.count * self.step(one, whole) for one in known)

    def step(self, one: Step, whole: int = 0) -> float:
        """Seconds of one run of a step in a program whose data are so many bytes, given like a distance."""
        if one.kind in (TURN, MOVED):
            return self.table[one.kind]
        moving = self.moving(one, whole)
        if one.kind != "matmul":
            call, inside = self._loop(one)
            return self.table["mixed"] + call + max(inside, moving)
        call, inside = self.product(one)
        if min(one.sizes[1], one.sizes[3]) == 1:
            inside = max(inside, moving)
        else:  # packed into buffers of the BLAS first, which is no fetching ahead; what was measured did that too
            inside += max(moving - self._found(one), 0.0)
        return self.table["mixed"] + call + inside

    def moving(self, one: Step, whole: int = 0) -> float:
        """Seconds that a step's operands take to come, and to go, from beyond the first level."""
        way = "across" if one.kind == "matmul" and _across(one) else "read"
        return self._traffic(one.read, way, whole) + self._traffic(one.written, "write", whole)

    def _found(self, one: Step) -> float:
        """Seconds that the operands of a product took to come when it was measured."""
        _, m, k, n = (min(size, GRID[-1]) for size in one.sizes)
        rate = self.byte("read", self.itemsize * (m * k + k * n + m * n))
        return rate * sum(nbytes for traffic in (one.read, one.written) for distance, nbytes in traffic if distance)

    def _traffic(self, traffic: Iterable[tuple[int, int]], way: str, whole: int) -> float:
        return sum(nbytes * self.byte(way, self._within(distance, whole)) for distance, nbytes in traffic if distance)

    def _within(self, distance: float, whole: int) -> float:
        """The bytes among which a cache has to find what was used so long ago.

        Up to the second level they are those that were used since. Last-level caches do not keep what was used last,
        lest one long scan empties them: what they keep depends on all the data, see :data:`WHOLE`.
        """
        if 2.0 ** (distance / PARTS) > self.private:
            distance += WHOLE * (max(distance, whole) - distance)
        return float(2.0 ** (distance / PARTS))

    def byte(self, way: str, within: float) -> float:
        """Seconds to "read" or to "write" a byte that was used so many bytes ago."""
        if within <= self.near:
            return 0.0
        sets = self._sets
        at = bisect_right(sets, within)
        low, high = sets[max(at - 1, 0)], sets[min(at, len(sets) - 1)]
        share = math.log(within / low) / math.log(high / low) if low < within < high else 0.0
        return (1 - share) * self.table[f"{way} {low}"] + share * self.table[f"{way} {high}"]

    def _loop(self, one: Step) -> tuple[float, float]:
        """Seconds of a call, and of its loop, of everything but products."""
        rows, size = one.sizes
        table, kind = self.table, one.kind
        name = f"map {one.name}" if kind == "map" else kind
        if f"{name} call" not in table:
            name = f"map {UNKNOWN}"
        element = table[f"{name} element"]
        if one.layout == "s":
            element += table["strided"]
        elif one.layout == "o":
            element = table["reduce outer"]
        row = table["row" if one.name in EXACT else "row called"]
        return table[f"{name} call"], (rows - 1) * row + rows * size * element

    def product(self, one: Step) -> tuple[float, float]:
        """Seconds of a call, and of its products."""
        batch, *sizes = one.sizes
        m, k, n = sizes
        # NumPy's executor calls another function for an inner product, an outer product, and several products at once
        single = batch > 1 or k == 1 or m * n == 1
        call = self.table[SINGLE if single else SMALLEST]
        if "x" in one.layout:
            return call, batch * math.prod(sizes) * self.table["matmul x"]
        inside = self._interpolated(one.layout, sizes, self.table[SINGLE if k == 1 or m * n == 1 else SMALLEST])
        return call, inside if batch == 1 else batch * max(inside, self.table["row called"])

    def _interpolated(self, layout: str, sizes: Iterable[int], call: float) -> float:
        """Without a call, of products between the grid's, by the logarithms of time and sizes; in proportion beyond."""
        cells, beyond = [], 1.0
        for size in sizes:
            low, high, share = _between(size)
            cells.append(((low, 1.0 - share), (high, share)))
            beyond *= max(size / GRID[-1], 1.0)
        total = 0.0
        for corner in itertools.product(*cells):
            weight = math.prod(share for _, share in corner)
            if weight:
                m, k, n = (at for at, _ in corner)
                total += weight * math.log(self._measured(layout, m, k, n))
        return beyond * max(math.exp(total) - call, 0.0)

    def _measured(self, layout: str, *sizes: int) -> float:
        """Of a product of the grid; in proportion of a smaller one, if it was too large to be measured."""
        if measured(*sizes):
            return self.table[f"matmul {layout} {' '.join(map(str, sizes))}"]
        most = max(sizes)
        smaller = GRID[GRID.index(most) - 1]
        at = sizes.index(most)
        return most / smaller * self._measured(layout, *sizes[:at], smaller, *sizes[at + 1 :])

    @property
    def rates(self) -> Rates:
        """The same in five numbers, for plans that know no more than counts."""
        table, side = self.table, LARGE
        middle = self._sets[len(self._sets) // 2]
        return Rates(
            call=table["map multiply call"] + table["mixed"],
            start=table["start"],
            element=max(table["map multiply element"] / 3, self.itemsize * table[f"read {middle}"]),
            transcendental=table[f"map {UNKNOWN} element"],
            fma=table[f"matmul {LAYOUTS[0]} {side} {side} {side}"] / side**3,
        )


def measured(*sizes: int) -> bool:
    """Whether a product is in the table: all that are not large, and large ones that are thin."""
    return max(sizes) <= LARGE or math.prod(sizes) <= THIN


def _across(one: Step) -> bool:
    """A vector meets a matrix along the axis in which the matrix is not contiguous."""
    _, m, _, n = one.sizes
    return (m == 1 and "b" not in one.layout) or (n == 1 and "a" in one.layout)


def _between(size: int) -> tuple[int, int, float]:
    """The grid's neighbours of a size, and how far it is from the lower to the higher one."""
    if size >= GRID[-1]:
        return GRID[-1], GRID[-1], 0.0
    high = next(at for at in GRID if at > size)
    low = GRID[GRID.index(high) - 1]
    return low, high, math.log(size / low) / math.log(high / low)


def _complete(table: Mapping[str, float]) -> bool:
    """Whether a table holds whatever is looked up in it, and products that a logarithm can be taken of."""
    sets = {name.partition(" ")[2] for name in table if name.startswith("read ")}
    maps = {name.removesuffix(" call") for name in table if name.startswith("map ") and name.endswith(" call")}
    needed = REQUIRED | {f"{way} {one}" for way in ("read", "across", "write") for one in sets}
    if not sets or not all(re.fullmatch("[1-9][0-9]{0,15}", one) for one in sets):
        return False
    return table.keys() >= needed | {f"{one} element" for one in maps} and all(table[name] > 0 for name in PRODUCTS)


def _usable(number: object) -> bool:
    return isinstance(number, float | int) and not isinstance(number, bool) and 0 <= number < MOST


SIZES = [sizes for sizes in itertools.product(GRID, repeat=3) if measured(*sizes)]  #: m, k and n of the products
PRODUCTS = {f"matmul {layout} {m} {k} {n}" for layout in LAYOUTS for m, k, n in SIZES}
#: what a table must hold
REQUIRED = {
    "start", "row", "row called", "strided", "reduce outer", "turn", "moved", "mixed", "matmul x",
    *(f"{name} {part}" for name in (*KINDS, f"map {UNKNOWN}", "map multiply") for part in ("call", "element")),
    *PRODUCTS,
}  # fmt: skip
