"""Weights that keep values and derivatives alive, for layers that are not dense."""

from __future__ import annotations

import math

import numpy as np

from ..arrays import Array
from ..layers import Batched, Conv2d, Dense, LayerNorm, Residual, SelfAttention


def drawn(rng: np.random.Generator, *shape: int, gain: float = 1.0) -> Array:
    """Normal numbers of variance ``gain^2 / fan-in``, the fan-in being all axes but the first.

    Source: He et al., Delving deep into rectifiers (2015), section 2.2.
    """
    return rng.standard_normal(shape) * (gain / math.sqrt(math.prod(shape[1:])))


def small(rng: np.random.Generator, size: int) -> Array:
    """A bias: normal numbers of a tenth."""
    return 0.1 * rng.standard_normal(size)


def conv(
    rng: np.random.Generator, inputs: int, outputs: int, activation: str = "identity", stride: int = 1, kernel: int = 3
) -> Conv2d:
    """A convolution with a border of zeros, so that the image keeps its size."""
    gain = math.sqrt(2.0) if activation == "relu" else 1.0
    W = drawn(rng, outputs, inputs, kernel, kernel, gain=gain)
    return Conv2d(W, small(rng, outputs), activation, stride=stride, padding=kernel // 2)


def readout(rng: np.random.Generator, inputs: int, outputs: int) -> Dense:
    """A dense layer without activation."""
    return Dense(drawn(rng, outputs, inputs), small(rng, outputs))


def attention_block(
    rng: np.random.Generator, length: int, features: int, heads: int, causal: bool = False
) -> list[Residual]:
    """A transformer block: attention and a perceptron of every position, each behind a layer norm, beside a skip.

    Source: Xiong et al., On Layer Normalization in the Transformer Architecture (2020), figure 1 b.
    """

    def norm() -> LayerNorm:
        return LayerNorm(1.0 + small(rng, features), small(rng, features))

    attention = SelfAttention(
        drawn(rng, 3 * features, features),
        drawn(rng, features, features),
        small(rng, 3 * features),
        small(rng, features),
        heads=heads,
        causal=causal,
        shape=(length, features),
    )
    inner = Dense(drawn(rng, 4 * features, features), small(rng, 4 * features), "gelu")
    outer = Dense(drawn(rng, features, 4 * features), small(rng, features))
    perceptron = [norm(), Batched(inner, length), Batched(outer, length)]
    shape = (length, features)
    return [Residual([norm(), attention], shape=shape), Residual(perceptron, shape=shape)]
