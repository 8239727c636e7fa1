"""Any bracketing of the chain as a program, step by step.

Source: Naumann, Matrix-Free Jacobian Chaining, arXiv 2406.11862.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from ..chain import Plan, Step, bracket
from ..linear.assemble import as_matrix
from ..linear.linearize import Linear
from ..linear.terms import Terms
from ..network import Network
from ..program.value import Value
from .base import Prepared
from .costs import chain_problem
from .explicit import ExplicitForward, ExplicitReverse, matrix_map
from .running import ProgramEngine
from .writer import Writer, identity


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
