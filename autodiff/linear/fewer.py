"""The terms of one variable as fewer: those that differ in a number or a slope as one, and too many added up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..program.builder import Builder
from ..program.products import Named, multiply
from .assemble import dense
from .terms import Term, Terms

MANY = 6  #: terms of one variable from which they are added up
CROWDED = 6  #: terms over the same seeds, on average, from which all are


def simpler(b: Builder, terms: Terms) -> Terms:
    """Terms that differ in their coefficient alone as one, and too many added up."""
    if len(terms) == 1:
        return terms
    found: dict[Any, Term] = {}
    for one in terms:
        key = one.key
        if key in found:
            before = found[key]
            found[key] = replace(before, coefficient=before.coefficient + one.coefficient)
        else:
            found[key] = one
    kept = _factored(b, [one for one in found.values() if one.coefficient])  # x - x leaves nothing
    if len(kept) > MANY:
        alike: dict[Any, Terms] = {}
        for one in kept:
            reached = one.seed.size, one.seed.interval, one.seed.step, id(one.bundle) if one.bundle else 0
            alike.setdefault(reached, []).append(one)
        kept = [one for group in alike.values() for one in (group if len(group) <= MANY else [dense(b, group)])]
        if len(kept) > MANY:
            kept = [one for group in _overlapping(kept) for one in (group if len(group) < 3 else [dense(b, group)])]
    return kept


def _factored(b: Builder, terms: Terms) -> Terms:
    """Terms of the same seeds times different slopes as one, times the sum of the slopes: the product rule's."""
    groups: dict[Any, list[tuple[Term, list[Named]]]] = {}
    for one in terms:
        carrying = set(one.seed.labels) | one.summed
        moving = [own for own in one.factors if carrying & own.where.keys()]
        slopes = [own for own in one.factors if not carrying & own.where.keys()]
        key = replace(one, factors=tuple(moving), coefficient=1.0).key
        groups.setdefault(key, []).append((one, slopes))
    made: Terms = []
    for group in groups.values():
        first, slopes = group[0]
        if len(group) == 1:
            made.append(first)
            continue
        total = _scaled(b, slopes, first.coefficient)
        for one, more in group[1:]:
            total = _sum(b, total, _scaled(b, more, one.coefficient))
        held = {id(own) for own in slopes}
        moving = [own for own in first.factors if id(own) not in held]
        made.append(replace(first, factors=(*moving, total), coefficient=1.0))
    return made


def _scaled(b: Builder, slopes: Sequence[Named], coefficient: float) -> Named:
    """The product of slopes and a number."""
    total = Named(b.lift(coefficient), ()) if coefficient != 1.0 or not slopes else slopes[0]
    for own in slopes if coefficient != 1.0 else slopes[1:]:
        total = multiply(b, own, total)
    return total


def _sum(b: Builder, P: Named, Q: Named) -> Named:
    """Two slopes added, each repeated over the labels that it lacks."""
    names = P.names + tuple(name for name in Q.names if name not in P.where)
    return Named(b.map(np.add, P.arranged(b, names), Q.arranged(b, names)), names)


def _overlapping(terms: Terms) -> list[Terms]:
    """The terms in groups that have no seeds in common, such as those of different samples of a batch."""
    groups: list[Terms] = []
    reach = -1
    for one in sorted(terms, key=lambda one: one.seed.interval):
        low, high = one.seed.interval
        if one.seed.step or one.bundle:
            groups.insert(0, [one])
        elif low <= reach:
            groups[-1].append(one)
            reach = max(reach, high)
        else:
            groups.append([one])
            reach = high
    return groups


def few(b: Builder, terms: Terms) -> Terms:
    """Not more terms than the next layer should meet: each of them would become several there.

    Of parameters that many layers share, all of which add terms over the same seeds, one array is left.
    """
    seeds = [one.seed for term in terms for one in (term.bundle or (term,))]
    if len(seeds) > CROWDED * len({seed.interval for seed in seeds}) and not any(seed.step for seed in seeds):
        return [dense(b, terms)]
    return simpler(b, terms) if len(terms) > MANY else terms
