"""Synthetic problems: random networks of any size, with weights that keep values and derivatives alive."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from ..arrays import Array, float_dtype
from ..errors import InputError
from ..layers import ACTIVATIONS, Batched, Dense, Layer
from ..layers.activations import activation as find_activation
from ..network import Network
from .families import family, require_memory, require_positive


@dataclass(frozen=True, slots=True)
class Scale:
    """How to draw weights behind an activation phi that works around z: W ~ N(0, (gain/slope)^2 / inputs).

    A layer's bias then moves the mean of ``W phi(z)`` back to z. Tangents grow by about ``gain`` per layer, values
    stay around z: neither dies nor saturates at any depth. Values and slopes are those of phi at z, for relu the
    root mean square of He et al., Delving deep into rectifiers (2015). ``spread`` is how far from z a standard
    normal input may throw the first layer: less where phi's curvature would let the excursion grow.
    """

    z: float = 0.0
    value: float = 0.0
    slope: float = 1.0
    gain: float = 1.0
    spread: float = 1.0


#: gains below 1 where phi's curvature would add to the growth; see ``Scale``
SCALES: dict[str, Scale] = {
    "identity": Scale(),
    "tanh": Scale(),
    "sin": Scale(),
    "relu": Scale(slope=0.5**0.5),
    "sigmoid": Scale(value=0.5, slope=0.25),
    "softplus": Scale(value=float(np.log(2.0)), slope=0.5, gain=0.9),
    "exp": Scale(value=1.0, gain=0.8, spread=0.2),
    "square": Scale(z=0.5, value=0.25, gain=0.8, spread=0.2),
    "gelu": Scale(z=1.0, value=0.841345, slope=1.083315, gain=0.9, spread=0.2),
    "gelu_tanh": Scale(z=1.0, value=0.841192, slope=1.082964, gain=0.9, spread=0.2),
    "silu": Scale(z=1.0, value=0.731059, slope=0.927671, gain=0.9, spread=0.2),
    "elu": Scale(),
    "leaky_relu": Scale(slope=(0.5 * (1 + 0.01**2)) ** 0.5),
    "selu": Scale(gain=0.8),
    "mish": Scale(z=1.0, value=0.865098, slope=1.049036, gain=0.9, spread=0.2),
    "hardtanh": Scale(),
    "abs": Scale(z=1.0, value=1.0, gain=0.9, spread=0.2),
    "sqrt": Scale(z=1.0, value=1.0, slope=0.5, gain=0.8, spread=0.2),
    "log": Scale(z=1.5, value=float(np.log(1.5)), slope=1 / 1.5, gain=0.8, spread=0.2),
    "cos": Scale(z=float(np.pi / 2)),
}
assert SCALES.keys() == ACTIVATIONS.keys()


def dense(rng: np.random.Generator, inputs: int, outputs: int, activation: str, before: str | None = None) -> Dense:
    """A random dense layer behind the activation ``before``, or behind the network's input; see :class:`Scale`."""
    here = SCALES[activation]
    source = SCALES[before] if before else Scale(gain=here.spread)
    W = rng.standard_normal((outputs, inputs)) * (source.gain / source.slope / np.sqrt(inputs))
    b = here.z - source.value * W.sum(axis=1) + 0.1 * here.spread * rng.standard_normal(outputs)
    return Dense(W, b, activation)


def dense_chain(rng: np.random.Generator, sizes: list[int], activation: str) -> list[Layer]:
    """Dense layers through ``sizes``, the last one without activation."""
    require_memory(8 * sum((inputs + 1) * outputs for inputs, outputs in itertools.pairwise(sizes)))
    last = len(sizes) - 2
    layers: list[Layer] = []
    for index, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
        before = activation if index else None
        layers.append(dense(rng, inputs, outputs, "identity" if index == last else activation, before))
    return layers


def batched(layers: list[Layer], batch: int) -> list[Layer]:
    """The same layers, with the same parameters, of every one of ``batch`` inputs; a batch of one is the layers."""
    return layers if batch == 1 else [Batched(layer, batch) for layer in layers]


def read_widths(text: str) -> list[int]:
    """Widths in full, the inputs first: ``784-300-100-10``.

    Raises:
        InputError: something else.
    """
    parts = text.split("-")
    if len(parts) < 2 or not all(re.fullmatch(r"[1-9]\d{0,9}", part) for part in parts):
        raise InputError(f"widths is {text[:40]!r}; expected sizes from the inputs to the outputs, such as 784-300-10")
    return [int(part) for part in parts]


@family(either=(("n", "m", "depth", "width"), ("widths",)), n=5, m=4, depth=3, width=6)
def mlp(
    n: int | None = None,
    m: int | None = None,
    depth: int | None = None,
    width: int = 64,
    activation: str = "tanh",
    seed: int = 0,
    dtype: DTypeLike = np.float64,
    *,
    widths: str | None = None,
    batch: int = 1,
) -> Network:
    """A multilayer perceptron R^n -> R^m of ``depth`` dense layers with ``width`` units between them.

    With a batch it is ``R^(batch n) -> R^(batch m)``, the same perceptron of each of ``batch`` inputs, one after the
    other. Its Jacobian with respect to the input is block diagonal, the block of example b being ``f'(x_b)``, and comes
    as a dense matrix. Forward and reverse keep that structure, so the work is ``batch`` times that of one example;
    mixed keeps it as far as the narrow place, and multiplies across it as if the blocks were dense.

    Args:
        n, m: inputs and outputs.
        depth: dense layers; the last has no activation, so depth 1 is one affine map.
        width: units of every hidden layer.
        widths: instead of these four, all of them: ``784-300-100-10`` is 784 inputs, two hidden layers, 10 outputs.
        activation: of the hidden layers.
        seed: of the weights.
        dtype: float64 or float32.
        batch: inputs that it is applied to.

    Raises:
        InputError: a size below 1. UnknownNameError: no such activation. LimitError: more memory than there is.
    """
    find_activation(activation)
    require_positive(batch=batch)
    if widths is not None:
        sizes = read_widths(widths)
    else:
        require_positive(n=n, m=m, depth=depth, width=width)
        assert n is not None
        assert m is not None
        assert depth is not None
        sizes = [n, *[width] * (depth - 1), m]
    require_memory(8 * batch * max(sizes))
    layers = dense_chain(np.random.default_rng(seed), sizes, activation)
    return Network(batched(layers, batch), name="mlp").astype(float_dtype(dtype))


@family(n=6, bottleneck=2, depth=4)
def autoencoder(
    n: int,
    bottleneck: int,
    depth: int = 6,
    activation: str = "tanh",
    seed: int = 0,
    dtype: DTypeLike = np.float64,
    batch: int = 1,
) -> Network:
    """An autoencoder R^n -> R^n: ``depth`` dense layers of width n with ``bottleneck`` units in the middle.

    Its Jacobian has the rank of the bottleneck, and neither mode sees that: split there it costs a fraction.

    Args:
        n: inputs, outputs, and units of all layers but the middle one.
        bottleneck: units in the middle.
        depth: dense layers, an even number.
        activation: of all layers but the last.
        seed: of the weights.
        dtype: float64 or float32.
        batch: inputs that it is applied to, one after the other; see :func:`mlp`.

    Raises:
        InputError: a size below 1, or an odd depth. UnknownNameError: no such activation. LimitError: more memory than
            there is.
    """
    require_positive(n=n, bottleneck=bottleneck, depth=depth, batch=batch)
    if depth % 2:
        raise InputError(f"depth is {depth}; expected an even number, half of it on each side of the bottleneck")
    find_activation(activation)
    require_memory(8 * batch * n)
    half = [n] * (depth // 2)
    layers = dense_chain(np.random.default_rng(seed), [*half, bottleneck, *half], activation)
    return Network(batched(layers, batch), name="autoencoder").astype(float_dtype(dtype))


@family(n=4, p=5, q=3)
def product(
    n: int,
    p: int | None = None,
    q: int | None = None,
    m: int = 1,
    seed: int = 0,
    dtype: DTypeLike = np.float64,
    batch: int = 1,
) -> Network:
    """Three linear layers, so that the Jacobian is the plain product ``(m x q)(q x p)(p x n)``; p and q default to n.

    Left to right it costs ``mqp + mpn`` multiply-adds (for m = 1 two vector-matrix products), right to left
    ``qpn + mqn`` (a matrix-matrix product first).

    Args:
        n, p, q, m: sizes of the matrices.
        seed: of their entries.
        dtype: float64 or float32.
        batch: inputs that they are applied to, one after the other; see :func:`mlp`.

    Raises:
        InputError: a size below 1. LimitError: more memory than there is.
    """
    p, q = n if p is None else p, n if q is None else q
    require_positive(n=n, p=p, q=q, m=m, batch=batch)
    require_memory(8 * (p * n + q * p + m * q + batch * max(n, p, q, m)))
    rng = np.random.default_rng(seed)
    shapes = ((p, n), (q, p), (m, q))
    layers: list[Layer] = [Dense(_scaled(rng, shape)) for shape in shapes]
    return Network(batched(layers, batch), name="product").astype(float_dtype(dtype))


def _scaled(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    return np.asarray(rng.standard_normal(shape) / np.sqrt(shape[1]))
