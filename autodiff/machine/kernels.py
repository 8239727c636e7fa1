"""Small programs that are measured in every pass of a run: how fast the machine was, and what of it changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import aligned_empty
from ..program.builder import Builder
from ..program.count import Work
from ..program.program import Program
from ..program.value import Value

SIDE = 256  #: of the matrices whose product gives the arithmetic rate; three of them fit a 2 MiB cache
STREAM = 1 << 16  #: elements of the arrays that give the memory rate, of the size that derivatives work on
WIDTH = 2  #: of the vectors whose time is nothing but calls
LAYERS = 30  #: of the chain that gives the call rate, seven instructions each


@dataclass(frozen=True, slots=True)
class Kernel:
    """A piece of work to time: ``run()`` does what ``work`` counts."""

    run: Callable[[], object]
    work: Work


def kernel(name: str, executor: str, dtype: np.dtype[Any]) -> Kernel:
    """A kernel for an executor, "numpy" or "compiled".

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


#: calls, the start of a run, streaming, a transcendental function, arithmetic
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


def cannot_run(executor: str) -> str:
    """Empty, or why an executor cannot run here; imports nothing heavy."""
    if executor == "numpy":
        return ""
    from ..executors.loops import available

    return available()
