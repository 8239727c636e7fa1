"""Both executors an instruction at a time, on the same memory: where the first bit differs."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ..arrays import Array
from ..program.instructions import Code, Instruction
from .compiled import CompiledExecutor
from .loops import sensitive
from .numpy import NumpyExecutor


def lockstep(code: Code, elements: int, x: Array, seed: Array | None) -> None:
    """Run a program in both executors, each instruction of each block on NumPy's memory; then both as a whole.

    Args:
        code: laid out in a block of ``elements``.
        elements: of working memory.
        x: where to run.
        seed: for the run, None where the program needs none.

    A NumPy that cuts long sums into chunks (see :func:`cuts`) adds in another order: there a sum may differ by n eps
    sum |x|. Where a function's last bits depend on strides, NumPy may copy operands that run backwards, and so take its
    kernel for contiguous ones (see :func:`copied`): there it may differ by 4 eps. A program with one or the other is
    not compared as a whole.

    Raises:
        AssertionError: naming the first instruction whose bits differ. NaN equals NaN.
    """
    size = 0 if code.result is None else code.result.buffer.size
    memory = np.zeros(elements, code.dtype)
    result = np.zeros(size, code.dtype)
    with np.errstate(all="ignore"):
        for block in code.blocks():
            for turn in range(block.count):
                for number in range(block.start, block.stop):
                    one = code.instructions[number]
                    alone = Code(code.dtype, [block.instruction(one, turn)])
                    what = f"instruction {number} ({_say(one)}, layer {one.layer}, turn {turn})"
                    memory, result = _compare(alone, what, memory, result, x, seed)
        if any((cuts() and _is_sum(one)) or copied(one, code.dtype) for one in code.instructions):
            return
        whole = "the whole program, though each instruction agrees,"
        shape = size if code.result is None else code.result.shape
        _compare(code, whole, np.zeros(elements, code.dtype), np.zeros(shape, code.dtype), x, seed)


def _compare(code: Code, what: str, memory: Array, result: Array, x: Array, seed: Array | None) -> tuple[Array, Array]:
    """Run from the same memory in both; NumPy's memory and result after it."""
    runs = []
    for kind in (NumpyExecutor, CompiledExecutor):
        executor = kind(code, memory.size)
        executor.memory[:] = memory
        out = result.copy()
        executor.run(x, seed, out)
        runs.append((executor.memory, out.reshape(-1)))
    for where, by_numpy, by_loop in zip(("memory", "result"), *runs, strict=True):
        same = by_numpy.view(f"i{code.dtype.itemsize}") == by_loop.view(f"i{code.dtype.itemsize}")
        if _is_sum(code.instructions[0]) and len(code.instructions) == 1 and cuts():
            same |= np.abs(by_numpy - by_loop) <= _slack(code.instructions[0], memory, x)
        if len(code.instructions) == 1 and copied(code.instructions[0], code.dtype):
            same |= np.abs(by_numpy - by_loop) <= 4 * float(np.finfo(code.dtype).eps) * np.abs(by_numpy)
        differs = np.flatnonzero(~(same | (np.isnan(by_numpy) & np.isnan(by_loop))))
        if differs.size:
            at = differs[0]
            raise AssertionError(
                f"{what} differs in {differs.size} elements of {where}, first in {at}: "
                f"NumPy gives {by_numpy[at]!r}, compiled {by_loop[at]!r}"
            )
    return runs[0]


@functools.cache
def cuts() -> bool:
    """Whether this NumPy adds up long rows in chunks as large as its buffer, as releases before 2.3 do."""
    before = np.getbufsize()
    try:
        return _by(512) != _by(8192)
    finally:
        np.setbufsize(before)


def _by(buffer: int) -> float:
    np.setbufsize(buffer)
    return float(np.add.reduce(np.random.default_rng(0).standard_normal(5000)))


def copied(one: Instruction, dtype: np.dtype[Any]) -> bool:
    """Whether NumPy may copy operands into its buffer and round otherwise for that: backwards, along several axes."""
    operands = (*one.inputs, one.out)
    if one.kind != "map" or one.ufunc is None or all(step >= 0 for each in operands for step in each.strides):
        return False
    return sum(size > 1 for size in one.out.shape) > 1 and sensitive(one.ufunc, dtype)


def _is_sum(one: Instruction) -> bool:
    return one.kind == "reduce" and one.ufunc is np.add


def _slack(one: Instruction, memory: Array, x: Array) -> float:
    """n eps sum |x|, the most that the order of a sum can change it."""
    source = one.inputs[0]
    array = source.buffer.array if source.buffer.array is not None else x if source.buffer.place == "x" else memory
    largest = float(np.nanmax(np.abs(array), initial=0.0))
    return source.shape[one.axis] ** 2 * float(np.finfo(memory.dtype).eps) * largest


def _say(instruction: Instruction) -> str:
    name = "" if instruction.ufunc is None else f" {instruction.ufunc.__name__}"
    shapes = ", ".join(f"{one.shape} by {one.strides}" for one in (*instruction.inputs, instruction.out))
    return f"{instruction.kind}{name} of {shapes}"
