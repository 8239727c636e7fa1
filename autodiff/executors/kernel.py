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
import numpy as np
from llvmlite import ir
from numba import types

SEGMENTS, FIRST, COUNTERS, INSIDE, BASES, COPY, HEADER = 0, 1, 2, 3, 4, 8, 9  #: words of the header
SEGMENT, PATCH, ROW = 5, 4, 12  #: words of each; those of a row:
NEXT, OPCODE, LOOP, DATA, DIMENSIONS, STRIDES, OPERANDS, OUTER, AXES, PLAIN = 0, 1, 2, 5, 6, 7, 8, 9, 10, 11
CALL, SELECT, GATHER, SCATTER = 0, 2, 4, 6  #: opcodes; one more for float32
MOVE, ADD, SUBTRACT, MULTIPLY, HEAVISIDE = 8, 10, 12, 14, 16  #: along three axes, see :func:`_exact`

POINTER = ir.IntType(8).as_pointer()
LLVM = {types.int64: ir.IntType(64), types.float64: ir.DoubleType(), types.float32: ir.FloatType()}


def intrinsic(function: Any) -> Any:
    """Numba's."""
    return numba.extending.intrinsic(function)


def compiled(function: Any) -> Any:
    """Compiled with what calls it."""
    return numba.njit(function)


def inlined(function: Any) -> Any:
    """Compiled into what calls it."""
    return numba.njit(inline="always")(function)


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


WIDTH = 4  #: elements that are computed at a time, a register of AVX2 of float64


def _several(kind: Any, operation: str, repeated: bool = False) -> Any:
    @intrinsic
    def several(typing: Any, out: Any, a: Any, b: Any, place: Any) -> Any:
        """:data:`WIDTH` elements of dense arrays, from a place on; the last operand may be a number that is repeated.

        Said as vectors, because out may be a or b, and LLVM, which does not know that they overlap in full or not at
        all, would go one by one.
        """

        def generate(target: Any, builder: Any, signature: Any, values: Any) -> Any:
            one, many = LLVM[kind], ir.VectorType(LLVM[kind], WIDTH)

            def place(address: Any) -> Any:
                first = builder.gep(builder.inttoptr(address, one.as_pointer()), [values[3]])
                return builder.bitcast(first, many.as_pointer())

            def repeat(address: Any) -> Any:
                number, made = (
                    builder.load(builder.inttoptr(address, one.as_pointer())),
                    ir.Constant(many, ir.Undefined),
                )
                for k in range(WIDTH):
                    made = builder.insert_element(made, number, ir.Constant(ir.IntType(32), k))
                return made

            def read(address: Any, again: bool = False) -> Any:
                return repeat(address) if again else builder.load(place(address), align=kind.bitwidth // 8)

            if operation:
                made = getattr(builder, operation)(read(values[1]), read(values[2], repeated))
            else:
                made = read(values[1], repeated)
            builder.store(made, place(values[0]), align=kind.bitwidth // 8)
            return target.get_dummy_value()

        return types.void(*[types.int64] * 4), generate

    return several


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
                one, other = read(b + i * db), read(c + i * dc)  # both, so that there is no branch
                write(out + i * step, one if read(a + i * da) != 0 else other)
        elif kind == GATHER:  # input, index, out
            for i in range(size):
                write(c + i * dc, read(a + load(b + i * db) * da))
        else:  # input, index, out
            for i in range(size):
                at = c + load(b + i * db) * dc
                write(at, read(at) + read(a + i * da))

    return run


def _exact(read: Any, write: Any, kinds: Any, number: Any) -> Any:
    unit, zero, one = kinds.bitwidth // 8, number(0), number(1)
    move, fill = _several(kinds, ""), _several(kinds, "", repeated=True)
    add, subtract, multiply = (_several(kinds, name) for name in ("fadd", "fsub", "fmul"))
    scale = _several(kinds, "fmul", repeated=True)

    @inlined
    def line(kind: Any, size: Any, a: Any, b: Any, out: Any, da: Any, db: Any, step: Any) -> None:
        """One operation along one axis. Each is exactly rounded, so that NumPy's loops give the same bits."""
        whole = 0
        if kind == MOVE and da == 0 and step == unit:
            whole = size - size % WIDTH
            for i in range(0, whole, WIDTH):
                fill(out, a, b, i)
        elif kind != HEAVISIDE and da == unit and step == unit and (db == unit or (db == 0 and kind == MULTIPLY)):
            whole = size - size % WIDTH
            if kind == MOVE:
                for i in range(0, whole, WIDTH):
                    move(out, a, b, i)
            elif kind == ADD:
                for i in range(0, whole, WIDTH):
                    add(out, a, b, i)
            elif kind == SUBTRACT:
                for i in range(0, whole, WIDTH):
                    subtract(out, a, b, i)
            elif db:
                for i in range(0, whole, WIDTH):
                    multiply(out, a, b, i)
            else:
                for i in range(0, whole, WIDTH):
                    scale(out, a, b, i)
        if kind == MOVE:
            for i in range(whole, size):
                write(out + i * step, read(a + i * da))
        elif kind == ADD:
            for i in range(whole, size):
                write(out + i * step, read(a + i * da) + read(b + i * db))
        elif kind == SUBTRACT:
            for i in range(whole, size):
                write(out + i * step, read(a + i * da) - read(b + i * db))
        elif kind == HEAVISIDE:
            for i in range(size):
                x, middle = read(a + i * da), read(b + i * db)
                chosen = one if x > 0 else zero if x < 0 else middle
                write(out + i * step, x if x != x else chosen)
        else:
            for i in range(whole, size):
                write(out + i * step, read(a + i * da) * read(b + i * db))

    @compiled
    def run(kind: Any, sizes: Any, data: Any, strides: Any) -> None:
        """Copies, sums and products along three axes, the innermost first, whose calls would take longer than they do.

        Strides are those of a, b and out along the first, then the second and the third axis; a copy has no b, and a
        in its place.
        """
        size, rows, da, db, step = load(sizes), load(sizes + 8), load(strides), load(strides + 8), load(strides + 16)
        down_a, down_b, down = load(strides + 24), load(strides + 32), load(strides + 40)
        first, second, third = load(data), load(data + 8), load(data + 16)
        for _ in range(load(sizes + 16)):
            a, b, out = first, second, third
            for _ in range(rows):
                line(kind, size, a, b, out, da, db, step)
                a, b, out = a + down_a, b + down_b, out + down
            first, second, third = first + load(strides + 48), second + load(strides + 56), third + load(strides + 64)

    return run


_run_double, _run_single = _elementwise(load_double, store_double), _elementwise(load_single, store_single)
_exact_double = _exact(load_double, store_double, types.float64, np.float64)
_exact_single = _exact(load_single, store_single, types.float32, np.float32)


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
    data, sizes, strides = load(row + 8 * DATA), load(row + 8 * DIMENSIONS), load(row + 8 * STRIDES)
    size = load(sizes)
    if opcode >= MOVE:
        if opcode & 1:
            _exact_single(opcode - 1, sizes, data, strides)
        else:
            _exact_double(opcode, sizes, data, strides)
    elif opcode & 1:
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
