"""A block's derivative by its branches, each as it is or as the product of two matrices that meet where it is narrow.

``f(x) = join(x, g_1(x), ..., g_B(x))``: seeds go through every branch layer by layer; or, where a branch has a
bottleneck of r between n inputs and m outputs, through its Jacobian ``L R``, L (m, r) and R (r, n), each multiplied out
in the optimal order of the layers on its side, which takes ``r (n + m)`` a seed. Source: Griewank & Walther, Evaluating
Derivatives (2nd ed., SIAM 2008), section 10.2, on preaccumulation at narrow places.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..chain import ChainProblem, Plan, bracket
from ..layers.base import Layer
from ..layers.composite import Composite
from ..linear.linearize import Linear, linearize
from ..linear.maps import Product
from ..linear.terms import Terms
from ..program.builder import Builder
from ..program.value import Value


@dataclass(frozen=True, slots=True)
class Split:
    """A branch as ``L R``.

    Attributes:
        right, left: how the layers on the input's side, and those on the output's side, are multiplied out.
        width: r.
    """

    right: Plan
    left: Plan
    width: int

    @classmethod
    def of(cls, problem: ChainProblem) -> Split | None:
        """At the narrowest place, if going through it takes less work than through all factors; else None."""
        factors = problem.factors
        if len(factors) < 2:
            return None
        at = min(range(len(factors) - 1), key=lambda k: factors[k].m)
        width = factors[at].m
        through = min(sum(one.tangent_cost for one in factors), sum(one.adjoint_cost for one in factors))
        if width >= min(problem.n, problem.m) or width * (problem.n + problem.m) >= through:
            return None
        return cls(bracket(ChainProblem(factors[: at + 1])), bracket(ChainProblem(factors[at + 1 :])), width)

    @property
    def cost(self) -> int:
        """Multiply-adds until L and R are there."""
        return self.right.cost + self.left.cost


@dataclass(frozen=True, slots=True)
class Inner:
    """How a block's branches are taken, and what that takes, in multiply-adds.

    Attributes:
        splits: of every branch; None for one that seeds go through layer by layer.
        inners: of every branch's layers, in the same way.
        cost: until all matrices are there.
        tangent, adjoint: of one seed more.
        dense: of the block's Jacobian as a matrix.
    """

    splits: tuple[Split | None, ...]
    inners: tuple[tuple[Inner | None, ...], ...]
    cost: int
    tangent: int
    adjoint: int
    dense: int

    @classmethod
    def of(
        cls, layer: Layer, counted: Callable[[Sequence[Layer]], tuple[ChainProblem, tuple[Inner | None, ...]]]
    ) -> Inner | None:
        """Of a block with a branch that is worth it; ``counted`` gives a branch's chain, and its layers' own."""
        if not isinstance(layer, Composite) or type(layer).function is not Composite.function:
            return None
        splits: list[Split | None] = []
        inners: list[tuple[Inner | None, ...]] = []
        cost, tangent, adjoint, dense = 0, layer.m, layer.m, layer.m * layer.n
        for branch in layer.branches:
            if not branch:
                splits.append(None)
                inners.append(())
                continue
            problem, own = counted([one for one in branch if isinstance(one, Layer)])
            split = Split.of(problem)
            splits.append(split)
            inners.append(own)
            if split is None:
                cost += sum(one.inner_cost or 0 for one in problem.factors)
                tangent += sum(_least(one.inner_tangent_cost, one.tangent_cost) for one in problem.factors)
                adjoint += sum(_least(one.inner_adjoint_cost, one.adjoint_cost) for one in problem.factors)
                dense += bracket(problem).cost
            else:
                each = split.width * (problem.n + problem.m)
                cost, tangent, adjoint = cost + split.cost, tangent + each, adjoint + each
                dense += split.width * problem.n * problem.m
        if not any(splits) and not any(one for own in inners for one in own):
            return None
        return cls(tuple(splits), tuple(inners), cost, tangent, adjoint, cost + dense)


def _least(inner: int | None, through: int) -> int:
    """A block inside a branch is taken by its own branches, where it has an inner product."""
    return through if inner is None else inner


class Branched:
    """``f'(x)`` of a block, as :class:`Inner` says it.

    Attributes:
        x, y: the block's input and output.
    """

    def __init__(
        self,
        b: Builder,
        layer: Composite,
        number: int,
        x: Value,
        params: Sequence[Value],
        inner: Inner,
        multiplied: Callable[[Plan, Sequence[Any]], Product],
    ) -> None:
        self.b, self.x, self.layer, self.inner, self.multiplied = b, x, number, inner, multiplied
        self.branches: list[list[Any]] = []
        places, results = iter(layer.places), []
        for branch, inners in zip(layer.branches, inner.inners, strict=True):
            maps: list[Any] = []
            y = x
            for one, own in zip(branch, inners, strict=True):
                assert isinstance(one, Layer)
                y, J = derivative(b, one, number, y, [params[i] for i in next(places)], own, multiplied)
                maps.append(J)
            results.append(y)
            self.branches.append(maps)
        self.y, self.join = linearize(b, _Joined(layer), number, x, results)
        self._matrices: dict[int, tuple[Product, Product]] = {}

    def push(self, V: Terms) -> Terms:
        """``f'(x) V``."""
        own = [self._pushed(k, maps, V) for k, maps in enumerate(self.branches)]
        return self.join.push([], own)

    def pull(self, U: Terms) -> tuple[Terms, list[Terms]]:
        """``U f'(x)``; nothing of parameters."""
        _, own = self.join.pull(U, to_x=False, to_params=True)
        made: Terms = []
        skipped = False
        for k, (maps, terms) in enumerate(zip(self.branches, own, strict=True)):
            if maps:
                made += self._pulled(k, maps, terms)
            elif not skipped:  # branches without layers all are x, and have got the same cotangents
                made += terms
                skipped = True
        return made, []

    def _pushed(self, k: int, maps: list[Any], V: Terms) -> Terms:
        if self.inner.splits[k] is None:
            for J in maps:
                V = J.push(V)
            return V
        self.b.layer = self.layer
        right, left = self._product(k, maps)
        return left.push(self.b, right.push(self.b, V))

    def _pulled(self, k: int, maps: list[Any], U: Terms) -> Terms:
        if self.inner.splits[k] is None:
            for J in reversed(maps):
                U, _ = J.pull(U)
            return U
        self.b.layer = self.layer
        right, left = self._product(k, maps)
        return right.transposed().push(self.b, left.transposed().push(self.b, U))

    def _product(self, k: int, maps: list[Any]) -> tuple[Product, Product]:
        """R and L of a branch."""
        if k not in self._matrices:
            split = self.inner.splits[k]
            assert split is not None
            at = len(split.right.problem)
            self._matrices[k] = self.multiplied(split.right, maps[:at]), self.multiplied(split.left, maps[at:])
        return self._matrices[k]


class _Joined(Layer):
    """How a block puts together what its branches give, these being the parameters."""

    def __init__(self, block: Composite) -> None:
        self.block, self.n, self.m = block, block.n, block.m

    def function(self, x: Any, params: Any, xp: Any = np) -> Any:
        return self.block.joined(x, list(params), xp)


def derivative(
    b: Builder,
    layer: Layer,
    number: int,
    x: Value,
    params: Sequence[Value],
    inner: Inner | None,
    multiplied: Callable[[Plan, Sequence[Any]], Product],
) -> tuple[Value, Linear | Branched]:
    """A layer's value and derivative, by its branches if it is to be taken so.

    Args:
        b: the builder.
        layer, number: the layer, and its number in the network.
        x, params: its input and parameters.
        inner: of a block that is taken by its branches.
        multiplied: writes a plan over derivatives, and gives the product as a map.
    """
    if inner is None:
        return linearize(b, layer, number, x, params)
    assert isinstance(layer, Composite)
    made = Branched(b, layer, number, x, params, inner, multiplied)
    return made.y, made
