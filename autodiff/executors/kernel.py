"""The Numba function that runs a compiled program, compiled once and cached; and the tape that it reads.

A tape is one array of 64-bit words. Positions count words from its beginning; addresses are the machine's::

    header   segments, position of the first, of the counters, how far inside an array object the address of its
             data is, bases: x, seed, result, 0; address of the room for copies
    segment  position of its first row, of its end, count, position of its first patch, of their end; what is called
             again has one for each call, with the same rows and patches of its own
    row      position of the next, opcode, loop, context, auxiliary, address of data, of dimensions, of strides,
             operands, outer axes, position of the outer axes, whether it is one call of NumPy's loop;
             then what these address: dimensions, strides in bytes, an address an operand;
             and for each outer axis its size, and strides in bytes
    patch    position of an operand's address, base, offset in bytes, step in bytes from block to block
    counters one word an outer axis, of the row that has most; then room for copies of the addresses of a call

A call gets a copy of its addresses, because some loops move them (SciPy's do). Without outer axes nothing is computed.
"""

from __future__ import annotations

from typing import Any

import numba
import numba.extending
from llvmlite import ir
from numba import types

SEGMENTS, FIRST, COUNTERS, INSIDE, BASES, COPY, HEADER = 0, 1, 2, 3, 4, 8, 9  #: words of the header
SEGMENT, PATCH, ROW = 5, 4, 12  #: words of each; those of a row:
NEXT, OPCODE, LOOP, DATA, DIMENSIONS, STRIDES, OPERANDS, OUTER, AXES, PLAIN = 0, 1, 2, 5, 6, 7, 8, 9, 10, 11
CALL, SELECT, GATHER, SCATTER = 0, 2, 4, 6  #: opcodes; one more for float32

POINTER = ir.IntType(8).as_pointer()
LLVM = {types.int64: ir.IntType(64), types.float64: ir.DoubleType(), types.float32: ir.FloatType()}


def intrinsic(function: Any) -> Any:
    """Numba's."""
    return numba.extending.intrinsic(function)


def compiled(function: Any) -> Any:
    """Compiled with what calls it."""
    return numba.njit(function)


def cached(function: Any) -> Any:
    """Compiled for four integers, or read from the cache; anew every time where no folder can be written."""
    kind = types.void(*[types.int64] * 4)
    try:
        return numba.njit(kind, cache=True, nogil=True)(function)
    except RuntimeError:
        return numba.njit(kind, nogil=True)(function)


@intrinsic
def call(typing: Any, loop: Any, context: Any, data: Any, dimensions: Any, strides: Any, auxiliary: Any) -> Any:
    """``int loop(context, char **data, npy_intp *dimensions, npy_intp *strides, auxiliary)``, all given as integers."""

    def generate(target: Any, builder: Any, signature: Any, values: Any) -> Any:
        kind = ir.FunctionType(ir.IntType(32), [POINTER] * 5)
        function = builder.inttoptr(values[0], kind.as_pointer())
        return builder.call(function, [builder.inttoptr(value, POINTER) for value in values[1:]])

    return types.int32(*[types.int64] * 6), generate


def _loader(kind: Any) -> Any:
    @intrinsic
    def load(typing: Any, address: Any) -> Any:
        """The number at an address."""

        def generate(target: Any, builder: Any, signature: Any, values: Any) -> Any:
            return builder.load(builder.inttoptr(values[0], LLVM[kind].as_pointer()))

        return kind(types.int64), generate

    return load


def _storer(kind: Any) -> Any:
    @intrinsic
    def store(typing: Any, address: Any, value: Any) -> Any:
        """Put a number at an address."""

        def generate(target: Any, builder: Any, signature: Any, values: Any) -> Any:
            builder.store(values[1], builder.inttoptr(values[0], LLVM[kind].as_pointer()))
            return target.get_dummy_value()

        return types.void(types.int64, kind), generate

    return store


load, load_double, load_single = _loader(types.int64), _loader(types.float64), _loader(types.float32)
store, store_double, store_single = _storer(types.int64), _storer(types.float64), _storer(types.float32)


def _elementwise(read: Any, write: Any) -> Any:
    @compiled
    def run(kind: Any, size: Any, data: Any, strides: Any) -> None:
        """What is no ufunc, along one axis of ``size``; the operands' addresses and strides lie at addresses."""
        a, b, c = load(data), load(data + 8), load(data + 16)
        da, db, dc = load(strides), load(strides + 8), load(strides + 16)
        if kind == SELECT:  # mask, a, b, out
            out, step = load(data + 24), load(strides + 24)
            for i in range(size):
                chosen = b + i * db if read(a + i * da) != 0 else c + i * dc
                write(out + i * step, read(chosen))
        elif kind == GATHER:  # input, index, out
            for i in range(size):
                write(c + i * dc, read(a + load(b + i * db) * da))
        else:  # input, index, out
            for i in range(size):
                at = c + load(b + i * db) * dc
                write(at, read(at) + read(a + i * da))

    return run


_run_double, _run_single = _elementwise(load_double, store_double), _elementwise(load_single, store_single)


@compiled
def _call(row: Any, copy: Any) -> None:
    """One call of NumPy's loop."""
    data, dimensions, strides = load(row + 8 * DATA), load(row + 8 * DIMENSIONS), load(row + 8 * STRIDES)
    for k in range(0, 8 * load(row + 8 * OPERANDS), 8):
        store(copy + k, load(data + k))
    call(load(row + 8 * LOOP), load(row + 8 * LOOP + 8), copy, dimensions, strides, load(row + 8 * LOOP + 16))


@compiled
def _inner(row: Any, copy: Any) -> None:
    """One call along the inner axis, of NumPy's loop or ours."""
    opcode = load(row + 8 * OPCODE)
    if opcode == CALL:
        _call(row, copy)
        return
    data, size, strides = load(row + 8 * DATA), load(load(row + 8 * DIMENSIONS)), load(row + 8 * STRIDES)
    if opcode & 1:
        _run_single(opcode - 1, size, data, strides)
    else:
        _run_double(opcode, size, data, strides)


@compiled
def _walk(tape: Any, row: Any, copy: Any) -> None:
    """A call for every element of the outer axes; the addresses in the tape walk, and are back at the end."""
    operands, outer = load(row + 8 * OPERANDS), load(row + 8 * OUTER)
    if outer == 0:
        _inner(row, copy)
        return
    data, axes = load(row + 8 * DATA), tape + 8 * load(row + 8 * AXES)
    width = 8 * (1 + operands)
    counters = tape + 8 * load(tape + 8 * COUNTERS)
    for axis in range(outer):
        store(counters + 8 * axis, 0)
    last = axes + width * (outer - 1)
    size = load(last)
    while True:
        for _ in range(size):
            _inner(row, copy)
            for k in range(0, 8 * operands, 8):
                store(data + k, load(data + k) + load(last + 8 + k))
        axis, place = outer - 1, last
        while True:
            for k in range(0, 8 * operands, 8):
                store(data + k, load(data + k) - load(place) * load(place + 8 + k))
            axis -= 1
            if axis < 0:
                return
            place -= width
            count = load(counters + 8 * axis) + 1
            for k in range(0, 8 * operands, 8):
                store(data + k, load(data + k) + load(place + 8 + k))
            if count < load(place):
                store(counters + 8 * axis, count)
                break
            store(counters + 8 * axis, 0)


@cached
def execute(tape: Any, x: Any, seed: Any, result: Any) -> None:
    """Run the tape at an address, with the addresses of the array objects that the caller brings; 0 for no seed."""
    inside = load(tape + 8 * INSIDE)
    store(tape + 8 * BASES, load(x + inside))
    store(tape + 8 * BASES + 8, load(seed + inside) if seed else 0)
    store(tape + 8 * BASES + 16, load(result + inside))
    segment, copy = tape + 8 * load(tape + 8 * FIRST), load(tape + 8 * COPY)
    for _ in range(load(tape + 8 * SEGMENTS)):
        start, stop, count = tape + 8 * load(segment), tape + 8 * load(segment + 8), load(segment + 16)
        first, end = tape + 8 * load(segment + 24), tape + 8 * load(segment + 32)
        for patch in range(first, end, 8 * PATCH):
            base = load(tape + 8 * BASES + 8 * load(patch + 8))
            store(tape + 8 * load(patch), base + load(patch + 16))
        for block in range(count):
            if block:
                for patch in range(first, end, 8 * PATCH):
                    address = tape + 8 * load(patch)
                    store(address, load(address) + load(patch + 24))
            row = start
            while row < stop:
                if load(row + 8 * PLAIN):
                    _call(row, copy)
                else:
                    _walk(tape, row, copy)
                row = tape + 8 * load(row + 8 * NEXT)
        segment += 8 * SEGMENT
