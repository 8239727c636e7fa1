"""Structured tangents: products of arrays whose axes have labels, some of them tied to an axis of the seeds.

A tangent of a variable of shape S along K seeds is the sum of its terms, logically an array (K, *S)::

    coefficient * sum over ``summed`` of the product of the factors

An axis, of the seeds or of the variable, says where the labels' positions lie along it; a label that stands in both
ties them. So the identity has no factor at all and one label in both places, a diagonal one factor, the derivative of
W x to W is x with W's rows tied to y, and a dense array is one factor over all labels. A cotangent is the same thing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from ..program.builder import Builder
from ..program.products import Named
from ..program.value import Value
from ..program.views import View


class Label:
    """A position that runs from 0 to ``size - 1``; two labels are the same only if they are one object."""

    __slots__ = ("size",)

    def __init__(self, size: int) -> None:
        self.size = size

    def __repr__(self) -> str:
        return f"{chr(97 + id(self) // 16 % 26)}{self.size}"


class Axis(NamedTuple):
    """Positions ``offset + sum(stride * label)`` along an axis of ``size``; zero is at all others.

    Attributes:
        size: of the axis.
        offset: of the first position.
        parts: labels with their strides; labels have at least two positions.
        step: how far the positions move from one block of a loop to the next.
    """

    size: int
    offset: int
    parts: tuple[tuple[Label, int], ...]
    step: int = 0

    @property
    def label(self) -> Label | None:
        """The label that runs over the whole axis by itself, if there is one."""
        if len(self.parts) == 1 and not self.offset and not self.step:
            label, stride = self.parts[0]
            if stride == 1 and label.size == self.size:
                return label
        return None

    @property
    def labels(self) -> tuple[Label, ...]:
        """The labels alone."""
        return tuple([label for label, _ in self.parts])

    @property
    def interval(self) -> tuple[int, int]:
        """The least and the largest position, in the first block."""
        low = self.offset + sum((label.size - 1) * min(stride, 0) for label, stride in self.parts)
        high = self.offset + sum((label.size - 1) * max(stride, 0) for label, stride in self.parts)
        return low, high


def whole(size: int) -> Axis:
    """A new label over a whole axis."""
    return Axis(size, 0, ((Label(size), 1),) if size > 1 else ())


class Member(NamedTuple):
    """What a bundle's columns ``start`` on stand for: seeds of their own, tied to ``own``, and factors over them."""

    start: int
    own: Label
    factors: tuple[Named, ...]
    seed: Axis
    coefficient: float


@dataclass(slots=True, eq=False)
class Term:
    """One product of factors; see the module.

    Attributes:
        factors: values with labels as the names of their axes.
        seed: the axis of the seeds.
        axes: the variable's axes.
        summed: labels that are still to be summed over: the next contraction, or writing the term down, does it.
        coefficient: a number in front.
        layer: whose contraction asked for the sums.
        bundle: if there are members, the seeds are columns that stand for theirs; see :mod:`autodiff.linear.stack`.
    """

    factors: tuple[Named, ...]
    seed: Axis
    axes: tuple[Axis, ...]
    summed: frozenset[Label] = frozenset()
    coefficient: float = 1.0
    bundle: tuple[Member, ...] = ()
    layer: int = -1

    def unbundled(self, b: Builder) -> Terms:
        """The members of a bundle as terms of their own; itself, if it is none."""
        if not self.bundle:
            return [self]
        wide = self.seed.labels[0]
        made = []
        for one in self.bundle:
            parts = [(one.own, 1)] if one.own.size > 1 else []
            term = self.substitute(b, wide, one.start, 1, parts)
            factors, coefficient = (*term.factors, *one.factors), term.coefficient * one.coefficient
            made.append(Term(factors, one.seed, term.axes, term.summed, coefficient))
        return made

    @property
    def open_labels(self) -> tuple[Label, ...]:
        """Labels of the result, each once, the seeds' first."""
        found = [label for label, _ in self.seed.parts]
        for axis in self.axes:
            found += [label for label, _ in axis.parts]
        return tuple(dict.fromkeys(found))

    def substitute(self, b: Builder, label: Label, start: int, step: int, parts: Sequence[tuple[Label, int]]) -> Term:
        """The term over fewer positions, or other labels, of one label: ``label = start + step * sum(stride * part)``.

        Positions that are left out are lost, in the seeds and in the variable.
        """
        factors = tuple(_substituted(b, one, label, start, step, parts) for one in self.factors)
        axes = tuple(_moved(axis, label, start, step, parts) for axis in self.axes)
        return replace(self, factors=factors, axes=axes, seed=_moved(self.seed, label, start, step, parts))

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for terms that differ in their coefficient alone."""
        factors = [(one.value.key, one.names) for one in self.factors]
        own = frozenset(factors) if len(factors) < 3 else frozenset(Counter(factors).items())
        return (own, len(factors), self.seed, self.axes, self.summed, id(self.bundle))


Terms = list[Term]


def _substituted(
    b: Builder, one: Named, label: Label, start: int, step: int, parts: Sequence[tuple[Label, int]]
) -> Named:
    if label not in one.where:
        return one
    axis, view = one.where[label], one.value.view
    stride = view.strides[axis]
    shape = (*view.shape[:axis], *(part.size for part, _ in parts), *view.shape[axis + 1 :])
    strides = (*view.strides[:axis], *(stride * step * own for _, own in parts), *view.strides[axis + 1 :])
    names = (*one.names[:axis], *(part for part, _ in parts), *one.names[axis + 1 :])
    return Named(b.look(one.value, View(shape, strides, view.offset + start * stride)), names)


def _moved(axis: Axis, label: Label, start: int, step: int, parts: Sequence[tuple[Label, int]]) -> Axis:
    if label not in axis.labels:
        return axis
    offset, found = axis.offset, []
    for own, stride in axis.parts:
        if own is label:
            offset += start * stride
            found += [(part, stride * step * inner) for part, inner in parts]
        else:
            found.append((own, stride))
    return axis._replace(offset=offset, parts=tuple(found))


def through(b: Builder, value: Value, axes: Sequence[Axis]) -> Named:
    """The elements of a value at the positions that the axes give, a view over their labels.

    Where the value has one element along an axis that has more, it is repeated.
    """
    offset, step = value.offset, value.step
    strides: dict[Label, int] = {}
    for size, stride, axis in zip(value.shape, value.strides, axes, strict=True):
        if size == 1:
            continue
        offset += stride * axis.offset
        step += stride * axis.step
        for label, own in axis.parts:
            strides[label] = strides.get(label, 0) + stride * own
    names = tuple(strides)
    view = View(tuple([label.size for label in names]), tuple(strides.values()), offset)
    made = b.look(value, view)
    made.step = step
    return Named(made, names)


def injective(named: Named) -> bool:
    """Whether no two positions are the same element."""
    pairs = zip(named.value.shape, named.value.strides, strict=True)
    reach = 0
    for stride, size in sorted((abs(stride), size) for size, stride in pairs):
        if stride <= reach:
            return False
        reach += stride * (size - 1)
    return True


def count(labels: Iterable[Label]) -> int:
    """How many positions the labels have together."""
    return math.prod(label.size for label in labels)
