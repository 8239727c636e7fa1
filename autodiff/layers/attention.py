"""Self-attention over a sequence."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..arrays import Array, as_floats, as_size
from ..errors import InputError
from .arranged import Shape, Shaped
from .normalisation import softmax
from .windows import LEAST


class SelfAttention(Shaped):
    """``Y = concat over heads h of softmax(Q_h K_h^T / sqrt(d)) V_h, times W_out^T``, for X (length, features).

    Q, K and V are ``X W_in^T + b_in``, one after the other.

    Args:
        W_in: (3 inner, features); ``inner`` is what the heads have together.
        W_out: (outputs, inner).
        b_in, b_out: biases (3 inner,) and (outputs,), or None for both.
        heads: that ``inner`` is divided among.
        causal: no position sees a later one.
        shape: of the inputs, (length, features); left out, the layer takes what the layer before it gives.

    Raises:
        InputError: sizes that do not fit together, naming the axis.

    Source: Vaswani et al., Attention Is All You Need (2017), section 3.2.
    """

    def __init__(
        self,
        W_in: object,
        W_out: object,
        b_in: object | None = None,
        b_out: object | None = None,
        heads: int = 1,
        causal: bool = False,
        shape: object | None = None,
    ) -> None:
        first, last = as_floats(W_in, "W_in"), as_floats(W_out, "W_out")
        self.heads, self.causal = as_size(heads, "heads"), bool(causal)
        if first.ndim != 2 or last.ndim != 2 or first.shape[0] != 3 * last.shape[1]:
            raise InputError(f"W_in {first.shape} and W_out {last.shape} do not fit: (3 inner, n) and (m, inner)")
        self.inner = last.shape[1]
        if self.inner % self.heads:
            raise InputError(f"{self.inner} columns of W_out do not divide into {heads} heads")
        self.params: tuple[Array, ...] = (first, last)
        if (b_in is None) != (b_out is None):
            raise InputError("SelfAttention takes both biases, or none")
        if b_in is not None:
            biases = as_floats(b_in, "b_in", first.dtype), as_floats(b_out, "b_out", first.dtype)
            if (biases[0].shape, biases[1].shape) != (first.shape[:1], last.shape[:1]):
                raise InputError(f"biases {biases[0].shape} and {biases[1].shape} do not fit the matrices' rows")
            self.params = first, last, *biases
        self.fixed(shape)

    def outputs(self, shape: Shape) -> Shape:
        features = self.params[0].shape[1]
        if len(shape) != 2 or shape[1] != features:
            raise InputError(f"it takes (length, {features}), not shape {shape}")
        return (shape[0], self.params[1].shape[0])

    def mapped(self, x: Any, params: Any, xp: Any) -> Any:
        W_in, W_out, *biases = params
        lead, length, heads, inner = tuple(x.shape[:-2]), x.shape[-2], self.heads, self.inner
        projected = xp.matmul(x, W_in.T)
        if biases:
            projected = projected + biases[0]
        parts = projected.reshape(*lead, length, 3, heads, inner // heads)
        k = len(lead)
        queries, keys, values = (parts[..., i, :, :] for i in range(3))  # (..., length, heads, d)
        queries, values = (xp.transpose(one, (*range(k), k + 1, k, k + 2)) for one in (queries, values))
        keys = xp.transpose(keys, (*range(k), k + 1, k + 2, k))
        scores = xp.matmul(queries, keys) * (1.0 / math.sqrt(inner // heads))
        if self.causal:
            scores = scores + xp.asarray(np.triu(np.full((length, length), LEAST), 1), dtype=x.dtype)
        mixed = xp.matmul(softmax(scores, xp), values)
        mixed = xp.transpose(mixed, (*range(k), k + 1, k, k + 2)).reshape(*lead, length, inner)
        y = xp.matmul(mixed, W_out.T)
        return y + biases[1] if biases else y
