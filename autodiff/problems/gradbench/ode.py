"""GradBench's eval ``ode``: the coefficients of an ordinary differential equation, through Runge-Kutta steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...arrays import Array
from ...errors import InputError
from ...layers import Function, RungeKutta
from ...network import Network
from .fields import floats, integer
from .task import Maker, Task, vector

END = 2.0  #: the time that is integrated to, from 0


def slope(y: Any, params: Any, xp: Any) -> Any:
    """``y_0' = x_0, y_i' = x_i y_(i-1)``, for y (n,); the parameter is x (n,)."""
    before = xp.concatenate([xp.asarray(np.ones(1), dtype=y.dtype), y[:-1]])
    return params[0] * before


def solved(x: Array, steps: int) -> list[Any]:
    """Layers from y(0) (n,) to y(2) (n,), by Runge-Kutta steps of order four; the parameters are x.

    Source: Bell, cmpad, ``an_ode``.
    """
    return [RungeKutta(Function(slope, x.size, (x,)), steps, END / steps)]


def last_component(y: Any) -> Any:
    """y_n of y (n,), (1,)."""
    return y[-1:]


def _made(given: Any, last: bool) -> tuple[Network, Array]:
    x, steps = floats(given, "x", None), integer(given, "s")
    if not x.size:
        raise InputError("x is empty; expected at least one coefficient")
    layers = [*solved(x, steps), *([Function(last_component, x.size)] if last else [])]
    return Network(layers, name="ode"), np.zeros(x.size)


FUNCTIONS: dict[str, Maker] = {
    "primal": lambda given: Task(*_made(given, last=False), vector),
    "gradient": lambda given: Task(*_made(given, last=True), vector, "gradient", "params"),
}
