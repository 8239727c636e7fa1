"""Mixed mode: planned, agreed with, and within its memory."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autodiff as ad
from autodiff.bench.measure import peak_bytes
from autodiff.engines.base import BUFFER
from autodiff.engines.mixed import ExplicitOptimal, Mixed, MixedRun
from autodiff.engines.schedule import Slot, lay_out
from autodiff.problems import families
from autodiff.testing import relative_error

BUFFERS = 3 * 8 * BUFFER + 4096  #: NumPy's iteration buffers and views, beside which small networks vanish


def planned(network, **limits):
    """The bracketing's own run, whatever the engine would prefer."""
    run = MixedRun(network, network.derivatives(), ad.plan(network, **limits))
    run.allocate()
    return run


@pytest.mark.parametrize("family", sorted(families()))
def test_the_plan_agrees_on_every_family(family):
    network = families()[family].small()
    x = network.example_input(1)
    expected = ad.jacobian(network, x, "reverse")
    assert relative_error(planned(network)(x), expected) < 1e-12
    for wrt in ("input", "params") if network.params.size else ("input",):
        reverse = ad.jacobian(network, x, "reverse", wrt)
        for name in ("mixed", "explicit-optimal"):
            assert relative_error(ad.jacobian(network, x, name, wrt), reverse) < 1e-12


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
    expected = ad.jacobian(network, x, "reverse")
    np.testing.assert_allclose(planned(network, memory=limit)(x), expected, rtol=1e-9, atol=1e-12)
    optimal = ExplicitOptimal().prepare(network)(x)
    np.testing.assert_allclose(optimal, expected, rtol=1e-9, atol=1e-12)


def test_the_bottleneck_is_found():
    network = ad.problems.autoencoder(64, 4)
    plan = ad.plan(network)
    assert plan.gain > 10
    run = Mixed().prepare(network)
    assert isinstance(run, MixedRun)
    x = network.example_input()
    assert relative_error(run(x), ad.jacobian(network, x, "reverse")) < 1e-12
    assert run.work.fma < 0.15 * ad.engine("reverse").prepare(network).work.fma


def test_without_a_bottleneck_there_is_nothing_to_decide():
    for sizes in ((64, 1), (1, 64), (64, 64)):
        network = ad.problems.mlp(*sizes, 4)
        works = {name: ad.engine(name).layout(network).work.fma for name in ("forward", "reverse", "mixed")}
        assert works["mixed"] >= 0.95 * min(works["forward"], works["reverse"])
    assert ad.plan(ad.problems.mlp(64, 1, 1)).root.kind == "dense"


@pytest.mark.parametrize("n", [48, 96, 160])
@pytest.mark.parametrize("bottleneck", [1, 7, 48])
def test_stated_bytes_are_allocated_bytes(n, bottleneck):
    network = ad.problems.autoencoder(n, bottleneck)
    run = planned(network)
    stated = run.nbytes + run.result_nbytes

    def prepare():
        return planned(network)

    assert peak_bytes(prepare, network.example_input(), None) == pytest.approx(stated, rel=0.1, abs=BUFFERS)


def test_a_memory_limit_is_respected_by_the_run():
    network = ad.problems.mlp(64, 60, 24, 64)
    x = network.example_input()
    expected = ad.jacobian(network, x, "reverse")
    free = ad.engine("mixed").layout(network)
    for limit in (free.nbytes + free.result_nbytes, 120_000, 90_000):
        engine = Mixed(memory=limit)
        assert peak_bytes(lambda engine=engine: engine.prepare(network), x, None) <= limit * 1.1
        assert relative_error(engine.prepare(network)(x), expected) < 1e-12
    with pytest.raises(ad.InputError, match=r"1,000 bytes are too few; mlp needs at least [\d,]+"):
        Mixed(memory=1000).prepare(network)


def test_explicit_optimal_is_the_classical_matrix_chain():
    """Cormen et al., section 15.2: matrices 30x35, 35x15, 15x5, 5x10, 10x20, 20x25 need 15125 multiplications."""
    sizes = [30, 35, 15, 5, 10, 20, 25]
    layers = [ad.Dense(np.ones((m, n))) for m, n in zip(sizes[-2::-1], sizes[:0:-1], strict=True)]
    network = ad.Network(layers)
    products = ExplicitOptimal().layout(network).work.fma - sum(layer.W.size for layer in network.layers)
    assert products == 15125


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("name", ["forward", "reverse"])
@pytest.mark.parametrize("family", sorted(families()))
def test_blocks_give_the_same_jacobian(family, name, chunk):
    network = families()[family].small()
    x = network.example_input(1)
    for wrt in ("input", "params") if network.params.size else ("input",):
        whole = ad.engine(name).prepare(network, wrt)(x)
        blocks = ad.engine(f"{name}(chunk={chunk})").prepare(network, wrt)
        assert relative_error(blocks(x), whole) < 1e-13
        stated = blocks.nbytes + blocks.result_nbytes
        measured = peak_bytes(lambda wrt=wrt: ad.engine(f"{name}(chunk={chunk})").prepare(network, wrt), x, None)
        assert measured == pytest.approx(stated, rel=0.1, abs=BUFFERS)


def test_blocks_bound_the_memory():
    network = ad.problems.mlp(20_000, 1, 4, 64)
    whole = ad.engine("forward(chunk=20000)").layout(network)
    assert ad.engine("forward(chunk=64)").layout(network).nbytes < whole.nbytes / 5
    assert ad.engine("forward").layout(network).nbytes < whole.nbytes / 3


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=30))
def test_slots_that_live_together_do_not_overlap(spans):
    slots = [Slot(size, min(a, b), max(a, b)) for size, a, b in spans]
    total = lay_out(slots)
    for i, one in enumerate(slots):
        assert one.offset >= 0
        assert one.offset + one.size <= total or not one.size
        for other in slots[i + 1 :]:
            together = one.birth <= other.death and other.birth <= one.death
            if together and one.size and other.size:
                assert one.offset + one.size <= other.offset or other.offset + other.size <= one.offset


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("forward(chunk=0)", "chunk is 0"),
        ("forward(chunk=a)", "expected an integer, or bytes"),
        ("forward(chnk=1)", "did you mean chunk"),
        ("mixed(memory=0)", "memory is 0"),
        ("mixed(64MiB)", "expected key=number"),
    ],
)
def test_bad_options_are_refused(name, message):
    with pytest.raises(ad.AutodiffError, match=message):
        ad.engine(name)
