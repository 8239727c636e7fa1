"""GradBench's eval ``llsq``: a polynomial's squared distance to the sign function."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...arrays import Array
from ...errors import InputError
from ...layers import Function
from ...network import Network
from .fields import floats, integer
from .task import Maker, gradient_of


def squared_distance(n: int, m: int) -> Function:
    """``f(x) = 1/2 sum_i (sign t_i - sum_j x_j t_i^j)^2`` of x (m,), at n points t_i from -1 to 1, equally spaced.

    Source: Bell, cmpad, ``llsq_obj``.
    """

    def f(x: Any, xp: Any) -> Any:
        t = -1.0 + 2.0 * np.arange(n) / (n - 1)
        powers = xp.asarray(np.vander(t, m, increasing=True), dtype=x.dtype)
        return 0.5 * xp.sum(xp.square(xp.asarray(np.sign(t), dtype=x.dtype) - xp.matmul(powers, x)))

    return Function(f, m)


def _made(given: Any) -> tuple[Network, Array]:
    x, n = floats(given, "x", None), integer(given, "n", least=2)
    if not x.size:
        raise InputError("x is empty; expected at least one coefficient")
    return Network([squared_distance(n, x.size)], name="llsq"), x


FUNCTIONS: dict[str, Maker] = gradient_of(_made)
