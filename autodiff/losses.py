"""Losses of one's own network on one's own data, as networks that are differentiated with ``wrt="params"``."""

from __future__ import annotations

import math

import numpy as np

from .arrays import Array, as_floats
from .errors import InputError
from .layers import Batched, CrossEntropy, Layer, Misfit, SquaredError
from .network import Network


def cross_entropy(net: Network, X: object, labels: object) -> Network:
    """The mean cross-entropy of a classifier over a batch: ``mean_s (log sum_c exp f(x_s)_c - f(x_s)_label(s))``.

    What training computes is ``ad.gradient(loss, loss.example_input(), wrt="params")``; the example input is the batch.

    Args:
        net: from n inputs to a score for every class (classes,); its parameters are copied, in their order.
        X: the inputs (samples, n), or with more axes, n elements a sample.
        labels: the true class of every sample (samples,).

    Raises:
        InputError: X or the labels do not fit the network, or each other.
        DTypeError: X holds no floats, or the labels are no integers.
    """
    batch, samples = _batch(net, X)
    count = np.size(np.asarray(labels))
    if not count or (samples * net.m) % count or (count != samples and samples > 1):
        raise InputError(f"there are {count} labels for {samples} samples; pass one of every sample")
    loss = CrossEntropy(labels, samples * net.m // count)
    return _over(net, batch, samples, [loss], "cross_entropy")


def mean_squared_error(net: Network, X: object, targets: object) -> Network:
    """The mean squared error over a batch: ``sum_s |f(x_s) - t_s|^2 / (samples m)``.

    Args:
        net: from n inputs to m outputs; its parameters are copied, in their order.
        X: the inputs (samples, n), or with more axes, n elements a sample.
        targets: (samples, m), or with other axes as many elements.

    Raises:
        InputError: X or the targets do not fit the network, or each other.
        DTypeError: X or the targets hold no floats.
    """
    batch, samples = _batch(net, X)
    wanted = as_floats(targets, "targets")
    if wanted.size != samples * net.m:
        text = f"{samples} samples of {net.m} outputs need {samples * net.m}"
        raise InputError(f"targets has shape {wanted.shape}; {text}")
    # SquaredError has a half in front
    error = [Misfit(wanted.reshape(-1), math.sqrt(wanted.size / 2)), SquaredError(np.zeros(wanted.size))]
    return _over(net, batch, samples, error, "mean_squared_error")


def _batch(net: Network, X: object) -> tuple[Array, int]:
    """The samples one after the other, and how many there are.

    Raises:
        InputError: they do not fit the network, or it is none.
    """
    if not isinstance(net, Network):
        raise InputError(f"a loss takes an autodiff.Network, not {type(net).__name__}")
    inputs = as_floats(X, "X")
    alone = inputs.size == net.n
    if not alone and (inputs.ndim < 2 or inputs.size != inputs.shape[0] * net.n or not inputs.size):
        raise InputError(f"X has shape {inputs.shape}; {net.name} takes (samples, {net.n})")
    return inputs.reshape(-1), inputs.size // net.n


def _over(net: Network, batch: Array, samples: int, ends: list[Layer], name: str) -> Network:
    layers = [Batched(layer, samples) if samples > 1 else layer for layer in net.layers]
    for made, layer in zip(layers, net.layers, strict=True):
        made.path, made.sources = layer.path, layer.sources
    loss = Network([*layers, *ends], name=f"{name} of {net.name}", example=batch.astype(np.float64))
    return loss if loss.dtype == net.dtype else loss.astype(net.dtype)
