"""Any bracketing of the chain as a program, step by step.

Source: Naumann, Matrix-Free Jacobian Chaining, arXiv 2406.11862.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from ..chain import Plan, Step, bracket
from ..linear.assemble import as_matrix
from ..linear.linearize import Linear
from ..linear.maps import Product
from ..linear.terms import Terms
from ..network import Network
from ..program.value import Value
from .base import Prepared
from .branched import Branched, derivative
from .costs import LayerCost, chain_problem
from .explicit import ExplicitForward, ExplicitReverse, matrix_map
from .running import ProgramEngine
from .writer import Writer, identity


def turned(terms: Terms) -> Terms:
    """Columns as rows, rows as columns: the seeds and the variable change places."""
    return [replace(one, seed=one.axes[0], axes=(one.seed,)) for one in terms]


class _Bracketing:
    """The steps of a plan, each written when it comes; f is evaluated as far as they need it.

    Args:
        w: the writer.
        plan: of the chain.
        matrices: every factor is made a dense matrix first.
        costs: of the layers, which say what is inside of them.
        maps: their derivatives, if these are there already.
    """

    def __init__(
        self,
        w: Writer,
        plan: Plan,
        matrices: bool = False,
        costs: Sequence[LayerCost] = (),
        maps: Sequence[Linear | Branched] = (),
    ) -> None:
        self.w, self.plan, self.matrices, self.costs = w, plan, matrices, costs
        self.x: Value = w.x
        self.maps = list(maps)
        self.inside = plan.inside()

    def map(self, number: int) -> Linear | Branched:
        while len(self.maps) <= number:
            k = len(self.maps)
            inner = self.costs[k].inner if self.costs and k in self.inside else None
            layer, params = self.w.network.layers[k], self.w.layer_params(k)
            self.x, J = derivative(self.w.b, layer, k, self.x, params, inner, self.multiplied)
            self.maps.append(J)
        return self.maps[number]

    def multiplied(self, plan: Plan, maps: Sequence[Any]) -> Product:
        """Some derivatives multiplied out, as a map."""
        b = self.w.b
        before, layer = b.seeds_lead, b.layer
        made = matrix_map(b, _Bracketing(self.w, plan, maps=maps).write())
        b.seeds_lead, b.layer = before, layer
        return made

    def write(self) -> Terms:
        made: dict[int, Terms] = {}
        for step in self.plan.steps():
            self.map(step.last)
            made[id(step)] = self.step(step, made)
        return made[id(self.plan.root)]

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


def write_plan(w: Writer, plan: Plan, matrices: bool = False, costs: Sequence[LayerCost] = ()) -> None:
    """A bracketing, step by step.

    Args:
        w: the writer.
        plan: of the layers' derivatives.
        matrices: make every factor a dense matrix first.
        costs: of the layers, by which the plan was made: blocks whose branches it goes through inside are taken so.
    """
    writing = _Bracketing(w, plan, matrices, costs)
    J = writing.write()
    writing.map(w.depth - 1)
    w.keep(writing.x)
    w.columns(J)


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
