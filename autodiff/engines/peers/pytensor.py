"""PyTensor: ``pushforward`` and ``pullback`` of a symbolic graph, vectorised over the seeds, compiled by Numba.

Source: PyTensor documentation, "Derivatives in PyTensor" (Rop and Lop) and ``vectorize_graph``.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from ...arrays import Array
from ...layers import Layer
from ...namespaces import load
from ...namespaces.pytensor import PytensorArray, PytensorNamespace
from ...network import Network
from .peer import Peer, PeerRun, convert, leaves


class _Pytensor(Peer):
    family = "pytensor"
    package: ClassVar[str] = "pytensor"
    extra: ClassVar[str] = "pytensor"
    title: ClassVar[str] = "PyTensor"
    minimum: ClassVar[str] = "3.0"

    def output_shape(self, layer: Layer, dtype: np.dtype[Any]) -> tuple[int, ...]:
        theta = tuple(_symbol("theta", array.shape, dtype) for array in layer.params)
        made: PytensorArray = layer.function(_symbol("x", (layer.n,), dtype), theta, PytensorNamespace())
        return made.shape

    def build(self, network: Network, wrt: str, operation: str, seeds: int) -> PeerRun:
        return PytensorRun(self, network, wrt, operation, seeds)


class PytensorForward(_Pytensor):
    """``pytensor-forward``: ``pushforward`` (Rop)."""

    name: ClassVar[str] = "pytensor-forward"
    mode: ClassVar[str] = "forward"
    operations: ClassVar[frozenset[str]] = frozenset({"jacobian", "gradient", "jvp"})


class PytensorReverse(_Pytensor):
    """``pytensor-reverse``: ``pullback`` (Lop), and ``grad`` for one output."""

    name: ClassVar[str] = "pytensor-reverse"
    mode: ClassVar[str] = "reverse"
    operations: ClassVar[frozenset[str]] = frozenset({"jacobian", "gradient", "vjp"})


def _symbol(name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> PytensorArray:
    return PytensorArray(load("pytensor.tensor").tensor(name, shape=shape, dtype=str(dtype)))


class PytensorRun(PeerRun):
    """A compiled function of x, the parameters and the seeds, whose rows are tangents or cotangents."""

    def compile(self) -> None:
        dtype = self.network.dtype
        inputs: list[PytensorArray] = []

        def symbol(array: Array) -> PytensorArray:
            inputs.append(_symbol(f"z{len(inputs)}", array.shape, dtype))
            return inputs[-1]

        point, seed = self.example()
        x, theta = symbol(point), convert(symbol, self.parameters())
        y = self.network.function(x, theta, PytensorNamespace()).held
        made = self._derivative(y, inputs[self.argument].held, symbol)
        function = load("pytensor").function
        with warnings.catch_warnings():  # Numba's, on the layout of products that PyTensor has chosen
            warnings.simplefilter("ignore")
            self.function = function([one.held for one in inputs], made, mode="NUMBA", on_unused_input="ignore")
            self.function.trust_input = True  # the arrays of `bind` are of the right types
            self.function(*self._arguments(point, seed))

    def _derivative(self, y: Any, variables: Any, symbol: Callable[[Array], PytensorArray]) -> Any:
        gradient = load("pytensor.gradient")
        if self.operation == "value":
            return y
        if self.engine.mode == "reverse" and self.network.m == 1 and self.operation == "jacobian":
            return gradient.grad(y[0], variables, disconnected_inputs="ignore")[None]
        seeds = symbol(self._seeds(None, self.seeds)).held
        one = seeds.type.clone(shape=seeds.type.shape[1:])("seed")
        vectorise = functools.partial(load("pytensor.graph.replace").vectorize_graph, replace={one: seeds})
        if self.engine.mode == "forward":
            return vectorise(gradient.pushforward([y], [variables], [one])[0]).T
        return vectorise(gradient.pullback([y], [variables], [one])[0])

    def _seeds(self, seed: Array | None, count: int) -> Array:
        """Tangents or cotangents as rows; those of the identity for a Jacobian, any for the shape alone."""
        size = self.network.variables(self.wrt) if self.engine.mode == "forward" else self.network.m
        if seed is not None:
            rows = seed.T if self.engine.mode == "forward" else seed
        else:
            rows = np.eye(size) if self.operation == "jacobian" else np.ones((count, size))
        return np.array(rows, self.network.dtype, order="C")

    def _arguments(self, x: Array, seed: Array | None) -> list[Array]:
        arrays = [array.copy() for array in (x, *leaves(self.parameters()))]
        if len(arrays) < len(self.function.input_storage):
            arrays.append(self._seeds(seed, self.seeds))
        return arrays

    def bind(self, x: Array, seed: Array | None) -> Callable[[], Any]:
        return functools.partial(self.function, *self._arguments(x, seed))
