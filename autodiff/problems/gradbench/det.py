"""GradBench's eval ``det``: a determinant, by the expansion of every minor."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...arrays import Array
from ...errors import InputError, LimitError
from ...layers import Function
from ...network import Network
from .fields import floats, integer
from .task import Maker, gradient_of

LARGEST = 12  #: of the matrix; beyond it the minors of one run take tens of gigabytes


def expansion(size: int) -> Function:
    """``f(A) = det A`` of A (size * size,), row by row, by expansion along the first row of every minor.

    A minor is computed as often as it comes up, size! / k! times for k rows; all of the same size are one array.

    Source: Bell, cmpad, ``det_by_minor``.
    """
    levels = columns_left(size)

    def f(A: Any, xp: Any) -> Any:
        minors = xp.asarray(np.ones(1), dtype=A.dtype)
        for k, columns in enumerate(levels, start=1):  # the minors of the last k rows, from those of the last k - 1
            start = (size - k) * size
            row = A[start : start + size]
            signs = xp.asarray((-1.0) ** np.arange(k), dtype=A.dtype)
            first = row[columns.ravel()].reshape(-1, k)
            terms = (signs * first) * minors if k > 1 else first
            minors = xp.sum(terms, axis=-1)
            if k < size:
                minors = minors.reshape(-1, k + 1)
        return minors.reshape(1)

    return Function(f, size * size)


def columns_left(size: int) -> list[Array]:
    """The columns of all minors of k = 1 ... size rows, (size! / k!, k), in the order in which expansion meets them."""
    levels = [np.arange(size).reshape(1, size)]
    for k in range(size, 1, -1):
        others = np.arange(k - 1) + (np.arange(k - 1) >= np.arange(k)[:, None])  # (k, k - 1): each without one
        levels.append(levels[-1][:, others].reshape(-1, k - 1))
    return levels[::-1]


def _made(given: Any) -> tuple[Network, Array]:
    size = integer(given, "ell")
    A = floats(given, "A", None)
    if A.size != size * size:
        raise InputError(f"A has {A.size} elements; expected ell * ell, {size * size}")
    if size > LARGEST:
        raise LimitError(f"the minors of a {size} x {size} matrix do not fit into memory; ell is at most {LARGEST}")
    return Network([expansion(size)], name="det"), A


FUNCTIONS: dict[str, Maker] = gradient_of(_made)
