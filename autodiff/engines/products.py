"""The matrix products that a jvp or a vjp cannot do without, and nothing else: what the BLAS alone takes."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ..layers import Dense
from ..network import Network
from .running import ProgramEngine
from .writer import Writer


def linear_part(network: Network) -> Network:
    """The network without activations and biases, whose Jacobian is ``W_L ... W_1``; itself if layers are not dense."""
    if not all(isinstance(layer, Dense) for layer in network.layers):
        return network
    return Network([Dense(layer.params[0]) for layer in network.layers], name=network.name)


class Products(ProgramEngine):
    """``W_L ( ... (W_1 V))`` for tangents V (n, k), ``((U W_L) ... ) W_1`` for cotangents U (k, m).

    For a network of dense layers without activations: for one seed matrix-vector products, for few thin ones, for
    many square ones. It is not registered, since it differentiates no other network.
    """

    name: ClassVar[str] = "products"
    operations: ClassVar[frozenset[str]] = frozenset({"jvp", "vjp"})

    def supports(self, network: Network, wrt: str = "input", operation: str = "jacobian") -> str:
        """Empty for a chain of matrices, differentiated with respect to its input."""
        bare = all(isinstance(one, Dense) and one.activation == "identity" for one in network.layers)
        if not bare or wrt != "input":
            return "only the derivative of dense layers with respect to the input is nothing but products of matrices"
        return super().supports(network, wrt, operation)

    def write(self, w: Writer) -> None:
        assert w.seed is not None
        b, seeds = w.b, w.seed
        columns = w.operation == "jvp"
        layers = w.network.layers if columns else w.network.layers[::-1]
        for number, layer in enumerate(layers):
            W = b.fixed(layer.params[0], w.network.params)
            shape = (layer.m, seeds.shape[1]) if columns else (seeds.shape[0], layer.n)
            out = w.result if number == w.depth - 1 else b.new(shape)
            b.emit("matmul", np.matmul, (W, seeds) if columns else (seeds, W), out)
            seeds = out
