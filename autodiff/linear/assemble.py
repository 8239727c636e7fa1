"""Writing terms down: a sum of terms into the place where it is wanted, or as one dense array."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np

from ..program.builder import Builder
from ..program.products import Named, contract, multiply, reduced
from ..program.value import Value
from ..program.views import View
from .evaluate import closed, factor_pair, shared
from .terms import Axis, Label, Term, Terms, count, injective, through, whole

#: seeds from which their axis is a loop long enough to be the innermost one, so that what moves along the others,
#: such as windows, moves whole runs (unet's and a transformer's cotangents in half the time, those of an ODE in 1.1)
MANY = 8


def place(b: Builder, term: Term, target: Value) -> Named:
    """Where a term lies in an array (seeds, *axes), over the labels of its result."""
    return through(b, target, (term.seed, *term.axes))


def assemble(b: Builder, terms: Terms, target: Value) -> None:
    """The sum of the terms into ``target`` (seeds, *axes); what no term reaches becomes 0."""
    terms = [part for one in terms for part in one.unbundled(b)]
    terms = sorted(terms, key=lambda one: -count(one.open_labels))
    covering = [one for one in terms if _covers(b, one, target)]
    if covering:
        first = covering[:2] if _write_sum(b, covering[:2], target) else covering[:1]
        if len(first) == 1:
            _write(b, first[0], place(b, first[0], target), add=False)
        for one in [one for one in terms if not any(one is own for own in first)]:
            _write(b, one, place(b, one, target), add=True)
        return
    apart = (
        all(_apart(one, other) for i, one in enumerate(terms) for other in terms[:i])
        if len(terms) < 64
        else (_in_order(terms))
    )
    reached = sum(count(one.open_labels) for one in terms)
    clean = apart and all(injective(place(b, one, target)) for one in terms)
    if not (clean and reached == target.size):
        b.write(np.positive, [b.lift(0.0)], target)
    for one in terms:
        _write(b, one, place(b, one, target), add=not clean)


def accumulate(b: Builder, terms: Terms, target: Value) -> None:
    """The sum of the terms added to what ``target`` (seeds, *axes) holds."""
    for one in (part for bundle in terms for part in bundle.unbundled(b)):
        _write(b, one, place(b, one, target), add=True)


def _write_sum(b: Builder, terms: Terms, target: Value) -> bool:
    """Two terms that cover the target by one addition; not if a sum in the first one can be done in place."""
    if len(terms) < 2 or terms[0].summed or (terms[0].coefficient < 0 and terms[1].coefficient < 0):
        return False
    places = [place(b, one, target) for one in terms]
    out = places[0].value
    if out.view != places[1].value.view:
        return False
    sides = [_product(b, one)[0].arranged(b, its.names) for one, its in zip(terms, places, strict=True)]
    if terms[0].coefficient < 0:
        sides.reverse()
    b.write(np.add if terms[0].coefficient * terms[1].coefficient > 0 else np.subtract, sides, out)
    return True


def _covers(b: Builder, term: Term, target: Value) -> bool:
    return count(term.open_labels) == target.size and injective(place(b, term, target))


def _apart(one: Term, other: Term) -> bool:
    """Whether two terms surely have no position in common."""
    for a, c in zip((one.seed, *one.axes), (other.seed, *other.axes), strict=True):
        if a.step == c.step and (a.interval[1] < c.interval[0] or c.interval[1] < a.interval[0]):
            return True
    return False


def _in_order(terms: Terms) -> bool:
    """:func:`_apart` for many terms, by their seeds alone."""
    intervals = sorted(one.seed.interval for one in terms)
    return all(before[1] < after[0] for before, after in itertools.pairwise(intervals))


def _write(b: Builder, term: Term, out: Named, add: bool) -> None:
    """One term into ``out``, or onto it."""
    if not injective(out):
        _write_overlapping(b, term, out)
        return
    if add:
        made, sign = _product(b, term)
        spread = made.arranged(b, out.names)
        b.write(np.add if sign > 0 else np.subtract, [out.value, spread], out.value)
        return
    rest: list[Named] = []
    if term.summed:
        P, Q, kept = factor_pair(b, term)
        reached = (set(P.names) | set(Q.names if Q else ())) - term.summed
        if Q is not None and reached == set(out.names):
            with b.within(term.layer):
                contract(b, P, Q, shared(P, Q, term), out)
            for one in kept:
                b.write(np.multiply, [out.value, one.arranged(b, out.names)], out.value)
            if term.coefficient != 1.0:
                b.write(np.multiply, [out.value, b.lift(term.coefficient)], out.value)
            return
        if Q is None and not kept and term.coefficient == 1.0 and len(term.summed) == 1 and reached == set(out.names):
            with b.within(term.layer):
                reduced(b, P, next(iter(term.summed)), out.names, out)
            return
        term = closed(b, term)
    rest = _merged_all(b, list(term.factors), leave=2)
    if term.coefficient != 1.0:
        rest = _scaled(b, rest, term.coefficient, leave=2)
    if not rest:
        b.write(np.positive, [b.lift(1.0)], out.value)
    elif len(rest) == 1:
        b.write(np.positive, [rest[0].arranged(b, out.names)], out.value)
    else:
        b.write(np.multiply, [rest[0].arranged(b, out.names), rest[1].arranged(b, out.names)], out.value)


def _product(b: Builder, term: Term) -> tuple[Named, float]:
    """All factors of a term multiplied, and its sign, which a sum can take."""
    term = closed(b, term)
    factors = _merged_all(b, list(term.factors), leave=1)
    sign = -1.0 if term.coefficient < 0 else 1.0
    if abs(term.coefficient) != 1.0 or not factors:
        factors = _scaled(b, factors, abs(term.coefficient), leave=1)
    return factors[0], sign


def _merged_all(b: Builder, factors: list[Named], leave: int) -> list[Named]:
    """The factors multiplied, smallest products first, until ``leave`` are left."""
    while len(factors) > leave:
        pairs = [(i, j) for i in range(len(factors)) for j in range(i)]
        i, j = min(pairs, key=lambda ij: count(set(factors[ij[0]].names) | set(factors[ij[1]].names)))
        one, other = factors.pop(i), factors.pop(j)
        factors.append(multiply(b, one, other))
    return factors


def _scaled(b: Builder, factors: list[Named], coefficient: float, leave: int) -> list[Named]:
    number = Named(b.lift(coefficient), ())
    if len(factors) < leave or not factors:
        return [*factors, number]
    factors = sorted(factors, key=lambda one: one.value.size)
    return [multiply(b, factors[0], number), *factors[1:]]


def _write_overlapping(b: Builder, term: Term, out: Named) -> None:
    """Add a term whose positions meet: one after the other along the labels that make them meet."""
    made, sign = _product(b, term)
    value = made.arranged(b, out.names)
    label = min(out.names, key=lambda name: name.size)
    axis = out.where[label]
    for position in range(label.size):
        part = _picked(b, out.value, axis, position)
        names = tuple(name for name in out.names if name is not label)
        spread = _picked(b, value, axis, position if value.shape[axis] > 1 else 0)
        inner = Named(part, names)
        if injective(inner):
            b.write(np.add if sign > 0 else np.subtract, [part, spread], part)
        else:
            simple = Term((Named(spread, names),), Axis(1, 0, ()), (), frozenset(), sign)
            _write_overlapping(b, simple, inner)


def _picked(b: Builder, value: Value, axis: int, position: int) -> Value:
    view = value.view
    shape, strides = view.shape[:axis] + view.shape[axis + 1 :], view.strides[:axis] + view.strides[axis + 1 :]
    return b.look(value, View(shape, strides, view.offset + position * view.strides[axis]))


def dense(b: Builder, terms: Terms, full: bool = False) -> Term:
    """The sum of the terms as one array over seeds and axes.

    Where all of them reach the same seeds, the array holds no others, unless ``full`` asks for all.
    """
    bundle = terms[0].bundle if len(terms) == 1 else ()
    terms = [replace(terms[0], bundle=())] if bundle else [part for one in terms for part in one.unbundled(b)]
    first = terms[0]
    signature = _signature(first.seed)
    if not full and all(_signature(one.seed) == signature for one in terms) and _distinct(first.seed):
        parts = tuple((Label(label.size), stride) for label, stride in first.seed.parts)
        seed = first.seed._replace(parts=parts)
        terms = [replace(one, seed=_recounted(one.seed)) for one in terms]
    else:
        seed = whole(first.seed.size)
    axes = tuple(whole(axis.size) for axis in first.axes)
    own = tuple(label for axis in axes for label in axis.labels)
    names = (*seed.labels, *own) if b.seeds_lead and count(seed.labels) < MANY else (*own, *seed.labels)
    held = Named(b.new(tuple(label.size for label in names), fresh=True), names)
    shape = (count(seed.labels), *(axis.size for axis in axes))
    strides = (*(held.stride(axis.parts[-1][0]) if axis.parts else 0 for axis in (seed, *axes)),)
    assemble(b, terms, b.look(held.value, View(shape, strides, 0)))
    return Term((held,), seed, axes, bundle=bundle)


def added(b: Builder, terms: Terms) -> Terms:
    """Terms that are dense over their axes as one, for each seed signature: several readers would all add them up.

    What reaches a part of the axes alone is added to those, lest every reader multiplies it, too. A term that is
    constant along an axis stays as it is, since a contraction of that axis makes it small.
    """
    if len(terms) < 2:
        return terms
    groups: dict[object, Terms] = {}
    dense_ones: set[object] = set()
    for one in terms:
        labels = set(one.open_labels)
        if not one.bundle and any(labels <= own.where.keys() for own in one.factors):
            signature = _signature(one.seed)
            groups.setdefault(signature, []).append(one)
            if count(labels) == count(one.seed.labels) * math.prod(axis.size for axis in one.axes):
                dense_ones.add(signature)
    found = [group for signature, group in groups.items() if signature in dense_ones and len(group) > 1]
    gone = {id(one) for group in found for one in group}
    return [one for one in terms if id(one) not in gone] + [dense(b, group) for group in found]


def as_matrix(b: Builder, terms: Terms) -> Term:
    """The sum of the terms as one array over seeds and axes, without a copy where it is one already."""
    if len(terms) == 1 and not terms[0].bundle:
        term = closed(b, terms[0])
        labels = [label for axis in (term.seed, *term.axes) for label in axis.labels]
        plain = all(axis.label or axis.size == 1 for axis in (term.seed, *term.axes)) and term.coefficient == 1.0
        names = [set(one.names) for one in term.factors]
        if plain and len(labels) == len(set(labels)) and names == [set(labels)]:
            return term
        terms = [term]
    return dense(b, terms, full=True)


def _signature(axis: Axis) -> tuple[object, ...]:
    return (axis.size, axis.offset, axis.step, tuple((label.size, stride) for label, stride in axis.parts))


def _distinct(axis: Axis) -> bool:
    """Whether the labels of an axis never meet at a position."""
    reach = 0
    for stride, size in sorted((abs(stride), label.size) for label, stride in axis.parts):
        if stride <= reach:
            return False
        reach += stride * (size - 1)
    return True


def _recounted(axis: Axis) -> Axis:
    """The same labels, row by row, as an axis that has no other positions."""
    step, found = 1, []
    for label, _ in reversed(axis.parts):
        found.append((label, step))
        step *= label.size
    return Axis(step, 0, tuple(found[::-1]))
