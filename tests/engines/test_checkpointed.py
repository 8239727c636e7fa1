"""Checkpointed reverse mode: revolve's schedule, reverse's results, and the memory that was promised."""

import contextlib
import functools
import gc
import itertools
import time

import numpy as np
import pytest
from conftest import allocated, every_wrt, peak_bytes
from hypothesis import given
from hypothesis import strategies as st

import autodiff as ad
from autodiff.engines.checkpointed import ReverseCheckpointed
from autodiff.engines.revolve import Advance, Pull, Store, advances, schedule, useful
from autodiff.engines.running import compiled
from autodiff.executors.lockstep import lockstep
from autodiff.executors.stepping import steps
from autodiff.layers import Batched
from autodiff.problems import families
from autodiff.program.program import turns
from autodiff.testing import check_engine, relative_error

LAYERS, CHECKPOINTS = 60, 12
CompiledCheckpointed = compiled(ReverseCheckpointed)


@functools.cache
def optimum(most_layers=LAYERS, most_checkpoints=CHECKPOINTS):
    """Least (advances, stores) by dynamic programming over all cuts, [layers, checkpoints]."""
    best = {(1, s): (0, 0) for s in range(most_checkpoints + 1)}
    for s, l in itertools.product(range(1, most_checkpoints + 1), range(2, most_layers + 1)):  # noqa: E741
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


def test_useful_checkpoints_are_all_that_make_a_difference():
    for layers, checkpoints in itertools.product(range(1, 20), range(1, 25)):
        assert schedule(layers, checkpoints) == schedule(layers, useful(layers, checkpoints))
    assert [useful(layers, 10) for layers in (1, 2, 5, 11, 12)] == [1, 1, 4, 10, 10]


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
            case Pull(layer, slot):
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
    for operation, seeds in (("jacobian", 1), ("vjp", 3)):
        run = engine.prepare(network, wrt, operation=operation, seeds=seeds)
        reference = ad.engine("reverse").prepare(network, wrt, operation=operation, seeds=seeds)
        for point in (1, 2):
            x = network.example_input(point)
            U = np.random.default_rng(point).standard_normal((seeds, network.m)) if operation == "vjp" else None
            assert relative_error(run(x, U), reference(x, U)) < 1e-13
            np.testing.assert_array_equal(run.value, reference.value)


@pytest.mark.parametrize("family", sorted(families()))
@pytest.mark.parametrize("checkpoints", [None, 1, 3])
def test_families_agree_with_reverse(family, checkpoints):
    network = families()[family].small()
    for wrt in every_wrt(network):
        for engine in (ReverseCheckpointed, CompiledCheckpointed):
            agree(network, engine(checkpoints), wrt)


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


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 6, 11, 17])
def test_depths_agree_with_reverse(depth):
    for checkpoints in {1, 3, max(depth - 2, 1)}:
        for network in (ad.problems.mlp(4, 3, depth, 5), uneven(depth)):
            for wrt in every_wrt(network):
                agree(network, ReverseCheckpointed(checkpoints), wrt)


def test_check_engine():
    check_engine(ReverseCheckpointed())


@pytest.mark.parametrize(("depth", "checkpoints"), [(1, 1), (2, 1), (3, 2), (7, 3), (8, 4), (63, 6), (64, 7)])
def test_the_default_is_the_logarithm_of_the_depth(depth, checkpoints):
    network = ad.problems.mlp(2, 1, depth, 2)
    found, expected = (one.layout(network) for one in (ReverseCheckpointed(), ReverseCheckpointed(checkpoints)))
    assert (found.work, found.nbytes) == (expected.work, expected.nbytes)
    assert evaluations(found, np.tanh) == depth - 1 + sum(advances_below(depth, checkpoints))


def advances_below(depth, checkpoints):
    """Of each layer but the last, how often it is advanced over."""
    made = [action for action in schedule(depth, checkpoints) if isinstance(action, Advance)]
    return [sum(one.start <= layer < one.stop for one in made) for layer in range(depth)]


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


def evaluations(run, *ufuncs):
    """How often layers are evaluated, by the functions that stand in each of them once."""
    code = run.program.code
    return sum(times for one, times in zip(code.instructions, turns(code), strict=True) if one.ufunc in ufuncs)


@pytest.mark.parametrize("below", [1, 4, 9, 10])
def test_layers_below_the_parameters_are_only_advanced(below):
    network = front(11, below)
    for checkpoints in (1, 2, 5, 20):
        agree(network, ReverseCheckpointed(checkpoints), "params")
        run = ReverseCheckpointed(checkpoints).layout(network, "params")
        assert evaluations(run, np.sin) == below
        assert evaluations(run, np.tanh) == advances(11 - below, checkpoints) + 11 - below


@pytest.mark.parametrize("wrt", ["input", "params"])
@pytest.mark.parametrize("depth", [1, 2, 5, 17, 40])
def test_evaluations_are_the_optimum(depth, wrt):
    """Every layer once where it is turned, and the fewest advances."""
    network = dense([3, *[4] * (depth - 1), 2])
    for checkpoints in (*range(1, 7), 39):
        run = ReverseCheckpointed(checkpoints).layout(network, wrt)
        assert evaluations(run, np.tanh) == advances(depth, checkpoints) + depth


@pytest.mark.parametrize("engine", [ReverseCheckpointed, CompiledCheckpointed])
@pytest.mark.parametrize("checkpoints", [1, 2, 4, 8, 16, 32])
def test_the_optimum_of_128_layers(checkpoints, engine):
    """Of the program that is run, of the closed form, and of dynamic programming over all cuts."""
    run = engine(checkpoints).layout(dense([4] * 129), operation="vjp")
    assert evaluations(run, np.tanh) == 128 + advances(128, checkpoints) == 128 + optimum(128, 32)[128, checkpoints][0]


@given(st.integers(1, 40), st.integers(1, CHECKPOINTS))
def test_programs_do_the_fewest_evaluations(depth, checkpoints):
    run = ReverseCheckpointed(checkpoints).layout(dense([3] * (depth + 1)), operation="vjp")
    assert evaluations(run, np.tanh) == depth + optimum()[depth, checkpoints][0]


def test_what_is_called_again_is_written_once():
    """A layer is written at most twice, as it is advanced over and as it is turned; the rest are calls."""
    network = ad.problems.mlp(6, 1, 60, 8)
    for name in ("reverse-checkpointed(checkpoints=1)", "reverse-checkpointed"):
        for wrt in ("input", "params"):
            found = ad.engine(name).layout(network, wrt).program
            whole = ad.engine("reverse").layout(network, wrt).program
            assert len(found) <= len(whole) + 4 * network.depth
            assert found.work.calls - len(found) > network.depth
            assert len(list(found.code.blocks())) < found.work.calls / 2


def test_calls_with_views_and_aliases_as_states():
    """States that are views of others, repeated layers of one object, a layer that gives back its input."""
    first = ad.problems.mlp(4, 6, 2, 6).layers[0]
    layers = [
        first,
        ad.Function(lambda x: x[::-1], 6),
        ad.Function(lambda x: np.tanh(x)[1:], 6),
        ad.Elementwise("identity", 5),
        ad.Function(lambda x: np.concatenate([x, x[:1] * x[1:2]])[::2], 5),
        ad.Function(lambda x: np.stack([x, x * x]).T.reshape(-1), 3),
    ]
    network = ad.Network(layers)
    for checkpoints in (1, 2, 3):
        for wrt in ("input", "params"):
            agree(network, ReverseCheckpointed(checkpoints), wrt)
            run = ReverseCheckpointed(checkpoints).layout(network, wrt)
            x = network.example_input()
            lockstep(run.program.code, run.program.elements, x, None)
            for _, array in steps(run.program, x):
                assert np.isfinite(array).all()


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
    network = ad.problems.mlp(64, 64, 6, 64)
    x = network.example_input()
    assert allocated(ReverseCheckpointed(checkpoints).prepare(network, wrt), x) < 4 * 8 * 512
    assert allocated(CompiledCheckpointed(checkpoints).prepare(network, wrt), x) < 512


def peak(engine, network, wrt="input"):
    return peak_bytes(lambda: engine.prepare(network, wrt), network.example_input())


def stated(engine, network, wrt="input"):
    run = engine.layout(network, wrt)
    return run.nbytes + run.result_nbytes


@pytest.mark.parametrize("wrt", ["input", "params"])
@pytest.mark.parametrize("checkpoints", [None, 1, 7])
def test_stated_bytes_are_allocated_bytes(wrt, checkpoints):
    engine = ReverseCheckpointed(checkpoints)
    if wrt == "input":
        networks = [ad.problems.mlp(160, 120, 8, 160), wide(12, 8192)]
    else:
        networks = [ad.problems.mlp(24, 20, 8, 32), dense([20, 90, 30, 150, 50, 200, 10, 70, 5])]
    for network in networks:
        assert peak(engine, network, wrt) == pytest.approx(stated(engine, network, wrt), rel=0.1)


def dense(sizes):
    """Dense layers through these sizes."""
    return ad.Network([ad.Dense(np.full((m, n), 1.0 / n), None, "tanh") for n, m in itertools.pairwise(sizes)])


def wide(depth, width=1024):
    """A deep chain whose states are large beside Python's own objects, and which has no weights to speak of."""
    return ad.Network([ad.Elementwise("sin", width) for _ in range(depth)] + [ad.SquaredError(np.zeros(width))])


def test_more_states_take_more_memory_and_less_work():
    network = wide(32)
    runs = [ReverseCheckpointed(checkpoints).layout(network) for checkpoints in (1, 2, 3, 5, 8, 13, 21, 32)]
    for few, more in itertools.pairwise(runs):
        assert few.nbytes < more.nbytes
        assert few.work.transcendental > more.work.transcendental
    reverse = ad.engine("reverse").layout(network)
    assert runs[0].nbytes < reverse.nbytes / 4
    assert runs[-1].nbytes < 1.1 * reverse.nbytes


def collected(run):
    """The run, and nothing left of the programs that were only tried."""
    gc.collect()
    return run


@pytest.mark.parametrize("wrt", ["input", "params"])
def test_the_memory_limit_is_used_and_kept(wrt):
    network = wide(15, 8192) if wrt == "input" else ad.problems.mlp(64, 1, 16, 64)
    x = network.example_input()
    needs = [stated(ReverseCheckpointed(checkpoints), network, wrt) for checkpoints in range(1, 16)]
    for limit in np.linspace(needs[0], max(needs), 5).astype(int).tolist():
        engine = ReverseCheckpointed(memory=limit)
        run = engine.layout(network, wrt)
        found = run.nbytes + run.result_nbytes
        assert found == max(one for one in needs if one <= limit)
        run.allocate()
        if wrt == "input":
            assert peak_bytes(lambda engine=engine: collected(engine.prepare(network)), x) <= 1.05 * limit
        assert relative_error(run(x), ad.jacobian(network, x, "reverse", wrt)) < 1e-13
    assert stated(ReverseCheckpointed(memory=10**12), network, wrt) == needs[-1]


def test_the_memory_limit_with_uneven_states():
    """One wide state makes more slots take less memory where they leave it out; the limit is kept, or refused."""
    spiked = [dense([2] * place + [50] + [2] * (9 - place)) for place in range(1, 9, 3)]
    fell = 0
    for network, wrt in itertools.product((uneven(9), *spiked), ("input", "params")):
        needs = [stated(ReverseCheckpointed(c), network, wrt) for c in range(1, network.depth)]
        for limit in sorted(set(needs)):
            if limit >= needs[0]:
                assert stated(ReverseCheckpointed(memory=limit), network, wrt) <= limit
            else:
                fell += 1
                with contextlib.suppress(ad.InputError):  # that one checkpoint takes more
                    assert stated(ReverseCheckpointed(memory=limit), network, wrt) <= limit
    assert fell


@pytest.mark.parametrize("wrt", ["input", "params"])
def test_a_limit_below_the_least_names_the_least(wrt):
    network = ad.problems.mlp(6, 6, 9, 6)
    needs = [stated(ReverseCheckpointed(checkpoints), network, wrt) for checkpoints in range(1, 9)]
    limit = min(needs) - 1
    with pytest.raises(ad.InputError, match=f"one checkpoint takes {needs[0]:,} bytes.*memory is {limit:,}"):
        ReverseCheckpointed(memory=limit).layout(network, wrt)
    assert stated(ReverseCheckpointed(memory=needs[0]), network, wrt) <= needs[0]


@pytest.mark.parametrize("last", [[], [ad.SquaredError(np.zeros(1024))]])
def test_memory_grows_like_the_logarithm_of_the_depth(last):
    """In a chain of diagonals too, whose product is one diagonal, and no engine keeps the factors."""
    layers, state = [ad.Elementwise("sin", 1024)], 1024 * 8
    networks = {depth: ad.Network([*layers * depth, *last]) for depth in (16, 64, 256)}
    held = {
        name: [ad.engine(name).layout(network).nbytes for network in networks.values()]
        for name in ("forward", "reverse", "reverse-checkpointed", "compiled-reverse-checkpointed")
    }
    assert len(set(held["forward"])) == 1
    assert [b - a for a, b in itertools.pairwise(held["reverse"])] == [48 * state, 192 * state]
    for name in ("reverse-checkpointed", "compiled-reverse-checkpointed"):
        assert [b - a for a, b in itertools.pairwise(held[name])] == [2 * state, 2 * state]
        assert held[name][-1] < held["reverse"][-1] / 15


def test_a_deep_chain_is_written_fast():
    network = ad.Network([ad.Elementwise("sin", 64)] * 300)
    start = time.process_time()
    run = ReverseCheckpointed().layout(network)
    limited = ReverseCheckpointed(memory=50_000).layout(network)
    assert time.process_time() - start < 10.0
    assert run.nbytes < 20 * 64 * 8 < limited.nbytes + limited.result_nbytes <= 50_000


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
