"""Layers whose functions are plain Python: calls of their own value, push and pull."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..arrays import Array
from ..errors import UnsupportedError, WrongResultError
from ..program.builder import Builder
from ..program.products import Named
from ..program.value import Value
from ..program.views import View
from .assemble import dense
from .maps import LinearMap
from .terms import Term, Terms, count, whole


class Opaque:
    """One layer at one x: what its ``opaque_linearize`` gave in this run."""

    def __init__(self, layer: Any, number: int) -> None:
        self.layer, self.name = layer, f"layer {number} ({layer.kind})"
        self.maps: list[Callable[[Array], Array]] = []

    def value(self, x: Array, out: Array) -> None:
        """f(x) into ``out``; the maps are kept for the products that follow."""
        y, *self.maps = self.layer.opaque_linearize(x.copy())
        self._into(out, y, "the value")

    def push(self, V: Array, out: Array) -> None:
        """``f'(x) V`` for V (n, k) into ``out`` (m, k)."""
        self._into(out, self.maps[0](V.copy()), "push")

    def pull(self, U: Array, out: Array) -> None:
        """``U f'(x)`` for U (k, m) into ``out`` (k, n)."""
        self._into(out, self.maps[1](U.copy()), "pull")

    def _into(self, out: Array, found: Any, what: str) -> None:
        if getattr(found, "shape", None) != out.shape:
            came = getattr(found, "shape", type(found).__name__)
            raise WrongResultError(f"{self.name}: {what} gave {came}; expected {out.shape}")
        out[...] = found


def evaluated(b: Builder, layer: Any, number: int, x: Value) -> tuple[Value, Opaque]:
    """The value of an opaque layer, by a call of its own."""
    if layer.params:
        raise UnsupportedError(f"layer {number} ({layer.kind}) has opaque_linearize, which knows no parameters")
    state = Opaque(layer, number)
    y = b.new((layer.m,), fresh=True)
    b.emit("call", state.value, (x,), y)
    b.record("opaque", (x,), y, state)
    return y, state


@dataclass(frozen=True, slots=True)
class Called(LinearMap):
    """The derivative of an opaque layer (m, n), or its transpose."""

    state: Opaque
    n: int
    m: int
    back: bool = False

    def transposed(self) -> Called:
        return Called(self.state, self.n, self.m, not self.back)

    def push(self, b: Builder, terms: Terms) -> Terms:
        term = dense(b, terms)
        source, seeds = term.factors[0], term.seed.labels
        old, new = term.axes[0], whole(self.n if self.back else self.m)
        k = count(seeds)
        inner = source.stride(seeds[-1]) if seeds else 0
        along = source.stride(old.labels[0]) if old.labels else 0
        given = b.look(source.value, View((old.size, k), (along, inner), source.value.offset))
        out = b.new((k, new.size) if self.back else (new.size, k))
        if self.back:
            given = b.look(given, View((k, old.size), (inner, along), given.offset))
        b.emit("call", self.state.pull if self.back else self.state.push, (given,), out)
        seed_strides = [0] * len(seeds)
        step = out.strides[0] if self.back else out.strides[1]
        for place in range(len(seeds) - 1, -1, -1):
            seed_strides[place] = step
            step *= seeds[place].size
        own = out.strides[1] if self.back else out.strides[0]
        names = (*seeds, *new.labels)
        view = View(tuple(label.size for label in names), (*seed_strides, *([own] if new.labels else [])), 0)
        return [Term((Named(b.look(out, view), names),), term.seed, (new,), bundle=term.bundle)]


__all__ = ["Called", "Opaque", "evaluated"]
