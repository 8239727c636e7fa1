"""NumPy's executor, the definition: every instruction is one call of NumPy on views of one block of memory."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from operator import itemgetter
from typing import Any

import numpy as np

from ..arrays import Array, aligned_empty
from ..program.instructions import Block, Buffer, Code, Instruction, Operand
from ..program.views import Shape, collapse, is_contiguous

CALLER = ("x", "seed", "result")  #: places in the caller's arrays, in the order of the arguments of ``run``
LATE = (*CALLER, "argument")  #: places that are known in the run only
KEYWORD: dict[Any, Callable[..., Any]] = {  #: which refuse ``out`` as a third argument
    np.maximum: lambda a, b, out: np.maximum(a, b, out=out),
    np.minimum: lambda a, b, out: np.minimum(a, b, out=out),
}
Call = tuple[Callable[..., Any], tuple[Any, ...]]


class NumpyExecutor:
    """Runs a program by NumPy's own functions.

    Everything that does not lie in the caller's arrays and does not move in a loop is resolved once; a run then is
    ``function(*arguments)``, one instruction after the other, and allocates nothing but views.

    Args:
        code: laid out, so that buffers of working memory and of f(x) have their offsets.
        elements: of the block of memory that these buffers lie in.
    """

    def __init__(self, code: Code, elements: int) -> None:
        self.dtype = code.dtype
        self.memory = aligned_empty(elements, code.dtype)
        self._pool: list[Any] = []  # arguments: views, or what is no view
        self._places: dict[Any, int] = {}
        # views of the caller's arrays: place in the pool, which array, and how it is seen if not as it comes
        self._whole: list[tuple[int, int]] = []
        self._reshaped: list[tuple[int, int, Shape]] = []
        self._parts: list[tuple[int, int, Shape, int, Shape]] = []
        self._shapes = {"result": None if code.result is None else code.result.shape}
        self._mask = np.empty(
            max((one.out.size for one in code.instructions if one.kind == "select"), default=0), np.bool_
        )
        self._zero = np.zeros((), code.dtype)
        self._segments: dict[int, Any] = {}  # what has been resolved of a block that is called again
        self._blocks = [self._block(code, block) for block in code.blocks()]
        self._value = None if code.value is None else self._view(code.value, self.memory, 1)

    @property
    def value(self) -> Array | None:
        """f(x) of the latest run, a view; None where the program does not keep it."""
        return self._value

    def run(self, x: Array, seed: Array | None, out: Array) -> None:
        """Run at ``x`` (n,) and ``seed`` and fill ``out``: C-contiguous arrays of the program's dtype."""
        pool = self._pool.copy()  # this run's own, so that nothing of the caller's is kept
        callers = (x, seed, out)
        for place, which in self._whole:
            pool[place] = callers[which]
        for place, which, shape in self._reshaped:
            pool[place] = callers[which].reshape(shape)  # type: ignore[union-attr]
        for place, which, shape, offset, strides in self._parts:
            pool[place] = np.ndarray(shape, self.dtype, callers[which], offset, strides)
        for count, calls, patches, moving in self._blocks:
            if count > 1:
                for turn in range(count):
                    at = turn, ...
                    for place, whole in moving:
                        pool[place] = pool[whole][at]
                    for _, function, pick in patches:
                        function(*pick(pool))
                continue
            for place, actual in moving:
                pool[place] = pool[actual]
            if patches:
                calls = calls.copy()
                for i, function, pick in patches:
                    calls[i] = function, pick(pool)
            for function, arguments in calls:
                function(*arguments)

    def _block(self, code: Code, block: Block) -> Any:
        """Turns, calls, which of them are to be completed in the run, and places of the pool that change before."""
        found = self._segments.get(block.start)
        if found is None:
            found = self._resolved(code, block)
            if block.bound:
                self._segments[block.start] = found
        calls, patches, moving, arguments = found
        if block.bound:
            actual = {id(argument): buffer for argument, buffer in block.bound}
            moving = [(place, self._place_view(replaced(one, actual), 1)) for place, one in arguments]
        return block.count, calls, patches, moving

    def _resolved(self, code: Code, block: Block) -> Any:
        calls: list[Call | None] = []
        patches: list[tuple[int, Callable[..., Any], itemgetter[Any]]] = []
        moving: dict[int, int] = {}
        arguments: dict[int, Operand] = {}
        for instruction in code.instructions[block.start : block.stop]:
            for function, given in self._calls(instruction):
                places = [self._place(one, block.count, moving) for one in given]
                operands = [(place, one) for place, one in zip(places, given, strict=True) if isinstance(one, Operand)]
                arguments.update((place, one) for place, one in operands if one.buffer.place == "argument")
                pick = itemgetter(*places)
                late = block.count > 1 or any(one.buffer.place in LATE for _, one in operands)
                if late:
                    patches.append((len(calls), function, pick))
                calls.append(None if late else (function, pick(self._pool)))
        return calls, patches, list(moving.items()), list(arguments.items())

    def _place(self, given: Any, count: int, moving: dict[int, int]) -> int:
        """The position in the pool of an argument; a moving operand has one for all of its blocks, too."""
        if not isinstance(given, Operand):
            self._pool.append(given)
            return len(self._pool) - 1
        moves = count > 1 and given.step != 0
        whole = self._place_view(given, count if moves else 1)
        if not moves:
            return whole
        key = "moving", whole
        if key not in self._places:
            self._places[key] = len(self._pool)
            self._pool.append(None)
        moving[self._places[key]] = whole
        return self._places[key]

    def _place_view(self, operand: Operand, count: int) -> int:
        buffer = operand.buffer
        held = buffer.place in ("memory", "value")
        home, offset = (0, operand.offset + buffer.offset) if held else (id(buffer), operand.offset)
        key = home, offset, operand.shape, operand.strides, operand.step if count > 1 else 0, count
        found = self._places.get(key)
        if found is None:
            found = self._places[key] = len(self._pool)
            if buffer.place in CALLER:
                self._borrow(found, CALLER.index(buffer.place), operand, count)
            late = buffer.place in LATE
            array = self.memory if held else buffer.array
            self._pool.append(None if late else self._view(operand, array, count))
        return found

    def _borrow(self, place: int, which: int, operand: Operand, count: int) -> None:
        """Note how an operand is seen in an array of the caller's: as a whole it costs nothing, a view half a us."""
        buffer = operand.buffer
        whole = count == 1 and operand.size == buffer.size and is_contiguous(operand.shape, operand.strides)
        if whole and operand.shape == ((buffer.size,) if buffer.place == "x" else self._shapes.get(buffer.place)):
            self._whole.append((place, which))
        elif whole:
            self._reshaped.append((place, which, operand.shape))
        else:
            self._parts.append((place, which, *self._seen(operand, count)))

    def _view(self, operand: Operand, array: Any, count: int) -> Array:
        shape, offset, strides = self._seen(operand, count)
        return np.ndarray(shape, self.dtype, array, offset, strides)

    def _seen(self, operand: Operand, count: int) -> tuple[Shape, int, Shape]:
        """Shape, offset and strides in bytes of an operand in a flat array; all its blocks along a new first axis."""
        size = self.dtype.itemsize
        offset = operand.offset + (operand.buffer.offset if operand.buffer.place in ("memory", "value") else 0)
        shape, strides = operand.shape, tuple([size * stride for stride in operand.strides])
        if count > 1:
            shape, strides = (count, *shape), (size * operand.step, *strides)
        return shape, size * offset, strides

    def _calls(self, instruction: Instruction) -> Iterator[tuple[Callable[..., Any], tuple[Any, ...]]]:
        """The functions to call, with operands in place of their views."""
        ufunc: Any = instruction.ufunc
        inputs, out, index = instruction.inputs, instruction.out, instruction.index
        match instruction.kind:
            case "map":
                function = KEYWORD.get(ufunc, ufunc)
                if ufunc.ntypes == 1 and "O" in ufunc.types[0]:  # of Python's objects, by np.frompyfunc
                    function = functools.partial(ufunc, casting="unsafe")
                yield function, collapsed(*inputs, out)
            case "reduce":
                yield ufunc.reduce, (inputs[0], instruction.axis, None, out)
            case "matmul":
                a, b = inputs
                if not dot_serves(a, b, out):
                    yield np.matmul, (a, b, out)
                elif out.shape[1] == 1:  # vectors as vectors: most are the caller's as they come
                    yield np.dot, (a, without(b, 1), without(out, 1))
                else:
                    yield np.dot, (without(a, 0), b, without(out, 0)) if out.shape[0] == 1 else (a, b, out)
            case "select":
                mask, a, b, out = collapsed(*inputs, out)
                chosen = self._mask[: out.size].reshape(out.shape)
                first, second = (b, a) if out.key != a.key else (a, b)  # the one that may be out itself is copied first
                yield (np.not_equal if first is b else np.equal), (mask, self._zero, chosen)
                yield np.copyto, (out, first)
                yield np.copyto, (out, second, "same_kind", chosen)
            case "call":
                yield ufunc, (*inputs, out)
            case "gather":
                yield np.take, (inputs[0], index, -1, out, "clip")  # "raise" would copy out
            case "scatter":
                rank = len(out.shape) - 1
                yield np.add.at, (last_first(out), index, last_first(inputs[0])) if rank else (out, index, inputs[0])


def replaced(operand: Operand, actual: dict[int, Buffer]) -> Operand:
    """The operand in the buffer that an argument stands for."""
    return Operand(actual[id(operand.buffer)], operand.shape, operand.strides, operand.offset)


def collapsed(*operands: Operand) -> tuple[Operand, ...]:
    """The operands with as few axes as possible: NumPy's calls on one axis take a shorter way."""
    whole = operands[-1].shape
    shape, strides = collapse(whole, *[one.strides for one in operands])
    if shape == whole:
        return operands
    return tuple(
        [Operand(one.buffer, shape, steps, one.offset, one.step) for one, steps in zip(operands, strides, strict=True)]
    )


def without(operand: Operand, axis: int) -> Operand:
    """The operand without an axis of one element."""
    shape, strides = (one[:axis] + one[axis + 1 :] for one in (operand.shape, operand.strides))
    return Operand(operand.buffer, shape, strides, operand.offset, operand.step)


def last_first(operand: Operand) -> Operand:
    """The operand with its last axis first."""
    shape, strides = operand.shape, operand.strides
    return Operand(operand.buffer, (shape[-1], *shape[:-1]), (strides[-1], *strides[:-1]), operand.offset, operand.step)


def dot_serves(a: Operand, b: Operand, out: Operand) -> bool:
    """Whether ``np.dot`` makes the same BLAS call as ``np.matmul``, in 0.4 us less; the tests check it."""
    if len(out.shape) != 2 or a.shape[1] == 1 or math.prod(out.shape) == 1:
        return False
    dense = all(
        is_contiguous(one.shape, one.strides) or is_contiguous(one.shape[::-1], one.strides[::-1]) for one in (a, b)
    )
    return dense and is_contiguous(out.shape, out.strides)
