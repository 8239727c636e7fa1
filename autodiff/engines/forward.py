"""Forward mode: Jacobian-vector products, right to left, all tangents as one matrix.

``f_L'( ... (f_2' f_1'))``: a tangent travels with the primal, so nothing has to be kept and the memory does not
depend on the depth. Source: Griewank & Walther, Evaluating Derivatives (2nd ed., SIAM 2008), section 3.1.
"""

from __future__ import annotations

from typing import ClassVar

from ..arrays import as_size
from ..linear.terms import Terms
from ..network import Network
from ..program.value import Value
from .blocks import DENSE, STRUCTURED, as_seeds, default_chunk, dense_identity, in_blocks
from .running import ProgramEngine
from .writer import Writer


class Forward(ProgramEngine):
    """``forward``: the Jacobian column-wise, or a jvp.

    The structure of the seeds is kept for as long as it lasts: the first layer's derivative is where the product
    starts, and what is pushed for the weights W of W x are its rows, one tangent a unit.

    Args:
        chunk: push at most so many tangents at a time. With respect to the parameters they are then dense columns of
            the identity, so that every parameter costs a tangent of its own. Left out: tangents go in blocks that
            suit the cache.
        seeds: "structured", or "dense": the identity is an array and every layer multiplies it, as packages do that
            push the columns of one (``jax.jacfwd``); what is measured then is the order alone.

    Raises:
        InputError: no such seeds, or a chunk below 1.
    """

    name: ClassVar[str] = "forward"
    mode: ClassVar[str] = "forward"
    operations: ClassVar[frozenset[str]] = frozenset({"jacobian", "gradient", "jvp"})

    def __init__(self, chunk: int | None = None, seeds: str = STRUCTURED) -> None:
        self.chunk = None if chunk is None else as_size(chunk, "chunk")
        self.dense = as_seeds(seeds) == DENSE

    def supports(self, network: Network, wrt: str = "input", operation: str = "jacobian") -> str:
        if operation == "vjp":
            return f"{self.name} pushes tangents and would need the whole Jacobian for a vjp; use reverse"
        return super().supports(network, wrt, operation)

    def write(self, w: Writer) -> None:
        if w.seed is not None:
            push_dense(w, w.seed)
            return
        chunk = min(self.chunk or default_chunk(w.network), w.shape[1])
        if self.dense or (self.chunk and w.wrt == "params"):
            push_dense_blocks(w, chunk)
        elif w.wrt == "params":
            push_params(w)
        elif chunk < w.network.n:
            push_blocks(w, chunk)
        else:
            push(w, w.input_seeds())


def push(w: Writer, V: Terms) -> None:
    """``f_L'( ... (f_1' V))`` into the result; each tangent travels with the primal."""
    x = w.x
    for number in range(w.depth):
        x, J = w.linearize(number, x)
        V = J.push(V)
    w.keep(x)
    w.columns(V)


def push_params(w: Writer, seeds: Value | None = None) -> None:
    """Every layer adds its own parameters' tangents to those of the layers before it: the identity's, or given ones."""
    x = w.x
    V: Terms = []
    for number in range(w.depth):
        x, J = w.linearize(number, x)
        V = J.push(V, w.param_seeds(number) if seeds is None else w.dense_param_seeds(number, seeds))
    w.keep(x)
    w.columns(V)


def push_dense(w: Writer, seeds: Value) -> None:
    """Tangents that are an array V (n, k)."""
    if w.wrt == "input":
        push(w, w.dense_seeds(seeds, True, (w.network.n,)))
    else:
        push_params(w, seeds)


def push_blocks(w: Writer, chunk: int) -> None:
    """Input tangents, ``chunk`` at a time, over one evaluation of f."""
    y, maps = w.linear_maps()
    w.keep(y)

    def block(start: int, size: int, step: int = 0) -> None:
        V = w.input_seeds(start, size, step)
        for J in maps:
            V = J.push(V)
        w.columns(V, w.block(1, start, size, step))

    in_blocks(w, w.network.n, chunk, block)


def push_dense_blocks(w: Writer, chunk: int) -> None:
    """``chunk`` dense columns of the identity at a time, of x or of all parameters, over one evaluation of f."""
    columns = w.shape[1]
    if chunk == columns:
        push_dense(w, dense_identity(w, columns, True, 0, columns, 0))
        return
    y, maps = w.linear_maps()
    w.keep(y)

    def block(start: int, size: int, step: int = 0) -> None:
        seeds = dense_identity(w, columns, True, start, size, step)
        V = w.dense_seeds(seeds, True, (columns,)) if w.wrt == "input" else []
        for number, J in enumerate(maps):
            V = J.push(V) if w.wrt == "input" else J.push(V, w.dense_param_seeds(number, seeds))
        w.columns(V, w.block(1, start, size, step))

    in_blocks(w, columns, chunk, block)
