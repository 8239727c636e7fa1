"""The optimal bracketing of a Jacobian chain, by dynamic programming over its sub-chains."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt

from .plan import Kind, Plan, Step
from .problem import ChainProblem, Factor, whole_number

KINDS: tuple[Kind, ...] = ("tangent", "adjoint", "multiply")  #: in the order that ties are broken
INT64_SAFE = 2**62  #: below it a candidate and the mark of a forbidden one both fit

Table = npt.NDArray[Any]


def bracket(problem: ChainProblem, memory_limit: int | None = None, matrix_free: bool = True) -> Plan:
    """The plan of least cost that has the whole product ``F_q ... F_1`` as a dense (m, n) matrix.

    With ``c[i,j]`` the least cost of having the product of factors i to j, M the limit (None: no limit), n, m, e the
    factors' sizes and tapes, t(s) and a(s) their costs of s tangents and of s cotangents, ``s t`` and ``s a``, or less
    where a factor has a narrower product inside::

        c[j,j] = min( t_j(n_j),  a_j(m_j) if e_j <= M,  dense_cost_j if there is one )
        c[i,j] = min over i <= k < j of
            multiplication       c[k+1,j] + c[i,k] + m_j m_k n_i
            tangent elimination  c[i,k]   + t_{k+1}(n_i) + ... + t_j(n_i)                         if matrix_free
            adjoint elimination  c[k+1,j] + a_i(m_j) + ... + a_k(m_j)  if e_i + ... + e_k <= M    if matrix_free

    The homogeneous tangent and adjoint plans are among them: tangent eliminations after F_1, adjoint ones before F_q,
    where the first factor is taken as cheaply as it can be had. The limit bounds each adjoint operation by itself, as
    published; since tangents need no tape, a plan exists for every limit of at least 0. Of equal candidates the first
    kind in tangent, adjoint, multiply is taken, then the smallest k; of equal ways to have one factor, dense, tangents,
    cotangents. Costs are exact integers of any size. Time O(q^3), memory O(q^2).

    Args:
        problem: the chain.
        memory_limit: most tape that an adjoint operation may need, in the unit of the factors' ``memory``.
        matrix_free: allow eliminations; without them every factor is accumulated and matrices are multiplied.

    Raises:
        InputError: a limit that is negative or no whole number.

    Source: Naumann, Matrix-Free Jacobian Chaining (arXiv 2406.11862); Griewank & Walther, Evaluating Derivatives
    (SIAM 2008), chapters 7 to 10.
    """
    limit = None if memory_limit is None else whole_number("memory_limit", memory_limit, least=0)
    leaves = [_leaf(index, factor, limit) for index, factor in enumerate(problem.factors)]
    chain = _Chain.of(problem, limit)
    return Plan(problem, _tree(problem, leaves, *_choices(chain, [leaf.cost for leaf in leaves], matrix_free)), limit)


def _leaf(index: int, factor: Factor, limit: int | None) -> Step:
    """The cheapest way to have one factor as a matrix."""
    ways: list[tuple[Kind, int]] = [("tangents", factor.pushed(factor.n))]
    if limit is None or factor.memory <= limit:
        ways.append(("cotangents", factor.pulled(factor.m)))
    known = factor.inner_dense_cost if factor.dense_inside else factor.dense_cost
    if known is not None:
        ways.insert(0, ("dense", known))
    kind, cost = min(ways, key=lambda way: way[1])
    return Step(kind, index, index, None, cost)


@dataclass(frozen=True, slots=True)
class _Chain:
    """The problem as arrays: sizes (q,), and sums of which ``[..., j+1] - [..., i]`` is the total of factors i to j.

    Those of tangents and cotangents, (q, q+1), have a row for every factor: of n_i tangents, of m_j cotangents; or one
    row (1, q+1) of one seed where all costs are in proportion to their number, which then is multiplied.
    """

    n: Table
    m: Table
    tangent: Table
    adjoint: Table
    proportional: bool
    tape: Table | None  # None where no adjoint operation can exceed the limit
    limit: int
    forbidden: int  # more than any candidate

    @classmethod
    def of(cls, problem: ChainProblem, limit: int | None) -> _Chain:
        n, m = [f.n for f in problem.factors], [f.m for f in problem.factors]
        proportional = all(f.inner_cost is None for f in problem.factors)
        tangent = [0, *accumulate(f.tangent_cost for f in problem.factors)]
        adjoint = [0, *accumulate(f.adjoint_cost for f in problem.factors)]
        tape = [0, *accumulate(f.memory for f in problem.factors)]
        limited = limit is not None and limit < tape[-1]
        product = max(n) * max(m) ** 2
        dearest = max(n) * tangent[-1] + len(problem) * product  # of having any sub-chain
        forbidden = 2 * dearest + max(product, max(n) * tangent[-1], max(m) * adjoint[-1]) + 1
        fits = max(forbidden, tape[-1] if limited else 0) < INT64_SAFE
        dtype = np.int64 if fits else object
        sums = [[tangent], [adjoint]]
        if not proportional:
            sums = [[[0, *accumulate(f.pushed(k) for f in problem.factors)] for k in n],
                    [[0, *accumulate(f.pulled(k) for f in problem.factors)] for k in m]]  # fmt: skip
        made = [np.array(values, dtype) for values in (n, m, *sums)]
        tapes = np.array(tape, dtype) if limited else None
        return cls(made[0], made[1], made[2], made[3], proportional, tapes, limit or 0, forbidden)

    def candidates(self, d: int, right: Table, left: Table, matrix_free: bool) -> Iterator[tuple[int, Table]]:
        """The cost of sub-chains i..i+d by each kind of operation, (q-d, d): row i, split k = i + column.

        ``right`` and ``left`` (q-d, d) hold c[i,k] and c[k+1,i+d].
        """
        rows = len(right)
        if matrix_free:
            cost = self._pushed(rows, d)
            cost += right
            yield 0, cost
            cost = self._pulled(rows, d)
            cost += left
            if self.tape is not None:
                cost[_windows(self.tape[1:], rows, d) - self.tape[:rows, None] > self.limit] = self.forbidden
            yield 1, cost
        cost = _windows(self.m, rows, d) * (self.m[d:, None] * self.n[:rows, None])
        cost += right
        cost += left
        yield 2, cost

    def _pushed(self, rows: int, d: int) -> Table:
        """What n_i tangents take through factors k+1 to i+d."""
        if self.proportional:
            cost: Table = self.tangent[0, d + 1 :, None] - _windows(self.tangent[0, 1:], rows, d)
            cost *= self.n[:rows, None]
            return cost
        i = np.arange(rows)[:, None]
        found: Table = self.tangent[i, i + d + 1] - self.tangent[i, i + 1 + np.arange(d)]
        return found

    def _pulled(self, rows: int, d: int) -> Table:
        """What m_(i+d) cotangents take through factors i to k."""
        if self.proportional:
            cost: Table = _windows(self.adjoint[0, 1:], rows, d) - self.adjoint[0, :rows, None]
            cost *= self.m[d:, None]
            return cost
        i = np.arange(rows)[:, None]
        found: Table = self.adjoint[i + d, i + 1 + np.arange(d)] - self.adjoint[i + d, i]
        return found


def _windows(values: Table, rows: int, d: int) -> Table:
    """``values[i+k]`` in row i, column k; a view, (rows, d)."""
    return np.lib.stride_tricks.sliding_window_view(values, d)[:rows]


def _choices(chain: _Chain, leaves: list[int], matrix_free: bool) -> tuple[Table, Table]:
    """The kind and the split k of the cheapest last operation of every sub-chain i..j, each (q, q) by [i, j-i]."""
    q = len(leaves)
    starting, ending = np.empty((2, q, q), chain.n.dtype)  # c by [i, j-i] and by [j, j-i]: all operands are slices
    kinds, splits = np.zeros((q, q), np.int8), np.zeros((q, q), np.int64)
    starting[:, 0] = ending[:, 0] = leaves
    for d in range(1, q):
        right, left = starting[: q - d, :d], ending[d:, :d][:, ::-1]
        best = np.full(q - d, chain.forbidden, chain.n.dtype)
        for kind, costs in chain.candidates(d, right, left, matrix_free):
            column = costs.argmin(axis=1)
            least = costs[np.arange(q - d), column]
            better = least < best
            best[better] = least[better]
            kinds[: q - d, d][better] = kind
            splits[: q - d, d][better] = column[better]
        splits[: q - d, d] += np.arange(q - d)
        starting[: q - d, d] = ending[d:, d] = best
    return kinds, splits


def _tree(problem: ChainProblem, leaves: list[Step], kinds: Table, splits: Table) -> Step:
    """The operations of the optimum, linked; without recursion, as a chain of q factors may give a tree q deep."""
    done: dict[tuple[int, int], Step] = {(leaf.first, leaf.last): leaf for leaf in leaves}
    factors = problem.factors
    for i, j in reversed(_operations(len(leaves), kinds, splits)):
        kind, k = KINDS[kinds[i, j - i]], int(splits[i, j - i])
        n, m = problem.factors[i].n, problem.factors[j].m
        right, left = done.get((i, k)), done.get((k + 1, j))
        if kind == "tangent":
            done[i, j] = Step(kind, i, j, k, sum(f.pushed(n) for f in factors[k + 1 : j + 1]), right=right)
        elif kind == "adjoint":
            done[i, j] = Step(kind, i, j, k, sum(f.pulled(m) for f in factors[i : k + 1]), left=left)
        else:
            done[i, j] = Step(kind, i, j, k, m * problem.factors[k].m * n, right=right, left=left)
    return done[0, len(leaves) - 1]


def _operations(q: int, kinds: Table, splits: Table) -> list[tuple[int, int]]:
    """The sub-chains i..j that the optimum of the whole is made of, each before its parts."""
    found, waiting = [], [(0, q - 1)]
    while waiting:
        i, j = waiting.pop()
        if i == j:
            continue
        found.append((i, j))
        kind, k = KINDS[kinds[i, j - i]], int(splits[i, j - i])
        if kind != "adjoint":
            waiting.append((i, k))
        if kind != "tangent":
            waiting.append((k + 1, j))
    return found
