"""Measuring the table of an executor's model: some hundred small programs, each an instruction many times over."""

from __future__ import annotations

import contextvars
import functools
import itertools
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np

from ..arrays import BUFFER, Array, aligned_empty
from ..errors import UnsupportedError
from ..primitives.table import PRIMITIVES, find_primitive
from ..program.builder import Builder
from ..program.instructions import Kind
from ..program.program import Program
from ..program.value import Value
from ..program.views import View
from .cache import cache_bytes
from .kernels import WRITERS, cannot_run, execution
from .model import GRID, LAYOUTS, SIZES, Model
from .model import SMALLEST as SMALLEST_PRODUCT
from .rates import EXECUTORS, PRECISIONS, keep, machine
from .usage import interrupted, usage

FEW, MANY = 8, 1024  #: elements, between which a loop's time is a line; the larger ones still fit a first-level cache
TURNS = 64  #: of the loop that tells what one takes
ROWS = 64  #: of the matrices that tell what a row costs
TIMES = 8  #: an instruction stands in its program, if it is a small one
SIDE = 32  #: of the matrices that BLAS cannot take
OTHERS: tuple[tuple[Kind, int], ...] = (("select", 3), ("gather", 1), ("scatter", 1))  #: kinds, and their inputs
ONCE = 1 << 16  #: multiply-adds, from which on it stands there once
SMALLEST, MOST = 1 << 16, 1 << 28  #: bytes of the working sets that are streamed, doubling from one to the next
BEYOND = 2.0  #: last levels that the largest one takes, if that is less
COLUMNS = 256  #: of the matrices that are read
SEVERAL = 3  #: runs of a slow program in a round, each timed: what evicts others settles in a last-level cache slowly
LONG = 2e-3  #: seconds, from which on a program takes part in the first rounds only
ROUND = 4e-5  #: seconds that one of a program's rounds takes, about
BUDGET = 1.0  #: seconds that measuring takes, about
LEAST = 4  #: rounds, however long they take
REPEATED, QUIET = 2.0, 0.25  #: times the budget that is taken if more than this share of the rounds was interrupted

Write = Callable[[Builder], None]


class Kernel:
    """A program that does one thing so many times, and the least seconds that one run was seen to take."""

    def __init__(self, executor: str, dtype: np.dtype[Any], write: Write, times: int) -> None:
        b = Builder(dtype)
        for _ in range(times):
            write(b)
        program = Program.of(b.code, reuse=False)
        self.program = program
        made, x, out = execution(executor)(program.code, program.elements), np.ones(2, dtype), np.empty(2, dtype)
        made.memory[:] = 1.0
        run = made.run
        context = contextvars.copy_context()  # as runs have one
        context.run(np.setbufsize, BUFFER)

        def timed() -> Array:  # as what is timed is called
            run(x, None, out)
            return out

        self._run: Callable[..., object] = functools.partial(context.run, timed) if executor == "numpy" else timed
        self.times, self.best = times, math.inf
        self._once(1)
        self._count = max(1, int(ROUND / self._once(1)))

    def __len__(self) -> int:
        """Instructions."""
        return len(self.program)

    def round(self) -> None:
        """Time some runs, after some that bring everything near; several times, if there are few of them."""
        self._run()
        if self._count > SEVERAL:
            self._once(self._count)
            return
        for _ in range(SEVERAL):
            self._once(1)

    def _once(self, count: int) -> float:
        run, none = self._run, ()
        start = time.perf_counter()
        for _ in range(count):
            run(*none)
        seconds = (time.perf_counter() - start) / count
        self.best = min(self.best, seconds)
        return seconds


def measure(executor: str, dtype: np.dtype[Any], budget: float = BUDGET) -> Model:
    """The model of an executor at a precision, measured in ``budget`` seconds, about.

    All programs take turns, and of each the fastest run counts: what else the machine does meanwhile is the same for
    all. While other processes interrupt it, it goes on for up to :data:`REPEATED` times as long.

    Raises:
        UnsupportedError: the executor cannot run here.
    """
    start = time.perf_counter()
    made = {name: Kernel(executor, dtype, write, times) for name, (write, times) in _writers(executor, dtype).items()}
    rounds = disturbed = 0
    while rounds < LEAST or time.perf_counter() - start < budget * (REPEATED if disturbed > QUIET * rounds else 1.0):
        before, began = usage(), time.perf_counter()
        for kernel in made.values():
            if rounds < LEAST or kernel.best < LONG:
                kernel.round()
        rounds, disturbed = rounds + 1, disturbed + interrupted(before, usage(), time.perf_counter() - began)
    table = _solved(executor, {name: one.best for name, one in made.items()}, made)
    return Model(table, *cache_bytes()[:2], dtype.itemsize, disturbed / rounds)


def calibrate() -> str:
    """Measure and keep the models of every executor that can run here, with one thread: a second each.

    Returns empty, or why they could not be kept.
    """
    from threadpoolctl import threadpool_limits

    machine()  # loads BLAS
    with threadpool_limits(1, user_api="blas"):
        able = [executor for executor in EXECUTORS if not cannot_run(executor)]
        models = {(one, precision): measure(one, np.dtype(precision)) for one in able for precision in PRECISIONS}
    worst = max(one.disturbed for one in models.values())
    note = f"other processes interrupted up to {worst:.0%} of the calibration's rounds" if worst > QUIET else ""
    return keep(models, datetime.now(UTC).isoformat(timespec="seconds"), note)


def _solved(executor: str, best: dict[str, float], made: dict[str, Kernel]) -> dict[str, float]:
    """The model's table from the seconds of the programs."""
    positive = (best["map positive few"] - best["start"]) / (made["map positive few"].times - 1)
    start = max(best["start"] - positive, 1e-9)  # its program has one instruction
    each = {name: max(best[name] - start, 1e-10) / made[name].times for name in made if name != "start"}
    table = {"start": start}
    for name in [one.removesuffix(" many") for one in each if one.endswith(" many")]:
        few, many = each[f"{name} few"], each[f"{name} many"]
        element = max(many - few, 0.0) / (MANY - FEW)
        table[f"{name} element"] = element
        table[f"{name} call"] = max(few - FEW * element, 1e-10)
    table["strided"] = max(each["strided"] - each["map multiply many"], 0.0) / MANY
    whole = table["map multiply call"] + ROWS * FEW * table["map multiply element"]
    table["row"] = max(each["rows"] - whole, 0.0) / (ROWS - 1)
    called = table["map square call"] + ROWS * FEW * table["map square element"]
    table["row called"] = max(each["rows called"] - called, 0.0) / (ROWS - 1)
    table["reduce outer"] = max(each["reduce outer"] - table["reduce call"], 1e-12) / (ROWS * ROWS)
    table["matmul x"] = each["matmul x"] / SIDE**3
    table |= {name: seconds for name, seconds in each.items() if name.startswith("matmul") and name != "matmul x"}
    for nbytes in working_sets(cache_bytes()[2]):
        calls = len(made[f"read {nbytes}"]) * table[SMALLEST_PRODUCT]
        read, across = (max(each[f"{way} {nbytes}"] - calls, 0.0) / nbytes for way in ("read", "across"))
        copied = max(each[f"write {nbytes}"] - table["map square call"], 0.0) / nbytes
        table[f"read {nbytes}"], table[f"across {nbytes}"] = read, across
        table[f"write {nbytes}"] = max(2 * copied - read, 0.0)
    once = table["map positive call"] + FEW * table["map positive element"]
    turn = each["turn"] / TURNS - once
    table["moved"] = max((each["moved"] - each["turn"]) / TURNS, 0.0)
    table["turn"] = table["mixed"] = 0.0
    alone = Model(table, *cache_bytes()[:2]).predict(made["mixed"].program.steps(executor))
    table["mixed"] = max(best["mixed"] - alone, 0.0) / len(made["mixed"])
    table["turn"] = max(turn - table["mixed"], 0.0)  # in a loop an instruction soon comes after its like
    return table


def working_sets(last: int) -> list[int]:
    """Bytes of the arrays that are streamed, the largest well beyond a last-level cache of so many."""
    found = [SMALLEST]
    while found[-1] < min(BEYOND * last, MOST):
        found.append(2 * found[-1])
    return found


def _writers(executor: str, dtype: np.dtype[Any]) -> dict[str, tuple[Write, int]]:
    """Every program by its name: what writes the instruction, and how often it stands there."""
    found: dict[str, tuple[Write, int]] = {"start": (_start, 1)}
    for name, size in (("few", FEW), ("many", MANY)):
        for ufunc in _ufuncs(executor, dtype):
            found[f"map {ufunc.__name__} {name}"] = _map(ufunc, size), TIMES
        found[f"reduce {name}"] = _reduce(size), TIMES
        for kind, inputs in OTHERS:
            found[f"{kind} {name}"] = _other(kind, inputs, size), TIMES
    found["strided"] = _strided(), TIMES
    found["rows"], found["rows called"] = (_rows(np.multiply), TIMES), (_rows(np.square), TIMES)
    found["reduce outer"] = _reduce(ROWS, ROWS), TIMES
    for layout, (m, k, n) in itertools.product(LAYOUTS, SIZES):
        found[f"matmul {layout} {m} {k} {n}"] = _matmul(layout, m, k, n), TIMES if m * k * n < ONCE else 1
    found["matmul x"] = _strided_product, 1
    for nbytes in working_sets(cache_bytes()[2]):
        size = nbytes // dtype.itemsize
        found[f"read {nbytes}"], found[f"across {nbytes}"] = (_read(size, False), 1), (_read(size, True), 1)
        found[f"write {nbytes}"] = _copy(size // 2), 1
    found["turn"], found["moved"] = (_turns(False), 1), (_turns(True), 1)
    found["mixed"] = WRITERS["call"], 1
    return found


def _ufuncs(executor: str, dtype: np.dtype[Any]) -> list[np.ufunc]:
    """The primitives that an executor can call."""
    try:
        from scipy.special import expit

        find_primitive(expit)
    except ImportError:
        pass
    if executor == "numpy":
        return list(PRIMITIVES)
    from ..executors.loops import inner_loop

    able = []
    for ufunc in PRIMITIVES:
        try:
            inner_loop(ufunc, dtype)
        except UnsupportedError:
            continue
        able.append(ufunc)
    return able


@functools.cache
def _arena(dtype: np.dtype[Any]) -> Array:
    """Positive numbers, so that every function is defined, for all programs; aligned, on large pages if there are."""
    size = max(working_sets(cache_bytes()[2])[-1] // dtype.itemsize, 2 * GRID[-1] ** 2) + SMALLEST
    arena = aligned_empty(size, dtype)
    arena[:] = np.resize(np.random.default_rng(0).uniform(0.5, 1.5, SMALLEST), size)
    return arena


def _numbers(b: Builder, *shape: int, at: int = 0) -> Value:
    """Numbers of the arena from a place on: small pages, as luck has them, may meet in one place of a cache."""
    arena = _arena(b.dtype)
    return b.fixed(arena[at : at + math.prod(shape)].reshape(shape), arena)


def _start(b: Builder) -> None:
    b.write(np.positive, [b.outside("x", (2,))], b.outside("result", (2,)))


def _again(operands: Callable[[Builder], Any], emit: Callable[..., None]) -> Write:
    """What writes the same instruction over the same operands, so that they stay in the first-level cache."""
    known: list[Any] = []

    def write(b: Builder) -> None:
        if not known:
            known.append(operands(b))
        emit(b, *known[0])

    return write


def _map(ufunc: np.ufunc, size: int) -> Write:
    def operands(b: Builder) -> Any:
        return [_numbers(b, size, at=i * size) for i in range(ufunc.nin)], b.new((size,))

    return _again(operands, lambda b, inputs, out: b.write(ufunc, inputs, out))


def _strided() -> Write:
    def operands(b: Builder) -> Any:
        given = b.look(_numbers(b, 2 * MANY), View((MANY,), (2,), 0))
        return [given, given], b.new((MANY,))

    return _again(operands, lambda b, inputs, out: b.write(np.multiply, inputs, out))


def _rows(ufunc: np.ufunc) -> Write:
    """Rows that cannot be walked like one."""

    def operands(b: Builder) -> Any:
        shape = ROWS, FEW
        apart = b.look(_numbers(b, 2 * ROWS * FEW), View(shape, (2 * FEW, 1), 0))
        column = b.look(_numbers(b, ROWS), View(shape, (1, 0), 0))
        return [apart, column][: ufunc.nin], b.new(shape)

    return _again(operands, lambda b, inputs, out: b.write(ufunc, inputs, out))


def _reduce(*shape: int) -> Write:
    """Over the first axis."""

    def operands(b: Builder) -> Any:
        return _numbers(b, *shape), b.new(shape[1:])

    return _again(operands, lambda b, given, out: b.emit("reduce", np.add, (given,), out, axis=0))


def _other(kind: Kind, inputs: int, size: int) -> Write:
    """A selection, a gathering or a scattering."""
    index = None if kind == "select" else np.random.default_rng(0).permutation(size)

    def operands(b: Builder) -> Any:
        return tuple(_numbers(b, size, at=i * size) for i in range(inputs)), b.new((size,))

    return _again(operands, lambda b, given, out: b.emit(kind, None, given, out, index=index))


def _matmul(layout: str, m: int, k: int, n: int) -> Write:
    def operands(b: Builder) -> Any:
        return (_matrix(b, m, k, "a" in layout, 0), _matrix(b, k, n, "b" in layout, m * k)), b.new((m, n))

    return _again(operands, lambda b, inputs, out: b.emit("matmul", np.matmul, inputs, out))


def _matrix(b: Builder, rows: int, columns: int, transposed: bool, at: int) -> Value:
    if transposed:
        given = _numbers(b, columns, rows, at=at)
        return b.look(given, View((rows, columns), (1, rows), given.offset))
    return _numbers(b, rows, columns, at=at)


def _strided_product(b: Builder) -> None:
    """Of matrices that BLAS cannot take."""
    given = b.look(_numbers(b, 64, 64), View((SIDE, SIDE), (128, 2), 0))
    b.emit("matmul", np.matmul, (given, given), b.new((SIDE, SIDE)))


def _read(size: int, across: bool) -> Write:
    """Matrices, each of which meets a vector: read once, along or across its rows, and hardly anything is written."""
    rows = min(size // COLUMNS, COLUMNS)

    def write(b: Builder) -> None:
        whole = _numbers(b, size // COLUMNS, COLUMNS, at=COLUMNS)
        vector, out = _numbers(b, 1, rows if across else COLUMNS), b.new((1, COLUMNS if across else rows))
        shape, strides = ((rows, COLUMNS), (COLUMNS, 1)) if across else ((COLUMNS, rows), (1, COLUMNS))
        for start in range(0, size, rows * COLUMNS):
            part = b.look(whole, View(shape, strides, whole.offset + start))
            b.emit("matmul", np.matmul, (vector, part), out)

    return write


def _turns(moved: bool) -> Write:
    """A loop that writes one row of a matrix after the other, or the same over and over."""

    def write(b: Builder) -> None:
        given, rows = _numbers(b, FEW), b.new((TURNS, FEW))
        with b.loop(TURNS):
            row = b.look(rows, View((FEW,), (1,), 0)) if moved else b.new((FEW,), fresh=True)
            row.step = FEW if moved else 0
            b.write(np.positive, [given], row)

    return write


def _copy(size: int) -> Write:
    return lambda b: b.write(np.square, [_numbers(b, size)], b.new((size,)))
