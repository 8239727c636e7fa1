"""Checkpointed reverse mode: revolve's schedule, reverse's results, and the memory that was promised."""

import itertools
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autodiff as ad
from autodiff.bench.measure import peak_bytes
from autodiff.engines.base import BUFFER
from autodiff.engines.checkpointed import Advance, ReverseCheckpointed, Store, Turn, advances, schedule
from autodiff.layers import Batched
from autodiff.problems import families
from autodiff.testing import check_engine, relative_error

LAYERS, CHECKPOINTS = 60, 12


def every_wrt(network):
    return ("input", "params") if network.params.size else ("input",)


def optimum():
    """Least (advances, stores) by dynamic programming over all cuts, [layers, checkpoints]."""
    best = {(1, s): (0, 0) for s in range(CHECKPOINTS + 1)}
    for s, l in itertools.product(range(1, CHECKPOINTS + 1), range(2, LAYERS + 1)):  # noqa: E741
        cuts = []
        for k in range(1, l):
            if (l - k, s - 1) in best:
                (above, stores), (below, others) = best[l - k, s - 1], best[k, s]
                cuts.append((k + above + below, (l - k > 1) + stores + others))
        best[l, s] = min(cuts)
    return best


def counted(actions):
    made = sum(action.stop - action.start for action in actions if isinstance(action, Advance))
    return made, sum(isinstance(action, Store) for action in actions)


def test_schedule_and_closed_form_are_the_optimum():
    best = optimum()
    for layers, checkpoints in itertools.product(range(1, LAYERS + 1), range(1, CHECKPOINTS + 1)):
        assert counted(schedule(layers, checkpoints)) == best[layers, checkpoints]
        assert advances(layers, checkpoints) == best[layers, checkpoints][0]


def test_closed_form_at_its_ends():
    assert [advances(layers, 1) for layers in (1, 2, 10, 1000)] == [0, 1, 45, 499500]
    assert [advances(layers, layers) for layers in (1, 2, 10, 1000)] == [0, 1, 9, 999]
    assert advances(10, 9) == advances(10, 10**9) == 9
    assert advances(10, 3) == 15


@given(st.integers(1, 400), st.integers(1, 40))
def test_schedule_can_be_executed(layers, checkpoints):
    slots, running, turned = {0: 0}, None, []
    for action in schedule(layers, checkpoints):
        match action:
            case Advance(start, stop, slot):
                assert slots[slot] == start < stop < layers
                running = stop
            case Store(state, slot):
                assert running == state
                assert 0 < slot < checkpoints
                slots[slot] = state
            case Turn(layer, slot):
                assert (running if slot is None else slots[slot]) == layer
                turned.append(layer)
                running = None
    assert turned == list(range(layers))[::-1]
    assert len(slots) == max(min(checkpoints, layers - 1), 1)


@pytest.mark.parametrize("checkpoints", [1, 2, 14, 5000, 10**6])
def test_deep_schedules_are_found_fast(checkpoints):
    start = time.process_time()
    actions = schedule(10_000, checkpoints)
    assert time.process_time() - start < 1.0
    assert counted(actions)[0] == advances(10_000, checkpoints)
    assert len(actions) < 30_000


def agree(network, engine, wrt="input"):
    """Jacobian and vjp, twice over the same memory, against ``reverse``."""
    for operation, seeds in (("jacobian", 1), ("vjp", 1), ("vjp", 3)):
        run = engine.prepare(network, wrt, operation=operation, seeds=seeds)
        reference = ad.engine("reverse").prepare(network, wrt, operation=operation, seeds=seeds)
        for point in (1, 2):
            x = network.example_input(point)
            U = np.random.default_rng(point).standard_normal((seeds, network.m)) if operation == "vjp" else None
            assert relative_error(run(x, U), reference(x, U)) < 1e-13


@pytest.mark.parametrize("family", sorted(families()))
@pytest.mark.parametrize("checkpoints", [None, 1, 2, 3])
def test_families_agree_with_reverse(family, checkpoints):
    network = families()[family].small()
    for wrt in every_wrt(network):
        agree(network, ReverseCheckpointed(checkpoints), wrt)


def uneven(depth, seed=0):
    """Layers of many kinds and sizes: single, batched, in place, with and without parameters."""
    rng = np.random.default_rng(seed)
    layers, n = [ad.Elementwise("sin", 4)], 4
    while len(layers) < depth:
        m = 2 * int(rng.integers(1, 5))
        kind = int(rng.integers(4))
        if kind == 0:
            layers.append(ad.Elementwise("tanh"))
            continue
        size = 2 if kind == 1 else 1
        W, b = rng.standard_normal((m // size, n // size)) / np.sqrt(n), rng.standard_normal(m // size)
        dense = ad.Dense(W, b, ["tanh", "identity", "sin", "softplus"][kind])
        layers.append(Batched(dense, 2) if kind == 1 else dense)
        n = m
    return ad.Network(layers[:depth])


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5, 7, 11, 16, 23, 40])
def test_depths_agree_with_reverse(depth):
    for checkpoints in range(1, 9):
        for network in (ad.problems.mlp(4, 3, depth, 5), uneven(depth)):
            for wrt in every_wrt(network):
                agree(network, ReverseCheckpointed(checkpoints), wrt)


def test_check_engine():
    check_engine(ReverseCheckpointed())


def test_the_default_is_the_logarithm_of_the_depth():
    for depth, expected in ((1, 1), (2, 1), (3, 2), (7, 3), (8, 4), (63, 6), (64, 7)):
        assert ReverseCheckpointed().prepare(ad.problems.mlp(2, 1, depth, 2)).checkpoints == expected


def test_float32():
    network = ad.problems.mlp(4, 3, 9, 5).astype(np.float32)
    x = network.example_input()
    for wrt in ("input", "params"):
        J = ReverseCheckpointed(2).prepare(network, wrt)(x)
        assert J.dtype == np.float32
        assert relative_error(J, ad.jacobian(network, x, "reverse", wrt)) < 1e-6


def front(depth, below):
    """``below`` layers without parameters, then dense ones, ``depth`` in all."""
    rng = np.random.default_rng(0)
    layers = [ad.Elementwise("sin", 4) for _ in range(below)]
    layers += [ad.Dense(rng.standard_normal((4, 4)), rng.standard_normal(4), "tanh") for _ in range(depth - below)]
    return ad.Network(layers)


@pytest.mark.parametrize("below", [1, 4, 9, 10])
def test_layers_below_the_parameters_are_only_advanced(below):
    network = front(11, below)
    for checkpoints in (1, 2, 5, 20):
        agree(network, ReverseCheckpointed(checkpoints), "params")
        run = ReverseCheckpointed(checkpoints).prepare(network, "params")
        calls = count_calls(run)
        run(network.example_input())
        assert calls == {"value": below + advances(11 - below, checkpoints), "at": 11 - below}


def count_calls(run):
    calls = {"value": 0, "at": 0}

    def wrap(derivative, name):
        method = getattr(derivative, name)

        def wrapped(x):
            calls[name] += 1
            return method(x)

        setattr(derivative, name, wrapped)

    for derivative, name in itertools.product(run.chain, calls):
        wrap(derivative, name)
    return calls


@pytest.mark.parametrize("wrt", ["input", "params"])
@pytest.mark.parametrize("depth", [1, 2, 5, 17, 40])
def test_evaluations_are_the_optimum(depth, wrt):
    network = ad.problems.mlp(3, 2, depth, 4)
    for checkpoints in range(1, 9):
        run = ReverseCheckpointed(checkpoints).prepare(network, wrt)
        calls = count_calls(run)
        run(network.example_input())
        assert calls == {"value": advances(depth, checkpoints), "at": depth}
        assert sum(run.advanced()) == advances(depth, checkpoints)


def test_work_is_what_a_run_does():
    """On a square chain it is reverse's, and one multiply-add per weight for every advance."""
    network = ad.problems.mlp(8, 8, 12, 8)
    reverse = ad.engine("reverse(chunk=8)").layout(network).work
    for checkpoints in (1, 2, 3, 12):
        work = ReverseCheckpointed(checkpoints).layout(network).work
        assert work.fma - reverse.fma == advances(12, checkpoints) * 64


@pytest.mark.parametrize("wrt", ["input", "params"])
@pytest.mark.parametrize("checkpoints", [1, 4])
def test_a_run_allocates_nothing_but_the_result(wrt, checkpoints):
    network = ad.problems.mlp(64, 64, 12, 64)
    run = ReverseCheckpointed(checkpoints).prepare(network, wrt)
    x, out = network.example_input(), np.empty(run.shape)
    run(x, out=out)
    tracemalloc.start()
    try:
        run(x, out=out)
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        run(x, out=out)
        grown = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert grown < 3 * 8 * BUFFER + 4096 < 64 * 64 * 8


def peak(engine, network, wrt="input"):
    return peak_bytes(lambda: engine.prepare(network, wrt), network.example_input(), None)


def stated(engine, network, wrt="input"):
    run = engine.layout(network, wrt)
    return run.nbytes + run.result_nbytes


@pytest.mark.parametrize("wrt", ["input", "params"])
@pytest.mark.parametrize("checkpoints", [None, 1, 2, 7, 24])
def test_stated_bytes_are_allocated_bytes(wrt, checkpoints):
    engine = ReverseCheckpointed(checkpoints)
    uneven_sizes = [200, 900, 300, 1500, 500, 2000, 100, 700] * 3
    for network in (ad.problems.mlp(48, 40, 24, 56), dense([*uneven_sizes, 1])):
        assert peak(engine, network, wrt) == pytest.approx(stated(engine, network, wrt), rel=0.1)


def dense(sizes):
    """Dense layers through these sizes."""
    return ad.Network([ad.Dense(np.full((m, n), 1.0 / n), None, "tanh") for n, m in itertools.pairwise(sizes)])


def test_a_slot_is_as_large_as_the_largest_state_it_holds():
    sizes = [3, 50, 7, 40, 9, 30, 11, 20, 5, 1]
    network = dense(sizes)
    for checkpoints in range(1, 10):
        held = {}
        for action in schedule(9, checkpoints):
            if isinstance(action, Store):
                held[action.slot] = max(held.get(action.slot, 0), sizes[action.state])
        run = ReverseCheckpointed(checkpoints).layout(network)
        assert run.nbytes - ReverseCheckpointed(1).layout(network).nbytes == 8 * sum(held.values())


def wide(depth, width=1024):
    """A deep chain whose states are large beside Python's own objects, and which has no weights to speak of."""
    return ad.Network([ad.Elementwise("sin", width) for _ in range(depth)] + [ad.SquaredError(np.zeros(width))])


@pytest.mark.parametrize("wrt", ["input", "params"])
def test_the_memory_limit_is_used_and_kept(wrt):
    network = wide(31, 8192) if wrt == "input" else ad.problems.mlp(256, 1, 32, 256)
    least, most = (stated(ReverseCheckpointed(checkpoints), network, wrt) for checkpoints in (1, 32))
    for limit in np.linspace(least, most, 7).astype(int).tolist():
        engine = ReverseCheckpointed(memory=limit)
        run = engine.layout(network, wrt)
        assert run.nbytes + run.result_nbytes <= limit
        if run.checkpoints < 31:
            assert stated(ReverseCheckpointed(run.checkpoints + 1), network, wrt) > limit
        assert run.checkpoints == ReverseCheckpointed(run.checkpoints).layout(network, wrt).checkpoints
        assert peak(engine, network, wrt) <= 1.01 * limit
    assert ReverseCheckpointed(memory=10**12).layout(network, wrt).checkpoints == 31


def test_the_memory_limit_with_uneven_states():
    """One wide state makes more slots take less memory where they leave it out; the most that fit is still found."""
    spiked = [dense([2] * place + [50] + [2] * (14 - place)) for place in range(1, 14)]
    fell = 0
    for network, wrt in itertools.product((uneven(23), uneven(30, seed=5), front(14, 4), *spiked), ("input", "params")):
        needs = {c: stated(ReverseCheckpointed(c), network, wrt) for c in range(1, network.depth)}
        for limit in sorted(set(needs.values())):
            run = ReverseCheckpointed(memory=limit).layout(network, wrt)
            expected = max(c for c, bytes_ in needs.items() if bytes_ <= limit)
            assert run.checkpoints == min(expected, max(run.turned - 1, 1))
        fell += any(more < less for less, more in itertools.pairwise(needs.values()))
    assert fell


@pytest.mark.parametrize("wrt", ["input", "params"])
def test_a_limit_below_the_least_names_the_least(wrt):
    for network in (ad.problems.mlp(5, 2, 9, 6), front(11, 4)):
        least = stated(ReverseCheckpointed(1), network, wrt)
        with pytest.raises(ad.InputError, match=f"one checkpoint takes {least:,} bytes.*memory is {least - 1:,}"):
            ReverseCheckpointed(memory=least - 1).layout(network, wrt)
        assert ReverseCheckpointed(memory=least).layout(network, wrt).checkpoints == 1


def test_the_memory_limit_is_settled_fast_on_a_deep_chain():
    network = ad.Network([ad.Elementwise("sin", 2)] * 10_000)
    run = ReverseCheckpointed(memory=20_000).layout(network)
    assert run.checkpoints == 1 + (20_000 - run.fixed_nbytes - run.result_nbytes) // 16
    alternating = dense([2, 32] * 500 + [1])
    start = time.process_time()
    for limit in (10_000, 50_000, 100_000):
        ReverseCheckpointed(memory=limit).layout(alternating)
    assert time.process_time() - start < 5.0


def test_memory_grows_like_the_logarithm_of_the_depth():
    depths, state = (16, 64, 256), 1024 * 8
    found = [peak(ReverseCheckpointed(), wide(depth)) for depth in depths]
    reverse = [peak(ad.engine("reverse"), wide(depth)) for depth in depths]
    for (less, more), (low, high) in zip(itertools.pairwise(found), itertools.pairwise(depths), strict=True):
        assert more - less == pytest.approx((high.bit_length() - low.bit_length()) * state, rel=0.1)
    for (less, more), (low, high) in zip(itertools.pairwise(reverse), itertools.pairwise(depths), strict=True):
        assert more - less == pytest.approx((high - low) * state, rel=0.1)
    assert reverse[-1] > 15 * found[-1]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda net: ReverseCheckpointed(0), ad.InputError, "checkpoints is 0; expected an integer of at least 1"),
        (lambda net: ReverseCheckpointed(True), ad.InputError, "checkpoints is True"),
        (lambda net: ReverseCheckpointed(2.0), ad.InputError, r"checkpoints is 2\.0"),
        (lambda net: ReverseCheckpointed("2"), ad.InputError, "checkpoints is '2'"),
        (lambda net: ReverseCheckpointed(memory=0), ad.InputError, "memory is 0"),
        (lambda net: ReverseCheckpointed(memory=1e6), ad.InputError, r"memory is 1000000\.0"),
        (lambda net: ReverseCheckpointed(memory=-1), ad.InputError, "memory is -1"),
        (lambda net: ReverseCheckpointed(2, 1000), ad.InputError, "checkpoints=2 or memory=1000, not both"),
        (lambda net: ReverseCheckpointed(memory=10).prepare(net), ad.InputError, "memory is 10$"),
        (lambda net: ReverseCheckpointed().prepare(net, operation="jvp"), ad.UnsupportedError, "use forward"),
        (lambda net: ReverseCheckpointed().prepare(net, operation="gradient"), ad.UnsupportedError, "one output"),
        (lambda net: ReverseCheckpointed().prepare(net, "inputs"), ad.InputError, 'expected "input" or "params"'),
        (lambda net: ReverseCheckpointed().prepare(net, seeds=0), ad.InputError, "seeds is 0"),
        (lambda net: advances(0, 1), ad.InputError, "layers is 0"),
        (lambda net: advances(3, 0), ad.InputError, "checkpoints is 0"),
        (lambda net: schedule(2.5, 1), ad.InputError, r"layers is 2\.5"),
        (lambda net: schedule(3, False), ad.InputError, "checkpoints is False"),
    ],
)
def test_bad_input_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call(ad.problems.mlp(3, 2, 4, 4))
