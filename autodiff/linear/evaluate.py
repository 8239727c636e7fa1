"""Doing the sums of a term: products and sums of its factors as instructions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..program.builder import Builder
from ..program.products import Named, contract, multiply
from ..program.views import View
from .terms import Label, Term, count


def closed(b: Builder, term: Term) -> Term:
    """The term with its sums done, by one product; factors that need not take part in it stay as they are."""
    if not term.summed:
        return term
    with b.within(term.layer):
        P, Q, rest = factor_pair(b, term)
        made = contract(b, P, Q, shared(P, Q, term)) if Q else _sum(b, P, term.summed & set(P.names))
    return replace(term, factors=(made, *rest), summed=frozenset())


def _moving(P: Named, Q: Named, term: Term) -> tuple[Named, Named]:
    """The two factors, that which carries seeds first: its layout is the result's."""
    seeds = set(term.seed.labels)
    first = bool(seeds & set(P.names)), P.value.buffer.place != "fixed"
    second = bool(seeds & set(Q.names)), Q.value.buffer.place != "fixed"
    return (Q, P) if second > first else (P, Q)


def shared(P: Named, Q: Named, term: Term) -> list[Label]:
    """The labels that the product of two factors sums over."""
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
