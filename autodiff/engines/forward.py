"""Forward mode: Jacobian-vector products, right to left, all tangents as one matrix.

``f_L'( ... (f_2' f_1'))``: a tangent travels with the primal, so nothing has to be kept and the memory does not
depend on the depth. The first layer's derivative is where the product starts; no identity is multiplied.
Source: Griewank & Walther, Evaluating Derivatives (2nd ed., SIAM 2008), section 3.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from ..arrays import Array
from ..layers.base import Derivative
from ..network import Network
from .base import Engine, Prepared, chain_work
from .blocks import ForwardBlocks, check_chunk, default_chunk
from .memory import ChainMemory, PingPong


class Forward(Engine):
    """``forward``: the Jacobian column-wise, or a jvp.

    Args:
        chunk: at most so many tangents at a time; left out, what suits the cache.
    """

    name: ClassVar[str] = "forward"
    mode: ClassVar[str] = "forward"
    operations: ClassVar[frozenset[str]] = frozenset({"jacobian", "gradient", "jvp"})
    blocked: ClassVar[bool] = True  #: tangents go in blocks that suit the cache unless a chunk is given

    def __init__(self, chunk: int | None = None) -> None:
        check_chunk(chunk)
        self.chunk = chunk

    def supports(self, network: Network, wrt: str = "input", operation: str = "jacobian") -> str:
        if operation == "vjp":
            return f"{self.name} pushes tangents and would need the whole Jacobian for a vjp; use reverse"
        return super().supports(network, wrt, operation)

    def build(self, network: Network, wrt: str, operation: str, seeds: int) -> Prepared:
        chain = self.chain(network)
        chunk = self.chunk or (default_chunk(chain[1:], "jvp") if self.blocked else None)
        if chunk and operation == "jacobian" and chunk < network.variables(wrt):
            return ForwardBlocks(network, chain, wrt, chunk)
        return ForwardRun(network, chain, wrt, operation, seeds)

    def chain(self, network: Network) -> Sequence[Derivative]:
        """The linear maps that are multiplied."""
        return network.derivatives()


class ForwardRun(Prepared):
    """One pass from the input side: each layer is evaluated, then its tangents are pushed through.

    With respect to the parameters, layer l's tangent matrix has a column for every parameter up to layer l: the
    earlier ones are pushed through f_l', the layer's own are df_l/dtheta_l.
    """

    def __init__(self, network: Network, chain: Sequence[Derivative], wrt: str, operation: str, seeds: int) -> None:
        super().__init__(network, wrt, operation, seeds)
        self.chain = chain
        columns = [part.stop for part in network.slices]
        if operation == "jvp":
            columns = [seeds] * len(chain)
        elif wrt == "input":
            columns = [network.n] * len(chain)
        self.columns = columns
        self.memory = ChainMemory(chain, keep_primal=False, keep_residuals=False, tangents=max(columns))
        shapes = [(d.shape[0], k) for d, k in zip(chain, columns, strict=True)]
        inplace = [d.inplace and not d.parameters for d in chain]
        self.buffers = PingPong(shapes, inplace, network.dtype)
        with_params = [d.shape[0] * seeds for d in chain if d.parameters]
        self.extra_size = max(with_params) if wrt == "params" and operation == "jvp" else 0
        self.nbytes = self.memory.nbytes + self.buffers.nbytes + self.extra_size * network.dtype.itemsize
        self.work = chain_work(self._operations())

    def _operations(self) -> list[tuple[Derivative, str, int]]:
        """What one run does, for the counting."""
        done: list[tuple[Derivative, str, int]] = [(d, "at", 1) for d in self.chain]
        pushed = 0
        for index, (d, k) in enumerate(zip(self.chain, self.columns, strict=True)):
            if self.wrt == "input":
                first = index == 0 and self.operation == "jacobian"
                done.append((d, "dense", 1) if first else (d, "jvp", k))
                continue
            if pushed:
                done.append((d, "jvp", pushed))
            if d.parameters:
                done.append((d, "jvp_params", k) if self.operation == "jvp" else (d, "dense_params", 1))
            pushed = k if d.parameters or pushed else 0
        return done

    def allocate(self) -> None:
        self.memory.allocate()
        self.targets = self.buffers.allocate()
        self.extra = np.empty(self.extra_size, self.network.dtype)

    def _run(self, x: Array, seed: Array | None, out: Array) -> None:
        if self.wrt == "input":
            self._push_inputs(x, seed, out)
        elif seed is None:
            self._push_all_parameters(x, out)
        else:
            self._push_parameter_tangents(x, seed, out)

    def _push_inputs(self, x: Array, V: Array | None, out: Array) -> None:
        for derivative, buffer in zip(self.chain, self.targets, strict=True):
            x = derivative.at(x)
            target = out if buffer is None else buffer
            V = derivative.dense(target) if V is None else derivative.jvp(V, target)

    def _push_all_parameters(self, x: Array, out: Array) -> None:
        V, pushed = out, 0
        for derivative, buffer, columns in zip(self.chain, self.targets, self.columns, strict=True):
            x = derivative.at(x)
            target = out if buffer is None else buffer
            if pushed:
                derivative.jvp(V, target[:, :pushed])
            if derivative.parameters:
                derivative.dense_params(target[:, pushed:])
            V, pushed = target, columns

    def _push_parameter_tangents(self, x: Array, T: Array, out: Array) -> None:
        V: Array | None = None
        for derivative, buffer, part in zip(self.chain, self.targets, self.network.slices, strict=True):
            x = derivative.at(x)
            target = out if buffer is None else buffer
            if V is None and derivative.parameters:
                V = derivative.jvp_params(T[part], target)
            elif V is not None:
                V = derivative.jvp(V, target)
                if derivative.parameters:
                    extra = self.extra[: target.size].reshape(target.shape)
                    np.add(target, derivative.jvp_params(T[part], extra), out=target)
