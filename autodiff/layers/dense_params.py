"""The derivative of a dense layer with respect to its parameters, over a batch of samples.

Row (s, i) of ``df/dtheta`` holds ``d_si x_s`` in the columns of W's row i and ``d_si`` in b's column i; the rest is 0.
Everywhere X is (samples, n), D (samples, m) or None where phi' is 1, and theta is W row by row, then b.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..arrays import Array

if TYPE_CHECKING:
    from .dense import Dense


def split_columns(layer: Dense, T: Array) -> tuple[Array, Array | None]:
    """The tangents of W as (m, n, k) and of b as (m, k), views of the parameter tangents T (p, k)."""
    size = layer.m * layer.n
    return T[:size].reshape(layer.m, layer.n, T.shape[1]), T[size:] if layer.has_bias else None


def block_columns(layer: Dense, X: Array, D: Array | None, out: Array) -> Array:
    """``df/dtheta`` over a batch: row (s, i) holds d_si x_s in the columns of W's row i, and d_si in b's column i."""
    samples, m, n = X.shape[0], layer.m, layer.n
    out.fill(0.0)
    rows = out.reshape(samples, m, layer.params.size)
    weights = np.einsum("siij->sij", rows[:, :, : m * n].reshape(samples, m, m, n))
    if D is None:
        np.copyto(weights, X[:, None, :])
    else:
        np.multiply(D[:, :, None], X[:, None, :], out=weights)
    if layer.has_bias:
        np.copyto(np.einsum("sii->si", rows[:, :, m * n :]), 1.0 if D is None else D)
    return out


def weight_columns(layer: Dense, X: Array, D: Array | None, start: int, stop: int, out: Array) -> Array:
    """Columns ``start`` to ``stop`` of ``df/dtheta`` into ``out`` (samples * m, stop - start)."""
    n, weights = layer.n, layer.m * layer.n
    out.fill(0.0)
    rows = out.reshape(X.shape[0], layer.m, stop - start)
    for i in range(start // n, -(-min(stop, weights) // n)):
        first, last = max(start, i * n), min(stop, (i + 1) * n)
        block, x = rows[:, i, first - start : last - start], X[:, first - i * n : last - i * n]
        if D is None:
            np.copyto(block, x)
        else:
            np.multiply(D[:, i, None], x, out=block)
    for i in range(max(start - weights, 0), stop - weights):
        rows[:, i, weights + i - start] = 1.0 if D is None else D[:, i]
    return out


def weight_rows(layer: Dense, X: Array, D: Array | None, start: int, stop: int, out: Array) -> Array:
    """Rows ``start`` to ``stop`` of ``df/dtheta`` into ``out`` (stop - start, p)."""
    n, weights = layer.n, layer.m * layer.n
    out.fill(0.0)
    for row in range(start, stop):
        sample, i = divmod(row, layer.m)
        slope = 1.0 if D is None else D[sample, i]
        np.multiply(X[sample], slope, out=out[row - start, i * n : (i + 1) * n])
        if layer.has_bias:
            out[row - start, weights + i] = slope
    return out
