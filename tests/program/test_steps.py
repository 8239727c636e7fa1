"""Steps: what is run, how often, and how long ago its operands were used."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autodiff as ad
from autodiff.program.builder import Builder
from autodiff.program.instructions import Buffer, Instruction, Operand
from autodiff.program.program import Program
from autodiff.program.steps import MOVED, NEAR, TURN, Recency, Step, parts, shape_of, steps
from autodiff.program.views import View

places = st.lists(st.tuples(st.integers(0, 6), st.integers(1, 1 << 20)), min_size=1, max_size=60)


@given(places)
def test_reuse_distances_are_those_of_a_stack(touched):
    """Against a list of places from the one used last, whose bytes are added up."""
    recency, stack = Recency(), []
    for place, nbytes in touched:
        at = next((i for i, (known, _) in enumerate(stack) if known == place), None)
        own = stack.pop(at)[1] if at is not None else 0
        between = sum(size for _, size in (stack if at is None else stack[:at]))
        assert recency.touch(place, nbytes) == parts(between + max(own, nbytes))
        stack.insert(0, (place, nbytes))


@given(st.integers(1, 1 << 50), st.integers(1, 1 << 50))
def test_parts_keep_the_order(one, other):
    assert (one <= other) <= (parts(one) <= parts(other))
    assert parts(one) == 0 if one <= NEAR else abs(parts(one) - 4 * math.log2(one)) <= 0.5


@pytest.mark.parametrize("executor", ["numpy", "compiled"])
@pytest.mark.parametrize(
    "name", ["forward", "reverse", "reverse(chunk=2)", "forward(chunk=3)", "mixed", "reverse-checkpointed"]
)
@pytest.mark.parametrize("family", ["mlp", "curve_fit", "digits_loss", "autoencoder"])
def test_steps_are_the_instructions_that_are_run(family, name, executor):
    network = ad.problems.families()[family].small()
    program = ad.engine(name).layout(network).program
    found = [one for one in program.steps(executor) if one.kind not in (TURN, MOVED)]
    assert sum(one.count for one in found) == program.work.calls
    products = [one for one in found if one.kind == "matmul"]
    assert sum(one.count * math.prod(one.sizes) for one in products) == program.work.fma
    moved = sum(one.count * sum(nbytes for _, nbytes in (*one.read, *one.written)) for one in found)
    assert moved == program.work.elements * network.dtype.itemsize
    assert [Step.of(one.to_list()) for one in found] == found


def test_a_run_finds_near_what_the_last_one_used():
    """Weights of 8 KB are near from run to run; those of 2 MB are as far away as all that is used in between."""
    small = ad.engine("reverse").layout(ad.problems.mlp(32, 32, 1), operation="value").program
    assert all(distance == 0 for one in steps(small.code) for distance, _ in one.read)
    network = ad.problems.mlp(512, 512, 1, 512)
    (product, *_) = steps(ad.engine("reverse").layout(network, operation="value").program.code)
    assert product.sizes == (1, 1, 512, 512)
    weights = max(product.read, key=lambda pair: pair[1])
    assert weights[1] >= 8 * 512 * 512
    assert weights[0] == parts(8 * (512 * 512 + 4 * 512))  # x, the bias, y twice


def test_rows_are_those_that_the_executor_walks():
    """A transposed result: NumPy walks it as it lies, the compiled loop along the axis that is contiguous."""
    code = ad.engine("forward(seeds=dense)").layout(ad.problems.curve_fit(peaks=2, points=50)).program
    sizes = {
        executor: {one.sizes for one in code.steps(executor) if one.kind == "map"} for executor in ("numpy", "compiled")
    }
    assert all(math.prod(one) in {math.prod(other) for other in sizes["compiled"]} for one in sizes["numpy"])
    assert (1, 300) in sizes["numpy"]  # 50 x 6, in whichever order
    assert np.all([one[0] >= 1 for one in sizes["numpy"] | sizes["compiled"]])


@given(st.integers(2, 40), st.integers(1, 8))
def test_turns_that_are_not_walked_are_counted(turns, kilobytes):
    """Rows of a matrix are written one a turn; before the next run everything else was used once, each row too."""
    size = 128 * kilobytes
    b = Builder(np.dtype(float))
    given_once, row = b.fixed(np.ones(1 << 14)), b.fixed(np.ones(size))
    b.write(np.positive, [given_once], b.new((1 << 14,)))
    with b.loop(turns):
        out = b.look(b.outside("result", (turns, size)), View((size,), (1,), 0))
        out.step = size
        b.write(np.positive, [row], out)
    (first, *_) = Program.of(b.code, reuse=False).steps()
    assert first.count == 1
    assert first.read == ((parts(8 * (2 * (1 << 14) + (1 + turns) * size)), 8 << 14),)


@pytest.mark.parametrize(
    "damaged",
    [
        ["map", "add", [1, 4], "", 1, [[60, 32]]],
        ["map", "add", [1], "", 1, [], []],
        ["map", "add", [1, 4], "", 1, [["far", 32]], []],
        ["map", "add", [1, 4], "", 1, [[60]], []],
        ["map", "add", [1, 4], "", 1, [[10**6, 32]], []],
        ["map", "add", [1, 4], "", -1, [], []],
        ["map", "add", [1, 4], "", float("nan"), [], []],
        ["map", 3, [1, 4], "", 1, [], []],
        [[], "add", [1, 4], "", 1, [], []],
        ["matmul", "matmul", [1, 0, 4, 4], "", 1, [], []],
        ["matmul", "matmul", [4, 4, 4], "", 1, [], []],
        "a step",
        7,
    ],
)
def test_what_is_no_step_is_refused(damaged):
    with pytest.raises((ValueError, TypeError)):
        Step.of(damaged)


@pytest.mark.parametrize("a", "CF")
@pytest.mark.parametrize("b", "CF")
@pytest.mark.parametrize("out", "CF")
def test_a_product_into_a_transposed_matrix_is_the_transposed_product(a, b, out):
    """A JVP's tangents lie seed by seed: V W^T into a column by column matrix is W V^T."""

    def operand(rows, columns, order):
        strides = (columns, 1) if order == "C" else (1, rows)
        return Operand(Buffer("memory", rows * columns), (rows, columns), strides)

    inputs = operand(3, 5, a), operand(5, 7, b)
    _, name, sizes, layout = shape_of(Instruction("matmul", np.matmul, inputs, operand(3, 7, out)), "numpy")
    plain = ("a" if a == "F" else "") + ("b" if b == "F" else "")
    turned = ("a" if b == "C" else "") + ("b" if a == "C" else "")
    assert (name, sizes, layout) == ("matmul", *(((1, 3, 5, 7), plain) if out == "C" else ((1, 7, 5, 3), turned)))
