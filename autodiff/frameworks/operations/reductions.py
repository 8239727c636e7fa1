"""Sums along axes and what is made of them: means, norms, normalisation, softmax."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...layers.normalisation import log_softmax, softmax
from ...layers.windows import folded, larger
from .moving import along
from .table import axes_of, operation, real


def _last(xp: Any, x: Any, axes: tuple[int, ...]) -> tuple[Any, list[int]]:
    """x with these axes joined into one behind the others, and the sizes of the others."""
    kept = [i for i in range(len(x.shape)) if i not in axes]
    sizes = [x.shape[i] for i in kept]
    order = (*kept, *axes)
    turned = x if order == tuple(range(len(order))) else xp.transpose(x, order)
    return turned.reshape(*sizes, math.prod(x.shape[i] for i in axes)), sizes


def _kept(y: Any, shape: Any, axes: tuple[int, ...], keepdim: bool) -> Any:
    return y.reshape(tuple(1 if i in axes else size for i, size in enumerate(shape))) if keepdim else y


@operation("sum")
def sum_(xp: Any, x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """The sum over some axes, all if none are named."""
    axes = axes_of(dim, len(x.shape))
    return _kept(xp.sum(x, axis=axes), x.shape, axes, keepdim)


@operation("mean")
def mean(xp: Any, x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """The mean over some axes, all if none are named."""
    count = math.prod(x.shape[i] for i in axes_of(dim, len(x.shape)))
    return sum_(xp, x, dim, keepdim) * (1.0 / count)


@operation("var")
def var(xp: Any, x: Any, dim: Any = None, correction: Any = 1, keepdim: bool = False, unbiased: bool = True) -> Any:
    """The variance over some axes, divided by their count less the correction."""
    axes = axes_of(dim, len(x.shape))
    count = math.prod(x.shape[i] for i in axes)
    less = (1 if correction is None else correction) if unbiased else 0
    return sum_(xp, xp.square(x - mean(xp, x, axes, True)), dim, keepdim) * (1.0 / (count - less))


@operation("std")
def std(xp: Any, x: Any, dim: Any = None, correction: Any = 1, keepdim: bool = False, unbiased: bool = True) -> Any:
    """The root of the variance."""
    return xp.sqrt(var(xp, x, dim, correction, keepdim, unbiased))


@operation("linalg_vector_norm")
def vector_norm(xp: Any, x: Any, ord: float = 2, dim: Any = None, keepdim: bool = False) -> Any:
    """``(sum |x|^ord)^(1 / ord)`` over some axes."""
    if ord == 2:
        return xp.sqrt(sum_(xp, xp.square(x), dim, keepdim))
    if ord == 1:
        return sum_(xp, xp.absolute(x), dim, keepdim)
    return xp.power(sum_(xp, xp.power(xp.absolute(x), float(ord)), dim, keepdim), 1.0 / ord)


@operation("amax", "max")
def amax(xp: Any, x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """The largest over some axes; of equal ones the first has the derivative."""
    return _extreme(xp, x, dim, keepdim, lambda a, b: larger(a, b, xp))


@operation("amin", "min")
def amin(xp: Any, x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """The least over some axes; of equal ones the first has the derivative."""
    return _extreme(xp, x, dim, keepdim, lambda a, b: xp.where(xp.real(a) <= xp.real(b), a, b))


def _extreme(xp: Any, x: Any, dim: Any, keepdim: bool, choose: Any) -> Any:
    axes = axes_of(dim, len(x.shape))
    rows, sizes = _last(xp, x, axes)
    y = folded(choose, [along(rows, len(sizes), i) for i in range(rows.shape[-1])])
    return _kept(y, x.shape, axes, keepdim)


@operation("prod")
def prod(xp: Any, x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """The product over an axis, all if none is named."""
    axes = axes_of(dim, len(x.shape))
    rows, sizes = _last(xp, x, axes)
    return _kept(
        folded(lambda a, b: a * b, [along(rows, len(sizes), i) for i in range(rows.shape[-1])]), x.shape, axes, keepdim
    )


@operation("cumsum")
def cumsum(xp: Any, x: Any, dim: int) -> Any:
    """Sums up to every position of an axis, by a triangular matrix of ones."""
    axis = dim % len(x.shape)
    order = [i for i in range(len(x.shape)) if i != axis] + [axis]
    ones = xp.asarray(np.triu(np.ones((x.shape[axis],) * 2)), dtype=x.dtype)
    y = xp.matmul(xp.transpose(x, tuple(order)), ones)
    return xp.transpose(y, tuple(order.index(i) for i in range(len(order))))


@operation("any")
def any_(xp: Any, x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Whether the condition x holds anywhere along some axes."""
    counted = xp.where(x, 1.0, 0.0)
    return real(sum_(xp, counted, dim, keepdim), xp) > 0.5


@operation("softmax", "_softmax", "special_softmax")
def softmax_(xp: Any, x: Any, dim: int, **_: Any) -> Any:
    """``exp(x) / sum exp(x)`` along an axis."""
    return _along(xp, x, dim, softmax)


@operation("log_softmax", "_log_softmax", "special_log_softmax")
def log_softmax_(xp: Any, x: Any, dim: int, **_: Any) -> Any:
    """``x - log(sum exp(x))`` along an axis."""
    return _along(xp, x, dim, log_softmax)


def _along(xp: Any, x: Any, dim: int, function: Any) -> Any:
    axis, rank = dim % len(x.shape), len(x.shape)
    if axis == rank - 1:
        return function(x, xp)
    order = list(range(rank))
    order[axis], order[-1] = order[-1], order[axis]
    return xp.transpose(function(xp.transpose(x, tuple(order)), xp), tuple(order))


@operation("logsumexp")
def logsumexp(xp: Any, x: Any, dim: Any, keepdim: bool = False) -> Any:
    """``log(sum exp(x))`` over some axes."""
    axes = axes_of(dim, len(x.shape))
    rows, _ = _last(xp, x, axes)
    top = xp.max(xp.real(rows), axis=-1, keepdims=True)
    y = xp.log(xp.sum(xp.exp(rows - top), axis=-1)) + top.reshape(*rows.shape[:-1])
    return _kept(y, x.shape, axes, keepdim)


@operation("layer_norm")
def layer_norm(xp: Any, x: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """``weight (x - mean) / sqrt(variance + eps) + bias``, over the last axes."""
    axes = tuple(range(len(x.shape) - len(normalized_shape), len(x.shape)))
    centred = x - mean(xp, x, axes, True)
    return _affine(centred * (1.0 / xp.sqrt(mean(xp, xp.square(centred), axes, True) + eps)), weight, bias)


@operation("rms_norm")
def rms_norm(xp: Any, x: Any, normalized_shape: Any, weight: Any = None, eps: Any = None) -> Any:
    """``weight x / sqrt(mean of x^2 + eps)``, over the last axes; eps is the precision's if it is None."""
    eps = np.finfo("float32" if str(x.dtype).endswith("32") else "float64").eps if eps is None else eps
    axes = tuple(range(len(x.shape) - len(normalized_shape), len(x.shape)))
    return _affine(x * (1.0 / xp.sqrt(mean(xp, xp.square(x), axes, True) + eps)), weight, None)


@operation("group_norm")
def group_norm(xp: Any, x: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """Channels, axis 1, normalised in groups, for every sample by itself."""
    shape = tuple(x.shape)
    y = x.reshape(shape[0], num_groups, math.prod(shape[1:]) // num_groups)
    y = layer_norm(xp, y, y.shape[-1:], eps=eps).reshape(shape)
    ones = (1,) * (len(shape) - 2)
    return _affine(y, *(one if one is None else one.reshape(-1, *ones) for one in (weight, bias)))


@operation("instance_norm")
def instance_norm(
    xp: Any,
    x: Any,
    weight: Any = None,
    bias: Any = None,
    running_mean: Any = None,
    running_var: Any = None,
    use_input_stats: bool = True,
    eps: float = 1e-5,
) -> Any:
    """Every channel of every sample normalised by itself, or by the mean and the variance of the training data."""
    if not use_input_stats:
        return batch_norm(xp, x, running_mean, running_var, eps, weight, bias)
    return group_norm(xp, x, x.shape[1], weight, bias, eps)


@operation("_native_batch_norm_legit_no_training")
def batch_norm(
    xp: Any, x: Any, running_mean: Any, running_var: Any, eps: float, weight: Any = None, bias: Any = None
) -> Any:
    """Channels, axis 1, by the mean and the variance of the training data."""
    ones = (1,) * (len(x.shape) - 2)
    mean_, variance = running_mean.reshape(-1, *ones), running_var.reshape(-1, *ones)
    shaped = (one if one is None else one.reshape(-1, *ones) for one in (weight, bias))
    return _affine((x - mean_) * (1.0 / xp.sqrt(variance + eps)), *shaped)


def _affine(x: Any, weight: Any, bias: Any) -> Any:
    x = x if weight is None else x * weight
    return x if bias is None else x + bias
