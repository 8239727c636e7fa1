"""What a program looks like: order, operands, shapes, counts and memory, as a person reads them."""

import re

import numpy as np
import pytest

import autodiff as ad
from autodiff.executors.stepping import steps
from autodiff.layers import Function
from autodiff.problems import families
from autodiff.program.alive import memory_alive
from autodiff.program.printing import figures, listing
from autodiff.program.program import Program


def program(network, name="reverse", **what):
    return ad.engine(name).layout(network, **what).program


def rows(text):
    """The lines of instructions, without their numbers."""
    return [line.split(maxsplit=1)[1] for line in text.splitlines() if re.match(r" *\d+  ", line)]


def products(network, name):
    """Operands and shapes of the products, those of f(x) left out."""
    found = [re.search(r"matmul +(.*?)  +(.*?)  ", line) for line in rows(str(program(network, name)))]
    return [match.groups() for match in found if match][network.depth :]


def test_the_order_of_multiplication_can_be_seen():
    """(1 x q)(q x p)(p x n) from the left and from the right."""
    network = ad.problems.product(n=5, p=4, q=3)
    assert products(network, "reverse") == [
        ("W2, W1 -> %3", "(1 x 3)(3 x 4) -> (1 x 4)"),
        ("%3, W0 -> result", "(1 x 4)(4 x 5) -> (1 x 5)"),
    ]
    assert products(network, "forward") == [
        ("W1, W0 -> %3", "(3 x 4)(4 x 5) -> (3 x 5)"),
        ("W2, %3 -> result", "(1 x 3)(3 x 5) -> (1 x 5)"),
    ]


def test_a_small_program_word_by_word():
    assert str(program(ad.problems.product(n=4))) == "\n".join(
        [
            "   layer    operation  operands -> result  shapes                     mult-adds  bytes",
            "0  0 Dense  matmul     W0, x -> %0         (4 x 4)(4 x 1) -> (4 x 1)         16     32",
            "1  1 Dense  matmul     W1, %0 -> %1        (4 x 4)(4 x 1) -> (4 x 1)         16     64",
            "2  2 Dense  matmul     W2, %1 -> %2        (1 x 4)(4 x 1) -> (1 x 1)          4     40",
            "3  1 Dense  matmul     W2, W1 -> %3        (1 x 4)(4 x 4) -> (1 x 4)         16     40",
            "4  0 Dense  matmul     %3, W0 -> result    (1 x 4)(4 x 4) -> (1 x 4)         16     40",
            "5 instructions, 68 multiply-adds, 105 elements moved, 128 bytes of memory",
            "(%3: what instruction 3 wrote first; W0: parameters of layer 0)",
        ]
    )


def test_parts_of_the_result_and_of_parameters_are_named():
    text = str(program(ad.problems.mlp(5, 3, 3, 4), wrt="params"))
    for part in (
        "%5 -> diag result[:, 44:56]",
        "1 -> diag result[:, 56:59]",
        "x, %20 -> result[:, 0:20]",
        "%0, b0 -> %1",
        "fill       0 -> result[:, 44:56]",
    ):
        assert part in text


def test_loops_are_indented_and_say_how_they_move():
    made = program(ad.problems.mlp(5, 3, 3, 4), "forward(chunk=2)")
    text = str(made)
    lines = text.splitlines()
    start = lines.index("for t in 0..1:")
    inside = [line for line in lines if re.search("Dense    [a-z]", line)]
    assert inside == lines[start + 1 : start + 5]
    assert "W0[:, 2t:2t+2], %9 -> %12" in inside[0]
    assert "%14 -> result[:, 2t:2t+2]" in inside[-1]
    assert "-> result[:, 4]" in text
    assert f"20 instructions ({made.work.calls} with loops and calls), {made.work.fma} multiply-adds" in text


def test_calls_say_what_is_run_again():
    made = program(ad.problems.mlp(4, 1, 6, 5), "reverse-checkpointed(checkpoints=2)")
    text = listing(made, full=True)
    lines = text.splitlines()
    assert sum(line == "called 2 times:" for line in lines) == 3
    assert [line for line in lines if line.startswith("again")] == ["again 9 to 11", "again 0 to 5"]
    turned = lines[lines.index("again 0 to 5") + 1]
    assert "W2, %5 -> %" in turned  # the state that instruction 5 wrote first
    assert len(rows(text)) == len(made) < made.work.calls


def test_every_kind_of_instruction_has_a_word():
    index = np.array([2, 0, 0])
    f = Function(lambda x: np.where(x > 0, x[index] * x, np.sum(np.tanh(x))), 3)
    text = str(program(ad.Network([f])))
    for word in ("gather", "where", "tanh", "add.reduce over axis 0", "scatter-add"):
        assert f"  {word}  " in text
    assert "maximum.reduce over axis 1  " in (text := str(program(ad.problems.digits_loss(samples=4))))
    assert "constant" in text


def test_several_parameters_of_a_layer_have_names_of_their_own():
    class Twice(ad.Layer):
        n = m = 3

        def __init__(self):
            self.params = (np.eye(3), 2 * np.eye(3), np.ones(3))

        def function(self, x, params, xp):
            return params[1] @ (params[0] @ x) * params[2]

    text = str(program(ad.Network([Twice(), Twice()])))
    for name in ("W0,", "W0',", "p0", "W1,", "W1',", "p1"):
        assert name in text


def test_reversed_arrays_are_parts():
    class Back(ad.Layer):
        n = m = 2

        def __init__(self):
            self.params = (np.array([1.0, 2.0]), np.array([[1.0, 2.0], [3.0, 4.0]]))

        def function(self, x, params, xp):
            return x[::-1] * params[0][::-1] + params[1][::-1] @ x

    text = str(program(ad.Network([Back(), Back()]), wrt="params"))
    for name in ("x[1 - i]", "p0[1 - i]", "W0[2 + i - 2j]", "p1[1 - i]", "W1"):
        assert name in text


def test_batches_and_transposes():
    text = str(program(ad.problems.digits_loss(samples=4), wrt="params"))
    assert "x, W0.T -> %0" in text
    assert "(4 x 64)(64 x 32) -> (4 x 32)" in text
    dense = program(ad.problems.mlp(5, 3, 2, 4), "forward(chunk=2)", wrt="params")
    assert "2 of (4 x 5)(5 x 1) -> (4 x 1)" in str(dense)


def test_a_long_program_keeps_its_ends():
    made = program(ad.problems.mlp(4, 1, 40, 4))
    short, full = str(made), listing(made, full=True)
    assert short == listing(made)
    assert len(rows(full)) == len(made) > 60
    (cut,) = [line for line in short.splitlines() if "left out" in line]
    kept = rows(short)
    assert cut.startswith(f"... {len(made) - len(kept)} instructions with ")
    assert [row.split() for row in kept] == [row.split() for row in rows(full)[:24] + rows(full)[-24:]]
    assert short.splitlines()[-2:] == full.splitlines()[-2:]
    shown = sum(int(row.split()[-2].replace(",", "")) for row in kept if "matmul" in row)
    left = int(re.search(r"with ([\d,]+) multiply-adds", cut)[1].replace(",", ""))
    assert shown + left == made.work.fma


def test_a_cut_loop_says_that_it_is_one():
    made = program(ad.problems.mlp(30, 2, 20, 4), "forward(chunk=2)", wrt="params")
    assert made.code.control
    assert str(made).count("for t in 0..") >= 1
    assert "left out" in str(made)


@pytest.mark.parametrize("family", families())
@pytest.mark.parametrize("name", ["forward", "reverse", "mixed", "explicit-forward", "reverse-checkpointed"])
def test_every_program_can_be_read(family, name):
    """One line an instruction, and the memory alive fits into what was laid out, of which it fills most."""
    network = families()[family].small()
    for wrt in ("input", "params") if network.params.size else ("input",):
        made = program(network, name, wrt=wrt)
        text = listing(made, full=True)
        assert len(rows(text)) == len(made)
        assert "[..]" not in text
        alive = memory_alive(made.code)
        assert max(alive) <= made.nbytes
        assert max(alive) >= 0.7 * made.nbytes - 64 * len(made) * 8


def test_memory_that_nothing_shares_is_counted_too():
    made = program(ad.problems.mlp(8, 8, 3, 8))
    apart = Program.of(made.code, reuse=False)
    assert max(memory_alive(made.code)) <= apart.nbytes


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("forward", {}),
        ("reverse", {"wrt": "params"}),
        ("forward(chunk=2)", {"wrt": "params"}),
        ("reverse(chunk=2)", {}),
        ("forward", {"operation": "jvp", "seeds": 2}),
        ("reverse", {"operation": "vjp", "seeds": 2}),
        ("reverse-checkpointed", {}),
    ],
)
def test_steps_end_in_the_result(name, what):
    """Instruction by instruction gives what the run gives: its last words are found in the result."""
    network = ad.problems.mlp(5, 3, 3, 4, "relu")
    run = ad.engine(name).prepare(network, **what)
    x = network.example_input()
    seed = None
    if "operation" in what:
        shape = (5, 2) if what["operation"] == "jvp" else (2, 3)
        seed = np.random.default_rng(0).standard_normal(shape)
    result = run(x, seed)
    seen = list(steps(run.program, x, seed))
    assert len(seen) == run.work.calls
    last = dict(seen)
    value = [array for number, array in seen if run.program.code.instructions[number].out.buffer.place == "result"]
    found = np.concatenate([array.ravel() for array in value])
    assert set(np.round(result.ravel(), 12)) <= set(np.round(found, 12))
    text = listing(run.program, last, full=True)
    assert text.count("      = ") == len(run.program)


def test_values_of_an_opaque_layer():
    class Squares(ad.Layer):
        n = m = 3

        def function(self, x, params, xp):
            return x * x

        def opaque_linearize(self, x):
            return x * x, lambda V: 2 * x[:, None] * V, lambda U: U * (2 * x)

    network = ad.Network([Squares()])
    run = ad.engine("reverse").prepare(network)
    x = np.array([1.0, 2.0, 3.0])
    arrays = dict(steps(run.program, x))
    assert any(np.array_equal(array.ravel(), [1, 4, 9]) for array in arrays.values())
    assert "call value" in listing(run.program, arrays)


def test_figures():
    assert figures(np.array([[1.0], [2.5]])) == "[1. 2.5]"
    assert figures(np.eye(2)) == "[[1. 0.] [0. 1.]]"
    assert figures(np.arange(10.0)) == "10 numbers: min 0, mean 4.5, max 9"
    assert "nan" in figures(np.full(9, np.nan))


def test_products_that_are_shown_turned_show_their_numbers_turned():
    network = ad.Network([ad.Dense(np.array([[1.0, 2.0], [3.0, 4.0]])), ad.Dense(np.eye(2)), ad.Dense(np.ones((1, 2)))])
    run = ad.engine("forward").prepare(network)
    text = listing(run.program, dict(steps(run.program, np.ones(2))))
    assert "= [[1. 2.] [3. 4.]]" in text
