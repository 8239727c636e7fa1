"""GradBench's eval ``hello``: ``f(x) = x^2`` of a number, and its derivative."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...arrays import Array
from ...layers import Function
from ...network import Network
from .fields import as_number
from .task import Maker, Task, scalar


def square(x: Any, xp: Any) -> Any:
    """``x^2``, x (1,)."""
    return xp.square(x)


def _made(given: Any) -> tuple[Network, Array]:
    return Network([Function(square, 1)], name="hello"), np.array([as_number(given, "input")])


FUNCTIONS: dict[str, Maker] = {
    "square": lambda given: Task(*_made(given), scalar),
    "double": lambda given: Task(*_made(given), lambda J: float(J[0, 0]), "gradient"),
}
