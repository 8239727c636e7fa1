"""A plan: the tree of operations that multiplies a Jacobian chain out, and how it reads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from .problem import ChainProblem

Kind = Literal["dense", "tangents", "cotangents", "multiply", "tangent", "adjoint"]

WRITTEN_OUT = 12  #: factors of a chain whose printed bracketing is not shortened
DEPTH = 4  #: levels of a shortened bracketing; a run of single factors is one


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One operation: it has the product of factors ``first`` to ``last``, counted from 0 and both included.

    Compared by identity, and printed without what it is made of, since a tree may be deeper than Python recurses.

    Attributes:
        kind: of one factor, ``"dense"`` (given, or formed directly), ``"tangents"`` (accumulated by n tangents) or
            ``"cotangents"`` (by m cotangents); of more, ``"multiply"`` (left times right), ``"tangent"`` (elimination:
            the columns of right pushed through factors split+1 to last) or ``"adjoint"`` (elimination: the rows of
            left pulled back through factors split to first).
        first: the factor at the input side.
        last: the factor at the output side.
        split: k, where the sub-chain is cut in first..k and k+1..last; None for one factor.
        cost: work of this operation alone.
        right: how first..split, the input side, comes about; None where it is not formed.
        left: how split+1..last, the output side, comes about; None where it is not formed.
    """

    kind: Kind
    first: int
    last: int
    split: int | None
    cost: int
    right: Step | None = field(default=None, repr=False)
    left: Step | None = field(default=None, repr=False)


class Plan:
    """How to multiply a chain out, and what that costs beside the homogeneous modes.

    Costs are in the unit of the problem's costs, memory in the unit of its tapes.
    Source: Naumann, Matrix-Free Jacobian Chaining (arXiv 2406.11862).

    Attributes:
        problem: the chain.
        root: the last operation, which gives the whole product.
        memory_limit: most tape that one adjoint operation may need; None without a limit.
        cost: of all operations.
        forward_cost: of the homogeneous tangent mode, ``d_1 + n_1 (t_2 + ... + t_q)``, with d_1 the dense cost of the
            first factor where that is known: the product begins with F_1, the identity is not multiplied. Where it is
            not known, d_1 is ``n_1 t_1``, and the sum the classical ``n_1 (t_1 + ... + t_q)``.
        reverse_cost: of the homogeneous adjoint mode, ``d_q + m_q (a_1 + ... + a_{q-1})``, with d_q the dense cost of
            the last factor, else ``m_q a_q``; None where its tape exceeds the limit.
        peak_memory: the most tape that one of the adjoint operations needs; an operation through factors i to k needs
            ``e_i + ... + e_k``.
    """

    def __init__(self, problem: ChainProblem, root: Step, memory_limit: int | None = None) -> None:
        self.problem = problem
        self.root = root
        self.memory_limit = memory_limit
        self._steps = _ordered(root)
        self._tape = sum(factor.memory for factor in problem.factors)
        self._adjoint_cost = _reverse_cost(problem)
        self.cost = sum(step.cost for step in self._steps)
        self.forward_cost = _forward_cost(problem)
        self.reverse_cost = self._adjoint_cost if memory_limit is None or self._tape <= memory_limit else None
        self.peak_memory = max(self._tape_of(step) for step in self._steps)

    def _tape_of(self, step: Step) -> int:
        if step.kind not in ("cotangents", "adjoint"):
            return 0
        last = step.last if step.split is None else step.split
        return sum(factor.memory for factor in self.problem.factors[step.first : last + 1])

    @property
    def homogeneous_cost(self) -> int:
        """The lesser of the forward cost and, where it is allowed, the reverse cost."""
        return self.forward_cost if self.reverse_cost is None else min(self.forward_cost, self.reverse_cost)

    @property
    def gain(self) -> float:
        """The homogeneous cost over the cost of this plan; infinite for a plan that costs nothing."""
        return _ratio(self.homogeneous_cost, self.cost)

    def steps(self) -> list[Step]:
        """The operations in an order in which they can be run: parts before the whole, the input side first."""
        return list(self._steps)

    def inside(self) -> list[int]:
        """The factors that an operation goes through by their narrower product inside, from 0."""
        found, factors = set(), self.problem.factors
        for step in self._steps:
            n, m = factors[step.first].n, factors[step.last].m
            if step.kind in ("tangent", "tangents"):
                first = step.last if step.split is None else step.split + 1
                found |= {i for i in range(first, step.last + 1) if factors[i].inside(tangents=n)}
            elif step.kind == "dense":
                found |= {step.last} if factors[step.last].dense_inside else set()
            elif step.kind in ("adjoint", "cotangents"):
                last = step.last if step.split is None else step.split
                found |= {i for i in range(step.first, last + 1) if factors[i].inside(cotangents=m)}
        return sorted(found)

    def bracketing(self) -> str:
        """The product with its brackets, as it is written: ``((F6 F5) F4) (F3 (F2 F1))``, F1 at the input side."""
        return _written(self.root, shorten=False)

    def __str__(self) -> str:
        rows = [
            (str(number), self._in_words(step), _span(step.last, step.first), self._shape(step), f"{step.cost:,}")
            for number, step in enumerate(self._steps, start=1)
        ]
        reverse = "over the memory limit" if self.reverse_cost is None else f"{self.reverse_cost:,}"
        rows += [("", "by its narrower product inside", _span(i, i), "", "") for i in self.inside()]
        total = f"total {self.cost:,}; forward {self.forward_cost:,}, reverse {reverse}; gain {_figure(self.gain)}"
        return "\n".join([_written(self.root, len(self.problem) > WRITTEN_OUT), *_aligned(rows, "rllrr"), total])

    def __repr__(self) -> str:
        return f"<Plan of {len(self.problem)} factors: cost {self.cost:,}, gain {_figure(self.gain)}>"

    def _shape(self, step: Step) -> str:
        return f"{self.problem.factors[step.last].m:,} x {self.problem.factors[step.first].n:,}"

    def _in_words(self, step: Step) -> str:
        n, m = self.problem.factors[step.first].n, self.problem.factors[step.last].m
        if step.kind == "dense":
            return "take dense"
        if step.split is None:
            return f"accumulate by {_count(n, 'tangent') if step.kind == 'tangents' else _count(m, 'cotangent')}"
        if step.kind == "multiply":
            return f"multiply {_span(step.last, step.split + 1)} by {_span(step.split, step.first)}"
        if step.kind == "tangent":
            return f"push {_count(n, 'tangent')} through {_span(step.split + 1, step.last)}"
        return f"pull {_count(m, 'cotangent')} back through {_span(step.split, step.first)}"

    def explain(self) -> str:
        """A table, one row each for this plan, forward and reverse: work, relative to the better of both, and tape."""
        rows = [("", "multiply-adds", "relative", "tape")]
        for name, cost, tape in (
            ("plan", self.cost, self.peak_memory),
            ("forward", self.forward_cost, 0),
            ("reverse", self._adjoint_cost, self._tape),
        ):
            rows.append((name, f"{cost:,}", _figure(_ratio(cost, self.homogeneous_cost)), f"{tape:,}"))
        return "\n".join(filter(None, [*_aligned(rows, "lrrr"), self.limit()]))

    def limit(self) -> str:
        """The memory limit, and whether reverse mode exceeds it; empty where there is none."""
        if self.memory_limit is None:
            return ""
        return f"memory limit {self.memory_limit:,}{', which reverse exceeds' * (self.reverse_cost is None)}"

    def to_dict(self) -> dict[str, Any]:
        """The plan ready for JSON: ``steps`` in the order of ``steps()``, left and right as indices into that list.

        ``gain`` is None where it is infinite, for which JSON has no number.
        """
        index = {id(step): number for number, step in enumerate(self._steps)}
        return {
            "problem": self.problem.to_dict(),
            "memory_limit": self.memory_limit,
            "cost": self.cost,
            "forward_cost": self.forward_cost,
            "reverse_cost": self.reverse_cost,
            "gain": self.gain if math.isfinite(self.gain) else None,
            "peak_memory": self.peak_memory,
            "bracketing": self.bracketing(),
            "steps": [
                {name: getattr(step, name) for name in ("kind", "first", "last", "split", "cost")}
                | {name: index.get(id(getattr(step, name))) for name in ("right", "left")}
                for step in self._steps
            ],
        }


def _forward_cost(problem: ChainProblem) -> int:
    first, *rest = problem.factors
    start = first.n * first.tangent_cost if first.dense_cost is None else first.dense_cost
    return start + problem.n * sum(factor.tangent_cost for factor in rest)


def _reverse_cost(problem: ChainProblem) -> int:
    *rest, last = problem.factors
    start = last.m * last.adjoint_cost if last.dense_cost is None else last.dense_cost
    return start + problem.m * sum(factor.adjoint_cost for factor in rest)


def _ordered(root: Step) -> list[Step]:
    """All operations, parts before the whole and right before left."""
    found, waiting = [], [root]
    while waiting:
        step = waiting.pop()
        found.append(step)
        waiting.extend(part for part in (step.right, step.left) if part is not None)
    return found[::-1]


def _written(root: Step, shorten: bool) -> str:
    """The bracketing; ``shorten`` leaves out the middle of long runs and what is nested deep."""
    parts: list[str] = []
    waiting: list[tuple[str | Step, int]] = [(root, 0)]
    while waiting:
        item, depth = waiting.pop()
        if isinstance(item, str):
            parts.append(item)
        elif item.split is None or (shorten and depth == DEPTH):
            parts.append(_span(item.last, item.first))
        else:
            waiting.extend((piece, depth + 1) for piece in reversed(_pieces(item, shorten)))
    return "".join(parts)


def _pieces(step: Step, shorten: bool) -> list[str | Step]:
    side, low, high, inner = _run(step)
    if inner is None:
        return [*_enclosed(step.left), " ", *_enclosed(step.right)]
    names = [f"F{factor + 1}" for factor in range(high, low - 1, -1)]
    if shorten and len(names) > 3:
        names[1:-1] = [".."]
    if side == "left":
        return [" (".join(names), " ", *_enclosed(inner), ")" * (len(names) - 1)]
    return ["(" * (len(names) - 1), *_enclosed(inner), " ", ") ".join(names)]


def _run(step: Step) -> tuple[str, int, int, Step | None]:
    """The run of single factors that stand at one side of a step: its side, lowest and highest, and what is inside."""
    side, low, high, inner = _peeled(step)
    while inner is not None and inner.split is not None and _peeled(inner)[0] == side:
        _, other_low, other_high, inner = _peeled(inner)
        low, high = min(low, other_low), max(high, other_high)
    return side, low, high, inner


def _peeled(step: Step) -> tuple[str, int, int, Step | None]:
    assert step.split is not None
    if step.kind == "tangent" or (step.kind == "multiply" and step.split + 1 == step.last):
        return "left", step.split + 1, step.last, step.right
    if step.kind == "adjoint" or (step.kind == "multiply" and step.split == step.first):
        return "right", step.first, step.split, step.left
    return "", step.first, step.last, None


def _enclosed(step: Step | None) -> list[str | Step]:
    assert step is not None
    return [step] if step.split is None else ["(", step, ")"]


def _ratio(above: int, below: int) -> float:
    try:
        return above / below
    except (ZeroDivisionError, OverflowError):
        return math.inf


def _figure(ratio: float) -> str:
    return f"{ratio:.3g}" if ratio < 100 else f"{ratio:,.0f}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("s" if number != 1 else "")


def _span(one: int, other: int) -> str:
    """Factors counted from 0, named from 1."""
    return f"F{one + 1}" if one == other else f"F{one + 1} .. F{other + 1}"


def _aligned(rows: Sequence[tuple[str, ...]], sides: str) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = zip(row, widths, sides, strict=True)
        lines.append("  ".join(c.rjust(w) if side == "r" else c.ljust(w) for c, w, side in cells).rstrip())
    return lines
