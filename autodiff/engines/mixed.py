"""Mixed mode: the cheapest bracketing of the chain, found by dynamic programming and run as planned.

Where the chain narrows in the middle neither forward nor reverse is good; the optimum pushes tangents here, pulls
cotangents there and multiplies what they give. Source: Naumann, Matrix-Free Jacobian Chaining, arXiv 2406.11862.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ClassVar

from ..arrays import as_size
from ..chain import bracket
from ..errors import LimitError
from ..machine.rates import predicted
from ..network import Network
from .base import Prepared
from .bracketed import write_plan
from .choice import Choice, Write
from .costs import chain_problem, layer_costs
from .forward import Forward
from .running import ProgramEngine, ProgramRun
from .writer import Writer


class Mixed(ProgramEngine):
    """``mixed``: forward, reverse or the optimal bracketing between them, whichever is predicted to be fastest.

    With respect to the parameters every product ``f_L' ... f_l'`` is part of the result, so there is nothing to
    bracket and the choice is between forward and reverse.

    Args:
        memory: bytes that the working arrays and the result may take together; no limit if left out.
    """

    name: ClassVar[str] = "mixed"
    operations: ClassVar[frozenset[str]] = frozenset({"jacobian", "gradient", "jvp", "vjp"})

    def __init__(self, memory: int | None = None) -> None:
        self.memory = None if memory is None else as_size(memory, "memory")

    def write(self, w: Writer) -> None:
        raise NotImplementedError("a mixed program is chosen among several, see build")

    def build(self, network: Network, wrt: str, operation: str, seeds: int) -> Prepared:
        choice = Choice(network, wrt, operation, seeds)
        best = self.running(choice, choice.best(self.executor))
        if self.memory is None or needed(best) <= self.memory:
            return best

        def run(write: Write) -> ProgramRun:
            return self.written(write, network, wrt, operation, seeds)

        candidates = [self.running(choice, one) for one in choice.known]
        return self._within(self.memory, network, wrt, operation, candidates, run)

    def running(self, choice: Choice, name: str) -> ProgramRun:
        """The run of one of the orders of a choice, by this engine's executor."""
        program = choice.program(name)
        return ProgramRun(self, choice.network, choice.wrt, choice.operation, choice.seeds, program)

    def evaluation(self, network: Network) -> Prepared:
        made = super().evaluation(network)
        if self.memory is not None and needed(made) > self.memory:
            raise _too_few(self.memory, network, needed(made))
        return made

    def _within(
        self,
        memory: int,
        network: Network,
        wrt: str,
        operation: str,
        candidates: list[ProgramRun],
        run: Callable[[Write], ProgramRun],
    ) -> Prepared:
        """The fastest run that keeps the limit: what there is, tighter brackets, then fewer tangents at a time."""
        candidates = list(candidates)
        if wrt == "input" and operation == "jacobian":
            costs = layer_costs(network)
            problem = chain_problem(network, costs)
            tape = sum(factor.memory for factor in problem.factors)
            while tape:
                tape //= 2
                plan = bracket(problem, memory_limit=tape)
                candidates.append(run(partial(write_plan, plan=plan, costs=costs)))
        if operation == "jacobian":
            chunk = network.variables(wrt)
            while chunk > 1 and needed(candidates[-1]) > memory:
                chunk = (chunk + 1) // 2
                candidates.append(run(Forward(chunk).write))
        fitting = [one for one in candidates if needed(one) <= memory]
        if not fitting:
            raise _too_few(memory, network, min(needed(one) for one in candidates))
        return min(fitting, key=self.predicted)

    def predicted(self, run: Prepared) -> float:
        """Seconds that a run should take by this executor."""
        assert isinstance(run, ProgramRun)
        return predicted(self.executor, run.program)


def _too_few(memory: int, network: Network, least: int) -> LimitError:
    return LimitError(f"{memory:,} bytes are too few; {network.name} needs at least {least:,}")


def needed(run: Prepared) -> int:
    """Bytes of the working arrays and the result."""
    return run.nbytes + run.result_nbytes
