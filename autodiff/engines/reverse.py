"""Reverse mode, backpropagation: vector-Jacobian products, left to right, all cotangents as one matrix.

``((f_L' f_{L-1}') ... ) f_1'``: the primal goes first and leaves its residuals, the cotangents come back over
them, so the memory grows with the depth. The last layer's derivative is where the product starts.
Source: Griewank & Walther, Evaluating Derivatives (2nd ed., SIAM 2008), section 3.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from ..arrays import Array
from ..layers.base import Derivative
from ..network import Network
from .base import Engine, Prepared, chain_work
from .blocks import ReverseBlocks, check_chunk, default_chunk
from .memory import ChainMemory, PingPong
from .pulling import pull


class Reverse(Engine):
    """``reverse``: the Jacobian row-wise, or a vjp.

    Args:
        chunk: at most so many cotangents at a time; left out, what suits the cache.
    """

    name: ClassVar[str] = "reverse"
    mode: ClassVar[str] = "reverse"
    operations: ClassVar[frozenset[str]] = frozenset({"jacobian", "gradient", "vjp"})
    blocked: ClassVar[bool] = True  #: cotangents go in blocks that suit the cache unless a chunk is given

    def __init__(self, chunk: int | None = None) -> None:
        check_chunk(chunk)
        self.chunk = chunk

    def supports(self, network: Network, wrt: str = "input", operation: str = "jacobian") -> str:
        if operation == "jvp":
            return f"{self.name} pulls cotangents and would need the whole Jacobian for a jvp; use forward"
        return super().supports(network, wrt, operation)

    def build(self, network: Network, wrt: str, operation: str, seeds: int) -> Prepared:
        chain = self.chain(network)
        chunk = self.chunk or (default_chunk(chain[:-1], "vjp") if self.blocked else None)
        if chunk and operation == "jacobian" and chunk < network.m:
            return ReverseBlocks(network, chain, wrt, chunk)
        return ReverseRun(network, chain, wrt, operation, seeds)

    def chain(self, network: Network) -> Sequence[Derivative]:
        """The linear maps that are multiplied."""
        return network.derivatives()


class ReverseRun(Prepared):
    """One pass up that keeps residuals, one pass down that pulls the cotangents through.

    With respect to the parameters every layer on the way down also gives ``U df_l/dtheta_l``, written straight into
    its columns of the result, and the pass ends at the first layer that has parameters.
    """

    def __init__(self, network: Network, chain: Sequence[Derivative], wrt: str, operation: str, seeds: int) -> None:
        super().__init__(network, wrt, operation, seeds)
        self.chain = chain
        rows = seeds if operation == "vjp" else network.m
        to_input = wrt == "input"
        self.memory = ChainMemory(chain, keep_primal=not to_input, keep_residuals=True, cotangents=rows, tangents=0)
        self.lowest = 0 if to_input else next(i for i, d in enumerate(chain) if d.parameters)
        self.down = list(range(len(chain) - 1, self.lowest - 1, -1))
        shapes = [(rows, chain[i].shape[1]) for i in self.down]
        inplace = [chain[i].inplace for i in self.down]
        if not to_input:  # the lowest layer gives only parameter cotangents
            shapes, inplace = shapes[:-1], inplace[:-1]
        self.buffers = PingPong(shapes, inplace, network.dtype, into_result=to_input)
        self.nbytes = self.memory.nbytes + self.buffers.nbytes
        self.work = chain_work(self._operations(rows))

    def _operations(self, rows: int) -> list[tuple[Derivative, str, int]]:
        """What one run does, for the counting."""
        done: list[tuple[Derivative, str, int]] = [(d, "at", 1) for d in self.chain]
        for index in self.down:
            d = self.chain[index]
            first = index == len(self.chain) - 1 and self.operation == "jacobian"
            to_params, to_input = self.wrt == "params" and d.parameters, self.wrt == "input" or index > self.lowest
            if first:
                done += [(d, name, 1) for name, wanted in (("dense_params", to_params), ("dense", to_input)) if wanted]
            else:
                both = "vjp_both" if to_params and to_input else "vjp_params" if to_params else "vjp"
                done.append((d, both, rows))
        return done

    def allocate(self) -> None:
        self.memory.allocate()
        targets = self.buffers.allocate()
        if self.wrt == "input":
            self.steps = [(self.chain[i], target) for i, target in zip(self.down, targets, strict=True)]
        else:
            slices = self.network.slices
            self.param_steps = [
                (self.chain[i], target, slices[i]) for i, target in zip(self.down, [*targets, None], strict=True)
            ]

    def _run(self, x: Array, seed: Array | None, out: Array) -> None:
        for derivative in self.chain:
            x = derivative.at(x)
        if self.wrt == "input":
            self._pull_to_input(seed, out)
        else:
            self._pull_to_parameters(seed, out)

    def _pull_to_input(self, U: Array | None, out: Array) -> None:
        for derivative, buffer in self.steps:
            target = out if buffer is None else buffer
            U = derivative.dense(target) if U is None else derivative.vjp(U, target)

    def _pull_to_parameters(self, U: Array | None, out: Array) -> None:
        for derivative, target, part in self.param_steps:
            U = pull(derivative, U, target, out[:, part] if derivative.parameters else None)
