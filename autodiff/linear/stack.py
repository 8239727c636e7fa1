"""Terms that meet the same matrix side by side, as one product: what forward mode to the parameters is made of.

Every parameter has seeds of its own. What is pushed on is only the factor that a matrix meets, for W x its rows and
not every weight; these factors lie side by side in one array, a bundle, however many layers have added to it.
"""

from __future__ import annotations

from dataclasses import replace

from ..program.builder import Builder
from ..program.products import Named, contract, multiply
from ..program.views import View
from .evaluate import closed, factor_pair
from .terms import Axis, Label, Member, Term, Terms


def closed_together(b: Builder, terms: Terms) -> Terms:
    """The terms with their sums done; those that meet the same matrix become one bundle, by as few products as
    their places in memory allow."""
    if len(terms) == 1 or sum(bool(one.summed) for one in terms) < 2:
        return [closed(b, one) for one in terms]
    terms = _shared_first(b, terms)
    groups: dict[object, list[_Piece]] = {}
    made: Terms = []
    for term in terms:
        piece = _piece(b, term) if term.summed else None
        if piece is None:
            made.append(closed(b, term))
        else:
            groups.setdefault((piece.Q.value.key, piece.Q.names), []).append(piece)
    for pieces in groups.values():
        if len({one.key for one in pieces}) > 1:
            with b.within(pieces[0].term.layer):
                made.append(_bundle(b, pieces))
        else:
            made += [closed(b, one.term) for one in pieces]
    return made


class _Piece:
    """A term that is P (gone, own) by Q (new, gone), the rest of its factors being the seeds' alone."""

    __slots__ = ("P", "Q", "gone", "new", "own", "rest", "term")

    def __init__(self, term: Term, P: Named, Q: Named, rest: tuple[Named, ...]) -> None:
        self.term, self.P, self.Q, self.rest = term, P, Q, rest
        self.gone = next(name for name in P.names if name in term.summed)
        self.own = next(name for name in P.names if name is not self.gone)
        self.new = next(name for name in Q.names if name is not self.gone)

    @property
    def key(self) -> object:
        """Equal where P is the same, with its axes in the same places."""
        return self.P.value.key, self.P.where[self.gone]


def _piece(b: Builder, term: Term) -> _Piece | None:
    P, Q, rest = factor_pair(b, term)
    if Q is None or len(P.names) != 2 or len(Q.names) != 2 or P.value.step:
        return None
    shared = [name for name in P.names if name in term.summed and name in Q.where]
    seeds = set(term.seed.labels)
    if len(shared) != 1 or any(not set(one.names) <= seeds for one in rest):
        return None
    if term.bundle and any(one.names for one in rest):  # the columns stand for their members' seeds
        return None
    piece = _Piece(term, P, Q, rest)
    fits = piece.own in seeds and len(term.axes) == 1 and term.axes[0].label is piece.new
    return piece if fits and (not term.bundle or term.seed.label is piece.own) else None


def _shared_first(b: Builder, terms: Terms) -> Terms:
    """Terms with such factors as all of them have multiplied with each other first, one axis into two."""
    pending = sum(bool(one.summed) for one in terms)
    while True:
        times: dict[tuple[_Key, _Key], int] = {}
        for term in terms:
            for pair in _fitting(term):
                times[pair] = times.get(pair, 0) + 1
        common = [pair for pair, count in times.items() if count == pending]
        if not common:
            return terms
        terms = [_with_product(b, term, common[0]) if term.summed else term for term in terms]


_Key = tuple[object, object]


def _fitting(term: Term) -> list[tuple[_Key, _Key]]:
    """Pairs of factors of an open term, the first over one axis of the second."""
    if not term.summed:
        return []
    keyed = [((one.value.key, one.names), one) for one in term.factors]
    return [
        (small, large)
        for small, one in keyed
        for large, other in keyed
        if len(one.names) == 1 and len(other.names) == 2 and one.names[0] in other.where
    ]


def _with_product(b: Builder, term: Term, keys: tuple[_Key, _Key]) -> Term:
    own = [(one.value.key, one.names) for one in term.factors]
    if keys[0] not in own or keys[1] not in own:
        return term
    small, large = own.index(keys[0]), own.index(keys[1])  # a factor may be there twice
    product = multiply(b, term.factors[large], term.factors[small])
    rest = tuple(one for k, one in enumerate(term.factors) if k not in (small, large))
    return replace(term, factors=(product, *rest))


def _bundle(b: Builder, pieces: list[_Piece]) -> Term:
    """One term over all the pieces' own columns, side by side."""
    pieces = sorted(pieces, key=lambda one: not one.term.bundle)  # a bundle stays where it was
    first = pieces[0]
    unique: dict[object, _Piece] = {}
    for piece in pieces:
        unique.setdefault(piece.key, piece)
    wide = Label(sum(piece.own.size for piece in unique.values()))
    columns = first.P.outermost_first(first.P.names)[0] is first.gone
    held = b.new((first.new.size, wide.size), None if columns else (1, 0))
    starts: dict[object, int] = {}
    start = 0
    for key, piece in unique.items():
        part = b.look(held, View((first.new.size, piece.own.size), held.strides, start * held.strides[1]))
        names = (first.new, piece.own)
        contract(b, piece.P, piece.Q, [piece.gone], Named(part, names))
        starts[key] = start
        start += piece.own.size
    members: list[Member] = []
    for piece in pieces:
        at = starts[piece.key]
        term = piece.term
        if term.bundle and (at or piece.rest or term.coefficient != 1.0):
            members += [
                one._replace(
                    start=one.start + at,
                    factors=(*one.factors, *piece.rest),
                    coefficient=one.coefficient * term.coefficient,
                )
                for one in term.bundle
            ]
        elif term.bundle:
            members += term.bundle
        else:
            members.append(Member(at, piece.own, piece.rest, term.seed, term.coefficient))
    seed = Axis(wide.size, 0, ((wide, 1),))
    return Term((Named(held, (first.new, wide)),), seed, first.term.axes, frozenset(), 1.0, tuple(members))
