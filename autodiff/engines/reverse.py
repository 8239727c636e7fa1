"""Reverse mode, backpropagation: vector-Jacobian products, left to right, all cotangents as one matrix.

``((f_L' f_{L-1}') ... ) f_1'``: the primal goes first and leaves what the way back needs, so the memory grows with
the depth. Source: Griewank & Walther, Evaluating Derivatives (2nd ed., SIAM 2008), section 3.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from ..arrays import as_size
from ..linear.linearize import Linear
from ..linear.terms import Terms
from ..network import Network
from ..program.value import Value
from .blocks import DENSE, STRUCTURED, as_seeds, default_chunk, dense_identity, in_blocks
from .running import ProgramEngine
from .writer import Writer


class Reverse(ProgramEngine):
    """``reverse``: the Jacobian row-wise, or a vjp.

    The last layer's derivative is where the product starts; the identity is not multiplied.

    Args:
        chunk: pull at most so many cotangents at a time; left out, what suits the cache.
        seeds: "structured", or "dense": the identity is an array and every layer multiplies it, as packages do that
            pull the rows of one (``jax.jacrev``); what is measured then is the order alone.

    Raises:
        InputError: no such seeds, or a chunk below 1.
    """

    name: ClassVar[str] = "reverse"
    mode: ClassVar[str] = "reverse"
    operations: ClassVar[frozenset[str]] = frozenset({"jacobian", "gradient", "vjp"})

    def __init__(self, chunk: int | None = None, seeds: str = STRUCTURED) -> None:
        self.chunk = None if chunk is None else as_size(chunk, "chunk")
        self.dense = as_seeds(seeds) == DENSE

    def supports(self, network: Network, wrt: str = "input", operation: str = "jacobian") -> str:
        if operation == "jvp":
            return f"{self.name} pulls cotangents and would need the whole Jacobian for a jvp; use forward"
        return super().supports(network, wrt, operation)

    def write(self, w: Writer) -> None:
        w.b.seeds_lead = True
        y, maps = w.linear_maps()
        w.keep(y)
        if w.seed is not None:
            pull(w, maps, w.dense_seeds(w.seed, False, (w.network.m,)))
            return
        m = w.network.m
        chunk = min(self.chunk or default_chunk(w.network), m)

        def block(start: int, size: int, step: int = 0) -> None:
            pull(w, maps, self._seeds(w, start, size, step), w.block(0, start, size, step))

        if chunk < m:
            in_blocks(w, m, chunk, block)
        else:
            pull(w, maps, self._seeds(w, 0, m, 0))

    def _seeds(self, w: Writer, start: int, size: int, step: int) -> Terms:
        if not self.dense:
            return w.output_seeds(start, size, step)
        return w.dense_seeds(dense_identity(w, w.network.m, False, start, size, step), False, (w.network.m,))


def pull(w: Writer, maps: Sequence[Linear], U: Terms, target: Value | None = None) -> None:
    """``((U f_L') ... ) f_1'`` into the target; of the parameters, each layer's as soon as it is known."""
    lowest = w.lowest
    for number in range(w.depth - 1, lowest - 1, -1):
        U, own = maps[number].pull(U, w.wrt == "input" or number > lowest, w.wrt == "params")
        if w.wrt == "params":
            w.param_rows(own, number, target)
    if w.wrt == "input":
        w.rows(U, target)
