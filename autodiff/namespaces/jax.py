"""What layers take from JAX besides ``jax.numpy``."""

from __future__ import annotations

import functools
import types
from collections.abc import Sequence
from typing import Any

from . import load


def convolved(
    x: Any, W: Any, stride: Sequence[int], padding: Sequence[int], dilation: Sequence[int], groups: int
) -> Any:
    """JAX's own convolution; of x without a batch axis, with one, or with more."""
    lead = x.shape[: -len(stride) - 1]
    batch = x.reshape(-1, *x.shape[len(lead) :])
    y = load("jax.lax").conv_general_dilated(
        batch,
        W,
        tuple(stride),
        [(p, p) for p in padding],
        rhs_dilation=tuple(dilation),
        feature_group_count=groups,
    )
    return y.reshape(*lead, *y.shape[1:])


@functools.cache
def windowed() -> Any:
    """``jax.numpy`` for layers that write a convolution as a product with all windows, as NumPy's do."""
    made = types.ModuleType("jax.numpy")
    made.__dict__.update(vars(load("jax.numpy")), convolved=None)
    return made
