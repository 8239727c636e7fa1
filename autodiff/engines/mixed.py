"""Mixed mode: the cheapest bracketing of the chain, found by dynamic programming and run as planned.

Where the chain narrows in the middle neither forward nor reverse is good; the optimum pushes tangents here, pulls
cotangents there and multiplies what they give. Source: Naumann, Matrix-Free Jacobian Chaining, arXiv 2406.11862.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from ..arrays import Array
from ..chain import Plan, bracket
from ..errors import InputError, LimitError
from ..layers.base import Derivative
from ..machine.rates import TYPICAL
from ..network import Network
from .base import Engine, Prepared
from .explicit import DenseJacobian, ExplicitForward, ExplicitReverse
from .forward import Forward
from .program import Program
from .reverse import Reverse

WORTH = 0.95  #: of the time of forward or reverse that a bracketing must be predicted to take to be worth its steps


class MixedRun(Prepared):
    """A bracketing, run step by step over one block of memory laid out by lifetimes."""

    def __init__(self, network: Network, chain: Sequence[Derivative], plan: Plan) -> None:
        super().__init__(network, "input", "jacobian", 1)
        self.plan = plan
        self.program = Program(chain, plan)
        self.nbytes = self.program.elements * network.dtype.itemsize
        self.work = self.program.work

    def allocate(self) -> None:
        self.program.allocate(self.network.dtype)

    def _run(self, x: Array, seed: Array | None, out: Array) -> None:
        self.program.run(x, out)


class Mixed(Engine):
    """``mixed``: forward, reverse or the optimal bracketing between them, whichever is predicted to be fastest.

    With respect to the parameters every product ``f_L' ... f_l'`` is part of the result, so there is nothing to
    bracket and the choice is between forward and reverse.

    Args:
        memory: bytes that the working arrays and the result may take together; no limit if left out.
    """

    name: ClassVar[str] = "mixed"
    operations: ClassVar[frozenset[str]] = frozenset({"jacobian", "gradient", "jvp", "vjp"})

    def __init__(self, memory: int | None = None) -> None:
        if memory is not None and memory < 1:
            raise InputError(f"memory is {memory}; expected at least 1 byte")
        self.memory = memory

    def build(self, network: Network, wrt: str, operation: str, seeds: int) -> Prepared:
        if operation in ("jvp", "vjp"):
            one: Engine = Forward() if operation == "jvp" else Reverse()
            return one.build(network, wrt, operation, seeds)
        candidates = [Forward().build(network, wrt, operation, seeds), Reverse().build(network, wrt, operation, seeds)]
        best = min(candidates, key=predicted)
        if wrt == "input":
            planned = MixedRun(network, network.derivatives(), bracket(network.chain_problem()))
            candidates.append(planned)
            if predicted(planned) < WORTH * predicted(best):
                best = planned
        return best if self.memory is None else self._within(best, candidates, network, wrt)

    def _within(self, best: Prepared, candidates: list[Prepared], network: Network, wrt: str) -> Prepared:
        """The fastest run that keeps the limit: the best one, tighter brackets, then fewer tangents at a time."""
        assert self.memory is not None
        if needed(best) <= self.memory:
            return best
        problem = network.chain_problem()
        tape = sum(factor.memory for factor in problem.factors)
        while wrt == "input" and tape:
            tape //= 2
            candidates.append(MixedRun(network, network.derivatives(), bracket(problem, memory_limit=tape)))
        chunk = network.variables(wrt)
        while chunk > 1 and needed(candidates[-1]) > self.memory:
            chunk = (chunk + 1) // 2
            candidates.append(Forward(chunk).build(network, wrt, "jacobian", 1))
        fitting = [one for one in candidates if needed(one) <= self.memory]
        if not fitting:
            least = min(needed(one) for one in candidates)
            raise LimitError(f"{self.memory:,} bytes are too few; {network.name} needs at least {least:,}")
        return min(fitting, key=predicted)


class ExplicitOptimal(Engine):
    """``explicit-optimal``: dense Jacobians multiplied in the order of the classical matrix chain problem.

    Source: Cormen et al., Introduction to Algorithms, section 15.2.
    """

    name: ClassVar[str] = "explicit-optimal"

    def build(self, network: Network, wrt: str, operation: str, seeds: int) -> Prepared:
        if wrt == "params":
            both = [engine.build(network, wrt, operation, seeds) for engine in (ExplicitForward(), ExplicitReverse())]
            return min(both, key=lambda run: run.work.fma)
        chain = [DenseJacobian(derivative) for derivative in network.derivatives()]
        return MixedRun(network, chain, bracket(network.chain_problem(), matrix_free=False))


def predicted(run: Prepared) -> float:
    """Seconds on a typical machine: only their order matters here."""
    return TYPICAL.predict(run.work)


def needed(run: Prepared) -> int:
    """Bytes of the working arrays and the result."""
    return run.nbytes + run.result_nbytes
