"""A module as a graph of operations with names, free of any framework."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..arrays import Array

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Ref:
    """What stands in a step's arguments for a value, a parameter or a constant."""

    name: str


@dataclass(frozen=True, slots=True)
class Step:
    """One operation.

    Attributes:
        name: of its value.
        op: which, a name of :data:`autodiff.frameworks.operations.OPERATIONS`.
        x: its first argument.
        keywords: the others that are not as they are by default; values are :class:`Ref`.
        shape: of its value; None for several values.
        path: of the module that it stands in, such as ``encoder.layers.0``; empty for the whole.
        owner: the class of that module.
    """

    name: str
    op: str
    x: Any
    keywords: Mapping[str, Any]
    shape: Shape | None
    path: str
    owner: str

    def reads(self) -> Iterator[str]:
        """The names of the values that it takes."""
        yield from _names(self.x)
        for one in self.keywords.values():
            yield from _names(one)

    @property
    def place(self) -> str:
        """Where it stands, for messages."""
        return f"{self.path} ({self.owner})" if self.path else self.owner


@dataclass(frozen=True, slots=True)
class Graph:
    """Steps in an order in which each follows what it takes.

    Attributes:
        steps: those that the result depends on.
        source, source_shape: the input.
        result, result_shape: the output.
        params: the parameter arrays by the name in the steps; one that is shared is the same array.
        sources: what the module calls them, ``encoder.layers.0.weight``.
        constants: arrays that are no parameters, of floats, integers or booleans.
    """

    steps: tuple[Step, ...]
    source: str
    source_shape: Shape
    result: str
    result_shape: Shape
    params: Mapping[str, Array]
    sources: Mapping[str, str]
    constants: Mapping[str, Array]


def _names(given: Any) -> Iterator[str]:
    if isinstance(given, Ref):
        yield given.name
    elif isinstance(given, (list, tuple)):
        for one in given:
            yield from _names(one)


def replaced(given: Any, values: Mapping[str, Any]) -> Any:
    """The argument with every :class:`Ref` replaced by its value."""
    if isinstance(given, Ref):
        return values[given.name]
    if isinstance(given, (list, tuple)):
        return [replaced(one, values) for one in given]
    return given
