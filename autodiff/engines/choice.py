"""The orders that a derivative can be computed in, and which of them should be the fastest."""

from __future__ import annotations

from collections.abc import Callable

from ..chain import Plan, bracket
from ..machine.rates import predicted, rates_for
from ..network import Network
from ..program.count import NOTHING, Work
from ..program.program import Program
from .bracketed import write_plan
from .costs import LayerCost, chain_problem, layer_costs
from .forward import Forward
from .reverse import Reverse
from .writer import Writer

WORTH = 0.95  #: of the time of forward or reverse that a bracketing must be predicted to take to be worth its steps
#: inputs to one output from which nothing is compared with reverse, which costs a few evaluations of f; Griewank
#: & Walther, Evaluating Derivatives (2nd ed., 2008), section 4.6. Counting the others takes longer than all the rest.
SURELY = 64
CALLS = 8  #: of a block's inner product, about
CLOSE = 1.2  #: times the least estimate within which an order is written out and counted exactly

Write = Callable[[Writer], None]


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
        if network.m == 1 and network.variables(wrt) >= SURELY:
            del self._writes["forward"]
            return
        costs = layer_costs(network)
        if wrt == "params":
            self._estimates = {"forward": _least_forward_work(network, costs)}
        else:
            self._estimates = {"forward": _forward_work(network, costs), "reverse": _reverse_work(network, costs)}
            plan = bracket(chain_problem(network, costs))
            if plan.gain * WORTH >= 1:  # else by its counts it is no better than one of the two
                self._writes["mixed"] = lambda w: write_plan(w, plan, costs=costs)
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

    def best(self, executor: str) -> str:
        """The order that should be fastest by this executor; a plan has to be worth its steps."""
        rates = rates_for(executor, self.network.dtype)
        guesses = {name: rates.predict(work) for name, work in self._estimates.items()}
        if self.wrt == "params" and guesses:  # reverse is rarely far from the best, so it is written in any case
            near = ["reverse", *(["forward"] if guesses["forward"] <= rates.predict(self.work("reverse")) else [])]
        else:
            limit = CLOSE * min(guesses.values(), default=0.0)
            near = [name for name in self._writes if guesses.get(name, 0.0) <= limit]
        if len(near) == 1:
            return near[0]
        seconds = {name: self.seconds(name, executor) for name in near}
        return min(seconds, key=lambda name: seconds[name] / (WORTH if name == "mixed" else 1.0))

    def seconds(self, name: str, executor: str) -> float:
        """What an order's program should take by an executor."""
        return predicted(executor, self.program(name))


def _forward_work(network: Network, costs: list[LayerCost]) -> Work:
    values = sum((one.value for one in costs), NOTHING)
    return values + costs[0].dense + sum((one.pushed(network.n) for one in costs[1:]), NOTHING)


def _least_forward_work(network: Network, costs: list[LayerCost]) -> Work:
    """Of forward to the parameters, without what their own derivatives take."""
    total = sum((one.value for one in costs), NOTHING)
    tangents = 0  # what is pushed of a parameter has no more columns than it has numbers, or its layer outputs
    for layer, cost in zip(network.layers, costs, strict=True):
        total += cost.pushed(tangents) if tangents else NOTHING
        tangents += min(layer.m, sum(array.size for array in layer.params), network.params.size - tangents)
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
            inside = factors[step.last].dense_inside
            total += Work(fma=step.cost, calls=CALLS) if inside else costs[step.last].dense
        elif step.kind == "tangent":
            passed = range(step.split + 1, step.last + 1)
            ways = [(costs[i].pushed(n), factors[i].pushed(n), factors[i].inside(tangents=n)) for i in passed]
            total += sum((Work(fma=cost, calls=CALLS) if own else work for work, cost, own in ways), NOTHING)
        elif step.kind == "adjoint":
            passed = range(step.first, step.split + 1)
            ways = [(costs[i].pulled(m), factors[i].pulled(m), factors[i].inside(cotangents=m)) for i in passed]
            total += sum((Work(fma=cost, calls=CALLS) if own else work for work, cost, own in ways), NOTHING)
        else:
            inner = factors[step.split].m
            total += Work(fma=step.cost, elements=m * inner + n * inner + m * n, calls=1)
    return total
