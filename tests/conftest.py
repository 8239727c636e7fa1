"""What several tests share."""

import contextlib
import io
import sys

import numpy as np
import pytest
from hypothesis import settings

import autodiff as ad
from autodiff.layers import ACTIVATIONS, Batched, CrossEntropy, Dense, Elementwise, Misfit, Peaks, SquaredError

settings.register_profile("default", deadline=None, max_examples=40)
settings.load_profile("default")


def make_layers():
    """Every kind of layer, small, with a point to look at it."""
    rng = np.random.default_rng(0)
    made = {}
    for name in ACTIVATIONS:
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
    return made


def point_for(layer, seed=1):
    """An input that is in the layer's domain (widths of peaks must not be 0)."""
    x = np.random.default_rng(seed).standard_normal(layer.n)
    return np.abs(x) + 0.5 if "Peaks" in layer.kind else x


LAYERS = make_layers()


@pytest.fixture(params=list(LAYERS))
def layer(request):
    return LAYERS[request.param]


@pytest.fixture(
    params=["forward", "reverse", "mixed", "explicit-forward", "explicit-reverse", "explicit-optimal", "complex-step"]
)
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
