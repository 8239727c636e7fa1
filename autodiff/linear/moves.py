"""Linear maps that only move elements, as views do: other shapes, other axes, some positions of every axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..program.builder import Builder
from ..program.views import Part, Shape
from .assemble import dense
from .maps import LinearMap
from .terms import Axis, Label, Term, Terms


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
                found = picked(b, one, self.parts)
            except Unaligned:
                found = picked(b, dense(b, [one]), self.parts)
            if found is not None:
                made.append(found)
        return made


class Unaligned(Exception):  # noqa: N818
    """A term's axes cannot say what is asked for; a dense one's can."""


def picked(b: Builder, term: Term, parts: Sequence[Part | None]) -> Term | None:
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
class Transpose(LinearMap):
    """The axes in another order."""

    order: tuple[int, ...]

    def transposed(self) -> Transpose:
        return Transpose(tuple(self.order.index(i) for i in range(len(self.order))))

    def push(self, b: Builder, terms: Terms) -> Terms:
        return [replace(one, axes=tuple(one.axes[i] for i in self.order)) for one in terms]
