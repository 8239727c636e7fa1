"""Writing a program: values in, instructions out, and a tape of what the linear maps need to know."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import Array
from ..errors import InputError, UnsupportedError
from .constants import Constants
from .instructions import Block, Buffer, Code, Instruction, Kind, Operand, Place
from .value import Mask, Value
from .views import (
    Shape,
    View,
    broadcast,
    broadcast_shapes,
    contiguous,
    full_shape,
    index,
    is_contiguous,
    parse_index,
    reshape,
    windows,
)


@dataclass(slots=True, eq=False)
class Node:
    """One recorded step: ``out`` is ``op`` of ``inputs``; ``info`` is the primitive, subscripts, axes or shapes."""

    op: str
    inputs: tuple[Value, ...]
    out: Value
    info: Any = None


@dataclass(slots=True, eq=False)
class Segment:
    """Instructions ``start`` to ``stop - 1``, which compute ``y`` from ``x``; both are arguments."""

    start: int
    stop: int
    x: Value
    y: Value
    called: bool = False


class Builder:
    """Writes one program.

    An instruction that was written before with the same operands is not written again: its value is used.

    Attributes:
        dtype: of the program.
        code: what has been written.
        layer: the number that new instructions carry.
        tape: the steps of the function that is being recorded; None while nothing is.
        seeds_lead: dense tangents along a few seeds are laid out with them outermost, as rows; else as columns.
    """

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self.code = Code(dtype)
        self.layer = -1
        self.tape: list[Node] | None = None
        self.seeds_lead = False
        self._known: dict[Any, Value] = {}
        self.known_products: dict[Any, Any] = {}  # Named values, by what was multiplied
        self._constants = Constants(dtype)
        self._body: list[Instruction] | None = None  # of the loop that is being written
        self._variant: set[int] = set()  # buffers that differ from block to block
        self._kept: list[Buffer] = []  # so that an id stays the id of its buffer

    # -- memory

    def outside(self, place: Place, shape: Shape) -> Value:
        """An array that the run is given: x, the seed or the result."""
        return Value(self, Buffer(place, math.prod(shape)), View(shape, contiguous(shape), 0))

    def new(self, shape: Shape, order: Sequence[int] | None = None, fresh: bool = False) -> Value:
        """Working memory; ``order`` lists the axes from the outermost; ``fresh`` in every block of a loop."""
        buffer = Buffer("memory", math.prod(shape))
        self._kept.append(buffer)
        if fresh and self._body is not None:
            self._variant.add(id(buffer))
        if order is None:
            return Value(self, buffer, View(shape, contiguous(shape), 0))
        steps = contiguous(tuple([shape[axis] for axis in order]))
        strides = [0] * len(shape)
        for axis, step in zip(order, steps, strict=True):
            strides[axis] = step
        return Value(self, buffer, View(shape, tuple(strides), 0))

    def fixed(self, array: Array, owner: Array | None = None) -> Value:
        """An array that the program points to, such as a parameter: never copied, so that changes are seen.

        Args:
            array: of the program's precision.
            owner: the flat array that it is a view of; itself if left out, and then C-contiguous.
        """
        buffer, view = self._constants.param(array, owner)
        return Value(self, buffer, view)

    def lift(self, given: Any) -> Value:
        """``given`` as a value: a number or an array becomes a constant of the program's precision."""
        if isinstance(given, Value):
            if given.builder is not self:
                raise UnsupportedError("a value of another program came in; a function must not keep values")
            return given
        if isinstance(given, Mask):
            return given.value
        buffer, shape = self._constants.constant(given)
        return Value(self, buffer, View(shape, contiguous(shape), 0))

    # -- instructions

    def emit(
        self,
        kind: Kind,
        ufunc: Any,
        inputs: tuple[Operand, ...],
        out: Operand,
        axis: int = 0,
        index: Any = None,
    ) -> None:
        """Write one instruction; in a loop, what is the same in every block goes before it."""
        made = Instruction(kind, ufunc, inputs, out, self.layer, axis, index)
        if self._body is None:
            self.code.instructions.append(made)
            return
        variant = self._variant
        if any(one.step or id(one.buffer) in variant for one in (*inputs, out)):
            variant.add(id(out.buffer))
            self._body.append(made)
        else:
            self.code.instructions.append(made)

    @contextmanager
    def within(self, layer: int) -> Iterator[None]:
        """Instructions carry another layer's number."""
        before, self.layer = self.layer, layer
        yield
        self.layer = before

    @contextmanager
    def loop(self, count: int) -> Iterator[None]:
        """What is written inside is run ``count`` times; operands with a step move on from block to block."""
        self._body = []
        yield
        start = len(self.code.instructions)
        self.code.instructions += self._body
        self.code.control.append(Block(start, len(self.code.instructions), count))
        self._body = None
        self._known = {key: one for key, one in self._known.items() if not self._varies(one)}
        self.known_products = {key: one for key, one in self.known_products.items() if not self._varies(one.value)}

    def segment(self, write: Callable[[Value], Value], x: Value) -> Segment:
        """Instructions that compute ``write(x)``, to be called; ``x`` says where its elements lie in their buffer.

        They stand where they are written, so the first call has to follow at once.
        """
        self.forget()
        given = Value(self, Buffer("argument", x.buffer.size), x.view)
        start = len(self.code.instructions)
        y = write(given)
        if y.buffer.place != "memory":
            y = self.copy(y)
        y.buffer.place = "argument"
        self.forget()
        return Segment(start, len(self.code.instructions), given, y)

    def run(self, segment: Segment, x: Value) -> Value:
        """Call a segment with another x; gives its y in memory of its own."""
        bound = (segment.x.buffer, x.buffer), (segment.y.buffer, Buffer("memory", segment.y.buffer.size))
        at = segment.start if not segment.called else len(self.code.instructions)
        segment.called = True
        self.code.control.append(Block(segment.start, segment.stop, 1, bound, at))
        return Value(self, bound[1][1], segment.y.view)

    def forget(self) -> None:
        """What has been written is not used again: what is asked for from now on is computed again."""
        self._known, self.known_products = {}, {}

    def _varies(self, value: Value) -> bool:
        return bool(value.step) or id(value.buffer) in self._variant

    def remember_product(self, key: Any, product: Any) -> None:
        """Let the same product be used again."""
        self.known_products[key] = product

    def map(self, ufunc: Any, *given: Any) -> Value:
        """``ufunc`` of values, element by element; the layout follows the operands, as NumPy's order K."""
        inputs = [self.lift(one) for one in given]
        shape, key = _map_key(ufunc, inputs)
        out = self._known.get(key)
        if out is None:
            made = self._constants.folded(ufunc, inputs)
            if made is None:
                out = self.new(shape, _order(shape, inputs))
                self.write(ufunc, inputs, out)
            else:
                out = self.lift(made)
            self._known[key] = out
        return out

    def known(self, ufunc: Any, *inputs: Value) -> Value | None:
        """What :meth:`map` would give, if it has been written already."""
        return self._known.get(_map_key(ufunc, inputs)[1])

    def write(self, ufunc: Any, inputs: Sequence[Value], out: Value) -> None:
        """``ufunc(*inputs, out=out)``, the inputs broadcast to the shape of ``out``."""
        self.emit("map", ufunc, tuple([self._spread(one, out.shape) for one in inputs]), out)

    def _spread(self, value: Value, shape: Shape) -> Value:
        if value.shape == shape:
            return value
        return self.look(value, broadcast(value.view, shape))

    def copy(self, value: Value) -> Value:
        """The same numbers in C order, in memory of their own."""
        key = ("copy", value.key)
        if key not in self._known:
            self._known[key] = self.new(value.shape)
            self.write(np.positive, [value], self._known[key])
        return self._known[key]

    def reduce(self, ufunc: Any, value: Value, axis: int) -> Value:
        """``ufunc.reduce`` over one axis."""
        key = ("reduce", ufunc, axis, value.key)
        if key not in self._known:
            shape = value.shape[:axis] + value.shape[axis + 1 :]
            out = self.new(shape)
            self.emit("reduce", ufunc, (value,), out, axis)
            self._known[key] = out
        return self._known[key]

    # -- recorded functions

    def record(self, op: str, inputs: tuple[Value, ...], out: Value, info: Any = None) -> Value:
        """Note on the tape how ``out`` came about."""
        if self.tape is None:
            return out
        if out.origin is not None and any(map(operator.is_not, out.origin, inputs)):
            out = self.look(out, out.view)  # the same numbers, but not the same derivative: x.real * 2 after x * 2
        out.origin = inputs
        self.tape.append(Node(op, inputs, out, info))
        return out

    def look(self, value: Value, view: View) -> Value:
        """Another view of a value's memory, which is not recorded."""
        return Value(self, value.buffer, view, value.step)

    def index(self, value: Value, key: object) -> Value:
        """Basic indexing, a view."""
        parts = parse_index(key, value.shape)
        found = index(value.view, parts)
        if 0 in found.shape:
            raise InputError(f"index {key} of shape {value.shape} is empty")
        return self.record("index", (value,), self.look(value, found), parts)

    def windows(self, value: Value, axes: Sequence[int], sizes: Sequence[int]) -> Value:
        """Every run of so many positions along some axes, a view in which elements stand several times."""
        view = value.view
        for axis, size in zip(axes, sizes, strict=True):
            if not 1 <= size <= value.shape[axis]:
                raise InputError(f"windows of {size} do not fit axis {axis} of shape {value.shape}")
            view = windows(view, axis, size)
        return self.record("windows", (value,), self.look(value, view), (tuple(axes), tuple(sizes)))

    def transpose(self, value: Value, order: Sequence[int]) -> Value:
        """The axes in another order, a view."""
        axes = [axis % value.ndim for axis in order]
        if sorted(axes) != list(range(value.ndim)):
            raise InputError(f"axes {tuple(order)} do not fit shape {value.shape}")
        view = View(tuple(value.shape[i] for i in axes), tuple(value.strides[i] for i in axes), value.offset)
        return self.record("transpose", (value,), self.look(value, view), axes)

    def reshape(self, value: Value, shape: Shape) -> Value:
        """The elements in C order in another shape: a view where that can be one, else a copy."""
        shape = full_shape(value.size, shape)
        view = reshape(value.view, shape)
        if view is None:
            view = reshape(self.copy(value).view, shape)
            assert view is not None
            made = self.look(self.copy(value), view)
        else:
            made = self.look(value, view)
        return self.record("reshape", (value,), made, (value.shape, shape))

    def broadcast(self, value: Value, shape: Shape) -> Value:
        """The value repeated along new and single axes, a view."""
        if broadcast_shapes(value.shape, shape) != shape:
            raise InputError(f"shape {value.shape} cannot be broadcast to {shape}")
        return self.record("broadcast", (value,), self.look(value, broadcast(value.view, shape)))

    def sum(self, value: Value, axes: Sequence[int]) -> Value:
        """The sum over some axes, which are then gone."""
        made = value
        for axis in sorted(axes, reverse=True):
            made = self.reduce(np.add, made, axis)
        return self.record("sum", (value,), made, tuple(axes))

    def select(self, mask: Value, a: Any, b: Any) -> Value:
        """``where(mask, a, b)``."""
        first, second = self.lift(a), self.lift(b)
        shape = broadcast_shapes(mask.shape, first.shape, second.shape)
        key = ("select", shape, mask.key, first.key, second.key)
        if key not in self._known:
            out = self.new(shape, _order(shape, [mask, first, second]))
            operands = tuple(self._spread(one, shape) for one in (mask, first, second))
            self.emit("select", None, operands, out)
            self._known[key] = out
        return self.record("select", (mask, first, second), self._known[key])

    def gather(self, value: Value, positions: Any, axis: int) -> Value:
        """``value[positions]`` along an axis, positions being a vector of integers."""
        if positions.dtype.kind not in "iu" or positions.ndim != 1 or not positions.size:
            raise UnsupportedError("a value can be indexed by a vector of integers; reshape around it, or use np.where")
        axis %= value.ndim
        size = value.shape[axis]
        if positions.min() < -size or positions.max() >= size:
            raise InputError(f"positions are out of range for an axis of {size}")
        order = [i for i in range(value.ndim) if i != axis] + [axis]
        last = self.transpose(value, order)
        taken = np.ascontiguousarray(positions % size, np.int64)
        out = self.new((*last.shape[:-1], taken.size))
        self.emit("gather", None, (last,), out, index=taken)
        self.record("gather", (last,), out, (taken, size))
        return self.transpose(out, [order.index(i) for i in range(value.ndim)])

    def join(self, values: Sequence[Value], axis: int) -> Value:
        """The values one after the other along an axis."""
        axis %= values[0].ndim
        sizes = [one.shape[axis] for one in values]
        shape = (*values[0].shape[:axis], sum(sizes), *values[0].shape[axis + 1 :])
        out = self.new(shape)
        start = 0
        for one, size in zip(values, sizes, strict=True):
            parts = parse_index((slice(None),) * axis + (slice(start, start + size),), shape)
            part = self.look(out, index(out.view, parts))
            if part.shape != one.shape:
                raise InputError(f"shapes {[v.shape for v in values]} do not fit together along axis {axis}")
            self.write(np.positive, [one], part)
            start += size
        return self.record("join", tuple(values), out, axis)


def _map_key(ufunc: Any, inputs: Sequence[Value]) -> tuple[Shape, tuple[Any, ...]]:
    """The shape of a map, and what it is known by."""
    shape = broadcast_shapes(*[one.shape for one in inputs])
    return shape, ("map", ufunc, shape, *[one.key for one in inputs])


def _order(shape: Shape, inputs: Sequence[Value]) -> list[int] | None:
    """The axes from the outermost, as the largest operand has them; None for C order."""
    largest: Value | None = None
    for one in inputs:
        if one.shape == shape and 0 not in one.strides:
            if is_contiguous(shape, one.strides):
                return None
            largest = one if largest is None else largest
    if largest is None:
        return None
    return sorted(range(len(shape)), key=lambda axis: -abs(largest.strides[axis]))
