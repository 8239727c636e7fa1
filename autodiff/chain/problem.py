"""The Jacobian chain product problem: sizes, costs and tapes of the factors, as an object and as a file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError

REQUIRED = ("n", "m", "tangent_cost", "adjoint_cost")
INNER = ("inner_cost", "inner_tangent_cost", "inner_adjoint_cost", "inner_dense_cost")
OPTIONAL = ("memory", "dense_cost", *INNER)
SHOWN = 40  #: characters of a wrong line that a message repeats


def whole_number(name: str, value: object, least: int) -> int:
    """``value`` as an exact int of at least ``least``; InputError, with the name, for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise InputError(f"{name} must be a whole number of at least {least}, got {value!r}")
    return int(value)


@dataclass(frozen=True, slots=True)
class Factor:
    """One elemental Jacobian ``F = f'(x)``, (m, n), known by what it costs to apply.

    Attributes:
        n: inputs, columns of F.
        m: outputs, rows of F.
        tangent_cost: work of ``F v`` for one tangent v, in multiply-adds or any one unit of the whole chain.
        adjoint_cost: work of ``u F`` for one cotangent u, in the same unit.
        memory: tape that an adjoint operation through F needs, in bytes or any one unit of the whole chain.
        dense_cost: work after which F is there as an (m, n) matrix, where that is cheaper than accumulating it: 0 for
            a matrix that exists. None: F is accumulated, by n tangents or m cotangents.
        inner_cost: work after which F is there as a product of its own that is narrower inside, where it is such.
        inner_tangent_cost, inner_adjoint_cost: work of one tangent, and of one cotangent, through that product.
        inner_dense_cost: work after which F is there as a matrix by way of it, ``inner_cost`` included.

    Raises:
        InputError: a value that is no whole number, or too small: 1 for sizes and costs, 0 for memory and dense_cost;
            some of the inner costs without the others.
    """

    n: int
    m: int
    tangent_cost: int
    adjoint_cost: int
    memory: int = 0
    dense_cost: int | None = None
    inner_cost: int | None = None
    inner_tangent_cost: int | None = None
    inner_adjoint_cost: int | None = None
    inner_dense_cost: int | None = None

    def __post_init__(self) -> None:
        for name in REQUIRED:
            object.__setattr__(self, name, whole_number(name, getattr(self, name), least=1))
        object.__setattr__(self, "memory", whole_number("memory", self.memory, least=0))
        if self.dense_cost is not None:
            object.__setattr__(self, "dense_cost", whole_number("dense_cost", self.dense_cost, least=0))
        known = [name for name in INNER if getattr(self, name) is not None]
        if known and len(known) < len(INNER):
            raise InputError(f"{', '.join(known)} without {', '.join(n for n in INNER if n not in known)}")
        for name in known:
            object.__setattr__(self, name, whole_number(name, getattr(self, name), least=0))

    def pushed(self, tangents: int) -> int:
        """Work of so many tangents: the lesser of both ways."""
        through = tangents * self.tangent_cost
        if self.inner_cost is None or self.inner_tangent_cost is None:
            return through
        return min(through, self.inner_cost + tangents * self.inner_tangent_cost)

    def pulled(self, cotangents: int) -> int:
        """Work of so many cotangents: the lesser of both ways."""
        through = cotangents * self.adjoint_cost
        if self.inner_cost is None or self.inner_adjoint_cost is None:
            return through
        return min(through, self.inner_cost + cotangents * self.inner_adjoint_cost)

    @property
    def dense_inside(self) -> bool:
        """Whether its being a matrix takes less by the inner product."""
        known = self.inner_dense_cost
        return known is not None and (self.dense_cost is None or known < self.dense_cost)

    def inside(self, tangents: int = 0, cotangents: int = 0) -> bool:
        """Whether so many seeds are to take the inner product."""
        if tangents:
            return self.pushed(tangents) < tangents * self.tangent_cost
        return self.pulled(cotangents) < cotangents * self.adjoint_cost


@dataclass(frozen=True, slots=True, init=False)
class ChainProblem:
    """The product ``F_q ... F_2 F_1`` of elemental Jacobians, ``factors`` from the input side: ``factors[0]`` is F_1.

    Messages number the factors from 1. Source: Naumann, Matrix-Free Jacobian Chaining (arXiv 2406.11862), section 2.

    Raises:
        InputError: no factor, or two neighbours whose sizes do not chain.
    """

    factors: tuple[Factor, ...]

    def __init__(self, factors: Iterable[Factor]) -> None:
        object.__setattr__(self, "factors", tuple(factors))
        if not self.factors:
            raise InputError("a chain needs at least one factor, got none")
        for index, factor in enumerate(self.factors):
            if not isinstance(factor, Factor):
                raise InputError(f"factor {index + 1} must be a Factor, got {type(factor).__name__}")
            if index:
                _check_chained(index + 1, factor, self.factors[index - 1])

    @property
    def n(self) -> int:
        """Inputs of the whole chain."""
        return self.factors[0].n

    @property
    def m(self) -> int:
        """Outputs of the whole chain."""
        return self.factors[-1].m

    def __len__(self) -> int:
        return len(self.factors)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ChainProblem:
        """The problem that ``{"factors": [{"n": ..., "m": ..., "tangent_cost": ..., "adjoint_cost": ...}, ...]}`` says.

        ``memory`` and ``dense_cost`` may be left out.

        Raises:
            InputError: another form, unknown or missing keys (named), wrong values, sizes that do not chain.
        """
        if not isinstance(data, Mapping) or not isinstance(data.get("factors"), list | tuple):
            raise InputError(f'a chain is {{"factors": [{{...}}, ...]}}, got {_shown(repr(data))}')
        _check_keys("the chain", data, required=("factors",))
        return cls(_factor(number, entry) for number, entry in enumerate(data["factors"], start=1))

    def to_dict(self) -> dict[str, Any]:
        """The form that ``from_dict`` reads, ready for JSON; ``dense_cost`` only where there is one."""
        names = REQUIRED + OPTIONAL
        entries = [{name: getattr(factor, name) for name in names} for factor in self.factors]
        return {"factors": [{name: value for name, value in entry.items() if value is not None} for entry in entries]}

    @classmethod
    def from_text(cls, text: str, source: str = "chain") -> ChainProblem:
        """The problem in the plain format: ``q``, then a line ``m n e`` per factor from the input side.

        Both costs and the memory of a factor are e. Blank lines and comments after ``#`` are skipped.

        Raises:
            InputError: ``source line K: what was expected, what came``.
        """
        lines = _content(text)
        line, content = next(lines, (text.count("\n") + 1, "the end"))
        (count,) = _numbers(content, "the number of factors, at least 1", 1, f"{source} line {line}")
        factors: list[Factor] = []
        for line, content in lines:
            where = f"{source} line {line}"
            if len(factors) == count:
                raise InputError(f"{where}: expected the end after factor {count}, got {_shown(content)!r}")
            m, n, e = _numbers(content, f"m n e of factor {len(factors) + 1}, each at least 1", 3, where)
            factors.append(Factor(n, m, e, e, e))
            if len(factors) > 1:
                _check_chained(len(factors), factors[-1], factors[-2], f"{where}: ")
        if len(factors) < count:
            raise InputError(f"{source} line {line}: expected {count} factors, got {len(factors)} before the end")
        return cls(factors)

    def to_text(self) -> str:
        """The plain format; InputError for a factor whose costs and memory are not one number."""
        for number, factor in enumerate(self.factors, start=1):
            if not (factor.tangent_cost == factor.adjoint_cost == factor.memory and factor.dense_cost is None):
                raise InputError(
                    f"factor {number} does not fit the text format, which has one number for tangent_cost, adjoint_cost"
                    " and memory and no dense_cost; save it as .json"
                )
        return "\n".join([str(len(self)), *(f"{f.m} {f.n} {f.memory}" for f in self.factors)]) + "\n"

    @classmethod
    def load(cls, path: str | Path) -> ChainProblem:
        """The problem in a file: JSON if its first character that is not blank is ``{``, else the plain format.

        Raises:
            InputError: a file that cannot be read, or is malformed: with its name and the line.
        """
        try:
            text = Path(path).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"cannot read the chain {path}: {error}") from error
        return _from_json(text, str(path)) if text.lstrip().startswith("{") else cls.from_text(text, str(path))

    def save(self, path: str | Path) -> None:
        """Write a file that ``load`` reads: JSON if its name ends in .json, else the plain format, if that can say it.

        Raises:
            InputError: the plain format cannot hold this problem, or the file cannot be written.
        """
        is_json = Path(path).suffix.lower() == ".json"
        text = json.dumps(self.to_dict(), indent=1) + "\n" if is_json else self.to_text()
        try:
            Path(path).write_text(text, encoding="utf-8")
        except OSError as error:
            raise InputError(f"cannot write the chain {path}: {error}") from error


def _check_chained(number: int, factor: Factor, before: Factor, where: str = "") -> None:
    if factor.n != before.m:
        raise InputError(
            f"{where}factor {number} takes {factor.n} inputs, factor {number - 1} gives {before.m}; they must be equal"
        )


def _check_keys(what: str, entry: Mapping[str, Any], required: tuple[str, ...], optional: tuple[str, ...] = ()) -> None:
    known = required + optional
    for fault, names in (
        ("does not know", [key for key in entry if key not in known]),
        ("lacks", [key for key in required if key not in entry]),
    ):
        if names:
            raise InputError(f"{what} {fault} {', '.join(map(repr, names))}; its keys are {', '.join(known)}")


def _factor(number: int, entry: object) -> Factor:
    if not isinstance(entry, Mapping):
        raise InputError(f"factor {number} must be a mapping of n, m, ..., got {_shown(repr(entry))}")
    _check_keys(f"factor {number}", entry, REQUIRED, OPTIONAL)
    try:
        return Factor(**entry)
    except InputError as error:
        raise InputError(f"factor {number}: {error}") from None


def _content(text: str) -> Iterator[tuple[int, str]]:
    """The lines that say something, without comments, with their numbers from 1."""
    for number, line in enumerate(text.split("\n"), start=1):
        content = line.partition("#")[0].strip()
        if content:
            yield number, content


def _numbers(content: str, expected: str, count: int, where: str) -> list[int]:
    try:
        values = [int(word) for word in content.replace("_", "?").split()]
    except ValueError:
        values = []
    if len(values) != count or min(values) < 1:
        raise InputError(f"{where}: expected {expected}, got {_shown(content)!r}")
    return values


def _from_json(text: str, source: str) -> ChainProblem:
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{source} line {error.lineno}: expected JSON, got a mistake: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{source}: cannot read the JSON: {error}") from error
    try:
        return ChainProblem.from_dict(data)
    except InputError as error:
        raise InputError(f"{source}: {error}") from None


def _shown(text: str) -> str:
    return text if len(text) <= SHOWN else text[:SHOWN] + "..."
