"""Time stepping of an ordinary differential equation: every step is a layer of the chain."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..arrays import as_positive, as_size
from ..errors import InputError, UnknownNameError
from .base import Layer
from .chaining import Shape, Unrolled
from .composite import Branch, Composite

Tableau = tuple[tuple[tuple[float, ...], ...], tuple[float, ...]]

#: by name, the rows below the diagonal and the weights; Butcher, Numerical Methods for ODEs (3rd ed., 2016), section 23
TABLEAUS: dict[str, Tableau] = {
    "euler": (((),), (1.0,)),
    "midpoint": (((), (0.5,)), (0.0, 1.0)),
    "heun": (((), (1.0,)), (0.5, 0.5)),
    "rk4": (((), (0.5,), (0.0, 0.5), (0.0, 0.0, 1.0)), (1 / 6, 1 / 3, 1 / 3, 1 / 6)),
}


class RungeKutta(Unrolled):
    """``steps`` explicit Runge-Kutta steps of size h of ``dx/dt = field(x)``, all with the same parameters.

    Args:
        field: a layer, or layers one after the other, from R^n to R^n. Time, where it is needed, is a component of x.
        steps: how many, each a layer of the chain.
        h: the size of a step.
        method: "euler", "midpoint", "heun" or "rk4".

    Raises:
        InputError: steps below 1, h not positive, or a field that gives another size than it takes.
        UnknownNameError: no such method.
    """

    def __init__(self, field: Branch, steps: int, h: float = 0.1, method: str = "rk4") -> None:
        self.step = RungeKuttaStep(field, h, method)
        self.steps = as_size(steps, "steps")

    def unrolled(self, shape: Shape | None) -> list[Layer]:
        return [self.step if shape is None else self.step.shaped(shape)] * self.steps


class RungeKuttaStep(Composite):
    """One step; see :class:`RungeKutta`."""

    def __init__(self, field: Branch, h: float = 0.1, method: str = "rk4") -> None:
        if method not in TABLEAUS:
            raise UnknownNameError("method", method, TABLEAUS)
        self.h, self.method = as_positive(h, "h"), method
        super().__init__([field])

    def joined_shape(self, shapes: list[Shape]) -> Shape:
        if math.prod(shapes[0]) != self.n:
            raise InputError(f"the field gives shape {shapes[0]} at a state of shape {self._shape}; they must be equal")
        return self._shape

    def joined(self, x: Any, results: list[Any], xp: Any) -> Any:
        raise NotImplementedError("a step calls its field several times, see function")

    def function(self, x: Any, params: Any, xp: Any = np) -> Any:
        rows, weights = TABLEAUS[self.method]
        slopes: list[Any] = []
        for row in rows:
            slopes.append(self._field(_combined(x, row, slopes, self.h), params, xp))
        return _combined(x, weights, slopes, self.h)

    def _field(self, x: Any, params: Any, xp: Any) -> Any:
        for layer, own in zip(self.branches[0], self.places, strict=True):
            assert isinstance(layer, Layer)
            x = layer.function(x, tuple(params[i] for i in own), xp)
        return x


def _combined(x: Any, weights: tuple[float, ...], slopes: list[Any], h: float) -> Any:
    for weight, slope in zip(weights, slopes, strict=True):
        if weight:
            x = x + (h * weight) * slope
    return x
