"""What several tests share."""

import contextlib
import io
import itertools
import os
import sys
import tracemalloc

os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")  # tests compile hundreds of functions, and time none

import numpy as np
import pytest
from hypothesis import settings

import autodiff as ad
from autodiff.bench.ask.request import Request
from autodiff.layers import ACTIVATIONS, Batched, CrossEntropy, Dense, Elementwise, Misfit, Peaks, SquaredError
from autodiff.machine.host import usable_cores
from autodiff.machine.model import KINDS, LAYOUTS, REQUIRED, SIZES, Model
from autodiff.machine.rates import kept
from autodiff.primitives.table import PRIMITIVES


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    """The whole suite takes as many processes as there are cores, unless -n says otherwise: half the time on two."""
    whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS and not config.option.collectonly
    if whole and not hasattr(config, "workerinput") and getattr(config.option, "numprocesses", 0) is None:
        config.option.numprocesses, config.option.dist = min(len(usable_cores()), 8), "worksteal"


def ordinary_environment():
    """The environment without pytest-xdist's marks, by which pytest-benchmark would know that it must not time."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """No test looks at the user's rates; those of this process are a typical machine's."""
    os.environ["AUTODIFF_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    kept()


def request_of(*sweeps, **changes):
    """What ``autodiff bench`` would be asked for these sweeps by default, in one pass."""
    return Request(**{"sweeps": list(sweeps), "engines": [], "effort": "default", "passes": 1, "threads": 1} | changes)


def model_of(call=1e-8, start=1e-7, element=1e-10, transcendental=1e-9, fma=1e-11, read=0.0):
    """An executor's model in which everything costs in proportion, made up for a test."""
    table = dict.fromkeys(REQUIRED, 0.0) | {"start": start, "matmul x": fma}
    for ufunc, one in PRIMITIVES.items():
        table[f"map {ufunc.__name__} call"] = call
        table[f"map {ufunc.__name__} element"] = transcendental if one.transcendental else element
    for kind in KINDS:
        table |= {f"{kind} call": call, f"{kind} element": element}
    table["reduce outer"] = element
    for layout, (m, k, n) in itertools.product(LAYOUTS, SIZES):
        table[f"matmul {layout} {m} {k} {n}"] = call + fma * m * k * n
    for way in ("read", "across", "write"):
        table |= {f"{way} {1 << 16}": read, f"{way} {1 << 20}": read}
    return Model(table, 1 << 15, 1 << 20)


settings.register_profile("default", deadline=None, max_examples=40)
settings.load_profile("default")


def make_layers():
    """Every kind of layer, small, with a point to look at it."""
    rng = np.random.default_rng(0)
    made = {}
    for name in ACTIVATIONS:
        if name not in THOROUGH:
            made[f"elementwise-{name}"] = Elementwise(name, 5)
            continue
        biased = Dense(rng.standard_normal((4, 3)), rng.standard_normal(4), name)
        made[f"dense-{name}"] = biased
        made[f"dense-{name}-nobias"] = Dense(rng.standard_normal((2, 5)), None, name)
        made[f"batched-dense-{name}"] = Batched(biased, 3)
        made[f"elementwise-{name}"] = Elementwise(name, 5)
        made[f"batched-elementwise-{name}"] = Batched(Elementwise(name, 2), 3)
    made["squared-error"] = SquaredError(rng.standard_normal(4))
    made["cross-entropy"] = CrossEntropy(2, 4)
    made["cross-entropy-batch"] = CrossEntropy([1, 0, 3], 4)
    made["batched-cross-entropy"] = Batched(CrossEntropy(1, 3), 4)
    made["misfit"] = Misfit(rng.standard_normal(4), 0.3)
    made["peaks"] = Peaks(np.linspace(0.1, 1.0, 7), 2)
    made["batched-peaks"] = Batched(Peaks(np.linspace(0.1, 1.0, 4), 1), 2)
    return made | make_shaped_layers(lambda *shape: 0.5 * rng.standard_normal(shape))


def make_shaped_layers(draw):
    """Convolutions, attention and the like, and layers made of layers."""
    body = [ad.Dense(draw(4, 3), draw(4), "tanh"), ad.Dense(draw(3, 4))]
    shared = draw(3, 3)
    field = [ad.Dense(draw(4, 3), draw(4), "tanh"), ad.Dense(draw(3, 4))]
    odd = ad.Conv2d(
        draw(4, 1, 2, 3), draw(4), stride=(2, 1), dilation=(1, 2), padding=(0, 1), groups=2, shape=(2, 5, 6)
    )
    strided = [ad.Conv2d(draw(3, 2, 3, 3), draw(3), padding=1, stride=2), Elementwise("relu")]
    return {
        "conv1d": ad.Conv1d(draw(3, 2, 3), draw(3), shape=(2, 6)),
        "conv1d-odd": ad.Conv1d(draw(4, 1, 2), None, "tanh", stride=2, padding=1, dilation=2, groups=2, shape=(2, 7)),
        "conv2d": ad.Conv2d(draw(2, 2, 3, 3), draw(2), padding=1, shape=(2, 4, 3)),
        "conv2d-odd": odd,
        "max-pool": ad.MaxPool(2, shape=(2, 4, 5)),
        "max-pool-overlapping": ad.MaxPool((3,), stride=1, padding=1, shape=(2, 5)),
        "avg-pool": ad.AvgPool((2, 3), stride=(2, 1), shape=(2, 4, 5)),
        "global-avg-pool": ad.GlobalAvgPool((3, 2, 2)),
        "batch-norm": ad.BatchNorm(draw(3), draw(3) ** 2, draw(3), draw(3), shape=(3, 2)),
        "layer-norm": ad.LayerNorm(draw(4), draw(4), shape=(3, 4)),
        "rms-norm": ad.RMSNorm(draw(4), shape=(2, 4)),
        "softmax": ad.Softmax(shape=(2, 3)),
        "log-softmax": ad.Softmax(log=True, shape=(4,)),
        "attention": ad.SelfAttention(draw(6, 3), draw(2, 2), shape=(4, 3)),
        "attention-causal": ad.SelfAttention(
            draw(12, 3), draw(3, 4), draw(12), draw(3), heads=2, causal=True, shape=(3, 3)
        ),
        "residual": ad.Residual(body),
        "residual-conv": ad.Residual(strided, ad.Conv2d(draw(3, 2, 1, 1), stride=2), shape=(2, 4, 4)),
        "residual-repeat": ad.Residual(ad.Repeat(ad.Dense(shared, draw(3), "tanh"), 3)),
        "parallel": ad.Parallel([ad.Dense(draw(2, 3)), [ad.Dense(draw(3, 3), draw(3), "tanh"), Elementwise("sin")]]),
        "concatenate": ad.Concatenate(ad.Dense(draw(2, 3), draw(2), "tanh")),
        "reshape": ad.Reshape((2, -1), 6),
        "permute": ad.Permute((1, 2, 0), (2, 3, 2)),
        "flatten": ad.Flatten((2, 2)),
        "dropout": ad.Dropout(shape=(3,)),
        "runge-kutta": ad.RungeKutta(field, 1, 0.1).step,
        "rnn": ad.RNN(draw(3, 2), draw(3, 3), draw(3), 3).unrolled(None)[1],
        "lstm": ad.LSTM(draw(12, 2), draw(12, 3), draw(12), 3, "all").unrolled(None)[1],
        "gru": ad.GRU(draw(9, 2), draw(9, 3), draw(12), 3).unrolled(None)[1],
    }


#: activations that are tried in every form of layer; of the others their elementwise layers are enough
THOROUGH = ["identity", "tanh", "sigmoid", "relu", "softplus", "sin", "exp", "square"]


def point_for(layer, seed=1):
    """An input that is in the layer's domain (widths of peaks must not be 0, logarithms are of positive numbers)."""
    x = np.random.default_rng(seed).standard_normal(layer.n)
    positive = "Peaks" in layer.kind or getattr(layer, "activation", "") in ("log", "sqrt")
    return np.abs(x) + 0.5 if positive else x


LAYERS = make_layers()


@pytest.fixture(params=list(LAYERS))
def layer(request):
    return LAYERS[request.param]


ORDERS = ["forward", "reverse", "mixed", "explicit-forward", "explicit-reverse", "explicit-optimal"]
ORDERS += ["reverse-checkpointed"]
PROGRAMS = [*ORDERS, *(f"compiled-{order}" for order in ORDERS)]  #: every engine that writes a program
BLOCKS = ["forward(chunk=1)", "forward(chunk=2)", "reverse(chunk=1)", "reverse(chunk=2)"]
DENSE = [
    "forward(seeds=dense)",
    "reverse(seeds=dense)",
    "forward(chunk=2, seeds=dense)",
    "reverse(chunk=2, seeds=dense)",
]
BLOCKS += DENSE


def every_wrt(network):
    return ("input", "params") if network.params.size else ("input",)


def allocated(run, x, seed=None):
    """The most bytes that one of many runs has allocated at a time, its result given."""
    out = np.empty(run.shape, run.network.dtype)
    run(x, seed, out)
    tracemalloc.start()
    try:
        run(x, seed, out)
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        run(x, seed, out)
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def peak_bytes(prepare, x):
    """Bytes of the arrays that a prepared run holds, and the most that a run allocates, its result included."""
    tracemalloc.start()
    try:
        run = prepare()
        arrays = tracemalloc.DomainFilter(inclusive=True, domain=np.lib.tracemalloc_domain)
        held = sum(trace.size for trace in tracemalloc.take_snapshot().filter_traces([arrays]).traces)
        run(x)
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        run(x)
        return held + tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


@pytest.fixture(params=[*PROGRAMS, "auto", "complex-step"])
def analytic(request):
    """Engines that are exact up to rounding."""
    return ad.engine(request.param)


@pytest.fixture
def called(monkeypatch, tmp_path):
    """The command line in this process and in an empty folder: gives the status and everything that was printed."""
    from autodiff import cli

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["autodiff", *map(str, arguments)])
        out = io.StringIO()
        monkeypatch.setattr(cli.errors, "file", out)
        monkeypatch.setattr(cli.console, "file", out)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            try:
                cli.main()
            except SystemExit as end:
                return end.code or 0, out.getvalue()
        return 0, out.getvalue()

    monkeypatch.chdir(tmp_path)
    return call
