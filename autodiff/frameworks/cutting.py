"""A graph cut into a chain: wherever a single value is alive, one layer ends and the next one begins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import InputError
from .graph import Graph, Shape, Step


@dataclass(frozen=True, slots=True)
class Cut:
    """The steps between two values that all others go through.

    Attributes:
        steps: in order, those of parameters alone, which it needs, before the others.
        source, in_shape: the value that goes in.
        out_shape: the axes of the value that comes out, the last step's.
    """

    steps: tuple[Step, ...]
    source: str
    in_shape: Shape
    out_shape: Shape


def needed(steps: tuple[Step, ...], result: str) -> tuple[Step, ...]:
    """The steps that a value depends on, in their order."""
    wanted, found = {result}, []
    for step in reversed(steps):
        if step.name in wanted:
            found.append(step)
            wanted.update(step.reads())
    return tuple(reversed(found))


def cut(graph: Graph) -> list[Cut]:
    """The graph as a chain; empty where the result is the input itself.

    Raises:
        InputError: the result does not depend on the input.
    """
    if graph.result == graph.source:
        return []
    varying, others = _varying(graph)
    if not varying or varying[-1].name != graph.result:
        raise InputError("what the module gives does not depend on its input; there is nothing to differentiate")
    return list(_chain(graph, varying, others))


def _varying(graph: Graph) -> tuple[list[Step], tuple[Step, ...]]:
    """The steps that depend on the input, and those of parameters alone."""
    known, varying, others = {graph.source}, [], []
    for step in graph.steps:
        if known.intersection(step.reads()):
            known.add(step.name)
            varying.append(step)
        else:
            others.append(step)
    return varying, tuple(others)


def _chain(graph: Graph, varying: list[Step], others: tuple[Step, ...]) -> Iterator[Cut]:
    last_use = {graph.result: len(varying)}
    for number, step in enumerate(varying):
        last_use.update(dict.fromkeys((name for name in step.reads() if name != graph.result), number))
    source, shape, begun, alive = graph.source, graph.source_shape, 0, {graph.source}
    for number, step in enumerate(varying):
        alive = {name for name in alive | {step.name} if last_use.get(name, -1) > number}
        if alive == {step.name} and step.shape is not None:
            own = varying[begun : number + 1]
            first: dict[str, Step] = {}
            for one in own:
                for name in one.reads():
                    first |= {before.name: before for before in needed(others, name)}
            yield Cut((*first.values(), *own), source, shape, step.shape)
            source, shape, begun = step.name, step.shape, number + 1
