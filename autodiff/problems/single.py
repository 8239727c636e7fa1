"""Networks of a single layer: every primitive, and every kind of layer, of any size."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..arrays import Array, float_dtype
from ..errors import UnknownNameError
from ..layers import Batched, CrossEntropy, Dense, Elementwise, Function, Layer, Misfit, Peaks, SquaredError
from ..network import Network
from ..primitives.table import PRIMITIVES
from .families import family, require_memory, require_positive
from .synthetic import dense

Make = Callable[[np.random.Generator, int], Layer]
CONSTANT = {np.heaviside, np.sign}  #: have no derivative to speak of
WIDTH, CLASSES, PEAKS, STEEP = 32, 10, 4, 0.1  #: of the layers that have more than one size


def _unary(ufunc: np.ufunc) -> Make:
    def f(x: Any, xp: Any) -> Any:
        return getattr(xp, ufunc.__name__)(x)

    return lambda rng, elements: Function(f, elements)


def _binary(ufunc: np.ufunc) -> Make:
    """The second operand is a parameter."""

    def f(x: Any, params: Any, xp: Any) -> Any:
        return getattr(xp, ufunc.__name__)(x, params[0])

    return lambda rng, elements: Function(f, elements, (_positive(rng, elements),))


def _gather(rng: np.random.Generator, elements: int) -> Layer:
    order = rng.permutation(elements)
    return Function(lambda x: x[order], elements)


def _matmul(rng: np.random.Generator, elements: int) -> Layer:
    """``X P``, both square."""
    side = _side(elements)

    def f(x: Any, params: Any) -> Any:
        return (x.reshape(side, side) @ params[0]).reshape(side * side)

    return Function(f, side * side, (rng.standard_normal((side, side)) / math.sqrt(side),))


def _matvec(rng: np.random.Generator, elements: int) -> Layer:
    side = _side(elements)
    return Dense(rng.standard_normal((side, side)) / math.sqrt(side))


def _logsumexp(x: Any, xp: Any) -> Any:
    top = xp.max(xp.real(x))  # keeps exp from overflowing, and has no derivative
    return top + xp.log(xp.sum(xp.exp(x - top)))


def _elementwise(activation: str) -> Make:
    return lambda rng, elements: Elementwise(activation, elements)


def _dense(activation: str) -> Make:
    return lambda rng, elements: dense(rng, _side(elements), _side(elements), activation)


def _batched(activation: str) -> Make:
    def make(rng: np.random.Generator, elements: int) -> Layer:
        width = min(WIDTH, elements)
        return Batched(dense(rng, width, width, activation), max(elements // width, 1))

    return make


def _cross_entropy(rng: np.random.Generator, elements: int) -> Layer:
    samples = max(elements // CLASSES, 1)
    return CrossEntropy(rng.integers(CLASSES, size=samples), CLASSES)


#: by name; what is an array of ``elements`` is x, the weights or the value, whichever is the largest
LAYERS: dict[str, Make] = {
    **{
        ufunc.__name__: (_unary if ufunc.nin == 1 else _binary)(ufunc)
        for ufunc in list(PRIMITIVES)
        if ufunc not in CONSTANT
    },
    "sum": lambda rng, elements: Function(lambda x, xp: xp.sum(x), elements),
    "logsumexp": lambda rng, elements: Function(_logsumexp, elements),
    "gather": _gather,
    "matvec": _matvec,
    "matmul": _matmul,
    **{f"elementwise-{name}": _elementwise(name) for name in ("relu", "sigmoid", "softplus")},
    **{f"dense-{name}": _dense(name) for name in ("tanh", "relu", "sigmoid", "softplus")},
    "batched-dense-tanh": _batched("tanh"),
    "squared-error": lambda rng, elements: SquaredError(rng.standard_normal(elements)),
    "cross-entropy": _cross_entropy,
    "peaks": lambda rng, elements: Peaks(np.linspace(-1.0, 1.0, elements), PEAKS),
    "misfit": lambda rng, elements: Misfit(rng.standard_normal(elements), STEEP),
}


@family(layer="tanh", elements=6)
def single(layer: str = "tanh", elements: int = 1024, seed: int = 0, dtype: DTypeLike = np.float64) -> Network:
    """A network of one layer: a primitive by its ufunc's name ("tanh", "multiply"), or a kind of layer.

    The example input is positive, so that every function is defined there; the second operand of a primitive with two
    is a parameter.

    Args:
        layer: its name.
        elements: of its largest array.
        seed: of parameters and input.
        dtype: float64 or float32.

    Raises:
        InputError: elements below 1. UnknownNameError: no such layer. LimitError: more memory than there is.
    """
    if layer not in LAYERS:
        raise UnknownNameError("layer", layer, LAYERS)
    require_positive(elements=elements)
    require_memory(8 * elements)
    rng = np.random.default_rng(seed)
    made = LAYERS[layer](rng, elements)
    return Network([made], name=layer, example=_positive(rng, made.n)).astype(float_dtype(dtype))


def _positive(rng: np.random.Generator, size: int) -> Array:
    return np.asarray(rng.uniform(0.5, 1.5, size))


def _side(elements: int) -> int:
    return max(math.isqrt(elements), 1)
