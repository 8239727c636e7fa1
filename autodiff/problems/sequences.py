"""Networks over sequences: attention, and recurrence, whose depth is the length."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..arrays import Array, float_dtype
from ..errors import InputError
from ..layers import LSTM, RNN, Dense, Layer, SquaredError
from ..layers.activations import activation as find_activation
from ..network import Network
from .drawn import attention_block, drawn, readout, small
from .families import family, require_memory, require_positive
from .images import as_choice
from .synthetic import SCALES


@family(length=3, features=4, heads=2)
def transformer(
    length: int = 16,
    features: int = 32,
    heads: int = 4,
    blocks: int = 1,
    of: str = "sequence",
    seed: int = 0,
    dtype: DTypeLike = np.float64,
) -> Network:
    """Transformer blocks over a sequence of ``length`` vectors of ``features``.

    Of the *sequence* the Jacobian is square, and dense: every position sees every other one. Forward and reverse do the
    same arithmetic, and which of them wins is decided by the layout of their products. Of the *loss*, the squared
    distance to a target, reverse mode wins by the number of inputs or parameters.

    Args:
        length: positions.
        features: numbers a position, a multiple of the heads.
        heads: of the attention.
        blocks: one behind the other.
        of: "sequence" or "loss".
        seed: of the weights, the sequence and the target.
        dtype: float64 or float32.

    Raises:
        InputError: a size below 1, or features that do not divide into the heads. LimitError: more memory than there
            is.

    Source: Vaswani et al., Attention Is All You Need (2017).
    """
    as_choice("of", of, ("sequence", "loss"))
    require_positive(length=length, features=features, heads=heads, blocks=blocks)
    if features % heads:
        raise InputError(f"features is {features}; expected a multiple of {heads} heads")
    require_memory(8 * (length * 3 * features + heads * length * length))
    rng = np.random.default_rng(seed)
    layers: list[Layer] = []
    for _ in range(blocks):
        layers += attention_block(rng, length, features, heads)
    if of == "loss":
        layers.append(SquaredError(rng.standard_normal(length * features)))
    example = rng.standard_normal(length * features)
    return Network(layers, name="transformer", example=example).astype(float_dtype(dtype))


def _recurrent(name: str, layer: Any, gates: int, length: int, inputs: int, units: int, m: int, seed: int) -> Network:
    require_positive(length=length, inputs=inputs, units=units, m=m)
    require_memory(8 * (gates * units * (inputs + units) + length * inputs))
    rng = np.random.default_rng(seed)
    W, U = drawn(rng, gates * units, inputs), drawn(rng, gates * units, units)
    steps = layer(W, U, small(rng, gates * units), length)
    return Network([steps, readout(rng, units, m)], name=name, example=rng.standard_normal(length * inputs))


@family(wrt="params", length=3, inputs=2, units=3)
def rnn(
    length: int = 32, inputs: int = 4, units: int = 32, m: int = 1, seed: int = 0, dtype: DTypeLike = np.float64
) -> Network:
    """A recurrent network of tanh units over a sequence, and a dense layer of its last state.

    Every step is a layer, so the length is the depth, and all steps have the same parameters. With one output reverse
    mode wins, by the number of parameters or inputs; what it keeps grows with the length, which is where checkpoints
    pay. With respect to the input the first numbers travel all the way and the last ones a single step, so that forward
    mode pushes half as many tangents through a step on average as there are inputs.

    Args:
        length: steps.
        inputs: numbers a step.
        units: of the state.
        m: outputs.
        seed: of the weights and the sequence.
        dtype: float64 or float32.

    Raises:
        InputError: a size below 1. LimitError: more memory than there is.
    """
    return _recurrent("rnn", RNN, 1, length, inputs, units, m, seed).astype(float_dtype(dtype))


@family(wrt="params", length=3, inputs=2, units=3)
def lstm(
    length: int = 32, inputs: int = 4, units: int = 32, m: int = 1, seed: int = 0, dtype: DTypeLike = np.float64
) -> Network:
    """A long short-term memory over a sequence, and a dense layer of its last state; see :func:`rnn`.

    Four gates a unit: eight times the parameters, and a state of two vectors.

    Args:
        length: steps.
        inputs: numbers a step.
        units: of the state.
        m: outputs.
        seed: of the weights and the sequence.
        dtype: float64 or float32.

    Raises:
        InputError: a size below 1. LimitError: more memory than there is.
    """
    return _recurrent("lstm", LSTM, 4, length, inputs, units, m, seed).astype(float_dtype(dtype))


class Adapted(Layer):
    """``y = phi(W x + B (A x) + b)``: a frozen matrix W and a low-rank adapter, whose A and B are the parameters.

    Args:
        W: (m, n), and b (m,): numbers and no parameters.
        b: (m,).
        A: (rank, n).
        B: (m, rank).
        activation: the name of phi.
    """

    batched = True

    def __init__(self, W: Array, b: Array, A: Array, B: Array, activation: str) -> None:
        self.W, self.b, self.params = W, b, (A, B)
        self.m, self.n = W.shape
        self._activation = find_activation(activation)

    def function(self, x: Any, params: Any, xp: Any = np) -> Any:
        A, B = params
        W, b = xp.asarray(self.W, dtype=x.dtype), xp.asarray(self.b, dtype=x.dtype)
        if len(x.shape) == 1:
            z = xp.matmul(W, x) + xp.matmul(B, xp.matmul(A, x))
        else:
            z = xp.matmul(x, W.T) + xp.matmul(xp.matmul(x, A.T), B.T)
        return self._activation.function(z + b, xp)


@family(wrt="params", width=5, rank=2, depth=2)
def lora(
    width: int = 64,
    rank: int = 4,
    depth: int = 4,
    m: int = 1,
    activation: str = "gelu",
    seed: int = 0,
    dtype: DTypeLike = np.float64,
) -> Network:
    """A network whose matrices are frozen, each with an adapter of low rank beside it: what fine-tuning trains.

    The parameters are the adapters', ``2 rank width`` a layer instead of ``width^2``. With one output reverse mode wins
    by their number; but it pulls through W all the same, so that few parameters save little. With respect to the input
    the adapter is a bottleneck that W goes around: nothing is to be gained there.

    Args:
        width: inputs, and units of every layer.
        rank: of the adapters.
        depth: layers with one.
        m: outputs of the dense layer at the end, which is frozen too.
        activation: of the layers.
        seed: of the weights and the input.
        dtype: float64 or float32.

    Raises:
        InputError: a size below 1. UnknownNameError: no such activation. LimitError: more memory than there is.

    Source: Hu et al., LoRA: Low-Rank Adaptation of Large Language Models (2021).
    """
    require_positive(width=width, rank=rank, depth=depth, m=m)
    find_activation(activation)
    require_memory(8 * depth * width * width)
    rng, slope = np.random.default_rng(seed), SCALES[activation].slope
    layers: list[Layer] = []
    for number in range(depth):
        W, b = drawn(rng, width, width, gain=1.0 / slope if number else 1.0), small(rng, width)
        A, B = drawn(rng, rank, width), 0.1 * drawn(rng, width, rank)
        layers.append(Adapted(W, b, A, B, activation))
    last = readout(rng, width, m)
    layers.append(_frozen(last))
    return Network(layers, name="lora", example=rng.standard_normal(width)).astype(float_dtype(dtype))


class _Frozen(Layer):
    """``y = W x + b`` with numbers and no parameters."""

    batched = True

    def __init__(self, W: Array, b: Array) -> None:
        self.W, self.b = W, b
        self.m, self.n = W.shape

    def function(self, x: Any, params: Any, xp: Any = np) -> Any:
        W, b = xp.asarray(self.W, dtype=x.dtype), xp.asarray(self.b, dtype=x.dtype)
        return (xp.matmul(W, x) if len(x.shape) == 1 else xp.matmul(x, W.T)) + b


def _frozen(layer: Dense) -> Layer:
    W, b = layer.params
    return _Frozen(W, b)
