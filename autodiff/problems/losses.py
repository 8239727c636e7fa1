"""Losses over a batch, as training minimises them, of networks of any size on random data."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import DTypeLike

from ..arrays import float_dtype
from ..layers import Batched, CrossEntropy, Misfit, SquaredError
from ..layers.activations import activation as find_activation
from ..network import Network
from .families import family, require_memory, require_positive
from .synthetic import batched, dense_chain, read_widths


@family(wrt="params", widths="5-4-3", samples=4)
def classifier_loss(
    widths: str = "64-32-10",
    samples: int = 256,
    activation: str = "tanh",
    seed: int = 0,
    dtype: DTypeLike = np.float64,
) -> Network:
    """The mean cross-entropy of a classifier of any size over a batch of random inputs and labels.

    Differentiate it with ``wrt="params"``, as training does; its speed does not depend on what the classes mean. The
    example input is the batch.

    Args:
        widths: inputs, hidden layers and classes: ``784-300-100-10``.
        samples: in the batch.
        activation: of the hidden layers.
        seed: of the weights, the batch and its labels.
        dtype: float64 or float32.

    Raises:
        InputError: sizes that cannot be read. UnknownNameError: no such activation. LimitError: more memory than there
            is.
    """
    find_activation(activation)
    require_positive(samples=samples)
    sizes, rng = read_widths(widths), np.random.default_rng(seed)
    require_memory(8 * samples * max(sizes))
    layers = [Batched(layer, samples) for layer in dense_chain(rng, sizes, activation)]
    loss = CrossEntropy(rng.integers(sizes[-1], size=samples), sizes[-1])
    batch = rng.standard_normal(samples * sizes[0])
    return Network([*layers, loss], name="classifier_loss", example=batch).astype(float_dtype(dtype))


@family(wrt="params", n=3, m=2, depth=2, width=4, batch=3)
def regression_loss(
    n: int,
    m: int = 1,
    depth: int = 4,
    width: int = 64,
    batch: int = 256,
    activation: str = "tanh",
    seed: int = 0,
    dtype: DTypeLike = np.float64,
) -> Network:
    """The mean squared error of a multilayer perceptron f over a batch: ``sum_b |f(x_b) - t_b|^2 / (2 batch)``.

    Differentiate it with ``wrt="params"``, as training does. The parameters are as many for every batch, the values
    between the layers ``batch`` times as many as for one example: from some batch on, what reverse mode keeps of them
    outweighs the parameters. The example input is the batch, ``batch * n`` numbers, example after example.

    Args:
        n, m: inputs and outputs of f.
        depth: dense layers; the loss adds two layers of its own.
        width: units of every hidden layer.
        batch: examples.
        activation: of the hidden layers.
        seed: of the weights, the examples and their targets.
        dtype: float64 or float32.

    Raises:
        InputError: a size below 1. UnknownNameError: no such activation. LimitError: more memory than there is.
    """
    require_positive(n=n, m=m, depth=depth, width=width, batch=batch)
    find_activation(activation)
    sizes, rng = [n, *[width] * (depth - 1), m], np.random.default_rng(seed)
    require_memory(8 * batch * max(sizes))
    layers = batched(dense_chain(rng, sizes, activation), batch)
    loss = [Misfit(rng.standard_normal(batch * m), math.sqrt(batch)), SquaredError(np.zeros(batch * m))]
    examples = rng.standard_normal(batch * n)
    return Network([*layers, *loss], name="regression_loss", example=examples).astype(float_dtype(dtype))
