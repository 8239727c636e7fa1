"""Forward mode: Jacobian-vector products, right to left, all tangents as one matrix.

``f_L'( ... (f_2' f_1'))``: a tangent travels with the primal, so nothing has to be kept and the memory does not
depend on the depth. Source: Griewank & Walther, Evaluating Derivatives (2nd ed., SIAM 2008), section 3.1.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ..arrays import as_size
from ..linear.linearize import Linear
from ..linear.terms import Terms
from ..network import Network
from ..program.views import View
from .blocks import default_chunk
from .running import ProgramEngine
from .writer import Writer


class Forward(ProgramEngine):
    """``forward``: the Jacobian column-wise, or a jvp.

    The structure of the seeds is kept for as long as it lasts: the first layer's derivative is where the product
    starts, and what is pushed for the weights W of W x are its rows, one tangent a unit.

    Args:
        chunk: push at most so many tangents at a time. With respect to the parameters they are then dense columns of
            the identity, so that every parameter costs a tangent of its own. Left out: input tangents go in blocks
            that suit the cache.
    """

    name: ClassVar[str] = "forward"
    mode: ClassVar[str] = "forward"
    operations: ClassVar[frozenset[str]] = frozenset({"jacobian", "gradient", "jvp"})

    def __init__(self, chunk: int | None = None) -> None:
        self.chunk = None if chunk is None else as_size(chunk, "chunk")

    def supports(self, network: Network, wrt: str = "input", operation: str = "jacobian") -> str:
        if operation == "vjp":
            return f"{self.name} pushes tangents and would need the whole Jacobian for a vjp; use reverse"
        return super().supports(network, wrt, operation)

    def write(self, w: Writer) -> None:
        if w.operation == "jvp":
            assert w.seed is not None
            if w.wrt == "input":
                self._push(w, w.dense_seeds(w.seed, True, (w.network.n,)))
            else:
                self._push_params(w)
        elif w.wrt == "input":
            chunk = self.chunk or default_chunk(w.network)
            if chunk < w.network.n:
                push_blocks(w, chunk)
            else:
                self._push(w, w.input_seeds())
        elif self.chunk:
            push_param_blocks(w, min(self.chunk, w.shape[1]))
        else:
            self._push_params(w)

    def _push(self, w: Writer, V: Terms) -> None:
        x = w.x
        for number in range(w.depth):
            x, J = w.linearize(number, x)
            V = J.push(V)
        w.keep(x)
        w.columns(V)

    def _push_params(self, w: Writer) -> None:
        """Every layer adds its own parameters' tangents to those of the layers before it."""
        x = w.x
        V: Terms = []
        for number in range(w.depth):
            x, J = w.linearize(number, x)
            V = J.push(V, w.param_seeds(number) if w.seed is None else w.dense_param_seeds(number, w.seed))
        w.keep(x)
        w.columns(V)


def push_blocks(w: Writer, chunk: int) -> None:
    """Input tangents, ``chunk`` at a time, over one evaluation of f."""
    y, maps = w.linear_maps()
    w.keep(y)

    def push(start: int, size: int, step: int = 0) -> None:
        V = w.input_seeds(start, size, step)
        for J in maps:
            V = J.push(V)
        w.columns(V, w.block(1, start, size, step))

    full, rest = divmod(w.network.n, chunk)
    with w.b.loop(full):
        push(0, chunk, chunk)
    if rest:
        push(full * chunk, rest)


def push_param_blocks(w: Writer, chunk: int) -> None:
    """Parameter tangents, ``chunk`` dense columns of the identity at a time, over one evaluation of f."""
    y, maps = w.linear_maps()
    w.keep(y)
    b, p = w.b, w.network.params.size
    full, rest = divmod(p, chunk)
    with b.loop(full):
        _push_dense(w, maps, 0, chunk, chunk)
    if rest:
        _push_dense(w, maps, full * chunk, rest, 0)


def _push_dense(w: Writer, maps: list[Linear], start: int, size: int, step: int) -> None:
    b, p = w.b, w.network.params.size
    seeds = b.new((p, size), fresh=True)
    b.write(np.positive, [b.lift(0.0)], seeds)
    ones = b.look(seeds, View((size,), (size + 1,), start * size))
    ones.step = step * size
    b.write(np.positive, [b.lift(1.0)], ones)
    V: Terms = []
    for number, J in enumerate(maps):
        V = J.push(V, w.dense_param_seeds(number, seeds))
    w.columns(V, w.block(1, start, size, step))
