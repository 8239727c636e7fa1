"""Linear maps of one variable to another, each with one rule; a pull is the transposed map's push."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..program.builder import Builder
from ..program.products import Named, multiply
from ..program.value import Value
from .assemble import dense
from .stack import closed_together
from .terms import Axis, Label, Term, Terms, count, through, whole

GROWTH = 4  #: of an array by a sum, from which the sum waits for the next one


class LinearMap(ABC):
    """``y = M x``."""

    @abstractmethod
    def push(self, b: Builder, terms: Terms) -> Terms:
        """The tangents of y from those of x."""

    @abstractmethod
    def transposed(self) -> LinearMap:
        """``x = M^T y``."""


@dataclass(slots=True, eq=False)
class Product(LinearMap):
    """``y[out] = sum of A[a] x[x]`` over the subscripts that ``out`` lacks: scaling, matrices, sums, repetition.

    Attributes:
        x, out: subscripts of the axes of x and of y.
        sizes: of every subscript.
        A: an array, a number in front, or None.
        a: its subscripts; an axis of one element is repeated.
    """

    x: tuple[int, ...]
    out: tuple[int, ...]
    sizes: dict[int, int]
    A: Value | float | None = None
    a: tuple[int, ...] = ()

    def transposed(self) -> Product:
        return Product(self.out, self.x, self.sizes, self.A, self.a)

    def push(self, b: Builder, terms: Terms) -> Terms:
        if isinstance(self.A, float) and self.A == 0.0:
            return []
        if self.A is None and self.x == self.out:
            return terms
        new = {name: whole(self.sizes[name]) for name in self.out if name not in self.x}
        dropped = [k for k, name in enumerate(self.x) if name not in self.out]
        if any(_summed(one, [one.axes[k] for k in dropped]) for one in terms):
            terms = _gathered(b, terms, dropped)
        return [self._push(b, one, new, dropped) for one in terms]

    def _push(self, b: Builder, term: Term, new: dict[int, Axis], dropped: Sequence[int]) -> Term:
        axis_of = new | dict(zip(self.x, term.axes, strict=True))
        factors, coefficient = term.factors, term.coefficient
        if isinstance(self.A, Value):
            factors = _appended(b, factors, through(b, self.A, [axis_of[name] for name in self.a]))
        elif self.A is not None:
            coefficient *= self.A
        axes, summed = tuple([axis_of[name] for name in self.out]), term.summed
        if dropped:
            made = Term(factors, term.seed, axes, summed, coefficient, term.bundle)
            for label in _summed(made, [term.axes[k] for k in dropped]):
                if any(label in one.where for one in factors):
                    summed |= {label}
                else:
                    coefficient *= label.size
        layer = b.layer if len(summed) > len(term.summed) else term.layer
        return Term(factors, term.seed, axes, summed, coefficient, term.bundle, layer)


def _appended(b: Builder, factors: tuple[Named, ...], new: Named) -> tuple[Named, ...]:
    """One more factor; a third one over the same labels is multiplied at once, so that a deep chain holds two."""
    alike = [one for one in factors if one.where.keys() == new.where.keys()]
    if len(alike) < 2:
        return (*factors, new)
    return (*(one for one in factors if one is not alike[-1]), multiply(b, alike[-1], new))


def _summed(term: Term, axes: Sequence[Axis]) -> list[Label]:
    """The labels of some axes that stand neither in the seeds nor in another axis of the term: contracting unties."""
    if not axes:
        return []
    gone = [id(axis) for axis in axes]
    kept = [term.seed, *[own for own in term.axes if id(own) not in gone]]
    tied = {label for axis in kept for label, _ in axis.parts}
    return list(dict.fromkeys([label for axis in axes for label, _ in axis.parts if label not in tied]))


def _gathered(b: Builder, terms: Terms, dropped: Sequence[int]) -> Terms:
    """The terms ready to be contracted over some axes: open sums done, and such as share their seeds added up first.

    A sum of the same layer that would make a larger array than its factors waits, as the next one makes it small.
    """
    apart = [one for one in terms if one.layer == b.layer and _grows(one)]
    terms = closed_together(b, [one for one in terms if not any(one is own for own in apart)])
    if len(terms) == 1:
        return apart + terms
    together: dict[Any, Terms] = {}
    for one in terms:
        summed = _summed(one, [one.axes[k] for k in dropped])
        if summed and any(set(one.open_labels) <= set(own.names) | _unused(one) for own in one.factors):
            key = (one.seed.size, one.seed.offset, tuple((p.size, s) for p, s in one.seed.parts), one.seed.step)
            together.setdefault(key, []).append(one)
        else:
            apart.append(one)
    return apart + [group[0] if len(group) == 1 else dense(b, group) for group in together.values()]


def _grows(term: Term) -> bool:
    """Whether doing the one sum of two of a term's factors makes more than :data:`GROWTH` times the larger one."""
    met = [one for one in term.factors if term.summed & one.where.keys()]
    if len(met) != 2 or len(term.summed) != 1 or term.bundle:
        return False
    made = {name for one in met for name in one.names} - term.summed
    return count(made) > GROWTH * max(one.value.size for one in met)


def _unused(term: Term) -> set[Label]:
    """Labels along which a term is constant."""
    used = {name for one in term.factors for name in one.names}
    return set(term.open_labels) - used


@dataclass(slots=True, eq=False)
class Gather(LinearMap):
    """``y[..., j] = x[..., positions[j]]``."""

    positions: Any
    size: int

    def transposed(self) -> Scatter:
        return Scatter(self.positions, self.size)

    def push(self, b: Builder, terms: Terms) -> Terms:
        term = dense(b, terms)
        return [_moved_along(b, "gather", term, self.positions, self.positions.size)]


@dataclass(slots=True, eq=False)
class Scatter(LinearMap):
    """``x[..., positions[j]] += y[..., j]``, from 0."""

    positions: Any
    size: int

    def transposed(self) -> Gather:
        return Gather(self.positions, self.size)

    def push(self, b: Builder, terms: Terms) -> Terms:
        return [_moved_along(b, "scatter", dense(b, terms), self.positions, self.size)]


def _moved_along(b: Builder, kind: Any, term: Term, positions: Any, size: int) -> Term:
    """A dense term with its last axis gathered or scattered."""
    factor, last = term.factors[0], whole(size)
    old = term.axes[-1].labels
    names = (*(name for name in factor.names if name not in old), *old)
    source = factor.arranged(b, names)
    if not old:
        source = b.look(source, source.view._replace(shape=(*source.shape, 1), strides=(*source.strides, 0)))
    lead = tuple(name for name in names if name not in old)
    out = b.new((*source.shape[:-1], size), fresh=True)
    if kind == "scatter":
        b.write(np.positive, [b.lift(0.0)], out)
    b.emit(kind, None, (source,), out, index=positions)
    if not last.labels:
        out = b.look(out, out.view._replace(shape=out.shape[:-1], strides=out.strides[:-1]))
    made = Named(out, (*lead, *last.labels))
    return replace(term, factors=(made,), axes=(*term.axes[:-1], last))
