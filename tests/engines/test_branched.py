"""Brackets inside blocks: what goes around a narrow place goes through it as two matrices."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autodiff as ad
from autodiff.engines.costs import chain_problem, layer_costs


def dense(rng, n, m, activation="tanh"):
    return ad.Dense(rng.standard_normal((m, n)) / np.sqrt(n), 0.1 * rng.standard_normal(m), activation)


def narrow(rng, n, r):
    """n -> n -> r -> n -> n."""
    return [dense(rng, n, n), dense(rng, n, r), dense(rng, r, n), dense(rng, n, n, "identity")]


BLOCKS = {
    "residual": lambda rng, n: ad.Residual(narrow(rng, n, 2)),
    "shortcut": lambda rng, n: ad.Residual(narrow(rng, n, 2), [dense(rng, n, n)]),
    "concatenate": lambda rng, n: ad.Concatenate(narrow(rng, n, 2)),
    "parallel": lambda rng, n: ad.Parallel([[], narrow(rng, n, 2), [], [dense(rng, n, n)], narrow(rng, n, 3)]),
    "nested": lambda rng, n: ad.Residual([ad.Residual(narrow(rng, n, 2)), *narrow(rng, n, 3)]),
    "shared": lambda rng, n: ad.Residual([one := ad.Residual(narrow(rng, n, 2)), one]),
}


@pytest.mark.parametrize("executor", ["", "compiled-"])
@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("place", ["alone", "first", "last", "between"])
def test_mixed_goes_inside_and_is_right(block, place, executor):
    rng, n = np.random.default_rng(3), 24
    made = BLOCKS[block](rng, n)
    before = [dense(rng, n, n)] if place in ("last", "between") else []
    behind = [dense(rng, made.m, made.m)] if place in ("first", "between") else []
    network = ad.Network([*before, made, *behind])
    plan, x = ad.plan(network), network.example_input()
    assert plan.cost < min(plan.forward_cost, plan.reverse_cost)
    assert plan.inside() == [len(before)]
    assert "by its narrower product inside" in str(plan)
    engine = ad.engine(f"{executor}mixed")
    if engine.available():
        pytest.skip(engine.available())
    run = engine.prepare(network)
    np.testing.assert_allclose(run(x), ad.jacobian(network, x, engine="reverse"), 1e-12, 1e-14)
    others = [ad.engine(name).prepare(network).work for name in ("forward", "reverse")]
    assert run.work.fma < min(work.fma for work in others)


def test_a_plan_says_what_its_program_takes():
    """Sixteen units to two of 256, where products are all that counts."""
    rng, n = np.random.default_rng(1), 256
    network = ad.Network([dense(rng, n, n), ad.Residual(narrow(rng, n, 2)), dense(rng, n, n)])
    plan = ad.plan(network)
    taken = ad.engine("mixed").prepare(network).work
    f = ad.engine("mixed").prepare(network, operation="value").work
    assert taken.fma + taken.elementwise - f.fma - f.elementwise == pytest.approx(plan.cost, rel=0.02)
    assert plan.gain > 2.9


def test_a_block_without_a_narrow_place_is_one_factor():
    rng = np.random.default_rng(0)
    network = ad.Network([ad.Residual([dense(rng, 8, 8), dense(rng, 8, 8)]), ad.Residual([dense(rng, 8, 8)])])
    assert [one.inner for one in layer_costs(network)] == [None, None]
    assert ad.plan(network).inside() == []


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_random_blocks(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))

    def chain(n, depth, nested):
        layers = []
        for _ in range(depth):
            kind = data.draw(st.sampled_from(["dense", "residual", "concatenate"] if nested else ["dense"]))
            m = data.draw(st.sampled_from([1, 2, 12]))
            if kind == "dense":
                layers.append(dense(rng, n, m))
            elif kind == "residual":
                inside = chain(n, data.draw(st.integers(1, 3)), nested - 1)
                layers.append(ad.Residual([*inside, dense(rng, inside[-1].m, n)]))
            else:
                layers.append(ad.Concatenate(chain(n, data.draw(st.integers(1, 3)), nested - 1)))
            n = layers[-1].m
        return layers

    network = ad.Network(chain(12, data.draw(st.integers(1, 3)), 2))
    plan, x = ad.plan(network), network.example_input()
    assert plan.cost <= min(plan.forward_cost, plan.reverse_cost)
    problem = chain_problem(network)
    assert ad.chain.ChainProblem.from_dict(problem.to_dict()) == problem
    expected = ad.jacobian(network, x, engine="reverse")
    np.testing.assert_allclose(ad.jacobian(network, x, engine="mixed"), expected, 1e-11, 1e-13)
