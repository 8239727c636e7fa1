"""A network: a validated chain of layers ``f = f_L o ... o f_1 : R^n -> R^m`` over one flat parameter vector."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from .arrays import FLOATS, Array, aligned_empty, as_vector, float_dtype
from .chain import ChainProblem, Factor
from .errors import InputError
from .layers.base import Derivative, Layer
from .namespaces import load
from .namespaces.torch import TorchNamespace


class Network:
    """A composition of layers, the first of which is applied first.

    Args:
        layers: at least one; sizes must chain, and layers without a size take the one before's.
        name: what reports call it.
        example: an input (n,) that :meth:`example_input` returns instead of a random one.

    The layers are copied, and the copies' parameters are views of :attr:`params`: writing into that vector
    changes the network, and every engine prepared for it at the network's own dtype.

    Attributes:
        layers: the bound layers.
        params: the parameters of all layers (p,), in order.
        dtype: float64, or float32 if the parameters are.

    Raises:
        InputError: no layers, something that is no layer, or sizes that do not chain.
    """

    def __init__(self, layers: Iterable[Layer], name: str = "network", example: object | None = None) -> None:
        if not isinstance(layers, Iterable):
            raise InputError(f"a network takes a list of layers, not {type(layers).__name__}")
        chained = _chain(list(layers))
        self.name = name
        dtypes = [layer.params.dtype for layer in chained if layer.params.size]
        self._build(chained, np.result_type(*dtypes) if dtypes else np.dtype(np.float64))
        self._example = None if example is None else as_vector(example, self.n, "example", np.dtype(np.float64))

    def _build(self, layers: list[Layer], dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self._params = aligned_empty(sum(layer.params.size for layer in layers), dtype)
        np.concatenate([layer.params for layer in layers], out=self._params, casting="same_kind")
        ends = np.cumsum([layer.params.size for layer in layers]).tolist()
        self.slices = [
            slice(end - layer.params.size, end) for layer, end in zip(layers, ends, strict=True)
        ]  #: where each layer's parameters lie in ``params``
        self.layers = [layer.bind(self._params[part]) for layer, part in zip(layers, self.slices, strict=True)]

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

    def parts(self, params: Any) -> tuple[Any, ...]:
        """The flat parameters (p,), of any kind of array, layer by layer as the layers' functions use them."""
        pairs = zip(self.layers, self.slices, strict=True)
        return tuple(layer.parts(params[part]) for layer, part in pairs)

    def function(self, x: Any, params: Any = None, xp: Any = np) -> Any:
        """``f(x)`` in any array namespace, as a pure function of x (n,) and the parameters, flat or in parts."""
        theta = self.params if params is None else params
        parts = theta if isinstance(theta, tuple) else self.parts(theta)
        for layer, part in zip(self.layers, parts, strict=True):
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
        return np.asarray(self.function(as_vector(x, self.n, "x", self.dtype)), self.dtype)

    def astype(self, dtype: DTypeLike) -> Network:
        """This network at ``dtype``, with parameters of its own; itself, if that is its dtype already."""
        found = float_dtype(dtype)
        return self if found == self.dtype else self._copy(found)

    def complex(self) -> Network:
        """A copy over complex128 parameters, for the complex-step method."""
        return self._copy(np.dtype(np.complex128))

    def copy(self) -> Network:
        """A copy with parameters of its own."""
        return self._copy(self.dtype)

    def _copy(self, dtype: np.dtype[Any]) -> Network:
        made = object.__new__(Network)
        made.name, made._example = self.name, self._example
        made._build(self.layers, dtype)
        return made

    def derivatives(self) -> list[Derivative]:
        """One derivative per layer, without memory yet."""
        return [layer.derivative_of(self.dtype) for layer in self.layers]

    def chain_problem(self) -> ChainProblem:
        """The Jacobian as a chain of factors with this network's exact costs; see :func:`autodiff.chain.bracket`.

        Structure is counted as it is: a diagonal costs its size, a dense layer's derivative is a scaled matrix that
        needs no accumulation. Costs are multiply-adds, memory is bytes.
        """
        factors = []
        for derivative in self.derivatives():
            cost, (m, n) = derivative.cost, derivative.shape
            factors.append(Factor(n, m, max(cost.tangent, 1), max(cost.cotangent, 1), cost.memory, cost.dense))
        return ChainProblem(factors)

    def example_input(self, seed: int = 0) -> Array:
        """An input (n,) that the network is meant for: the problem's own data, else standard normal numbers."""
        dtype = self.dtype if self.dtype in FLOATS else np.dtype(np.float64)
        if self._example is not None:
            return self._example.astype(dtype)
        return np.random.default_rng(seed).standard_normal(self.n).astype(dtype)

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
        chained.append(layer)
    return chained


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
