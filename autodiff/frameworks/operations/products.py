"""Products: linear maps, matrix products, attention."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...layers.normalisation import softmax
from ...layers.windows import LEAST
from .table import operation


@operation("linear")
def linear(xp: Any, x: Any, weight: Any, bias: Any = None) -> Any:
    """``x weight^T + bias`` for x (..., n), weight (m, n)."""
    y = xp.matmul(x, weight.T)
    return y if bias is None else y + bias


@operation("matmul", "mm", "bmm", "mv", "dot")
def matmul(xp: Any, x: Any, other: Any = None, **named: Any) -> Any:
    """``x other``, leading axes a batch."""
    (second,) = named.values() if other is None else (other,)  # mm, bmm, mv and dot call it mat2, vec, tensor
    return xp.matmul(x, second)


@operation("addmm", "baddbmm", "addmv")
def addmm(xp: Any, x: Any, beta: float = 1, alpha: float = 1, **named: Any) -> Any:
    """``beta x + alpha first second``."""
    first, second = named.values()
    y = xp.matmul(first, second)
    return (x if beta == 1 else beta * x) + (y if alpha == 1 else alpha * y)


@operation("scaled_dot_product_attention")
def attention(
    xp: Any,
    x: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    is_causal: bool = False,
    scale: float | None = None,
) -> Any:
    """``softmax(scale x key^T + mask) value``; a mask of booleans says where is looked.

    Source: Vaswani et al., Attention Is All You Need (2017), section 3.2.
    """
    order = list(range(len(key.shape)))
    order[-1], order[-2] = order[-2], order[-1]
    factor = 1.0 / math.sqrt(x.shape[-1]) if scale is None else scale
    scores = xp.matmul(x, xp.transpose(key, tuple(order))) * factor
    if is_causal:
        size = scores.shape[-2:]
        scores = scores + xp.asarray(np.triu(np.full(size, LEAST), 1), dtype=x.dtype)
    if attn_mask is not None:
        truth = str(getattr(attn_mask, "dtype", "bool")).endswith("bool")
        scores = xp.where(attn_mask, scores, LEAST) if truth else scores + attn_mask
    return xp.matmul(softmax(scores, xp), value)
