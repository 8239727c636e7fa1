"""The machine's own speed, and what it predicts a counted amount of work to take.

The model is a sum of four terms, in seconds: ``calls * c + fma * f + transcendental * t + elements * e``. Products run
at arithmetic speed, everything that only streams arrays at memory speed, and small work at the speed of the
interpreter; their sum, not n against m, decides which mode is faster.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..layers import Dense
from ..layers.work import Work, passes, product

SIDE = 256  #: of the matrices whose product gives the arithmetic rate; three of them fit a 2 MiB cache
STREAM = 1 << 16  #: elements of the arrays that give the memory rate, of the size that derivatives work on
WIDTH = 2  #: of the layer whose time is nothing but calls


@dataclass(frozen=True, slots=True)
class Kernel:
    """A piece of work to time: ``run()`` does what ``work`` counts."""

    run: Callable[[], object]
    work: Work


def kernels(dtype: np.dtype[Any]) -> dict[str, Kernel]:
    """One kernel for every rate, in the order in which :func:`rates` solves for them."""
    rng = np.random.default_rng(0)
    A, B, C = (rng.standard_normal((SIDE, SIDE)).astype(dtype) for _ in range(3))
    u, v, w = (np.abs(rng.standard_normal(STREAM)).astype(dtype) for _ in range(3))
    layer = Dense(np.eye(WIDTH, dtype=dtype), np.zeros(WIDTH, dtype), "tanh")
    tiny = layer.derivative(dtype)
    x, U, back = np.ones(WIDTH, dtype), np.ones((1, WIDTH), dtype), np.empty((1, WIDTH), dtype)

    def calls() -> None:
        tiny.at(x)
        tiny.vjp(U, back)

    return {
        "call": Kernel(calls, tiny.work("at") + tiny.work("vjp")),
        "element": Kernel(lambda: np.multiply(u, v, out=w), passes(STREAM, 1, operands=3)),
        "transcendental": Kernel(lambda: np.tanh(u, out=w), passes(STREAM, 1, transcendental=1)),
        "fma": Kernel(lambda: np.dot(A, B, out=C), product(SIDE, SIDE, SIDE)),
    }


@dataclass(frozen=True, slots=True)
class Rates:
    """Seconds per unit of work."""

    call: float
    element: float
    transcendental: float
    fma: float

    def predict(self, work: Work) -> float:
        """Seconds that the work should take."""
        return (
            work.calls * self.call
            + work.elements * self.element
            + work.transcendental * self.transcendental
            + work.fma * self.fma
        )


def rates(seconds: Mapping[str, float], dtype: np.dtype[Any]) -> Rates:
    """The rates from the measured seconds of every kernel, each less what the earlier rates explain of it.

    Raises:
        KeyError: a kernel was not measured.
    """
    known = {"call": 0.0, "element": 0.0, "transcendental": 0.0, "fma": 0.0}
    for name, kernel in kernels(dtype).items():
        rest = max(seconds[name] - Rates(**known).predict(kernel.work), 0.0)
        count = {
            "call": kernel.work.calls,
            "element": kernel.work.elements,
            "transcendental": kernel.work.transcendental,
            "fma": kernel.work.fma,
        }[name]
        known[name] = rest / count
    return Rates(**known)


#: one core of a 2023 server processor with AVX-512, float64; for choices that cannot wait for a measurement
TYPICAL = Rates(call=7e-7, element=2.1e-10, transcendental=1.2e-9, fma=2.9e-11)
