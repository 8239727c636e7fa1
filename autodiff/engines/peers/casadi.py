"""CasADi: a symbolic graph of matrices, differentiated symbolically and evaluated through preallocated buffers.

The weight between the modes is CasADi's own: ``ad_weight`` 0 is forward, 1 is reverse, and left alone CasADi
chooses. Its documentation advises MX for matrix operations, SX (by ``expand``) for small scalar ones, and
``Function.buffer`` for evaluation without overhead.
Source: Andersson et al., CasADi: a software framework for nonlinear optimization and optimal control, Mathematical
Programming Computation 11 (2019); CasADi documentation, sections 3 and 4.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from ...arrays import Array
from ...errors import UnsupportedError
from ...layers import Layer
from ...namespaces import load
from ...namespaces.casadi import CasadiNamespace
from ...namespaces.casadi_arrays import CasadiArray, held_shape
from ...network import Network
from .peer import Peer, PeerRun, convert, leaves

EXPAND_BELOW = 1000  #: multiply-adds; measured: scalars take 0.4 of the matrices' time at 200, as long at 2000


class _Casadi(Peer):
    family = "casadi"
    package: ClassVar[str] = "casadi"
    title: ClassVar[str] = "CasADi"
    minimum: ClassVar[str] = "3.6.7"
    weight: ClassVar[float | None] = None  #: of reverse against forward mode

    def supports(self, network: Network, wrt: str = "input", operation: str = "jacobian") -> str:
        return super().supports(network, wrt, operation) or self._lacks_precision(network)

    def _lacks_precision(self, network: Network) -> str:
        if network.dtype == np.float64:
            return ""
        return f"CasADi computes in double precision only, {network.name} is {network.dtype}; network.astype('float64')"

    def output_shape(self, layer: Layer, dtype: np.dtype[Any]) -> tuple[int, ...]:
        def symbol(shape: tuple[int, ...]) -> CasadiArray:
            return CasadiArray(load("casadi").MX.sym("z", *held_shape(shape)), shape)

        theta = tuple(symbol(array.shape) for array in layer.params)
        made: CasadiArray = layer.function(symbol((layer.n,)), theta, CasadiNamespace())
        return made.shape

    def build(self, network: Network, wrt: str, operation: str, seeds: int) -> PeerRun:
        reason = self._lacks_precision(network)
        if reason:  # the network was converted after supports was asked
            raise UnsupportedError(reason)
        return CasadiRun(self, network, wrt, operation, seeds)


class CasadiForward(_Casadi):
    """``casadi-forward``: ``casadi.jacobian`` with ``ad_weight`` 0."""

    name: ClassVar[str] = "casadi-forward"
    mode: ClassVar[str] = "forward"
    operations: ClassVar[frozenset[str]] = frozenset({"jacobian", "gradient", "jvp"})
    weight: ClassVar[float | None] = 0.0


class CasadiReverse(_Casadi):
    """``casadi-reverse``: ``casadi.jacobian`` with ``ad_weight`` 1."""

    name: ClassVar[str] = "casadi-reverse"
    mode: ClassVar[str] = "reverse"
    operations: ClassVar[frozenset[str]] = frozenset({"jacobian", "gradient", "vjp"})
    weight: ClassVar[float | None] = 1.0


class CasadiAuto(_Casadi):
    """``casadi-auto``: ``casadi.jacobian``, which weighs the modes by itself."""

    name: ClassVar[str] = "casadi-auto"


class CasadiRun(PeerRun):
    """A ``casadi.Function`` of x, the parameters and the seed.

    CasADi stores matrices by columns: a Jacobian and a jvp come out as views of the transposed array, a vjp is
    asked for as its transpose and needs none.
    """

    engine: _Casadi

    def compile(self) -> None:
        casadi, directions = load("casadi"), self._directions()
        inputs: list[Any] = []

        def symbol(array: Array) -> CasadiArray:
            inputs.append(casadi.MX.sym(f"z{len(inputs)}", *held_shape(array.shape)))
            return CasadiArray(inputs[-1], array.shape)

        point, direction = self.example()
        x, theta = symbol(point), convert(symbol, self.parameters())
        variables = inputs[self.argument]
        y = self.network.function(x, theta, CasadiNamespace(single=directions == 1)).held
        if self.operation == "value":
            made = y
        elif self.operation == "jacobian":
            weight = self.engine.weight
            made = casadi.jacobian(y, variables, {} if weight is None else {"helper_options": {"ad_weight": weight}})
        else:
            assert direction is not None
            seed = symbol(self._stored(direction))
            made = casadi.jtimes(y, variables, seed.held, self.operation == "vjp")
        self.function = casadi.Function("derivative", inputs, [casadi.densify(made)])
        sizes = self.network.params.size + sum(layer.m for layer in self.network.layers)
        if sizes * directions < EXPAND_BELOW:
            self.function = self.function.expand()

    def _directions(self) -> int:
        """How many vectors go through the network."""
        if self.operation != "jacobian":
            return self.seeds
        forward, reverse = self.network.variables(self.wrt), self.network.m
        return {"forward": forward, "reverse": reverse}.get(self.engine.mode, min(forward, reverse))

    def _stored(self, seed: Array) -> Array:
        """A seed as CasADi stores it, by columns: V (n, k) turned, U (k, m) as the transpose (m, k) that it is."""
        return (seed.T if self.operation == "jvp" else seed).copy(order="C")

    def bind(self, x: Array, seed: Array | None) -> Callable[[], Any]:
        arrays = [array.copy() for array in (x, *leaves(self.parameters()))]
        if seed is not None:
            arrays.append(self._stored(seed))
        stored = np.empty(self.shape if self.operation in ("vjp", "value") else self.shape[::-1])
        result = stored if self.operation in ("vjp", "value") else stored.T
        buffer, evaluate = self.function.buffer()
        for index, array in enumerate(arrays):
            buffer.set_arg(index, array.data)
        buffer.set_res(0, stored.data)
        return functools.partial(_evaluate, evaluate, result, buffer, arrays)


def _evaluate(evaluate: Callable[[], object], result: Array, *alive: object) -> Array:
    """Fill and return the result; CasADi keeps bare addresses of its buffer and arrays, so they are kept here."""
    evaluate()
    return result
