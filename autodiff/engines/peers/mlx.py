"""MLX: ``mx.jvp`` and ``mx.vjp`` under ``mx.vmap`` and ``mx.compile``, on the CPU.

MLX is lazy: a run ends with ``mx.eval``, which computes. Source: MLX documentation, "Function Transforms" and
"Compilation".
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from ...arrays import Array
from ...layers import Layer
from ...namespaces import load
from ...namespaces.mlx import MlxNamespace
from ...network import Network
from .peer import Peer, PeerRun, convert


class _Mlx(Peer):
    family = "mlx"
    package: ClassVar[str] = "mlx"
    extra: ClassVar[str] = "mlx"
    title: ClassVar[str] = "MLX"
    minimum: ClassVar[str] = "0.29"

    def load(self) -> None:
        core = load("mlx.core")
        core.set_default_device(core.cpu)

    def output_shape(self, layer: Layer, dtype: np.dtype[Any]) -> tuple[int, ...]:
        core = load("mlx.core")
        theta = tuple(core.array(array, dtype=_dtype(core, dtype)) for array in layer.params)
        traced = core.compile(lambda x: layer.function(x, theta, MlxNamespace()))  # refuses to look at values
        return tuple(traced(core.ones(layer.n, _dtype(core, dtype))).shape)  # of what would be computed, and is not

    def build(self, network: Network, wrt: str, operation: str, seeds: int) -> PeerRun:
        return MlxRun(self, network, wrt, operation, seeds)


class MlxForward(_Mlx):
    """``mlx-forward``: ``mx.vmap`` of ``mx.jvp``."""

    name: ClassVar[str] = "mlx-forward"
    mode: ClassVar[str] = "forward"
    operations: ClassVar[frozenset[str]] = frozenset({"jacobian", "gradient", "jvp"})


class MlxReverse(_Mlx):
    """``mlx-reverse``: ``mx.vmap`` of ``mx.vjp``, and ``mx.grad`` for one output."""

    name: ClassVar[str] = "mlx-reverse"
    mode: ClassVar[str] = "reverse"
    operations: ClassVar[frozenset[str]] = frozenset({"jacobian", "gradient", "vjp"})


class MlxRun(PeerRun):
    """One compiled function of x, the parameters and the seed."""

    def compile(self) -> None:
        self.engine.load()
        self.core = core = load("mlx.core")
        self.f = functools.partial(self.network.function, xp=MlxNamespace())
        self.compiled = core.compile(self._derivative())
        core.eval(self.compiled(*self._arguments(*self.example())))

    def _derivative(self) -> Callable[..., Any]:
        core, one_output = self.core, self.network.m == 1
        if self.operation == "value":
            return self.f
        if self.engine.mode == "forward":
            return self._pushed
        if self.operation == "jacobian" and one_output:
            gradient = core.grad(self.first_output, self.argument)
            return lambda x, theta, seeds: gradient(x, theta)[None]
        return self._pulled

    def _pushed(self, x: Any, theta: Any, V: Any) -> Any:
        """``f' V``, a column for every column of V."""
        f, z = self.along(x, theta)
        return self.core.vmap(lambda v: self.core.jvp(lambda one: [f(one)], [z], [v])[1][0], in_axes=1, out_axes=1)(V)

    def _pulled(self, x: Any, theta: Any, U: Any) -> Any:
        """``U f'``, a row for every row of U."""
        f, z = self.along(x, theta)
        return self.core.vmap(lambda u: self.core.vjp(lambda one: [f(one)], [z], [u])[1][0])(U)

    def _arguments(self, x: Array, seed: Array | None) -> list[Any]:
        arrays = [x, self.parameters()]
        if self.operation == "jacobian":  # its rows or columns are those of the identity
            forward = self.engine.mode == "forward"
            arrays.append(np.eye(self.network.variables(self.wrt) if forward else self.network.m, dtype=x.dtype))
        elif seed is not None:
            arrays.append(seed)
        dtype = _dtype(self.core, self.network.dtype)
        return [convert(lambda one: self.core.array(one, dtype=dtype), array) for array in arrays]

    def bind(self, x: Array, seed: Array | None) -> Callable[[], Any]:
        compiled, arguments, evaluate = self.compiled, self._arguments(x, seed), self.core.eval
        evaluate(arguments)

        def run() -> Any:
            found = compiled(*arguments)
            evaluate(found)
            return found

        return run

    def to_numpy(self, result: Any) -> Any:
        return np.array(result)


def _dtype(core: Any, dtype: np.dtype[Any]) -> Any:
    return core.float64 if dtype == np.float64 else core.float32
