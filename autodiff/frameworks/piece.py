"""A part of a module that is no layer of ours, such as a block of attention, as one layer of the chain."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..arrays import Array
from ..layers.base import Layer
from ..layers.windows import LEAST
from .graph import Graph, Shape, Step, replaced
from .operations import OPERATIONS, POINTWISE

#: operations whose constants are positions, and stay integers
POSITIONS = ("index", "index_select", "embedding")


class Piece(Layer):
    """The steps of a graph between two values that all others go through.

    Args:
        steps: in order; those of parameters alone among them.
        source, in_shape: the value that goes in, and its axes.
        out_shape: those of the last step's value, which comes out.
        graph: that the steps are of.

    Attributes:
        operations: the names of its steps, in order.
    """

    def __init__(self, steps: Sequence[Step], source: str, in_shape: Shape, out_shape: Shape, graph: Graph) -> None:
        self.steps, self.source = tuple(steps), source
        self._in, self._out = in_shape, out_shape
        self.n, self.m = math.prod(in_shape), math.prod(out_shape)
        read = list(dict.fromkeys(name for step in steps for name in step.reads()))
        self._names = tuple(name for name in read if name in graph.params)
        self.params = tuple(graph.params[name] for name in self._names)
        positions = {name for step in steps if step.op in POSITIONS for name in step.reads()}
        self._constants = {
            name: graph.constants[name] if name in positions else _plain(graph.constants[name])
            for name in read
            if name in graph.constants
        }
        self._conditions = {name for name in self._constants if graph.constants[name].dtype == bool}
        self._positions = positions
        self.batched = not self.params and all(map(self._free_of_axes, self.steps))

    @property
    def kind(self) -> str:
        whole = " ".join(self.operations)
        return whole if len(self.steps) == 1 else f"Piece of {len(self.steps)} operations"

    @property
    def operations(self) -> tuple[str, ...]:
        """The names of its steps, in order."""
        return tuple(step.op for step in self.steps)

    @property
    def in_shape(self) -> Shape:
        return self._in

    @property
    def out_shape(self) -> Shape:
        return self._out

    def _free_of_axes(self, step: Step) -> bool:
        """It is elementwise, of values of the input's shape and of numbers alone."""
        values = all(name not in self._constants for name in step.reads())
        return step.op in POINTWISE and step.shape == self._in and values

    def function(self, x: Any, params: Any, xp: Any = np) -> Any:
        values = {self.source: x if self.batched else x.reshape(self._in)}
        values |= zip(self._names, params, strict=True)
        values |= {name: self._constant(name, x.dtype, xp) for name in self._constants}
        for step in self.steps:
            values[step.name] = performed(step, values, xp)
        y = values[self.steps[-1].name]
        return y if self.batched else y.reshape(self.m)

    def _constant(self, name: str, dtype: Any, xp: Any) -> Any:
        found = self._constants[name]
        if name in self._positions or not isinstance(found, np.ndarray):
            return found
        made = xp.asarray(found, dtype=dtype)
        return made > 0.5 if name in self._conditions else made


def performed(step: Step, values: Mapping[str, Any], xp: Any) -> Any:
    """The value of a step from those that it takes."""
    keywords = {name: replaced(one, values) for name, one in step.keywords.items()}
    return OPERATIONS[step.op](xp, replaced(step.x, values), **keywords)


def _plain(constant: Array) -> Any:
    """As numbers that no derivative makes NaN of; one without axes as a number."""
    made = np.maximum(constant.astype(np.float64), LEAST)
    return float(made) if constant.dtype != bool and not made.ndim else made


def unknown_keyword(step: Step) -> str:
    """A keyword of the step that its function does not know; empty if there is none."""
    parameters = inspect.signature(OPERATIONS[step.op]).parameters
    if any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
        return ""
    return next((name for name in step.keywords if name not in parameters), "")
