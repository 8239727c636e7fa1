"""Evaluating terms: products and sums of factors as instructions, each into the place where it is wanted."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np

from ..program.builder import Builder
from ..program.products import Named, contract, multiply
from ..program.value import Value
from ..program.views import View
from .terms import Axis, Label, Term, Terms, count, injective, through, whole


def is_open(term: Term) -> bool:
    """Whether a sum is still to be done."""
    return bool(term.summed)


def closed(b: Builder, term: Term) -> Term:
    """The term with its sums done, by one product; factors that need not take part in it stay as they are."""
    if not term.summed:
        return term
    with b.within(term.layer):
        P, Q, rest = factor_pair(b, term)
        made = contract(b, P, Q, _shared(P, Q, term)) if Q else _sum(b, P, term.summed & set(P.names))
    return replace(term, factors=(made, *rest), summed=frozenset())


def _moving(P: Named, Q: Named, term: Term) -> tuple[Named, Named]:
    """The two factors, that which carries seeds first: its layout is the result's."""
    seeds = set(term.seed.labels)
    first = bool(seeds & set(P.names)), P.value.buffer.place != "fixed"
    second = bool(seeds & set(Q.names)), Q.value.buffer.place != "fixed"
    return (Q, P) if second > first else (P, Q)


def _shared(P: Named, Q: Named, term: Term) -> list[Label]:
    return [name for name in P.names if name in term.summed and name in Q.where]


def factor_pair(b: Builder, term: Term) -> tuple[Named, Named | None, tuple[Named, ...]]:
    """The factors that the sums run over as two (or one), that which carries seeds first, and those that stay out.

    A factor whose axes another one has too is multiplied into the smallest such; one that the result has too stays
    out, unless an operand is smaller than the result.
    """
    inside = [one for one in term.factors if term.summed & set(one.names)]
    rest = [one for one in term.factors if not term.summed & set(one.names)]
    inside = _merged(b, inside, term)
    while len(inside) > 2:  # the two whose product is smallest
        pairs = [(i, j) for i in range(len(inside)) for j in range(i)]
        i, j = min(pairs, key=lambda ij: count(set(inside[ij[0]].names) | set(inside[ij[1]].names)))
        one, other = inside.pop(i), inside.pop(j)
        elsewhere = {name for factor in inside for name in factor.names}
        alone = [name for name in one.names if name in term.summed and name in other.where and name not in elsewhere]
        inside.append(contract(b, one, other, alone) if alone else multiply(b, one, other))
        inside = _merged(b, inside, term)
    if len(inside) == 2:
        for k in (0, 1):
            alone_here = term.summed & set(inside[k].names) - set(inside[1 - k].names)
            if alone_here:
                inside[k] = _sum(b, inside[k], frozenset(alone_here))
        if not set(inside[0].names) & set(inside[1].names) & term.summed:
            inside = [multiply(b, inside[0], inside[1])]
    result = count({name for one in inside for name in one.names} - term.summed)
    kept = []
    for one in rest:
        fitting = [k for k, own in enumerate(inside) if set(one.names) <= set(own.names) and own.value.size < result]
        if fitting and one.names:
            k = min(fitting, key=lambda k: inside[k].value.size)
            inside[k] = multiply(b, inside[k], one)
        else:
            kept.append(one)
    if len(inside) == 2:
        return (*_moving(inside[0], inside[1], term), tuple(kept))
    return inside[0], None, tuple(kept)


def _merged(b: Builder, factors: list[Named], term: Term) -> list[Named]:
    """The factors with every one whose axes another one has multiplied into the smallest such."""
    factors, seeds = sorted(factors, key=lambda one: one.value.size), set(term.seed.labels)
    k = 0
    while k < len(factors) and len(factors) > 2:
        one = factors[k]
        hosts = [other for other in factors if other is not one and set(one.names) <= set(other.names)]
        if hosts:
            host = min(hosts, key=lambda other: (other.value.size, not seeds & set(other.names)))
            factors = [other for other in factors if other is not one and other is not host]
            factors.append(multiply(b, host, one))
            factors.sort(key=lambda other: other.value.size)
            k = 0
        else:
            k += 1
    return factors


def _sum(b: Builder, one: Named, summed: frozenset[Label]) -> Named:
    """The sum over some labels of one factor, over as few axes as possible."""
    kept = one.outermost_first([name for name in one.names if name not in summed])
    gone = one.outermost_first([name for name in one.names if name in summed])
    while gone:
        run = gone[:1]
        while len(run) < len(gone) and one.joins(gone[: len(run) + 1]):
            run = gone[: len(run) + 1]
        others = kept + gone[len(run) :]
        held = one.arranged(b, others)
        view = View((*held.shape, count(run)), (*held.strides, one.stride(run[-1])), held.offset)
        one = Named(b.reduce(np.add, b.look(held, view), len(others)), others)
        gone = gone[len(run) :]
    return one


# -- writing down


def place(b: Builder, term: Term, target: Value) -> Named:
    """Where a term lies in an array (seeds, *axes), over the labels of its result."""
    return through(b, target, (term.seed, *term.axes))


def assemble(b: Builder, terms: Terms, target: Value) -> None:
    """The sum of the terms into ``target`` (seeds, *axes); what no term reaches becomes 0."""
    terms = [part for one in terms for part in one.unbundled(b)]
    terms = sorted(terms, key=lambda one: -count(one.open_labels))
    covering = [one for one in terms if _covers(b, one, target)]
    if covering:
        first = covering[0]
        _write(b, first, place(b, first, target), add=False)
        terms = [one for one in terms if one is not first]
        for one in terms:
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
                contract(b, P, Q, _shared(P, Q, term), out)
            for one in kept:
                b.write(np.multiply, [out.value, one.arranged(b, out.names)], out.value)
            if term.coefficient != 1.0:
                b.write(np.multiply, [out.value, b.lift(term.coefficient)], out.value)
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
    names = (*seed.labels, *own) if b.seeds_lead else (*own, *seed.labels)
    held = Named(b.new(tuple(label.size for label in names), fresh=True), names)
    shape = (count(seed.labels), *(axis.size for axis in axes))
    strides = (*(held.stride(axis.parts[-1][0]) if axis.parts else 0 for axis in (seed, *axes)),)
    assemble(b, terms, b.look(held.value, View(shape, strides, 0)))
    return Term((held,), seed, axes, bundle=bundle)


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
