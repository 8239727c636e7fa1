"""A layer's function run on a builder, and its derivative as the recorded steps' linear maps."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import AutodiffError, InputError, UnsupportedError
from ..program.builder import Builder, Node
from ..program.products import Named
from ..program.value import Mask, Value, check_shape
from .assemble import added
from .fewer import few, simpler
from .maps import Gather, LinearMap, Product
from .moves import Pick, Put, Reshape, Transpose
from .opaque import Called, evaluated
from .stack import closed_together
from .terms import Terms
from .windows import Windows


class Linear:
    """``f'(x)`` of one layer, and ``df/dtheta``, as maps between structured tangents.

    Attributes:
        x, y: the layer's input and output.
        params: its parameters.
        name: the layer's, for messages.
    """

    def __init__(
        self, b: Builder, nodes: list[Node], x: Value, params: Sequence[Value], y: Value, name: str = "the layer"
    ) -> None:
        self.b, self.x, self.params, self.y, self.name = b, x, tuple(params), y, name
        self.layer = b.layer
        self._steps = _needed(nodes, y)
        self._uses = Counter(id(value) for node in self._steps for value in node.inputs)
        self._maps: dict[tuple[int, int], LinearMap] = {}

    @property
    def signature(self) -> tuple[Any, ...]:
        """Equal for layers whose functions take the same steps over the same shapes."""
        place = {id(self.x): -1} | {id(p): -2 - k for k, p in enumerate(self.params)}
        steps = []
        for number, node in enumerate(self._steps):
            inputs = tuple((place.get(id(v), v.buffer.place), v.shape, v.strides) for v in node.inputs)
            info = node.info.ufunc.__name__ if node.op == "map" else repr(node.info)
            steps.append((node.op, inputs, node.out.shape, info))
            place[id(node.out)] = number
        return (self.x.size, self.y.size, tuple(steps))

    def push(self, V: Terms, own: Sequence[Terms] = ()) -> Terms:
        """``f'(x) V``, and ``df/dtheta`` of the parameters' own tangents, where there are any, on top."""
        b = self.b
        b.layer = self.layer
        tangents: dict[int, Terms] = {id(p): list(terms) for p, terms in zip(self.params, own, strict=False) if terms}
        if V:
            tangents[id(self.x)] = [*tangents.get(id(self.x), []), *V]
        for position, node in enumerate(self._steps):
            made: Terms = []
            meeting = 0
            for k, value in enumerate(node.inputs):
                terms = tangents.get(id(value))
                if not terms:
                    continue
                meeting += 1
                if self._uses[id(value)] > 1:
                    terms = tangents[id(value)] = added(b, closed_together(b, terms))
                made += self._map(position, k).push(b, terms)
            if made:
                tangents[id(node.out)] = simpler(b, made) if meeting > 1 else made
        return few(b, tangents.get(id(self.y), []))

    def pull(self, U: Terms, to_x: bool = True, to_params: bool = False) -> tuple[Terms, list[Terms]]:
        """``U f'(x)``, and ``U df/dtheta`` for every parameter; only what is asked for."""
        b = self.b
        b.layer = self.layer
        wanted = {id(p) for p in self.params} if to_params else set()
        if to_x:
            wanted.add(id(self.x))
        active = set(wanted)
        for node in self._steps:
            if any(id(value) in active for value in node.inputs):
                active.add(id(node.out))
        cotangents: dict[int, Terms] = {id(self.y): list(U)} if id(self.y) in active else {}
        meeting = {id(self.y)}
        for position in range(len(self._steps) - 1, -1, -1):
            node = self._steps[position]
            terms = cotangents.pop(id(node.out), [])
            if not terms:
                continue
            targets = [k for k, value in enumerate(node.inputs) if id(value) in active]
            if id(node.out) in meeting:
                terms = simpler(b, terms)
            if len(targets) > 1:
                terms = added(b, closed_together(b, terms))
            for k in targets:
                made = self._map(position, k).transposed().push(b, terms)
                key = id(node.inputs[k])
                if cotangents.get(key):
                    meeting.add(key)
                cotangents[key] = [*cotangents.get(key, []), *made]
        own = [cotangents.get(id(p), []) for p in self.params] if to_params else []
        return (few(b, cotangents.get(id(self.x), [])) if to_x else []), own

    def _map(self, position: int, k: int) -> LinearMap:
        key = position, k
        if key not in self._maps:
            try:
                self._maps[key] = linear_map(self.b, self._steps[position], k)
            except AutodiffError as error:
                raise type(error)(f"{self.name}: {error}") from None
        return self._maps[key]


def linearize(b: Builder, layer: Any, number: int, x: Value, params: Sequence[Value]) -> tuple[Value, Linear]:
    """``f(x)`` of a layer, written into the program, and its derivative.

    Raises:
        UnsupportedError: something in the function that cannot be recorded, with the layer and what to write.
        InputError: shapes that do not fit, with the layer.
    """
    name = f"layer {number} ({layer.title})"
    b.layer, b.tape = number, []
    for one in (x, *params):
        one.origin = one.origin or ()
    try:
        if layer.opaque_linearize is not None:
            y, _ = evaluated(b, layer, number, x)
        else:
            y = layer.function(x, tuple(params), np)
        if isinstance(y, Mask):
            y = y.value
        check_shape(y, (layer.m,), "the function")
        nodes = b.tape
        _check_own(b, nodes, (x, *params), y)
    except AutodiffError as error:
        raise type(error)(f"{name}: {error}") from None
    except (TypeError, ValueError, IndexError, AttributeError) as error:
        cause = error.__cause__  # NumPy has its own word for a value that is put into an array
        reason = cause if isinstance(cause, AutodiffError) else error
        raise InputError(f"{name} cannot be recorded: {reason}") from error
    finally:
        b.tape = None
    return y, Linear(b, nodes, x, params, y, name)


def _check_own(b: Builder, nodes: list[Node], given: Sequence[Value], y: Value) -> None:
    """Refuse values that were computed elsewhere: their derivatives would be lost."""
    own = {id(value) for value in given}
    for node in nodes:
        own.add(id(node.out))
    for value in itertools.chain(*(node.inputs for node in nodes), (y,)):
        if value.builder is not b or (value.origin is not None and id(value) not in own):
            raise UnsupportedError(
                "the function uses a value that it has kept from another layer or another program; it may use x, its "
                "params and constants only, so pass that value on through x"
            )


def _needed(nodes: list[Node], y: Value) -> list[Node]:
    """The steps that y depends on, in order."""
    wanted, kept = {id(y)}, []
    for node in reversed(nodes):
        if id(node.out) in wanted:
            kept.append(node)
            wanted.update(id(value) for value in node.inputs)
    return kept[::-1]


def linear_map(b: Builder, node: Node, k: int) -> LinearMap:
    """The derivative of a recorded step with respect to its input number k."""
    source, shape = node.inputs[k], node.out.shape
    if node.op == "map":
        slope = node.info.slopes[k]
        if slope is None:
            return _scale(source, node.out, 0.0)
        return _scale(source, node.out, slope(*node.inputs, node.out))
    if node.op == "select":
        mask = node.inputs[0]
        if k == 0:
            return _scale(source, node.out, 0.0)
        return _scale(source, node.out, mask if k == 1 else b.map(np.subtract, 1.0, mask))
    if node.op == "product":
        a, c, out = node.info
        first, second = node.inputs
        own, other, value = (a, c, second) if k == 0 else (c, a, first)
        sizes = dict(zip(a + c, first.shape + second.shape, strict=True))
        return Product(own, out, sizes, value, other)
    if node.op == "sum":
        names = tuple(range(source.ndim))
        kept = tuple(name for name in names if name not in node.info)
        return Product(names, kept, dict(zip(names, source.shape, strict=True)))
    if node.op == "broadcast":
        return _scale(source, node.out, 1.0)
    if node.op == "reshape":
        return Reshape(*node.info)
    if node.op == "transpose":
        return Transpose(tuple(node.info))
    if node.op == "index":
        return Pick(tuple(node.info), source.shape)
    if node.op == "windows":
        axes, counts = node.info
        return Windows(axes, counts, source.shape)
    if node.op == "opaque":
        return Called(node.info, source.size, node.out.size)
    if node.op == "gather":
        return Gather(*node.info)
    if node.op == "join":
        start = sum(value.shape[node.info] for value in node.inputs[:k])
        from ..program.views import Part

        parts = [Part(0, 1, size) for size in shape]
        parts[node.info] = Part(start, 1, source.shape[node.info])
        return Put(tuple(parts), shape)
    raise UnsupportedError(
        "np.max and np.min have no derivative here; take np.max of np.real(x) where it only keeps exp from overflowing"
    )


def _scale(source: Value, out: Value, slope: Any) -> LinearMap:
    """``y = slope * x``, x repeated along axes that it lacks or has once."""
    names = tuple(range(out.ndim))
    sizes = dict(enumerate(out.shape))
    own = []
    for axis, size in enumerate(source.shape, start=out.ndim - source.ndim):
        if size == out.shape[axis]:
            own.append(axis)
        else:  # one element: an axis of its own that the result does not have
            own.append(-1 - axis)
            sizes[-1 - axis] = 1
    if isinstance(slope, Mask):
        slope = slope.value
    if not isinstance(slope, Value):
        return Product(tuple(own), names, sizes, float(slope) if slope != 1.0 else None)
    return Product(tuple(own), names, sizes, slope, names[out.ndim - slope.ndim :])


__all__ = ["Linear", "Named", "UnsupportedError", "linearize"]
