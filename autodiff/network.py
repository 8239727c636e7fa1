"""A network: a validated chain of layers ``f = f_L o ... o f_1 : R^n -> R^m`` over one flat parameter vector."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from .arrays import FLOATS, Array, aligned_empty, as_vector, float_dtype
from .errors import DTypeError, InputError
from .layers.base import Layer
from .namespaces import load, pieces
from .namespaces.torch import TorchNamespace


class Network:
    """A composition of layers, the first of which is applied first.

    Args:
        layers: at least one; sizes must chain, and layers without a size take the one before's.
        name: what reports call it.
        example: an input (n,) that :meth:`example_input` returns instead of a random one.

    The layers are copied, and the copies' parameters are views of :attr:`params`: writing into that vector
    changes the network, and every engine prepared for it at the network's own dtype. A copy of a network
    (``copy.deepcopy``, ``pickle``) has a vector of its own.

    Attributes:
        layers: the bound layers.
        params: the parameters of all layers (p,), layer by layer, array by array, row by row.
        shapes: of every layer's parameter arrays.
        slices: where each layer's parameters lie in ``params``.
        dtype: float64, or float32 if the parameters are.

    Raises:
        InputError: no layers, something that is no layer, or sizes that do not chain.
        DTypeError: a layer's parameters are no floats.
    """

    def __init__(self, layers: Iterable[Layer], name: str = "network", example: object | None = None) -> None:
        if not isinstance(layers, Iterable):
            raise InputError(f"a network takes a list of layers, not {type(layers).__name__}")
        chained = _chain(list(layers))
        self.name = name
        arrays = [array for layer in chained for array in layer.params]
        self._build(chained, np.result_type(*arrays) if arrays else np.dtype(np.float64))
        self._example = None if example is None else as_vector(example, self.n, "example", np.dtype(np.float64)).copy()

    def _build(self, layers: list[Layer], dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self.shapes = [tuple(array.shape for array in layer.params) for layer in layers]
        self._sizes = [math.prod(shape) for shapes in self.shapes for shape in shapes]
        counts = [sum(map(math.prod, shapes)) for shapes in self.shapes]
        ends = list(itertools.accumulate(counts))
        self.slices = [slice(end - count, end) for end, count in zip(ends, counts, strict=True)]
        self._params = aligned_empty(ends[-1], dtype)
        arrays = [array.ravel() for layer in layers for array in layer.params]
        if arrays:
            np.concatenate(arrays, out=self._params, casting="same_kind")
        pairs = zip(layers, self.parts(self._params), strict=True)
        self.layers = [layer.with_params(part) for layer, part in pairs]

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_params"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._build(self.layers, self.dtype)  # the layers come with arrays of their own; here they share one again

    @property
    def params(self) -> Array:
        """The parameters of all layers (p,), in order; assigning copies the numbers into the same vector."""
        return self._params

    @params.setter
    def params(self, values: object) -> None:
        self._params[:] = as_vector(values, self._params.size, "params", self.dtype)

    @property
    def n(self) -> int:
        """Inputs."""
        return self.layers[0].n

    @property
    def m(self) -> int:
        """Outputs."""
        return self.layers[-1].m

    @property
    def depth(self) -> int:
        """Layers."""
        return len(self.layers)

    @property
    def width(self) -> int:
        """The widest value between two layers; for a single layer, its inputs."""
        return max((layer.m for layer in self.layers[:-1]), default=self.n)

    def variables(self, wrt: str) -> int:
        """Columns of the Jacobian with respect to ``wrt``, "input" or "params".

        Raises:
            InputError: another word, or "params" of a network that has none.
        """
        if wrt not in ("input", "params"):
            raise InputError(f'wrt is {wrt!r}; expected "input" or "params"')
        if wrt == "params" and not self.params.size:
            raise InputError(f"{self.name} has no parameters to differentiate; use wrt='input'")
        return self.n if wrt == "input" else self.params.size

    def parts(self, params: Any, xp: Any = np) -> tuple[tuple[Any, ...], ...]:
        """The flat parameters (p,), of any kind of array, as every layer's tuple of arrays."""
        cut = iter(pieces(params, self._sizes, xp))
        return tuple(
            tuple(piece if len(shape) == 1 else piece.reshape(shape) for shape, piece in zip(shapes, cut))  # noqa: B905
            for shapes in self.shapes
        )

    def function(self, x: Any, params: Any = None, xp: Any = np) -> Any:
        """``f(x)`` in any array namespace, as a pure function of x (n,) and the parameters, flat or in parts."""
        if params is None:
            params = tuple(layer.params for layer in self.layers)
        elif not isinstance(params, tuple):
            params = self.parts(params, xp)
        for layer, part in zip(self.layers, params, strict=True):
            x = layer.function(x, part, xp)
        return x

    def as_jax(self) -> tuple[Callable[[Any, Any], Any], Any]:
        """The plain function ``f(x, params) -> y`` for JAX, and the parameters (p,) as a JAX array of their own.

        Differentiate it with ``jax.grad``, ``jax.jacrev``, ...; a float64 network needs JAX's ``jax_enable_x64``.

        Raises:
            UnsupportedError: JAX is not installed; with the pip line.
            InputError: the network is float64, and JAX is set to make float32 of that; with the line to write.
        """
        jax = load("jax")
        if self.dtype == np.float64 and not jax.config.jax_enable_x64:
            line = 'jax.config.update("jax_enable_x64", True)'
            raise InputError(
                f"{self.name} is float64, and JAX is set to float32; write {line}, or use astype('float32')"
            )
        return functools.partial(self.function, xp=jax.numpy), jax.numpy.array(self.params, copy=True)

    def as_torch(self) -> tuple[Callable[[Any, Any], Any], Any]:
        """The plain function ``f(x, params) -> y`` for PyTorch on the CPU, and the parameters (p,) as a tensor.

        Raises:
            UnsupportedError: PyTorch is not installed; with the pip line.
        """
        xp = TorchNamespace()
        return functools.partial(self.function, xp=xp), xp.torch.tensor(self.params)

    def __call__(self, x: object) -> Array:
        """``y = f(x)`` for x (n,), gives y (m,).

        Raises:
            InputError: the wrong shape, NaN or infinity.
            DTypeError: integers, objects, or a float wider than the network's.
        """
        point = as_vector(x, self.n, "x", self.dtype)
        with np.errstate(all="ignore"):
            y = np.asarray(self.function(point), self.dtype)
        if y.shape != (self.m,):
            raise InputError(f"{self.name} gives shape {y.shape}; expected ({self.m},); call its layers one by one")
        return y

    def astype(self, dtype: DTypeLike) -> Network:
        """A copy of this network at ``dtype``, with parameters of its own."""
        return self._copy(float_dtype(dtype))

    def copy(self) -> Network:
        """A copy with parameters of its own."""
        return self._copy(self.dtype)

    def _copy(self, dtype: np.dtype[Any]) -> Network:
        made = object.__new__(type(self))
        made.__dict__.update(self.__getstate__())
        made._build(self.layers, dtype)
        return made

    def example_input(self, seed: int = 0) -> Array:
        """An input (n,) that the network is meant for: the problem's own data, else standard normal numbers."""
        if self._example is not None:
            return self._example.astype(self.dtype)
        return np.random.default_rng(seed).standard_normal(self.n).astype(self.dtype)

    def __repr__(self) -> str:
        sizes = " -> ".join(str(size) for size in [self.n, *(layer.m for layer in self.layers)])
        if self.depth > 8:
            sizes = f"{self.n} -> ... -> {self.m}"
        return f"Network({self.name}: {sizes}, {self.depth} layers, {self.params.size} parameters, {self.dtype})"


def _chain(layers: list[Layer]) -> list[Layer]:
    """The layers with every size settled, checked pair by pair."""
    if not layers:
        raise InputError("a network needs at least one layer; none was given")
    chained: list[Layer] = []
    for index, layer in enumerate(layers):
        if not isinstance(layer, Layer):
            raise InputError(f"layer {index} is {type(layer).__name__}; expected a Layer such as ad.Dense(W, b)")
        if chained:
            layer = _settle(layer, index, chained[-1])
        elif not layer.n:
            raise InputError(f"layer 0 ({layer.kind}) does not say how many inputs it takes; give it a size")
        _check_params(layer, index)
        chained.append(layer)
    return chained


def _check_params(layer: Layer, index: int) -> None:
    place = f"layer {index} ({layer.kind})"
    if not isinstance(layer.params, tuple) or not all(isinstance(array, np.ndarray) for array in layer.params):
        raise InputError(f"{place} has params that are {type(layer.params).__name__}; expected a tuple of NumPy arrays")
    for number, array in enumerate(layer.params):
        if array.dtype not in FLOATS:
            raise DTypeError(f"{place} has params[{number}] of {array.dtype}; make them floats, .astype(np.float64)")


def _settle(layer: Layer, index: int, before: Layer) -> Layer:
    try:
        sized = layer.sized(before.m)
    except InputError as error:
        raise InputError(f"layer {index} ({layer.kind}) after layer {index - 1} ({before.kind}): {error}") from None
    if sized.n != before.m:
        raise InputError(
            f"layer {index} ({layer.kind}) takes {sized.n} inputs, layer {index - 1} ({before.kind}) gives {before.m}"
        )
    return sized
