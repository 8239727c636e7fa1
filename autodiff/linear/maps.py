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
from ..program.views import Part, Shape
from .evaluate import closed, dense
from .stack import closed_together
from .terms import Axis, Label, Term, Terms, through, whole


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
    """The terms ready to be contracted over some axes: open sums done, and such as share their seeds added up first."""
    terms = closed_together(b, terms)
    if len(terms) == 1:
        return terms
    together: dict[Any, Terms] = {}
    apart: Terms = []
    for one in terms:
        summed = _summed(one, [one.axes[k] for k in dropped])
        if summed and any(set(one.open_labels) <= set(own.names) | _unused(one) for own in one.factors):
            key = (one.seed.size, one.seed.offset, tuple((p.size, s) for p, s in one.seed.parts), one.seed.step)
            together.setdefault(key, []).append(one)
        else:
            apart.append(one)
    return apart + [group[0] if len(group) == 1 else dense(b, group) for group in together.values()]


def _unused(term: Term) -> set[Label]:
    """Labels along which a term is constant."""
    used = {name for one in term.factors for name in one.names}
    return set(term.open_labels) - used


@dataclass(slots=True, eq=False)
class Reshape(LinearMap):
    """The same elements, in C order, in another shape."""

    x: Shape
    y: Shape

    def transposed(self) -> Reshape:
        return Reshape(self.y, self.x)

    def push(self, b: Builder, terms: Terms) -> Terms:
        made = []
        for one in terms:
            found = self._reshaped(b, one)
            if found is None:
                found = self._reshaped(b, dense(b, [one]))
            assert found is not None
            made.append(found)
        return made

    def _reshaped(self, b: Builder, term: Term) -> Term | None:
        position, axes = 0, list(term.axes)
        made: list[Axis] = []
        for old, new in _groups(self.x, self.y):
            group, axes = axes[: len(old)], axes[len(old) :]
            if old == new:
                made += group
                continue
            merged = _merged_axes(group)
            found = _split(b, replace(term, axes=(*made, merged, *axes)), len(made), new)
            if found is None:
                return None
            term = found
            made = list(term.axes[: len(made) + len(new)])
            axes = list(term.axes[len(made) :])
            position += len(new)
        return replace(term, axes=tuple(made))


def _groups(old: Shape, new: Shape) -> list[tuple[Shape, Shape]]:
    """Both shapes cut into the shortest runs of equal size."""
    found = []
    i = j = 0
    while i < len(old) or j < len(new):
        a, c = i, j
        left = right = 1
        if i < len(old):
            left, i = old[i], i + 1
        if j < len(new):
            right, j = new[j], j + 1
        while left != right:
            if left < right:
                left, i = left * old[i], i + 1
            else:
                right, j = right * new[j], j + 1
        found.append((old[a:i], new[c:j]))
    return found


def _merged_axes(axes: Sequence[Axis]) -> Axis:
    """Several axes, row by row, as one."""
    size, offset, step = 1, 0, 0
    parts: tuple[tuple[Label, int], ...] = ()
    for axis in reversed(axes):
        parts = (*((label, stride * size) for label, stride in axis.parts), *parts)
        offset += axis.offset * size
        step += axis.step * size
        size *= axis.size
    return Axis(size, offset, parts, step)


def _split(b: Builder, term: Term, at: int, sizes: Shape) -> Term | None:
    """The axis ``at`` of a term as several; None where its positions do not divide that way."""
    while len(sizes) > 1:
        inner = 1
        for size in sizes[1:]:
            inner *= size
        axis = term.axes[at]
        if axis.step % inner:
            return None
        for label, stride in axis.parts:
            whole_steps, rest = divmod(inner, abs(stride))
            if stride % inner and not rest and label.size > whole_steps:
                if label.size % whole_steps:
                    return None
                high, low = Label(label.size // whole_steps), Label(whole_steps)
                parts = [(one, own) for one, own in ((high, whole_steps), (low, 1)) if one.size > 1]
                term = term.substitute(b, label, 0, 1, parts)
        axis = term.axes[at]
        outer = tuple((label, stride // inner) for label, stride in axis.parts if not stride % inner)
        within = tuple((label, stride) for label, stride in axis.parts if stride % inner)
        offset = axis.offset % inner
        reach = offset + sum((label.size - 1) * stride for label, stride in within)
        if reach >= inner or any(stride < 0 for _, stride in within):
            return None
        first = Axis(sizes[0], axis.offset // inner, outer, axis.step // inner)
        second = Axis(inner, offset, within)
        term = replace(term, axes=(*term.axes[:at], first, second, *term.axes[at + 1 :]))
        at, sizes = at + 1, sizes[1:]
    if not sizes:  # axes of one element, all of them gone
        term = replace(term, axes=(*term.axes[:at], *term.axes[at + 1 :]))
    return term


@dataclass(slots=True, eq=False)
class Pick(LinearMap):
    """Basic indexing: some positions of every axis, axes that are gone, and new ones."""

    parts: tuple[Part | None, ...]
    shape: Shape

    def transposed(self) -> Put:
        return Put(self.parts, self.shape)

    def push(self, b: Builder, terms: Terms) -> Terms:
        made = []
        for one in terms:
            try:
                found = _picked(b, one, self.parts)
            except Unaligned:
                found = _picked(b, dense(b, [one]), self.parts)
            if found is not None:
                made.append(found)
        return made


class Unaligned(Exception):  # noqa: N818
    """A term's axes cannot say what is asked for; a dense one's can."""


def _picked(b: Builder, term: Term, parts: Sequence[Part | None]) -> Term | None:
    """The term at the picked positions; None if it has none there.

    Raises:
        Unaligned: its axes cannot say so.
    """
    axes: list[Axis] = []
    at = 0
    for part in parts:
        if part is None:
            axes.append(Axis(1, 0, ()))
            continue
        axis = term.axes[at]
        count = 1 if part.size is None else part.size
        if count == axis.size and part.step == 1:
            kept = axis
        else:
            if axis.step or len(axis.parts) > 1:
                raise Unaligned
            found = _picked_axis(b, term, at, part, count)
            if found is None:
                return None
            term, kept = found
        if part.size is not None:
            axes.append(kept)
        at += 1
    return replace(term, axes=tuple(axes))


def _picked_axis(b: Builder, term: Term, at: int, part: Part, count: int) -> tuple[Term, Axis] | None:
    """One axis of a term at positions ``start + step j``, j < count; None where the term has none of them."""
    axis = term.axes[at]
    label, stride = axis.parts[0] if axis.parts else (Label(1), 1)
    reached = range(axis.offset, axis.offset + stride * label.size, stride)
    wanted = range(part.start, part.start + part.step * count, part.step)
    common = [j for j, position in enumerate(wanted) if position in reached]
    if not common:
        return None
    first, step = reached.index(wanted[common[0]]), 1
    hop = 1
    if len(common) > 1:
        hop = common[1] - common[0]
        step = reached.index(wanted[common[1]]) - first
    if not axis.parts or len(common) == 1:
        made = term.substitute(b, label, first, 1, ()) if axis.parts else term
        return made, Axis(count, common[0], ())
    if len(common) == label.size and step == 1 and first == 0:
        return term, Axis(count, common[0], ((label, hop),))
    new = Label(len(common))
    return term.substitute(b, label, first, step, [(new, 1)]), Axis(count, common[0], ((new, hop),))


@dataclass(slots=True, eq=False)
class Put(LinearMap):
    """The transpose of :class:`Pick`: into some positions of an array that is 0 elsewhere."""

    parts: tuple[Part | None, ...]
    shape: Shape

    def transposed(self) -> Pick:
        return Pick(self.parts, self.shape)

    def push(self, b: Builder, terms: Terms) -> Terms:
        return [replace(one, axes=self._axes(one.axes)) for one in terms]

    def _axes(self, given: tuple[Axis, ...]) -> tuple[Axis, ...]:
        made, at = [], 0
        sizes = iter(self.shape)
        for part in self.parts:
            if part is None:
                at += 1
                continue
            size = next(sizes)
            if part.size is None:
                made.append(Axis(size, part.start, ()))
                continue
            axis = given[at]
            at += 1
            parts = tuple((label, stride * part.step) for label, stride in axis.parts)
            made.append(Axis(size, part.start + part.step * axis.offset, parts, axis.step * part.step))
        return tuple(made)


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


@dataclass(slots=True, eq=False)
class Transpose(LinearMap):
    """The axes in another order."""

    order: tuple[int, ...]

    def transposed(self) -> Transpose:
        return Transpose(tuple(self.order.index(i) for i in range(len(self.order))))

    def push(self, b: Builder, terms: Terms) -> Terms:
        return [replace(one, axes=tuple(one.axes[i] for i in self.order)) for one in terms]


__all__ = ["Gather", "LinearMap", "Pick", "Product", "Put", "Reshape", "Scatter", "Transpose", "closed"]
