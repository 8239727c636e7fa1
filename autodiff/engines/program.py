"""From a plan to a program: instructions over arrays that live no longer than they must.

The primal runs from the input side as far as the next step needs it, so a bracketing of tangents alone keeps nothing,
and one of cotangents alone keeps what reverse mode keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import Array, aligned_empty
from ..chain import Plan, Step
from ..layers.base import Derivative
from ..layers.products import matrix_product
from ..layers.work import NOTHING, Work, product
from .schedule import Slot, lay_out

AT, DENSE, JVP, VJP, MULTIPLY = range(5)


@dataclass(slots=True)
class Matrix:
    """A matrix of the program: where it lies (None: it is a layer's own and constant), and its shape."""

    slot: Slot | None
    shape: tuple[int, int]
    constant: Array | None = None


@dataclass(slots=True)
class Instruction:
    """One call: evaluate a layer, or ``out = dense | jvp(a) | vjp(a) | a @ b``."""

    kind: int
    layer: int
    a: Matrix | None = None
    b: Matrix | None = None
    out: Matrix | None = None


class Program:
    """The instructions of a plan over a chain of derivatives.

    Attributes:
        elements: of the one block of working memory.
        work: exact counts of one run.
    """

    def __init__(self, chain: Sequence[Derivative], plan: Plan) -> None:
        self.chain = chain
        self.instructions: list[Instruction] = []
        self._evaluated = 0
        root = self._compile(plan)
        self._result = root.slot
        self._slots = self._lifetimes(root)
        self.elements = lay_out([slot for slot in self._slots if slot is not self._result]) + self._scratch()
        self.work = self._count()

    # -- compilation

    def _compile(self, plan: Plan) -> Matrix:
        made: dict[int, Matrix] = {}
        for step in plan.steps():
            made[id(step)] = self._step(step, made)
        root = made[id(plan.root)]
        if root.slot is None:  # a single constant layer: the caller gets a copy
            root = Matrix(Slot(0, 0, 0), root.shape)
            self.instructions.append(Instruction(DENSE, plan.root.last, out=root))
        return root

    def _step(self, step: Step, made: dict[int, Matrix]) -> Matrix:
        right = made[id(step.right)] if step.right else None
        left = made[id(step.left)] if step.left else None
        self._evaluate(step.last)
        if step.kind == "multiply":
            assert left is not None
            assert right is not None
            return self._emit(MULTIPLY, -1, left, right, (left.shape[0], right.shape[1]))
        if step.kind == "tangent":
            assert right is not None
            assert step.split is not None
            for index in range(step.split + 1, step.last + 1):
                right = self._emit(JVP, index, right, None, (self.chain[index].shape[0], right.shape[1]))
            return right
        if step.kind == "adjoint":
            assert left is not None
            assert step.split is not None
            for index in range(step.split, step.first - 1, -1):
                left = self._emit(VJP, index, left, None, (left.shape[0], self.chain[index].shape[1]))
            return left
        derivative = self.chain[step.last]
        if derivative.constant:
            return Matrix(None, derivative.shape, derivative.dense())
        return self._emit(DENSE, step.last, None, None, derivative.shape)

    def _emit(self, kind: int, layer: int, a: Matrix | None, b: Matrix | None, shape: tuple[int, int]) -> Matrix:
        here = len(self.instructions)
        inplace = kind in (JVP, VJP) and self.chain[layer].inplace and a is not None and a.slot is not None
        slot = a.slot if inplace and a is not None else Slot(shape[0] * shape[1], here, here)
        out = Matrix(slot, shape)
        self.instructions.append(Instruction(kind, layer, a, b, out))
        return out

    def _evaluate(self, last: int) -> None:
        while self._evaluated <= last:
            self.instructions.append(Instruction(AT, self._evaluated))
            self._evaluated += 1

    # -- memory

    def _lifetimes(self, root: Matrix) -> list[Slot]:
        """Slots of all matrices, values and residuals, with the last instruction that uses each."""
        slots: dict[int, Slot] = {}
        self._values: list[Slot] = []
        self._residuals: list[Slot] = []
        for here, one in enumerate(self.instructions):
            for matrix in (one.a, one.b, one.out):
                if matrix is not None and matrix.slot is not None:
                    matrix.slot.death = here
                    slots[id(matrix.slot)] = matrix.slot
            if one.kind == AT:
                sizes = self.chain[one.layer].sizes()
                if self._values:
                    self._values[-1].death = here
                self._values.append(Slot(sizes.primal, here, here))
                self._residuals.append(Slot(sizes.residual, here, here))
            elif one.layer >= 0:
                self._residuals[one.layer].death = here
        return [*slots.values(), *self._values, *self._residuals]

    def _scratch(self) -> int:
        rows, columns = [0] * len(self.chain), [0] * len(self.chain)
        for one in self.instructions:
            if one.kind == VJP and one.a is not None:
                rows[one.layer] = max(rows[one.layer], one.a.shape[0])
            if one.kind == JVP and one.a is not None:
                columns[one.layer] = max(columns[one.layer], one.a.shape[1])
        self._scratch_size = max(
            derivative.sizes(u, v).scratch for derivative, u, v in zip(self.chain, rows, columns, strict=True)
        )
        return self._scratch_size

    def allocate(self, dtype: np.dtype[Any]) -> None:
        """Take the block of memory and resolve every instruction to its arrays."""
        block = aligned_empty(self.elements, dtype)
        scratch = block[self.elements - self._scratch_size :]

        def part(slot: Slot) -> Array:
            return block[slot.offset : slot.offset + slot.size]

        def array(matrix: Matrix | None) -> Array | None:
            if matrix is None or matrix.slot is None:
                return None if matrix is None else matrix.constant
            return None if matrix.slot is self._result else part(matrix.slot).reshape(matrix.shape)

        for derivative, value, kept in zip(self.chain, self._values, self._residuals, strict=True):
            derivative.bind(part(value), part(kept), scratch)
        self._program: list[tuple[int, Callable[..., Array], Array | None, Array | None, Array | None]] = [
            (one.kind, self._function(one), array(one.a), array(one.b), array(one.out)) for one in self.instructions
        ]

    def _function(self, one: Instruction) -> Callable[..., Array]:
        if one.kind == MULTIPLY:
            return matrix_product
        derivative = self.chain[one.layer]
        return (derivative.at, derivative.dense, derivative.jvp, derivative.vjp)[one.kind]

    # -- running

    def run(self, x: Array, out: Array) -> None:
        """Run at x (n,), the Jacobian into ``out`` (m, n); an array that is None in the program is the result."""
        for kind, function, a, b, target in self._program:
            if kind == AT:
                x = function(x)
                continue
            into = out if target is None else target
            if kind == DENSE:
                function(into)
            elif kind == MULTIPLY:
                function(a, b, into)
            else:
                function(out if a is None else a, into)

    def _count(self) -> Work:
        total = NOTHING
        for one in self.instructions:
            if one.kind == MULTIPLY:
                assert one.a is not None
                assert one.b is not None
                total += product(*one.a.shape, one.b.shape[1])
            else:
                name = ("at", "dense", "jvp", "vjp")[one.kind]
                k = 1 if one.a is None else one.a.shape[1 if one.kind == JVP else 0]
                total += self.chain[one.layer].work(name, k)
        return total
