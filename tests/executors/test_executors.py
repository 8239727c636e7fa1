"""The executors: NumPy's is compared with NumPy, the compiled one with it, to the bit."""

import itertools
import sys

import numpy as np
import pytest
import scipy.special
from hypothesis import assume, given
from hypothesis import strategies as st

from autodiff.arrays import aligned_empty
from autodiff.errors import UnsupportedError
from autodiff.executors import loops
from autodiff.executors.compiled import CompiledExecutor
from autodiff.executors.lockstep import lockstep
from autodiff.executors.numpy import NumpyExecutor, dot_serves
from autodiff.program.instructions import Block, Buffer, Code, Instruction, Operand
from autodiff.program.views import span

DTYPES = [np.dtype(np.float64), np.dtype(np.float32)]
UNARY = [np.positive, np.tanh, np.exp, np.sin, np.square, np.sqrt, np.reciprocal, np.absolute, scipy.special.expit]
BINARY = [np.add, np.multiply, np.subtract, np.divide, np.maximum, np.heaviside, np.power, np.logaddexp]
EXECUTORS = [NumpyExecutor, CompiledExecutor]


class Draft:
    """A program over one block of memory that begins as a copy of x."""

    def __init__(self, seed, dtype=DTYPES[0]):
        self.rng = np.random.default_rng(seed)
        self.code = Code(dtype)
        self.top = 0

    def operand(self, shape, plain=False, repeated=False):
        """New memory, looked at with its axes in any order, reversed, with gaps; repeated along an axis."""
        rank, rng = len(shape), self.rng
        strides, step = [0] * rank, int(1 if plain else rng.choice([1, 1, 2, 3]))
        for axis in range(rank)[::-1] if plain else rng.permutation(rank):
            strides[axis] = step * int(1 if plain else rng.choice([1, 1, 1, -1]))
            step *= shape[axis]
            step += int(0 if plain else rng.choice([0, 0, 1]))
        if repeated and rank and rng.random() < 0.5:
            strides[rng.integers(rank)] = 0
        low, high = span(shape, tuple(strides))
        buffer = Buffer("memory", high - low + 1, None, self.top)
        self.top += buffer.size
        return Operand(buffer, tuple(shape), tuple(strides), -low)

    def emit(self, kind, ufunc, *operands, **more):
        self.code.instructions.append(Instruction(kind, ufunc, operands[:-1], operands[-1], **more))

    def finish(self):
        size, code = self.top, self.code
        whole, x, result = Buffer("memory", size), Buffer("x", size), Buffer("result", size)
        code.instructions[:0] = [Instruction("map", np.positive, (flat(x),), flat(whole))]
        code.instructions.append(Instruction("map", np.positive, (flat(whole),), flat(result)))
        code.control[:] = [Block(one.start + 1, one.stop + 1, one.count) for one in code.control]
        code.result = flat(result)
        values = self.rng.standard_normal(size).astype(code.dtype)
        values[self.rng.random(size) < 0.1] = 0.0
        values[self.rng.random(size) < 0.1] *= -1e-30
        values[self.rng.random(size) < 0.1] *= -0.0
        return code, size, values

    def check(self):
        code, size, x = self.finish()
        lockstep(code, size, x, None)

    def run(self, executor):
        code, size, x = self.finish()
        out = np.empty(size, code.dtype)
        with np.errstate(all="ignore"):
            executor(code, size).run(x, None, out)
        return x, out


def flat(buffer):
    return Operand(buffer, (buffer.size,), (1,))


def look(operand, array):
    """The operand in a flat copy of the memory."""
    size = array.itemsize
    strides = [size * one for one in operand.strides]
    return np.ndarray(operand.shape, array.dtype, array, size * (operand.buffer.offset + operand.offset), strides)


seeds, dtypes = st.integers(0, 10**6), st.sampled_from(DTYPES)
shapes = st.lists(st.integers(1, 7), max_size=4).map(tuple)


@given(seeds, dtypes, shapes, st.sampled_from(UNARY + BINARY), st.booleans())
def test_maps(seed, dtype, shape, ufunc, in_place):
    draft = Draft(seed, dtype)
    out = draft.operand(shape)
    inputs = [draft.operand(shape, repeated=True) for _ in range(ufunc.nin)]
    if in_place:
        inputs[0] = out
    draft.emit("map", ufunc, *inputs, out)
    draft.check()


@given(seeds, dtypes, st.sampled_from([(700, 3), (3, 700), (2, 40, 30), (1500,), (130, 1, 9)]), st.sampled_from(BINARY))
def test_long_maps(seed, dtype, shape, ufunc):
    test_maps.hypothesis.inner_test(seed, dtype, shape, ufunc, False)


@given(seeds, dtypes, shapes.filter(len), st.sampled_from([np.add, np.maximum, np.multiply]), st.data())
def test_reductions(seed, dtype, shape, ufunc, data):
    axis = data.draw(st.integers(0, len(shape) - 1))
    draft = Draft(seed, dtype)
    inside = draft.operand(shape, repeated=True)
    # NumPy 2.0 is wrong itself: maximum.reduce(a, axis=0, out=o) of a (n, 1) with a negative stride is not the largest;
    # and it takes negative strides from their other end, so that products are rounded otherwise
    assume(ufunc is np.add or np.lib.NumpyVersion(np.__version__) >= "2.3.0" or min(inside.strides) >= 0)
    draft.emit("reduce", ufunc, inside, draft.operand(shape[:axis] + shape[axis + 1 :]), axis=axis)
    draft.check()


@pytest.mark.parametrize("buffer", [512, 8192])
@given(seeds, dtypes, st.booleans(), st.data())
def test_long_reductions(buffer, seed, dtype, plain, data):
    shape = data.draw(st.sampled_from([(5000,), (3000, 2), (2, 3000), (600, 5), (9, 600), (3, 600, 2), (2, 3, 900)]))
    axis = data.draw(st.integers(0, len(shape) - 1))
    draft = Draft(seed, dtype)
    out = shape[:axis] + shape[axis + 1 :]
    draft.emit("reduce", np.add, draft.operand(shape, plain), draft.operand(out, plain), axis=axis)
    before = np.setbufsize(buffer)
    try:
        draft.check()
    finally:
        np.setbufsize(before)


@given(seeds, dtypes, st.lists(st.integers(1, 9), min_size=3, max_size=3), shapes.map(lambda shape: shape[:3]))
def test_products(seed, dtype, sizes, batch):
    m, n, p = sizes
    draft = Draft(seed, dtype)
    plain = bool(seed % 2)
    a, b = draft.operand((*batch, m, n), plain, not plain), draft.operand((*batch, n, p), plain, not plain)
    draft.emit("matmul", np.matmul, a, b, draft.operand((*batch, m, p), plain))
    draft.check()


@given(seeds, dtypes, st.lists(st.sampled_from([1, 2, 3, 4, 8, 17, 64, 100]), min_size=3, max_size=3))
def test_dot_makes_the_call_of_matmul(seed, dtype, sizes):
    m, n, p = sizes
    rng = np.random.default_rng(seed)
    for orders in itertools.product("CF", repeat=2):
        a, b = (
            np.array(rng.standard_normal(shape) * (rng.random(shape) < 0.8), dtype, order=order)
            for shape, order in zip([(m, n), (n, p)], orders, strict=True)
        )
        operands = [
            Operand(Buffer("memory", one.size), one.shape, tuple(step // one.itemsize for step in one.strides))
            for one in (a, b, np.empty((m, p), dtype))
        ]
        if dot_serves(*operands):
            assert np.dot(a, b).tobytes() == np.matmul(a, b).tobytes()


@given(seeds, dtypes, shapes, st.sampled_from([None, 0, 1, 2]))
def test_select(seed, dtype, shape, same):
    draft = Draft(seed, dtype)
    out = draft.operand(shape)
    inputs = [draft.operand(shape, repeated=True) for _ in range(3)]
    if same is not None:
        inputs[same] = out
    draft.emit("select", None, *inputs, out)
    draft.check()


@pytest.mark.parametrize("executor", EXECUTORS)
@given(seeds, dtypes, shapes.filter(len), st.sampled_from([None, 0, 1, 2]))
def test_select_is_where(executor, seed, dtype, shape, same):
    draft = Draft(seed, dtype)
    out = draft.operand(shape)
    inputs = [draft.operand(shape) for _ in range(3)]
    if same is not None:
        inputs[same] = out
    draft.emit("select", None, *inputs, out)
    x, memory = draft.run(executor)
    mask, a, b = (look(one, x) for one in inputs)
    np.testing.assert_array_equal(look(out, memory), np.where(mask != 0, a, b))


@pytest.mark.parametrize("executor", EXECUTORS)
@given(seeds, dtypes, shapes.filter(len), st.integers(1, 9))
def test_gather_and_scatter(executor, seed, dtype, shape, count):
    draft = Draft(seed, dtype)
    index = draft.rng.integers(0, shape[-1], count)
    wide, narrow, taken = draft.operand(shape), draft.operand((*shape[:-1], count)), draft.operand((*shape[:-1], count))
    draft.emit("gather", None, wide, taken, index=index)
    draft.emit("scatter", None, narrow, wide, index=index)
    x, memory = draft.run(executor)
    np.testing.assert_array_equal(look(taken, memory), look(wide, x)[..., index])
    wanted = look(wide, x).copy()
    np.add.at(wanted, (..., index), look(narrow, x))
    np.testing.assert_array_equal(look(wide, memory), wanted)
    lockstep(*draft_again(draft), None)


def draft_again(draft):
    """The same program with another x."""
    code = draft.code
    size = code.result.buffer.size
    return code, size, draft.rng.standard_normal(size).astype(code.dtype)


@given(seeds, dtypes, st.integers(1, 5), st.integers(1, 4), st.integers(1, 4))
def test_loops(seed, dtype, count, m, n):
    """Each block takes the next rows of x and of the seed, and fills the next rows of the result."""
    code = Code(dtype)
    x, seeds_, result = Buffer("x", count * n), Buffer("seed", count * m * n), Buffer("result", count * m)
    matrix, value = Buffer("memory", m * n), Buffer("value", count, None, m * n)
    one = Buffer("fixed", 1, np.full(1, 0.5, dtype))
    A = Operand(matrix, (m, n), (n, 1))
    part = Operand(x, (n, 1), (1, 1), 0, n)
    row = Operand(result, (m, 1), (1, 1), 0, m)
    code.instructions = [
        Instruction("map", np.positive, (Operand(one, (count,), (0,)),), Operand(value, (count,), (1,))),
        Instruction("map", np.tanh, (Operand(seeds_, (m, n), (n, 1), 0, m * n),), A),
        Instruction("matmul", np.matmul, (A, part), row),
        Instruction("map", np.add, (row, Operand(one, (m, 1), (0, 0))), row),
        Instruction("reduce", np.add, (Operand(x, (n,), (1,), 0, n),), Operand(value, (), (), 0, 1), axis=0),
        Instruction("map", np.negative, (Operand(x, (), ()),), Operand(matrix, (), ())),
    ]
    code.instructions[-1].ufunc = np.square
    code.control = [Block(1, 5, count)]
    code.result, code.value = Operand(result, (count, m), (m, 1)), Operand(value, (count,), (1,))
    rng = np.random.default_rng(seed)
    points, blocks = rng.standard_normal((count, n)).astype(dtype), rng.standard_normal((count, m, n)).astype(dtype)
    lockstep(code, m * n + count, points.reshape(-1), blocks)
    wanted = np.einsum("tmn,tn->tm", np.tanh(blocks), points) + 0.5
    for executor in EXECUTORS:
        made, out = executor(code, m * n + count), np.empty((count, m), dtype)
        for _ in range(2):
            made.run(points.reshape(-1), blocks, out)
            np.testing.assert_allclose(out, wanted, 1e-4, 1e-5)
            np.testing.assert_allclose(made.value, points.sum(1), 1e-4, 1e-5)
        frozen = points.reshape(-1).copy()
        frozen.flags.writeable = False
        made.run(frozen, blocks, out)


def test_nothing_of_the_callers_is_kept():
    draft = Draft(0)
    draft.emit("map", np.square, draft.operand((3,)), draft.operand((3,)))
    code, size, x = draft.finish()
    for executor in EXECUTORS:
        out, made = np.empty(size), executor(code, size)
        counts = sys.getrefcount(x), sys.getrefcount(out)
        made.run(x, None, out)
        assert (sys.getrefcount(x), sys.getrefcount(out)) == counts


def test_memory_begins_at_a_cache_line():
    for executor in EXECUTORS:
        assert executor(Code(DTYPES[0]), 5).memory.ctypes.data % 64 == aligned_empty(1, DTYPES[0]).ctypes.data % 64 == 0


def test_lockstep_names_the_instruction(monkeypatch):
    draft = Draft(0)
    draft.emit("map", np.square, draft.operand((3,)), draft.operand((3,)), layer=4)
    monkeypatch.setattr("autodiff.executors.lowering.inner_loop", lambda *_: loops.inner_loop(np.positive, DTYPES[0]))
    with pytest.raises(
        AssertionError, match=r"instruction 1 \(map square of .*layer 4, turn 0\) differs in . elements"
    ):
        draft.check()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("ufunc", [*UNARY, *BINARY, np.matmul, scipy.special.erf, scipy.special.betainc])
def test_loops_are_right(ufunc, dtype):
    assert loops.wrong(ufunc, dtype) == ""
    assert all(isinstance(one, int) for one in loops.inner_loop(ufunc, dtype))


def broken(strides):
    a = np.linspace(1.0, 2.0, 64 * strides[0])[:: strides[0]]
    out = np.empty(64 * strides[1])[:: strides[1]]
    return not np.array_equal(np.negative(a, out=out), np.negative(a.copy()))


def test_a_wrong_loop_is_named_and_not_used():
    """NumPy 2.4 negates wrongly for some strides; where it does, its loop is refused."""
    if not broken((8, 2)):
        assert loops.wrong(np.negative, DTYPES[0]) == ""
        return
    assert "gives wrong numbers for strides of [64] and 16 bytes" in loops.wrong(np.negative, DTYPES[0])
    with pytest.raises(UnsupportedError, match=r"np\.negative cannot be compiled: NumPy .* gives wrong numbers"):
        loops.inner_loop(np.negative, DTYPES[0])


def test_a_loop_that_disagrees_is_refused(monkeypatch):
    monkeypatch.setattr(loops, "_find", lambda ufunc, dtype, find=loops._find: find(np.square, dtype))
    assert "gives other bits" in loops._verdict.__wrapped__(np.sqrt, DTYPES[0])[0]


def test_python_functions_are_refused():
    double = np.frompyfunc(lambda value: 2 * value, 1, 1)
    with pytest.raises(UnsupportedError, match=r"lambda.* calls Python"):
        loops.inner_loop(double, DTYPES[0])
    with pytest.raises(UnsupportedError, match=r"np\.greater has no loop from float64 to float64"):
        loops.inner_loop(np.greater, DTYPES[0])
    with pytest.raises(UnsupportedError, match=r"np\.vecdot works on whole axes"):
        loops.inner_loop(np.vecdot, DTYPES[0])


def test_without_numba(monkeypatch):
    assert loops.available() == ""
    monkeypatch.setitem(sys.modules, "numba", None)
    assert "pip install 'autodiff-bench[fast]'" in loops.available()
    with pytest.raises(UnsupportedError, match="need Numba"):
        CompiledExecutor(Code(DTYPES[0]), 1)
