"""The chain product problem, its optimal bracketing against enumeration, and the files it is kept in."""

import json
import random
import sys
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autodiff as ad
from autodiff.chain import ChainProblem, Factor, Step, bracket
from autodiff.errors import InputError

HUGE = 10**30


def random_chain(rng, length, largest=9, scale=1, dense=True):
    sizes = [rng.randint(1, largest) for _ in range(length + 1)]

    def factor(n, m):
        given = rng.choice([None, 0, rng.randint(0, n * m)]) if dense else None
        tangent, adjoint = (rng.randint(1, 2 * n * m) * scale for _ in range(2))
        return Factor(n, m, tangent, adjoint, rng.randint(0, 6), given)

    return ChainProblem(factor(n, m) for n, m in pairwise(sizes))


def chain_of(sizes, **more):
    return ChainProblem(Factor(n, m, n * m, n * m, m, **more) for n, m in pairwise(sizes))


AUTOENCODER = chain_of([512, 512, 512, 8, 512, 512, 512], dense_cost=0)


def every_cost(factors, limit, matrix_free):
    """The costs of all ways to have a product: every tree, every operation; nothing is thrown away on the way."""
    n, m = factors[0].n, factors[-1].m
    if len(factors) == 1:
        (only,) = factors
        given = [] if only.dense_cost is None else [only.dense_cost]
        fits = limit is None or only.memory <= limit
        return [min([n * only.tangent_cost, *given, *([m * only.adjoint_cost] if fits else [])])]
    costs = []
    for cut in range(1, len(factors)):
        inner, outer = factors[:cut], factors[cut:]
        inner_costs = every_cost(inner, limit, matrix_free)
        outer_costs = every_cost(outer, limit, matrix_free)
        product = n * inner[-1].m * m
        costs += [one + other + product for one in inner_costs for other in outer_costs]
        if matrix_free:
            pushed = sum(n * factor.tangent_cost for factor in outer)
            costs += [one + pushed for one in inner_costs]
            if limit is None or sum(factor.memory for factor in inner) <= limit:
                pulled = sum(m * factor.adjoint_cost for factor in inner)
                costs += [one + pulled for one in outer_costs]
    return costs


def test_bracket_finds_the_optimum_of_all_bracketings():
    """1000 chains, both variants, with and without a limit."""
    rng = random.Random(1)
    for number in range(1000):
        problem = random_chain(rng, number % 7 + 1, dense=number % 2 == 0)
        for matrix_free in (True, False):
            for limit in (None, rng.randint(0, 12)):
                best = min(every_cost(problem.factors, limit, matrix_free))
                assert bracket(problem, limit, matrix_free).cost == best, (problem, limit, matrix_free)


chains = st.builds(
    lambda seed, length, dense, scale: random_chain(random.Random(seed), length, dense=dense, scale=scale),
    st.integers(0, 2**32),
    st.integers(1, 12),
    st.booleans(),
    st.sampled_from([1, HUGE]),
)
limits = st.none() | st.integers(0, 40)


def cost_by_definition(problem, step):
    inside = problem.factors[step.first : step.last + 1]
    n, m = inside[0].n, inside[-1].m
    cut = None if step.split is None else step.split - step.first + 1
    return {
        "dense": lambda: inside[0].dense_cost,
        "tangents": lambda: n * inside[0].tangent_cost,
        "cotangents": lambda: m * inside[0].adjoint_cost,
        "multiply": lambda: m * inside[cut].n * n,
        "tangent": lambda: n * sum(factor.tangent_cost for factor in inside[cut:]),
        "adjoint": lambda: m * sum(factor.adjoint_cost for factor in inside[:cut]),
    }[step.kind]()


@given(chains, limits, st.booleans())
def test_a_plan_costs_what_its_steps_cost(problem, limit, matrix_free):
    plan = bracket(problem, limit, matrix_free)
    assert [step.cost for step in plan.steps()] == [cost_by_definition(problem, step) for step in plan.steps()]
    assert plan.cost == sum(step.cost for step in plan.steps())


@given(chains, limits, st.booleans())
def test_steps_run_in_their_order_and_give_the_product(problem, limit, matrix_free):
    """Each step finds its operands made before it, of the sub-chains that it says, and the last is the product."""
    rng = np.random.default_rng(0)
    factors = [rng.integers(-2, 3, (f.m, f.n)).astype(object) for f in problem.factors]
    plan, made = bracket(problem, limit, matrix_free), {}
    for step in plan.steps():
        right, left = made.get(id(step.right)), made.get(id(step.left))
        if step.split is None:
            value = factors[step.first]
        elif step.kind == "multiply":
            value = left @ right
        elif step.kind == "tangent":
            value = right
            for factor in factors[step.split + 1 : step.last + 1]:
                value = factor @ value
        else:
            value = left
            for factor in factors[step.first : step.split + 1][::-1]:
                value = value @ factor
        made[id(step)] = value
    product = factors[0]
    for factor in factors[1:]:
        product = factor @ product
    assert plan.steps()[-1] is plan.root
    assert (made[id(plan.root)] == product).all()
    leaves = [step.first for step in plan.steps() if step.split is None]
    assert leaves == sorted(leaves)


def homogeneous_costs(problem):
    """The first factor where a product begins is taken as a matrix where its dense cost is known."""
    n, m = problem.n, problem.m
    tangents = [n * f.tangent_cost for f in problem.factors]
    cotangents = [m * f.adjoint_cost for f in problem.factors]
    if problem.factors[0].dense_cost is not None:
        tangents[0] = problem.factors[0].dense_cost
    if problem.factors[-1].dense_cost is not None:
        cotangents[-1] = problem.factors[-1].dense_cost
    return sum(tangents), sum(cotangents)


@given(chains, limits)
def test_the_optimum_is_no_dearer_than_the_homogeneous_modes(problem, limit):
    plan = bracket(problem, limit)
    forward, reverse = homogeneous_costs(problem)
    assert plan.forward_cost == forward
    assert plan.cost <= plan.forward_cost
    fits = limit is None or sum(f.memory for f in problem.factors) <= limit
    assert (plan.reverse_cost is not None) == fits
    if fits:
        assert plan.reverse_cost == reverse
        assert plan.cost <= plan.reverse_cost
    assert plan.gain >= 1


@given(chains, st.integers(0, 40), st.integers(0, 40), st.booleans())
def test_a_tighter_limit_is_never_cheaper(problem, one, other, matrix_free):
    tight, loose = (bracket(problem, limit, matrix_free) for limit in sorted((one, other)))
    assert bracket(problem, None, matrix_free).cost <= loose.cost <= tight.cost
    assert tight.peak_memory <= min(one, other)


@given(chains)
def test_a_reversed_chain_costs_the_same(problem):
    mirrored = ChainProblem(
        replace(f, n=f.m, m=f.n, tangent_cost=f.adjoint_cost, adjoint_cost=f.tangent_cost)
        for f in reversed(problem.factors)
    )
    for matrix_free in (True, False):
        assert bracket(mirrored, None, matrix_free).cost == bracket(problem, None, matrix_free).cost


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.integers(1, 30), limits, st.booleans())
def test_large_integers_are_exact(seed, length, limit, matrix_free):
    """Sizes times 2**40 and costs of a tangent times 2**80 make every operation 2**120 times as dear."""
    small = random_chain(random.Random(seed), length, dense=False)

    def scaled(f):
        return Factor(f.n << 40, f.m << 40, f.tangent_cost << 80, f.adjoint_cost << 80, f.memory)

    plan = bracket(small, limit, matrix_free)
    large = bracket(ChainProblem(map(scaled, small.factors)), limit, matrix_free)
    assert large.cost == plan.cost << 120
    assert outline(large) == [(*entry, cost << 120) for *entry, cost in outline(plan)]


def outline(plan):
    return [(step.kind, step.first, step.last, step.split, step.cost) for step in plan.steps()]


def test_int64_and_exact_integers_plan_alike(monkeypatch):
    rng = random.Random(2)
    cases = [(random_chain(rng, rng.randint(1, 25)), rng.choice([None, 5, 20]), rng.random() < 0.7) for _ in range(100)]
    fast = [outline(bracket(*case)) for case in cases]
    monkeypatch.setattr(sys.modules["autodiff.chain.bracket"], "INT64_SAFE", 0)
    assert [outline(bracket(*case)) for case in cases] == fast


@given(st.integers(2, 9), st.integers(50, 66))
def test_no_cost_overflows_around_the_int64_range(length, power):
    problem = ChainProblem([Factor(2, 2, 2**power, 2**power + 1, 2**power)] * length)
    assert bracket(problem, matrix_free=False).cost == length * 2 ** (power + 1) + (length - 1) * 8
    assert bracket(problem, 2**power).cost == length * 2 ** (power + 1)


def test_huge_costs_by_hand():
    plan = bracket(ChainProblem([Factor(2, 3, HUGE, 2 * HUGE), Factor(3, 1, HUGE + 1, HUGE)]))
    assert plan.cost == min(2 * HUGE + 2 * (HUGE + 1), HUGE + 2 * HUGE, 2 * HUGE + HUGE + 6) == 3 * HUGE
    assert plan.root.kind == "adjoint"


@pytest.mark.parametrize("matrix_free", [True, False])
def test_autoencoder_by_hand(matrix_free):
    """Encoder and decoder cost 2 * 8 * 512**2 each, the product at the bottleneck 512 * 8 * 512."""
    plan = bracket(AUTOENCODER, matrix_free=matrix_free)
    assert plan.cost == 5 * 8 * 512**2 == 10_485_760
    assert plan.forward_cost == plan.reverse_cost == 512 * (3 * 512**2 + 2 * 512 * 8) == 406_847_488
    assert plan.gain == pytest.approx(38.8)
    assert (plan.root.kind, plan.root.split) == ("multiply", 2)


def test_a_chain_without_dense_costs_is_priced_classically():
    """The published problem: every factor is accumulated, the first one too."""
    plan = bracket(chain_of([512, 512, 512, 8, 512, 512, 512]))
    assert plan.forward_cost == plan.reverse_cost == 512 * (4 * 512**2 + 2 * 512 * 8) == 541_065_216
    assert plan.limit() == ""
    assert bracket(AUTOENCODER, 9000).limit() == "memory limit 9,000"


def test_the_homogeneous_costs_of_a_network_are_what_its_engines_multiply():
    """784-300-100-10: the identity is not multiplied, so forward begins with W1, 300 x 784, and reverse with W3."""
    rng = np.random.default_rng(0)
    sizes = pairwise([784, 300, 100, 10])
    network = ad.Network([ad.Dense(rng.standard_normal((m, n)), rng.standard_normal(m), "tanh") for n, m in sizes])
    plan = ad.plan(network)
    value = 300 * 784 + 100 * 300 + 10 * 100
    products = {"forward": 784 * (100 * 300 + 10 * 100), "reverse": 10 * (100 * 300 + 300 * 784)}
    assert products["forward"] == 24_304_000
    for name, cost in (("forward", plan.forward_cost), ("reverse", plan.reverse_cost)):
        assert ad.engine(name).layout(network).work.fma == value + products[name]
        assert products[name] <= cost <= 1.02 * products[name]


def test_ties_prefer_eliminations_then_the_first_split():
    same = [Factor(1, 1, 1, 1)] * 4
    root = bracket(ChainProblem(same)).root
    assert (root.kind, root.split, root.cost) == ("tangent", 0, 3)
    dear = [Factor(1, 1, 9, 1)] * 4
    assert [(s.kind, s.split) for s in bracket(ChainProblem(dear)).steps()][1:] == [
        ("adjoint", 2), ("adjoint", 1), ("adjoint", 0),
    ]  # fmt: skip
    assert bracket(ChainProblem([Factor(1, 1, 1, 1, 0, 1)])).root.kind == "dense"
    assert bracket(ChainProblem(same[:1])).root.kind == "tangents"


def test_the_limit_bounds_each_adjoint_operation():
    """Rows are cheap, but the tape of the last factor is too long: it is accumulated by tangents."""
    problem = ChainProblem([Factor(9, 9, 81, 81, 5), Factor(9, 9, 81, 81, 5), Factor(9, 1, 9, 9, 6)])
    assert [s.kind for s in bracket(problem, 6).steps()] == ["cotangents", "adjoint", "adjoint"]
    assert bracket(problem, 6).peak_memory == 6
    five = bracket(problem, 5)
    assert [s.kind for s in five.steps()] == ["tangents", "adjoint", "adjoint"]
    assert (five.peak_memory, five.reverse_cost) == (5, None)
    assert {s.kind for s in bracket(problem, 0).steps()} <= {"tangents", "tangent", "multiply"}
    assert bracket(problem, np.int64(16)).reverse_cost == 171


def test_a_chain_of_one_factor():
    plan = bracket(ChainProblem([Factor(3, 2, 6, 5)]))
    assert (plan.cost, plan.forward_cost, plan.reverse_cost, plan.gain) == (10, 18, 10, 1)
    assert plan.bracketing() == "F1"
    assert plan.steps() == [plan.root]
    assert isinstance(plan.root, Step)


def test_a_plan_that_costs_nothing():
    plan = bracket(ChainProblem([Factor(3, 2, 6, 6, 0, 0)]))
    assert (plan.cost, plan.gain) == (0, float("inf"))
    assert plan.to_dict()["gain"] is None
    assert "gain inf" in str(plan)


def test_a_plan_reads_well():
    assert str(bracket(AUTOENCODER)) == "\n".join(
        [
            "(F6 (F5 F4)) ((F3 F2) F1)",
            "1  take dense                         F2        512 x 512          0",
            "2  push 512 tangents through F3       F3 .. F2    8 x 512  2,097,152",
            "3  pull 8 cotangents back through F1  F3 .. F1    8 x 512  2,097,152",
            "4  take dense                         F4          512 x 8          0",
            "5  push 8 tangents through F5 .. F6   F6 .. F4    512 x 8  4,194,304",
            "6  multiply F6 .. F4 by F3 .. F1      F6 .. F1  512 x 512  2,097,152",
            "total 10,485,760; forward 406,847,488, reverse 406,847,488; gain 38.8",
        ]
    )
    assert bracket(AUTOENCODER, 2567).explain() == "\n".join(
        [
            "         multiply-adds  relative   tape",
            "plan        10,485,760    0.0258    512",
            "forward    406,847,488         1      0",
            "reverse    406,847,488         1  2,568",
            "memory limit 2,567, which reverse exceeds",
        ]
    )
    assert "reverse over the memory limit" in str(bracket(AUTOENCODER, 2567))
    assert repr(bracket(AUTOENCODER)) == "<Plan of 6 factors: cost 10,485,760, gain 38.8>"


@pytest.mark.parametrize(
    ("length", "tangent", "shown"),
    [(2, 1, "F2 F1"), (1000, 1, "F1000 (.. (F2 F1))"), (1000, 10**9, "((F1000 F999) ..) F1")],
)
def test_chains_of_any_length_are_shown(length, tangent, shown):
    """A thousand factors give a tree a thousand deep: nothing recurses through it."""
    plan = bracket(ChainProblem([Factor(3, 3, tangent, 10**6)] * length))
    lines = str(plan).splitlines()
    assert lines[0] == shown
    assert len(lines) == len(plan.steps()) + 2
    assert plan.explain().count("\n") == 3
    assert repr(plan.root).startswith("Step(kind=")
    text = json.loads(json.dumps(plan.to_dict()))
    assert [step["cost"] for step in text["steps"]] == [step.cost for step in plan.steps()]
    assert ChainProblem.from_dict(text["problem"]) == plan.problem
    written = plan.bracketing()
    assert written.count("(") == written.count(")") == length - 2
    assert written.replace("(", "").replace(")", "").split() == [f"F{k}" for k in range(length, 0, -1)]


def test_a_long_mixed_chain_is_shortened():
    plan = bracket(random_chain(random.Random(3), 200, 64))
    first = str(plan).splitlines()[0]
    assert len(first) < 300 < len(plan.bracketing())
    assert first.count("(") == first.count(")")


@given(chains)
def test_dictionaries_point_from_each_step_to_its_operands(problem):
    plan = bracket(problem)
    steps = plan.to_dict()["steps"]
    for step, entry in zip(plan.steps(), steps, strict=True):
        for side in ("left", "right"):
            operand = getattr(step, side)
            assert (entry[side] is None) == (operand is None)
            assert operand is None or plan.steps()[entry[side]] is operand


@given(problem=chains)
def test_json_holds_every_problem(problem, tmp_path_factory):
    assert ChainProblem.from_dict(json.loads(json.dumps(problem.to_dict()))) == problem
    path = tmp_path_factory.mktemp("chain") / "chain.json"
    problem.save(path)
    assert ChainProblem.load(path) == problem


@given(st.lists(st.integers(1, 10**40), min_size=2, max_size=8), st.integers(1, 10**40))
def test_text_holds_what_has_one_number_per_factor(sizes, e):
    problem = ChainProblem(Factor(n, m, e, e, e) for n, m in pairwise(sizes))
    assert ChainProblem.from_text(problem.to_text()) == problem


def test_files_are_told_apart_by_their_first_character(tmp_path):
    text = "# two factors\n\n2  # q\n 3 4 12\n\n1 3 3 # the last\n"
    problem = ChainProblem.from_text(text)
    assert problem.factors == (Factor(4, 3, 12, 12, 12), Factor(3, 1, 3, 3, 3))
    assert (problem.n, problem.m, len(problem)) == (4, 1, 2)
    path = tmp_path / "chain.txt"
    path.write_text(text)
    assert ChainProblem.load(path) == problem
    path.write_text("\n " + json.dumps(problem.to_dict()))
    assert ChainProblem.load(str(path)) == problem
    problem.save(path)
    assert path.read_text() == "2\n3 4 12\n1 3 3\n"
    with pytest.raises(InputError, match=r"factor 1 does not fit the text format.*save it as \.json"):
        AUTOENCODER.save(path)
    with pytest.raises(InputError, match="cannot write the chain"):
        problem.save(tmp_path / "nowhere" / "chain.txt")


def test_numpy_integers_become_exact_ones():
    inner = np.int64(8), np.int32(9), np.int16(10), np.int8(11)
    factor = Factor(np.int32(2), np.int64(3), np.uint8(4), np.int16(5), np.int64(0), np.int64(7), *inner)
    assert factor == Factor(2, 3, 4, 5, 0, 7, 8, 9, 10, 11)
    assert all(type(getattr(factor, name)) is int for name in Factor.__slots__)


@pytest.mark.parametrize("name", ["n", "m", "tangent_cost", "adjoint_cost", "memory", "dense_cost"])
@pytest.mark.parametrize("value", [-1, 2.0, True, "3", np.float64(1)])
def test_factors_are_made_of_whole_numbers(name, value):
    with pytest.raises(InputError, match=rf"{name} must be a whole number of at least [01], got ") as caught:
        Factor(**{"n": 1, "m": 1, "tangent_cost": 1, "adjoint_cost": 1} | {name: value})
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize("name", ["n", "m", "tangent_cost", "adjoint_cost"])
def test_sizes_and_costs_are_not_zero(name):
    with pytest.raises(InputError, match=f"{name} must be a whole number of at least 1, got 0"):
        Factor(**{"n": 1, "m": 1, "tangent_cost": 1, "adjoint_cost": 1} | {name: 0})


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        ([], "a chain needs at least one factor, got none"),
        ([Factor(2, 2, 1, 1), (2, 2)], "factor 2 must be a Factor, got tuple"),
        (
            [Factor(2, 2, 1, 1), Factor(2, 10, 1, 1), Factor(64, 2, 1, 1)],
            "factor 3 takes 64 inputs, factor 2 gives 10; they must be equal",
        ),
    ],
)
def test_chains_are_checked(factors, message):
    with pytest.raises(InputError, match=f"^{message}$"):
        ChainProblem(factors)


GOOD = {"n": 2, "m": 2, "tangent_cost": 1, "adjoint_cost": 1, "memory": 0}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([GOOD], r'a chain is \{"factors": \[.*got \['),
        ({}, r'a chain is \{"factors"'),
        ({"factors": 3}, r'a chain is \{"factors"'),
        ({"factors": []}, "at least one factor"),
        ({"factors": [GOOD], "limit": 3}, "the chain does not know 'limit'; its keys are factors"),
        ({"factors": [GOOD, 3]}, "factor 2 must be a mapping of n, m, ..., got 3"),
        ({"factors": [GOOD | {"cost": 1}]}, "factor 1 does not know 'cost'; its keys are n, m, tangent_cost"),
        ({"factors": [GOOD, {"n": 2, "m": 1}]}, "factor 2 lacks 'tangent_cost', 'adjoint_cost'"),
        ({"factors": [GOOD, GOOD | {"m": 0}]}, "factor 2: m must be a whole number of at least 1, got 0"),
        ({"factors": [GOOD, GOOD | {"memory": 1.5}]}, "factor 2: memory must be .* at least 0, got 1.5"),
        ({"factors": [GOOD, GOOD | {"n": 3}]}, "factor 2 takes 3 inputs, factor 1 gives 2"),
    ],
)
def test_dictionaries_are_checked(data, message, tmp_path):
    with pytest.raises(InputError, match=message):
        ChainProblem.from_dict(data)
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(data))
    if isinstance(data, dict):
        with pytest.raises(InputError, match=rf"bad\.json: .*{message}"):
            ChainProblem.load(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "bad line 1: expected the number of factors, at least 1, got 'the end'"),
        ("# nothing\n\n", "bad line 3: expected the number of factors, at least 1, got 'the end'"),
        ("two\n", "bad line 1: expected the number of factors, at least 1, got 'two'"),
        ("0\n", "bad line 1: expected the number of factors, at least 1, got '0'"),
        ("1 2\n", "bad line 1: expected the number of factors, at least 1, got '1 2'"),
        ("1\n\n2 3\n", "bad line 3: expected m n e of factor 1, each at least 1, got '2 3'"),
        ("1\n2 3 4.5\n", "bad line 2: expected m n e of factor 1, each at least 1, got '2 3 4.5'"),
        ("1\n2 3 1_0\n", "bad line 2: expected m n e of factor 1"),
        ("1\n2 -3 6\n", "bad line 2: expected m n e of factor 1, each at least 1, got '2 -3 6'"),
        ("1\n2 3 0\n", "bad line 2: expected m n e of factor 1, each at least 1"),
        ("1\n2 3 6\n# more\n2 2 4\n", "bad line 4: expected the end after factor 1, got '2 2 4'"),
        ("3\n2 3 6\n2 2 4\n", "bad line 3: expected 3 factors, got 2 before the end"),
        ("2\n2 3 6\n2 4 8\n", "bad line 3: factor 2 takes 4 inputs, factor 1 gives 2"),
        ("1\n2 3 " + "9" * 5000, "bad line 2: expected m n e of factor 1, each at least 1, got '2 3 999"),
    ],
)
def test_malformed_text_is_refused_by_its_line(text, message):
    with pytest.raises(InputError) as caught:
        ChainProblem.from_text(text, "bad")
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"factors": [\n {"n": 1,\n]}', r"bad\.chain line 3: expected JSON, got a mistake: "),
        (b'{"factors": ' + b"9" * 5000 + b"}", "cannot read the JSON: "),
        (b'{"factors": ' + b"[" * 100_000, "cannot read the JSON: |expected JSON"),
        (b"\xff\xfe\x00", r"cannot read the chain .*bad\.chain"),
        (b"1\nx", r"bad\.chain line 2: expected m n e"),
    ],
)
def test_malformed_files_are_refused(content, message, tmp_path):
    path = tmp_path / "bad.chain"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        ChainProblem.load(path)


def test_missing_files_are_refused(tmp_path):
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(InputError, match="cannot read the chain"):
            ChainProblem.load(path)


@pytest.mark.parametrize("limit", [-1, 2.5, True, "64MiB"])
def test_limits_are_whole_numbers(limit):
    with pytest.raises(InputError, match="memory_limit must be a whole number of at least 0, got"):
        bracket(AUTOENCODER, limit)


def test_a_narrower_product_inside_is_taken_where_it_takes_less():
    """Two tangents go through the factor, many through the product inside; each side of a chain may choose."""
    wide = Factor(16, 16, 256, 256, inner_cost=64, inner_tangent_cost=32, inner_adjoint_cost=32, inner_dense_cost=320)
    assert [wide.pushed(k) for k in (0, 1, 16)] == [0, 96, 576]
    few, many = (bracket(ChainProblem([Factor(n, 16, 1, 1, 0, 0), wide, Factor(16, 99, 1600, 1600)])) for n in (1, 16))
    assert few.cost == 96 + 1600
    assert many.cost == 320 + 16 + 16 * 1600  # as a matrix, through which the first factor is pulled
    assert (few.inside(), many.inside()) == ([1], [1])
    assert bracket(ChainProblem([wide])).cost == 320
    dear = Factor(16, 16, 40, 40, inner_cost=64, inner_tangent_cost=32, inner_adjoint_cost=32, inner_dense_cost=320)
    assert bracket(ChainProblem([Factor(1, 16, 1, 1, 0, 0), dear])).inside() == []


@given(data=st.data())
def test_costs_that_are_not_in_proportion_agree_with_those_that_are(data):
    """A product inside that takes as much as the way through changes no cost."""
    sizes = data.draw(st.lists(st.integers(1, 6), min_size=2, max_size=6))
    costs = [data.draw(st.tuples(st.integers(1, 9), st.integers(1, 9))) for _ in sizes[1:]]
    plain = [Factor(n, m, *pair) for n, m, pair in zip(sizes, sizes[1:], costs, strict=False)]
    made = [
        Factor(f.n, f.m, f.tangent_cost, f.adjoint_cost, 0, None, 0, f.tangent_cost, f.adjoint_cost, 10**6)
        for f in plain
    ]
    assert bracket(ChainProblem(made)).cost == min(bracket(ChainProblem(plain)).cost, 10**6)


def test_inner_costs_come_together():
    with pytest.raises(InputError, match="inner_cost without inner_tangent_cost"):
        Factor(1, 1, 1, 1, inner_cost=3)
