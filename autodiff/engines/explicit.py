"""Explicit accumulation: every layer's dense Jacobian, multiplied right to left or left to right.

This is the arithmetic of the two modes with nothing else around it: ``f_3'(f_2' f_1')`` against
``(f_3' f_2') f_1'`` as matrix products, whatever structure the layers have.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from ..linear.assemble import as_matrix, dense
from ..linear.linearize import Linear
from ..linear.maps import Product
from ..linear.terms import Axis, Term, Terms
from ..program.builder import Builder
from ..program.products import Named
from ..program.value import Value
from ..program.views import View
from .forward import Forward
from .reverse import Reverse
from .writer import Writer, identity


def matrix_map(b: Builder, terms: Terms) -> Product:
    """Tangents along the identity, (n, m), as the matrix that they are: ``y = A x``."""
    term = as_matrix(b, terms)
    n, m = term.seed.size, term.axes[0].size
    names = tuple(label for axis in (*term.axes, term.seed) for label in axis.labels)
    held = term.factors[0].arranged(b, names)
    strides = iter(held.strides)
    view = View((m, n), tuple(next(strides) if size > 1 else 0 for size in (m, n)), held.offset)
    return Product((0,), (1,), {0: n, 1: m}, b.look(held, view), (1, 0))


def dense_map(w: Writer, J: Linear) -> Product:
    """A layer's derivative, its structure forgotten."""
    w.b.layer = J.layer
    return matrix_map(w.b, J.push(identity(J.x.size)) or _nothing(w.b, J))


def _nothing(b: Builder, J: Linear) -> Terms:
    return [Term((Named(b.lift(0.0), ()),), Axis(J.x.size, 0, ()), (Axis(J.y.size, 0, ()),))]


class ExplicitForward(Forward):
    """``explicit-forward``: dense Jacobians, right to left."""

    name: ClassVar[str] = "explicit-forward"

    def __init__(self) -> None:
        super().__init__()

    def write(self, w: Writer) -> None:
        if w.seed is not None:
            super().write(w)
        elif w.wrt == "params":
            _push_params(w)
        else:
            x, V = w.x, w.input_seeds()
            for number in range(w.depth):
                x, J = w.linearize(number, x)
                V = dense_map(w, J).push(w.b, V)
            w.keep(x)
            w.columns(V)


def _push_params(w: Writer) -> None:
    """One dense matrix of tangents, a column for every parameter so far."""
    b, x = w.b, w.x
    held: Value | None = None  # (m, columns so far)
    for number in range(w.depth):
        x, J = w.linearize(number, x)
        part = w.network.slices[number]
        m = w.network.layers[number].m
        last = number == w.depth - 1
        if not part.stop:
            continue
        target = w.result if last else b.new((m, part.stop))
        shared = min(w.network.starts[number], default=part.start) < part.start  # with layers before
        own = J.push([], w.param_seeds(number, 0 if shared else part.start, part.stop))
        if held is not None:
            V = dense_map(w, J).push(b, w.dense_seeds(held, True, held.shape[:1]))
            if shared:
                V = [replace(one, seed=one.seed._replace(size=part.stop)) for one in V]
                w.columns(V + own, target)
            else:
                w.columns(V, _columns(b, target, 0, part.start))
        if part.stop > part.start and not shared:
            w.columns(own, _columns(b, target, part.start, part.stop))
        held = target
    w.keep(x)


def _columns(b: Builder, matrix: Value, start: int, stop: int) -> Value:
    view = View((matrix.shape[0], stop - start), matrix.strides, matrix.offset + start * matrix.strides[1])
    return b.look(matrix, view)


class ExplicitReverse(Reverse):
    """``explicit-reverse``: dense Jacobians, left to right."""

    name: ClassVar[str] = "explicit-reverse"

    def __init__(self) -> None:
        super().__init__()

    def write(self, w: Writer) -> None:
        if w.seed is not None:
            super().write(w)
            return
        b = w.b
        y, maps = w.linear_maps()
        w.keep(y)
        U, lowest = w.output_seeds(), w.lowest
        for number in range(w.depth - 1, lowest - 1, -1):
            J = maps[number]
            b.seeds_lead = True
            if w.wrt == "params":
                _, own = J.pull(U, False, True)
                w.param_rows([[dense(b, terms)] if terms else [] for terms in own], number)
            if w.wrt == "input" or number > lowest:
                U = dense_map(w, J).transposed().push(b, U)
        if w.wrt == "input":
            w.rows(U)
