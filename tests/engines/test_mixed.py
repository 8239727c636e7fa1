"""Mixed mode: planned, agreed with, and within its memory; blocks; and the layout of memory by lifetimes."""

from dataclasses import asdict

import numpy as np
import pytest
from conftest import every_wrt, peak_bytes
from hypothesis import given, settings
from hypothesis import strategies as st

import autodiff as ad
from autodiff.engines.bracketed import ExplicitOptimal, write_plan
from autodiff.engines.costs import layer_costs
from autodiff.engines.mixed import Mixed
from autodiff.engines.running import ProgramRun
from autodiff.engines.writer import Writer
from autodiff.problems import families
from autodiff.program.layout import ALIGN, Slot, lay_out
from autodiff.testing import reference_product, relative_error

FAMILIES = sorted(families())


def planned(network, memory=None):
    """The bracketing's own run, whatever the engine would prefer, before it takes memory."""
    w = Writer.of(network, "input", "jacobian", 1)
    write_plan(w, ad.plan(network, memory=memory))
    return ProgramRun(Mixed(), network, "input", "jacobian", 1, w.program())


def prepared(run):
    run.allocate()
    return run


def needed(run):
    return run.nbytes + run.result_nbytes


@pytest.mark.parametrize("family", FAMILIES)
def test_the_plan_agrees_on_every_family(family):
    network = families()[family].small()
    x = network.example_input(1)
    V = np.random.default_rng(0).standard_normal((network.n, 4))
    run = prepared(planned(network))
    assert relative_error(run(x) @ V, reference_product(network, x, V)) < 1e-12
    np.testing.assert_allclose(run.value, network(x), rtol=1e-13)


@settings(max_examples=15)
@given(
    st.lists(st.integers(1, 9), min_size=2, max_size=8),
    st.lists(st.sampled_from(["dense", "elementwise", "both"]), min_size=8, max_size=8),
    st.sampled_from(["tanh", "identity", "square"]),
    st.integers(0, 10**6),
    st.sampled_from([None, 0, 100]),
)
def test_any_chain_any_limit(sizes, kinds, activation, seed, limit):
    """Whatever the sizes, the structure and the tape limit, the program computes the Jacobian."""
    rng = np.random.default_rng(seed)
    layers = []
    for n, m, kind in zip(sizes, sizes[1:], kinds, strict=False):
        if kind != "elementwise" or n != m:
            layers.append(ad.Dense(rng.standard_normal((m, n)), None, activation))
        if kind != "dense":
            layers.append(ad.Elementwise("sin", m))
    network = ad.Network(layers)
    x = network.example_input(seed)
    expected = ad.jacobian(network, x, "reverse")  # sin of large numbers: only the same f(x) has the same derivative
    np.testing.assert_allclose(prepared(planned(network, limit))(x), expected, rtol=1e-9, atol=1e-12)
    optimal = ExplicitOptimal().prepare(network)(x)
    np.testing.assert_allclose(optimal, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("executor", ["", "compiled-"])
def test_the_bottleneck_is_found(executor):
    network = ad.problems.autoencoder(64, 4)
    assert ad.plan(network).gain > 10
    run = ad.engine(executor + "mixed").prepare(network)
    x = network.example_input()
    assert relative_error(run(x), reference_product(network, x, np.eye(64))) < 1e-12
    assert run.work.fma < 0.15 * min(ad.engine(name).layout(network).work.fma for name in ("forward", "reverse"))
    assert run.work.fma == planned(network).work.fma


def test_without_a_bottleneck_there_is_nothing_to_decide():
    for sizes, best in (((64, 1), "reverse"), ((1, 64), "forward")):
        network = ad.problems.mlp(*sizes, 4)
        assert ad.engine("mixed").layout(network).work == ad.engine(best).layout(network).work
    network = ad.problems.mlp(64, 64, 4)
    works = {name: ad.engine(name).layout(network).work.fma for name in ("forward", "reverse", "mixed")}
    assert works["mixed"] <= 1.01 * min(works["forward"], works["reverse"])
    assert ad.plan(ad.problems.mlp(64, 1, 1)).root.kind == "dense"


def test_to_the_parameters_the_cheaper_of_the_two_is_taken():
    network = ad.problems.digits_loss(hidden=16, samples=8)
    works = {name: ad.engine(name).layout(network, "params").work for name in ("forward", "reverse", "mixed")}
    assert works["mixed"] == works["reverse"]
    assert works["reverse"].fma < works["forward"].fma


@pytest.mark.parametrize("n", [96, 160])
@pytest.mark.parametrize("bottleneck", [1, 7, 48])
def test_stated_bytes_are_allocated_bytes(n, bottleneck):
    network = ad.problems.autoencoder(n, bottleneck)
    stated = needed(planned(network))
    measured = peak_bytes(lambda: prepared(planned(network)), network.example_input())
    assert measured == pytest.approx(stated, rel=0.1, abs=4 * 8 * 512)


@pytest.mark.parametrize("wrt", ["input", "params"])
def test_a_memory_limit_is_respected_by_the_run(wrt):
    network = ad.problems.mlp(64, 60, 10, 64) if wrt == "input" else ad.problems.mlp(12, 40, 6, 16)
    x = network.example_input()
    expected = ad.jacobian(network, x, "reverse", wrt)
    free = needed(ad.engine("mixed").layout(network, wrt))
    for limit in (free, int(0.98 * free), 90_000 if wrt == "input" else int(0.97 * free)):
        try:
            run = Mixed(memory=limit).layout(network, wrt)
        except ad.InputError:
            assert wrt == "params"  # whose result is nearly all that there is
            continue
        assert needed(run) <= limit
        assert peak_bytes(lambda run=run: prepared(run), x) <= limit * 1.1
        assert relative_error(run(x), expected) < 1e-12
    with pytest.raises(ad.InputError, match=r"1,000 bytes are too few; mlp needs at least [\d,]+"):
        Mixed(memory=1000).prepare(network, wrt)


def test_the_least_that_is_named_would_do():
    network = ad.problems.mlp(40, 30, 12, 40)
    with pytest.raises(ad.InputError, match="at least") as caught:
        Mixed(memory=1000).prepare(network)
    least = int(str(caught.value).split()[-1].replace(",", ""))
    assert needed(Mixed(memory=least).layout(network)) <= least
    with pytest.raises(ad.InputError, match="are too few"):
        Mixed(memory=least - 1).layout(network)


def test_explicit_optimal_is_the_classical_matrix_chain():
    """Cormen et al., section 15.2: matrices 30x35, 35x15, 15x5, 5x10, 10x20, 20x25 need 15125 multiplications."""
    sizes = [30, 35, 15, 5, 10, 20, 25]
    layers = [ad.Dense(np.ones((m, n))) for m, n in zip(sizes[-2::-1], sizes[:0:-1], strict=True)]
    network = ad.Network(layers)
    products = ExplicitOptimal().layout(network).work.fma - sum(layer.W.size for layer in network.layers)
    assert products == 15125


# -- blocks


@pytest.mark.parametrize("chunk", [1, 3, 100])
@pytest.mark.parametrize("name", ["forward", "compiled-forward", "reverse", "compiled-reverse"])
@pytest.mark.parametrize("family", FAMILIES)
def test_blocks_give_the_same_jacobian(family, name, chunk):
    network = families()[family].small()
    x = network.example_input(1)
    for wrt in every_wrt(network):
        whole = ad.engine(name).prepare(network, wrt)(x)
        run = ad.engine(f"{name}(chunk={chunk})").prepare(network, wrt)
        assert relative_error(run(x, out=np.full(run.shape, np.nan)), whole) < 1e-13


def test_blocks_bound_the_memory():
    network = ad.problems.mlp(20_000, 1, 4, 64)
    whole = ad.engine("forward(chunk=20000)").layout(network)
    assert ad.engine("forward(chunk=64)").layout(network).nbytes < whole.nbytes / 5
    assert ad.engine("forward").layout(network).nbytes < whole.nbytes / 3
    network = ad.problems.mlp(4, 2000, 4, 64)
    assert (
        ad.engine("reverse(chunk=16)").layout(network).nbytes
        < ad.engine("reverse(chunk=2000)").layout(network).nbytes / 5
    )


@pytest.mark.parametrize("name", ["forward(chunk=24)", "reverse(chunk=24)", "compiled-reverse(chunk=24)"])
def test_blocks_hold_what_they_state(name):
    network = ad.problems.mlp(200, 150, 3, 200)
    stated = needed(ad.engine(name).layout(network))
    measured = peak_bytes(lambda: ad.engine(name).prepare(network), network.example_input())
    assert measured == pytest.approx(stated, rel=0.1)


# -- layout


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=30))
def test_slots_that_live_together_do_not_overlap(spans):
    slots = [Slot(size, min(a, b), max(a, b)) for size, a, b in spans]
    total = lay_out(slots)
    for i, one in enumerate(slots):
        assert one.offset >= 0
        assert one.offset % ALIGN == 0
        assert one.offset + one.size <= total or not one.size
        for other in slots[i + 1 :]:
            together = one.birth <= other.death and other.birth <= one.death
            if together and one.size and other.size:
                assert one.offset + one.size <= other.offset or other.offset + other.size <= one.offset


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("forward(chunk=0)", "chunk is 0"),
        ("compiled-forward(chunk=0)", "chunk is 0"),
        ("forward(chunk=a)", "chunk is 'a'; expected an integer"),
        ("forward(seeds=thin)", "expected structured or dense"),
        ("reverse(seeds=2)", "expected structured or dense"),
        ("forward(chnk=1)", "did you mean chunk"),
        ("mixed(memory=0)", "memory is 0"),
        ("mixed(64MiB)", "expected key=value"),
        ("reverse(chunk=1.5)", "expected an integer"),
    ],
)
def test_bad_options_are_refused(name, message):
    with pytest.raises(ad.AutodiffError, match=message):
        ad.engine(name)


@pytest.mark.parametrize("batch", [2, 3, 4])
def test_no_cost_falls_with_more_seeds(batch):
    """As many seeds as there are samples in a batch take other steps, which the line through both counts ignores."""
    network = ad.problems.mlp(16, 16, 3, 16, batch=batch)
    for cost in layer_costs(network):
        slopes = (asdict(one) for one in (cost.push[1], cost.pull[1]))
        assert min(value for slope in slopes for value in slope.values()) >= 0
    assert ad.engine("mixed").layout(network).work.fma > 0
