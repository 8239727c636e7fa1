"""Measuring an executor's rates: small programs, each of whose times is one rate and what is known of the others."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from typing import Any

import numpy as np

from ..arrays import aligned_empty
from ..program.builder import Builder
from ..program.count import Work
from ..program.program import Program
from ..program.value import Value
from .rates import EXECUTORS, PRECISIONS, Rates, keep, machine

SIDE = 256  #: of the matrices whose product gives the arithmetic rate; three of them fit a 2 MiB cache
STREAM = 1 << 16  #: elements of the arrays that give the memory rate, of the size that derivatives work on
WIDTH = 2  #: of the vectors whose time is nothing but calls
LAYERS = 30  #: of the chain that gives the call rate, seven instructions each
COUNTS = {"call": "calls", "start": None, "element": "elements", "transcendental": "transcendental", "fma": "fma"}
SWEEPS = 50  #: of the solution: every kernel is mostly its own rate
ROUNDS, ROUND = 40, 2e-3  #: how often a kernel is timed by :func:`calibrate`, and about how many seconds each time


@dataclass(frozen=True, slots=True)
class Kernel:
    """A piece of work to time: ``run()`` does what ``work`` counts."""

    run: Callable[[], object]
    work: Work


def kernel(name: str, executor: str, dtype: np.dtype[Any]) -> Kernel:
    """The kernel of one rate of an executor, "numpy" or "compiled".

    Raises:
        UnsupportedError: the executor cannot run here.
    """
    b = Builder(dtype)
    WRITERS[name](b)
    program = Program.of(b.code, reuse=False)
    run = execution(executor)(program.code, program.elements).run
    x, out = np.ones(WIDTH, dtype), aligned_empty((WIDTH,), dtype)
    return Kernel(lambda: run(x, None, out), program.work)


def _calls(b: Builder) -> None:
    """A layer's value, its slope and a pull, over and over: what small networks spend their time with."""
    ones = np.ones(WIDTH, b.dtype)
    eye = np.eye(WIDTH, dtype=b.dtype)
    W, x, bias, U = b.fixed(eye), b.fixed(ones), b.fixed(ones), b.fixed(eye.copy())
    for _ in range(LAYERS):
        z, y, s, t, u = (b.new(shape) for shape in ((WIDTH,), (WIDTH,), (WIDTH,), (WIDTH, WIDTH), (WIDTH, WIDTH)))
        _matmul(b, W, x, z)
        b.write(np.add, [z, bias], z)
        b.write(np.tanh, [z], y)
        b.write(np.square, [y], s)
        b.write(np.subtract, [bias, s], s)
        b.write(np.multiply, [U, s], t)
        _matmul(b, t, W, u)
        x = y


def _start(b: Builder) -> None:
    b.write(np.positive, [b.outside("x", (WIDTH,))], b.outside("result", (WIDTH,)))


def _stream(b: Builder) -> Value:
    return b.fixed(np.abs(np.random.default_rng(0).standard_normal(STREAM)).astype(b.dtype))


def _elements(b: Builder) -> None:
    b.write(np.multiply, [_stream(b), _stream(b)], b.new((STREAM,)))


def _transcendentals(b: Builder) -> None:
    b.write(np.tanh, [_stream(b)], b.new((STREAM,)))


def _product(b: Builder) -> None:
    A = b.fixed(np.random.default_rng(0).standard_normal((SIDE, SIDE)).astype(b.dtype))
    B = b.fixed(np.random.default_rng(1).standard_normal((SIDE, SIDE)).astype(b.dtype))
    _matmul(b, A, B, b.new((SIDE, SIDE)))


def _matmul(b: Builder, left: Value, right: Value, out: Value) -> None:
    """One product, a vector being a column."""

    def matrix(one: Value) -> Value:
        return one if one.ndim == 2 else b.reshape(one, (one.size, 1))

    b.emit("matmul", np.matmul, (matrix(left), matrix(right)), matrix(out))


#: in the order of the fields of :class:`Rates`
WRITERS: dict[str, Callable[[Builder], None]] = {
    "call": _calls,
    "start": _start,
    "element": _elements,
    "transcendental": _transcendentals,
    "fma": _product,
}


def execution(executor: str) -> Any:
    """The class of an executor."""
    if executor == "numpy":
        from ..executors.numpy import NumpyExecutor

        return NumpyExecutor
    from ..executors.compiled import CompiledExecutor

    return CompiledExecutor


def solve(measured: Mapping[str, tuple[float, Work]]) -> Rates:
    """The rates that explain every kernel's seconds by its work, by Gauss and Seidel's iteration; none is below 0.

    Raises:
        KeyError: a kernel was not measured.
    """
    known = dict.fromkeys(COUNTS, 0.0)
    for _ in range(SWEEPS):
        for name, count in COUNTS.items():
            if name == "start" and name not in measured:  # in runs of earlier versions
                continue
            seconds, work = measured[name]
            times = 1 if count is None else getattr(work, count)
            rest = seconds - Rates(**known).predict(work) + times * known[name]
            known[name] = max(rest / times, 0.0)
    return Rates(**known)


def calibrate() -> tuple[dict[tuple[str, str], Rates], str]:
    """Measure the rates of every executor that can run here, with one thread, in three seconds, and keep them.

    The kernels take turns, and the fastest of many rounds counts: what else the machine does then is the same for all.
    Returns the rates by executor and precision, and empty or why they could not be kept.
    """
    from threadpoolctl import threadpool_limits

    machine()  # loads BLAS
    with threadpool_limits(1, user_api="blas"):
        able = [executor for executor in EXECUTORS if not cannot_run(executor)]
        made = {
            (executor, precision, name): kernel(name, executor, np.dtype(precision))
            for executor, precision, name in product(able, PRECISIONS, WRITERS)
        }
        once = {key: min(_round(one.run, 1) for _ in range(3)) for key, one in made.items()}
        best = dict.fromkeys(made, math.inf)
        for _ in range(ROUNDS):
            for key, one in made.items():
                best[key] = min(best[key], _round(one.run, max(1, int(ROUND / once[key]))))
    found = {}
    for executor, precision in product(able, PRECISIONS):
        own = {name: (executor, precision, name) for name in WRITERS}
        found[executor, precision] = solve({name: (best[key], made[key].work) for name, key in own.items()})
    return found, keep(found, datetime.now(UTC).isoformat(timespec="seconds"))


def _round(run: Callable[[], object], count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        run()
    return max(time.perf_counter() - start, 1e-9) / count


def cannot_run(executor: str) -> str:
    """Empty, or why an executor cannot run here; imports nothing heavy."""
    if executor == "numpy":
        return ""
    from ..executors.loops import available

    return available()
