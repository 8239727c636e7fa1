"""What an engine writes its program with: a network's layers, seeds, and places for the result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..linear.assemble import accumulate, assemble
from ..linear.linearize import Linear, linearize
from ..linear.terms import Axis, Term, Terms, through, whole
from ..network import Network
from ..program.builder import Builder
from ..program.instructions import Operand
from ..program.program import Program
from ..program.value import Value
from ..program.views import View, contiguous


@dataclass(slots=True, eq=False)
class Writer:
    """A builder, and what a program for one network and operation begins and ends with.

    Attributes:
        network: f.
        wrt: "input" or "params".
        operation: "jacobian", "jvp", "vjp" or "value".
        shape: of the result, two axes.
        b: the builder.
        x: the input (n,).
        result: what the run fills.
        seed: V (n, k) or U (k, m), where the run is given one.
    """

    network: Network
    wrt: str
    operation: str
    shape: tuple[int, ...]
    b: Builder
    x: Value = field(init=False)
    result: Value = field(init=False)
    seed: Value | None = field(init=False, default=None)
    _held: dict[int, Terms] = field(init=False, default_factory=dict)  # cotangents of shared parameters

    @classmethod
    def of(cls, network: Network, wrt: str, operation: str, seeds: int) -> Writer:
        """A writer for an operation with so many tangents or cotangents."""
        columns, m = network.variables(wrt), network.m
        shapes = {"jvp": (m, seeds), "vjp": (seeds, columns), "value": (m,)}
        made = cls(network, wrt, operation, shapes.get(operation, (m, columns)), Builder(network.dtype))
        made.x = made.b.outside("x", (network.n,))
        made.result = made.b.outside("result", made.shape)
        made.b.code.result = made.result
        seed = {"jvp": (columns, seeds), "vjp": (seeds, m)}.get(operation)
        if seed is not None:
            made.seed = made.b.outside("seed", seed)
        return made

    def program(self) -> Program:
        """What has been written, laid out."""
        names = tuple(layer.title for layer in self.network.layers)
        return Program.of(self.b.code, names, params=self.network.params)

    # -- the layers

    @property
    def depth(self) -> int:
        """Layers."""
        return self.network.depth

    @property
    def lowest(self) -> int:
        """The first layer that is differentiated."""
        if self.wrt == "input":
            return 0
        return next(i for i, layer in enumerate(self.network.layers) if layer.params)

    def linearize(self, number: int, x: Value) -> tuple[Value, Linear]:
        """Layer ``number`` at x: its value, and its derivative."""
        return linearize(self.b, self.network.layers[number], number, x, self.layer_params(number))

    def layer_params(self, number: int) -> list[Value]:
        """The parameters of a layer, as they are when the program runs."""
        return [self.b.fixed(array, self.network.params) for array in self.network.layers[number].params]

    def linear_maps(self) -> tuple[Value, list[Linear]]:
        """The value, and all layers' derivatives."""
        x, maps = self.x, []
        for number in range(self.depth):
            x, J = self.linearize(number, x)
            maps.append(J)
        return x, maps

    def evaluate(self) -> None:
        """f(x) as the result."""
        y, _ = self.linear_maps()
        if not self._written_to_result(y):
            self.b.write(np.positive, [y], self.result)

    def _written_to_result(self, y: Value) -> bool:
        """Have y's only instruction write the result itself, if nothing else needs y: a copy less."""
        if y.buffer.place != "memory" or y.strides != contiguous(y.shape) or y.offset or y.buffer.size != y.size:
            return False
        instructions = self.b.code.instructions
        writers = [one for one in instructions if one.out.buffer is y.buffer]
        read = any(operand.buffer is y.buffer for one in instructions for operand in one.inputs)
        if read or len(writers) != 1 or writers[0].kind == "scatter":  # which adds to what is there
            return False
        out = writers[0].out
        writers[0].out = Operand(self.result.buffer, out.shape, out.strides, out.offset)
        return True

    def keep(self, y: Value) -> None:
        """f(x) as what ``run.value`` gives: it outlives the run."""
        if y.buffer.place != "memory" or y.strides != contiguous(y.shape) or y.offset:
            y = self.b.copy(y)
        self.b.code.value = y

    # -- seeds

    def input_seeds(self, start: int = 0, size: int | None = None, step: int = 0) -> Terms:
        """Columns ``start`` to ``start + size`` of the identity of x; in a loop, ``step`` further on in each block."""
        return identity(self.network.n, start, size, step)

    def output_seeds(self, start: int = 0, size: int | None = None, step: int = 0) -> Terms:
        """Rows ``start`` to ``start + size`` of the identity of y; in a loop, ``step`` further on in each block."""
        return identity(self.network.m, start, size, step)

    def param_seeds(self, number: int, first: int = 0, stop: int | None = None) -> list[Terms]:
        """The identity of one layer's parameters, as columns among those of the parameters ``first`` to ``stop``."""
        found: list[Terms] = []
        layer, stop = self.network.layers[number], self.network.params.size if stop is None else stop
        for array, start in zip(layer.params, self.network.starts[number], strict=True):
            axes = tuple(whole(size) for size in array.shape)
            pairs = zip(axes, contiguous(array.shape), strict=True)
            parts = tuple((label, stride * own) for axis, stride in pairs for label, own in axis.parts)
            found.append([Term((), Axis(stop - first, start - first, parts), axes)])
        return found

    def dense_param_seeds(self, number: int, V: Value) -> list[Terms]:
        """Tangents V (p, k) of all parameters, as those of one layer's."""
        layer, starts = self.network.layers[number], self.network.starts[number]
        return [
            self.dense_seeds(V, True, array.shape, start) for array, start in zip(layer.params, starts, strict=True)
        ]

    def dense_seeds(self, seeds: Value, columns: bool, shape: tuple[int, ...], start: int = 0) -> Terms:
        """Seeds that are given, as columns (n, k) or as rows (k, n), from position ``start`` on as a variable's."""
        count = seeds.shape[1 if columns else 0]
        along, across = seeds.strides if columns else seeds.strides[::-1]
        strides = tuple(stride * along for stride in contiguous(shape))
        axes = (whole(count), *(whole(size) for size in shape))
        held = self.b.look(seeds, View((count, *shape), (across, *strides), seeds.offset + start * along))
        return [Term((through(self.b, held, axes),), axes[0], axes[1:])]

    # -- results

    def block(self, axis: int, start: int, size: int, step: int = 0) -> Value:
        """Rows or columns of the result; in a loop, ``step`` further on in each block."""
        out = self.result
        shape = (*out.shape[:axis], size, *out.shape[axis + 1 :])
        made = self.b.look(out, View(shape, out.strides, out.offset + start * out.strides[axis]))
        made.step = step * out.strides[axis]
        return made

    def columns(self, V: Terms, target: Value | None = None) -> None:
        """Tangents into the result, as columns (m, k)."""
        out = self.result if target is None else target
        self._assemble(V, self.b.look(out, View(out.shape[::-1], out.strides[::-1], out.offset)))

    def rows(self, U: Terms, target: Value | None = None) -> None:
        """Cotangents into the result, as rows (k, n)."""
        self._assemble(U, self.result if target is None else target)

    def param_rows(self, own: Sequence[Terms], number: int, target: Value | None = None, hold: bool = True) -> None:
        """Cotangents of one layer's parameters into their columns of the result (k, p).

        Layers come from the last to the first. Those of parameters that several layers share are held until the first
        of these layers has come, and are then added up; without ``hold`` each is added to the result at once.
        """
        out = self.result if target is None else target
        rows, (row, column) = out.shape[0], out.strides
        arrays, starts = self.network.layers[number].params, self.network.starts[number]
        for k, (array, start) in enumerate(zip(arrays, starts, strict=True)):
            strides = (row, *(stride * column for stride in contiguous(array.shape)))
            part = self.b.look(out, View((rows, *array.shape), strides, out.offset + start * column))
            last = (number, k) == self.network.first_use(start)
            if hold:
                self._held.setdefault(start, []).extend(own[k])
                if last:
                    self._assemble(self._held.pop(start), part)
            elif start in self._held:
                accumulate(self.b, own[k], part)
            else:
                self._assemble(own[k], part)
                self._held[start] = []

    def _assemble(self, terms: Terms, target: Value) -> None:
        if terms:
            assemble(self.b, terms, target)
        else:
            self.b.write(np.positive, [self.b.lift(0.0)], target)


def identity(size: int, start: int = 0, count: int | None = None, step: int = 0) -> Terms:
    """``count`` seeds of a variable of ``size``, the unit vectors from ``start`` on."""
    own = whole(size if count is None else count)
    if count == 1:
        return [Term((), own, (Axis(size, start, (), step),))]
    return [Term((), own, (Axis(size, start, own.parts, step),))]
