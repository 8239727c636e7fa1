"""Mixed mode: the cheapest bracketing of the chain, found by dynamic programming and run as planned.

Where the chain narrows in the middle neither forward nor reverse is good; the optimum pushes tangents here, pulls
cotangents there and multiplies what they give. Source: Naumann, Matrix-Free Jacobian Chaining, arXiv 2406.11862.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

from ..arrays import as_size
from ..chain import Plan, Step, bracket
from ..errors import LimitError
from ..linear.evaluate import as_matrix
from ..linear.linearize import Linear
from ..linear.terms import Terms
from ..machine.rates import Rates, rates_for
from ..network import Network
from ..program.count import NOTHING, Work
from ..program.program import Program
from ..program.value import Value
from .base import Prepared
from .costs import LayerCost, chain_problem, layer_costs
from .explicit import ExplicitForward, ExplicitReverse, matrix_map
from .forward import Forward
from .reverse import Reverse
from .running import ProgramEngine, ProgramRun
from .writer import Writer, identity

WORTH = 0.95  #: of the time of forward or reverse that a bracketing must be predicted to take to be worth its steps
CLOSE = 1.2  #: times the least estimate within which an order is written out and counted exactly

Write = Callable[[Writer], None]


def turned(terms: Terms) -> Terms:
    """Columns as rows, rows as columns: the seeds and the variable change places."""
    return [replace(one, seed=one.axes[0], axes=(one.seed,)) for one in terms]


class _Bracketing:
    """The steps of a plan, each written when it comes; f is evaluated as far as they need it."""

    def __init__(self, w: Writer, matrices: bool) -> None:
        self.w, self.matrices = w, matrices
        self.x: Value = w.x
        self.maps: list[Linear] = []

    def map(self, number: int) -> Linear:
        while len(self.maps) <= number:
            self.x, J = self.w.linearize(len(self.maps), self.x)
            self.maps.append(J)
        return self.maps[number]

    def write(self, plan: Plan) -> Terms:
        made: dict[int, Terms] = {}
        for step in plan.steps():
            self.map(step.last)
            made[id(step)] = self.step(step, made)
        return made[id(plan.root)]

    def step(self, step: Step, made: dict[int, Terms]) -> Terms:
        """What a step gives, as columns: its seeds are the inputs of its first factor."""
        b = self.w.b
        b.seeds_lead = False
        if step.split is None:
            J = self.map(step.last)
            if step.kind == "cotangents":
                b.seeds_lead = True
                return turned(J.pull(identity(J.y.size))[0])
            found = J.push(identity(J.x.size))
            return [as_matrix(b, found)] if self.matrices and found else found
        if step.kind == "tangent":
            assert step.right is not None
            V = made[id(step.right)]
            for number in range(step.split + 1, step.last + 1):
                V = self.map(number).push(V)
            return V
        assert step.left is not None
        if step.kind == "multiply":
            assert step.right is not None
            b.layer = -1
            left = made[id(step.left)]
            return matrix_map(b, left).push(b, made[id(step.right)]) if left else []
        b.seeds_lead = True
        U = turned(made[id(step.left)])
        for number in range(step.split, step.first - 1, -1):
            U, _ = self.map(number).pull(U)
        return turned(U)


def write_plan(w: Writer, plan: Plan, matrices: bool = False) -> None:
    """A bracketing, step by step; ``matrices`` makes every factor a dense matrix first."""
    writing = _Bracketing(w, matrices)
    J = writing.write(plan)
    writing.map(w.depth - 1)
    w.keep(writing.x)
    w.columns(J)


class Choice:
    """The orders that one derivative can be computed in: "forward", "reverse" and, of a Jacobian, "mixed", the plan.

    Each is estimated from its layers' counts; such as are far off are not even written, none is written twice.

    Attributes:
        known: the programs that have been written, by order.
    """

    def __init__(self, network: Network, wrt: str, operation: str, seeds: int) -> None:
        self.network, self.wrt, self.operation, self.seeds = network, wrt, operation, seeds
        self.known: dict[str, Program] = {}
        self._work: dict[str, Work] = {}
        self._estimates: dict[str, Work] = {}
        self._writes: dict[str, Write] = {"forward": Forward().write, "reverse": Reverse().write}
        if operation in ("jvp", "vjp"):
            del self._writes["reverse" if operation == "jvp" else "forward"]
            return
        costs = layer_costs(network)
        if wrt == "params":
            self._estimates = {"forward": _least_forward_work(network, costs)}
        else:
            self._estimates = {"forward": _forward_work(network, costs), "reverse": _reverse_work(network, costs)}
            plan = bracket(chain_problem(network, costs))
            if plan.gain * WORTH >= 1:  # else by its counts it is no better than one of the two
                self._writes["mixed"] = lambda w: write_plan(w, plan)
                self._estimates["mixed"] = _plan_work(plan, costs)

    def program(self, name: str) -> Program:
        """An order's program."""
        if name not in self.known:
            w = Writer.of(self.network, self.wrt, self.operation, self.seeds)
            self._writes[name](w)
            self.known[name] = w.program()
        return self.known[name]

    def work(self, name: str) -> Work:
        """The exact counts of an order's program."""
        if name not in self._work:
            self._work[name] = self.program(name).work
        return self._work[name]

    def best(self, rates: Rates) -> str:
        """The order that should be fastest at these rates; a plan has to be worth its steps."""
        guesses = {name: rates.predict(work) for name, work in self._estimates.items()}
        if self.wrt == "params" and guesses:  # reverse is rarely far from the best, so it is written in any case
            near = ["reverse", *(["forward"] if guesses["forward"] <= rates.predict(self.work("reverse")) else [])]
        else:
            limit = CLOSE * min(guesses.values(), default=0.0)
            near = [name for name in self._writes if guesses.get(name, 0.0) <= limit]
        if len(near) == 1:
            return near[0]
        seconds = {name: rates.predict(self.work(name)) for name in near}
        return min(seconds, key=lambda name: seconds[name] / (WORTH if name == "mixed" else 1.0))


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
        best = self.running(choice, choice.best(rates_for(self.executor, network.dtype)))
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
            problem = chain_problem(network)
            tape = sum(factor.memory for factor in problem.factors)
            while tape:
                tape //= 2
                plan = bracket(problem, memory_limit=tape)
                candidates.append(run(lambda w, plan=plan: write_plan(w, plan)))  # type: ignore[misc]
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
        return rates_for(self.executor, run.network.dtype).predict(run.work)


def _too_few(memory: int, network: Network, least: int) -> LimitError:
    return LimitError(f"{memory:,} bytes are too few; {network.name} needs at least {least:,}")


def _forward_work(network: Network, costs: list[LayerCost]) -> Work:
    values = sum((one.value for one in costs), NOTHING)
    return values + costs[0].dense + sum((one.pushed(network.n) for one in costs[1:]), NOTHING)


def _least_forward_work(network: Network, costs: list[LayerCost]) -> Work:
    """Of forward to the parameters, without what their own derivatives take."""
    total = sum((one.value for one in costs), NOTHING)
    tangents = 0  # what is pushed of a parameter has no more columns than it has numbers, or its layer outputs
    for layer, cost in zip(network.layers, costs, strict=True):
        total += cost.pushed(tangents) if tangents else NOTHING
        tangents += min(layer.m, sum(array.size for array in layer.params))
    return total


def _reverse_work(network: Network, costs: list[LayerCost]) -> Work:
    values = sum((one.value for one in costs), NOTHING)
    return values + costs[-1].dense + sum((one.pulled(network.m) for one in costs[:-1]), NOTHING)


def _plan_work(plan: Plan, costs: list[LayerCost]) -> Work:
    total = sum((one.value for one in costs), NOTHING)
    factors = plan.problem.factors
    for step in plan.steps():
        n, m = factors[step.first].n, factors[step.last].m
        if step.split is None:
            total += costs[step.last].dense
        elif step.kind == "tangent":
            total += sum((costs[i].pushed(n) for i in range(step.split + 1, step.last + 1)), NOTHING)
        elif step.kind == "adjoint":
            total += sum((costs[i].pulled(m) for i in range(step.first, step.split + 1)), NOTHING)
        else:
            inner = factors[step.split].m
            total += Work(fma=step.cost, elements=m * inner + n * inner + m * n, calls=1)
    return total


class ExplicitOptimal(ProgramEngine):
    """``explicit-optimal``: dense Jacobians multiplied in the order of the classical matrix chain problem.

    Source: Cormen et al., Introduction to Algorithms, section 15.2.
    """

    name: ClassVar[str] = "explicit-optimal"

    def write(self, w: Writer) -> None:
        write_plan(w, bracket(chain_problem(w.network), matrix_free=False), matrices=True)

    def build(self, network: Network, wrt: str, operation: str, seeds: int) -> Prepared:
        if wrt == "input":
            return super().build(network, wrt, operation, seeds)
        orders = (ExplicitForward(), ExplicitReverse())
        made = [self.written(one.write, network, wrt, operation, seeds) for one in orders]
        return min(made, key=lambda run: run.work.fma)


def needed(run: Prepared) -> int:
    """Bytes of the working arrays and the result."""
    return run.nbytes + run.result_nbytes
