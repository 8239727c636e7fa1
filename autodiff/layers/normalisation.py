"""Normalisation over channels, over the last axes, and to probabilities."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..arrays import Array, as_floats, as_positive
from ..errors import InputError
from .arranged import Shape, Shaped


class BatchNorm(Shaped):
    """Batch normalisation as in inference: ``y[c] = weight[c] (x[c] - mean[c]) / sqrt(variance[c] + eps) + bias[c]``.

    Mean and variance are those of the training data, numbers and no parameters.

    Args:
        mean, variance: of every channel (channels,).
        weight, bias: the parameters (channels,); ones and zeros if left out.
        eps: added to the variance.
        shape: of the inputs, (channels, *sizes); left out, the layer takes what the layer before it gives.

    Raises:
        InputError: sizes that differ, a negative variance, or another number of channels on axis 0.

    Source: Ioffe & Szegedy, Batch Normalization (2015), algorithm 2.
    """

    def __init__(
        self,
        mean: object,
        variance: object,
        weight: object | None = None,
        bias: object | None = None,
        eps: float = 1e-5,
        shape: object | None = None,
    ) -> None:
        self.mean, self.variance = as_floats(mean, "mean").copy(), as_floats(variance, "variance").copy()
        channels = self.mean.shape
        scale = np.ones(channels, self.mean.dtype) if weight is None else as_floats(weight, "weight")
        offset = np.zeros(channels, scale.dtype) if bias is None else as_floats(bias, "bias")
        if len(channels) != 1 or not self.variance.shape == scale.shape == offset.shape == channels:
            raise InputError("mean, variance, weight and bias of BatchNorm are vectors of one size, (channels,)")
        if (self.variance < 0).any():
            raise InputError("a variance of BatchNorm is negative")
        self.eps = as_positive(eps, "eps")
        self.params: tuple[Array, ...] = (scale, offset)
        self.slope = 1.0 / np.sqrt(self.variance + self.eps)
        self.fixed(shape)

    def outputs(self, shape: Shape) -> Shape:
        if shape[0] != self.mean.size:
            raise InputError(f"it normalises {self.mean.size} channels on axis 0, not {shape[0]} of shape {shape}")
        return shape

    def mapped(self, x: Any, params: Any, xp: Any) -> Any:
        ones = (1,) * (len(self._in) - 1)
        weight, bias = (one.reshape(-1, *ones) for one in params)
        mean, slope = (xp.asarray(one.reshape(-1, *ones), dtype=x.dtype) for one in (self.mean, self.slope))
        return (x - mean) * (weight * slope) + bias


class LayerNorm(Shaped):
    """``y = weight (x - mean) / sqrt(variance + eps) + bias``, mean and variance over the last axes.

    Args:
        weight: (*axes), over which is normalised.
        bias: the same shape, or None.
        eps: added to the variance.
        shape: of the inputs; left out, what the layer before it gives, or just the weight's.

    Raises:
        InputError: the last axes are not the weight's; naming them.

    Source: Ba, Kiros & Hinton, Layer Normalization (2016).
    """

    centred = True

    def __init__(
        self, weight: object, bias: object | None = None, eps: float = 1e-5, shape: object | None = None
    ) -> None:
        scale = as_floats(weight, "weight")
        self.params: tuple[Array, ...] = (scale,)
        if bias is not None:
            self.params = scale, as_floats(bias, "bias", scale.dtype)
            if self.params[1].shape != scale.shape:
                raise InputError(f"bias has shape {self.params[1].shape}; the weight has {scale.shape}")
        if not scale.ndim or not scale.size:
            raise InputError(f"the weight of {self.kind} has shape {scale.shape}; expected the axes to normalise over")
        self.eps = as_positive(eps, "eps")
        self.axes = scale.shape
        self.fixed(shape)

    def outputs(self, shape: Shape) -> Shape:
        if shape[-len(self.axes) :] != self.axes and math.prod(shape) != math.prod(self.axes):
            raise InputError(f"it normalises over {self.axes}, which are not the last axes of shape {shape}")
        return shape

    def mapped(self, x: Any, params: Any, xp: Any) -> Any:
        weight, *bias = params
        x = x.reshape(*x.shape[: len(x.shape) - len(self._in)], -1, math.prod(self.axes))
        if self.centred:
            x = x - xp.mean(x, axis=-1, keepdims=True)
        variance = xp.mean(xp.square(x), axis=-1, keepdims=True)
        y = x * (1.0 / xp.sqrt(variance + self.eps)) * weight.reshape(-1)
        return y + bias[0].reshape(-1) if bias else y


class RMSNorm(LayerNorm):
    """``y = weight x / sqrt(mean of x^2 + eps)``, the mean over the last axes; see :class:`LayerNorm`.

    Source: Zhang & Sennrich, Root Mean Square Layer Normalization (2019).
    """

    centred = False


class Softmax(Shaped):
    """``y = exp(x) / sum exp(x)`` along the last axis, or its logarithm.

    Args:
        log: the logarithm of it.
        shape: of the inputs; left out, the layer takes what the layer before it gives.
    """

    def __init__(self, log: bool = False, shape: object | None = None) -> None:
        self.log = bool(log)
        self.fixed(shape)

    def outputs(self, shape: Shape) -> Shape:
        return shape

    def mapped(self, x: Any, params: Any, xp: Any) -> Any:
        return (log_softmax if self.log else softmax)(x, xp)


def softmax(x: Any, xp: Any) -> Any:
    """``exp(x) / sum exp(x)`` along the last axis."""
    powers = xp.exp(x - xp.max(xp.real(x), axis=-1, keepdims=True))  # the largest has no derivative, and needs none
    return powers / xp.sum(powers, axis=-1, keepdims=True)


def log_softmax(x: Any, xp: Any) -> Any:
    """``x - log(sum exp(x))`` along the last axis."""
    shifted = x - xp.max(xp.real(x), axis=-1, keepdims=True)
    return shifted - xp.log(xp.sum(xp.exp(shifted), axis=-1, keepdims=True))
