"""Engines of other packages: they agree with ours, say why they cannot, and see what a network is now."""

import importlib.metadata
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from conftest import LAYERS, point_for

import autodiff as ad
from autodiff.engines.peers import PEERS
from autodiff.namespaces.casadi import CasadiArray, CasadiNamespace
from autodiff.problems import families
from autodiff.testing import check_engine, relative_error

NAMES = [engine.name for engine in PEERS]
SINGLE = "which MLX computes in single precision"  #: some functions of float64, too
COMPILED = [name for name in NAMES if "compile" in name]  # too slow to compile for every test
EAGER = [name for name in NAMES if name not in COMPILED]
FORWARD = [name for name in EAGER if ad.engine(name).mode == "forward"]
REVERSE = [name for name in EAGER if ad.engine(name).mode == "reverse"]


def peer(name):
    engine = ad.engine(name)
    reason = engine.available()
    if reason:
        pytest.skip(reason)
    return engine


def package(name):
    return pytest.importorskip(name, reason=f"{name} is not installed")


def every_wrt(network):
    return ("input", "params") if network.params.size else ("input",)


def test_all_are_registered():
    assert set(NAMES) <= set(ad.engines())


def test_a_tag_changes_the_family_and_not_the_package():
    tagged = peer("casadi-reverse@b")
    assert tagged.family == "casadi@b"
    assert tagged.supports(ad.problems.mlp(2, 2, 1)) == ""


def test_importing_loads_no_peer():
    names = {engine.package for engine in PEERS}
    code = f"import sys, autodiff.engines.peers; sys.exit(bool({names} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", EAGER)
def test_check_engine(name):
    check_engine(peer(name), problems=FEW if name in SLOW else None)


#: compiling takes them a fifth of a second a network: of each package one mode is tried on everything
COMPILING = ("jax-forward", "jax-mixed")
SLOW = (*COMPILING, "torch-forward", "autograd-forward", "casadi-forward", "casadi-auto")
STEPS = dict.fromkeys(COMPILING, 6) | {"jax-reverse": 2}  #: every so manieth layer is computed, the others are traced
FEW = ("mlp", "autoencoder", "digits_loss", "curve_fit", "heat", "gmm", "lora")


@pytest.mark.parametrize("family", sorted(families()))
@pytest.mark.parametrize("name", NAMES)
def test_every_problem_family_is_supported(name, family):
    network, engine = families()[family].small(), peer(name)
    for wrt in every_wrt(network):
        reason = engine.supports(network, wrt)
        thick = engine.family == "casadi" and reason.endswith("axes; CasADi has matrices only")
        assert reason == "" or thick or (engine.family == "mlx" and SINGLE in reason)


@pytest.mark.parametrize("family", ["mlp", "digits_loss", "curve_fit"])
@pytest.mark.parametrize("name", EAGER)
def test_single_precision(name, family):
    network = families()[family].small()
    single, x, engine = network.astype(np.float32), network.example_input(1), peer(name)
    if engine.family == "casadi":
        assert "double precision only" in engine.supports(single)
        with pytest.raises(ad.UnsupportedError, match="double precision only"):
            engine.prepare(network, dtype=np.float32)
        return
    J = engine.prepare(single)(x.astype(np.float32))
    assert J.dtype == np.float32
    assert relative_error(J, ad.jacobian(network, x, "reverse")) < 1e-4


@pytest.mark.parametrize("name", EAGER)
def test_every_layer(name):
    engine, refused = peer(name), {}
    for number, (key, layer) in enumerate(LAYERS.items()):
        network, x = ad.Network([layer]), point_for(layer)
        for wrt in every_wrt(network):
            reason = engine.supports(network, wrt)
            if reason:
                refused[key] = reason
                continue
            if number % STEPS.get(name, 1):
                continue
            error = relative_error(engine.prepare(network, wrt)(x), ad.jacobian(network, x, "reverse", wrt))
            assert error < 1e-10, f"{key}, wrt {wrt}"
    if engine.family == "mlx":
        assert refused
        assert all(SINGLE in reason for reason in refused.values())
        return
    assert set(refused) == (THICK if engine.family == "casadi" else set())
    for reason in refused.values():
        assert re.fullmatch(r"layer 0 \(.*\) needs arrays of [34] axes; CasADi has matrices only", reason)


THICK = {
    *("batched-peaks", "batched-cross-entropy", "conv1d", "conv1d-odd", "conv2d", "conv2d-odd", "max-pool", "avg-pool"),
    *("global-avg-pool", "attention", "attention-causal", "residual-conv", "permute"),
}  #: layers over more than two axes


@pytest.mark.parametrize("name", EAGER)
def test_no_derivative_of_relu_at_zero(name):
    network, engine = ad.Network([ad.Elementwise("relu", 2)]), peer(name)
    convention = 1 if engine.family == "enzyme" else 0  # Enzyme goes with the second of two equal ones
    np.testing.assert_array_equal(engine.prepare(network)(np.zeros(2)), convention * np.eye(2))


@pytest.mark.parametrize("name", EAGER)
def test_extreme_inputs_stay_finite(name):
    """Shifts keep exp from overflowing, and ties of the maximum leave the derivative alone."""
    if peer(name).family == "mlx":
        pytest.skip(SINGLE)
    x = np.array([800.0, 800.0, -800.0])
    softplus, loss = ad.Network([ad.Elementwise("softplus", 3)]), ad.Network([ad.CrossEntropy(1, 3)])
    for network in (softplus, loss):
        J = peer(name).prepare(network)(x)
        np.testing.assert_allclose(J, ad.jacobian(network, x, "reverse"), atol=1e-14)


@pytest.mark.parametrize("wrt", ["input", "params"])
@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("name", FORWARD)
def test_jvp(name, seeds, wrt):
    network = ad.problems.mlp(4, 3, 2, 5)
    x, V = network.example_input(), np.random.default_rng(0).standard_normal((network.variables(wrt), seeds))
    found = peer(name).prepare(network, wrt, operation="jvp", seeds=seeds)(x, V)
    assert relative_error(found, ad.jacobian(network, x, "reverse", wrt) @ V) < 1e-12


@pytest.mark.parametrize("wrt", ["input", "params"])
@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("name", REVERSE)
def test_vjp(name, seeds, wrt):
    network = ad.problems.mlp(4, 3, 2, 5)
    x, U = network.example_input(), np.random.default_rng(0).standard_normal((seeds, 3))
    found = peer(name).prepare(network, wrt, operation="vjp", seeds=seeds)(x, U)
    assert relative_error(found, U @ ad.jacobian(network, x, "reverse", wrt)) < 1e-12


@pytest.mark.parametrize("name", EAGER)
def test_gradient_and_value(name):
    network = ad.problems.mlp(4, 1, 2, 5)
    x, engine = network.example_input(), peer(name)
    gradient = engine.prepare(network, "params", operation="gradient")(x)
    assert relative_error(gradient[0], ad.gradient(network, x, wrt="params")) < 1e-12
    np.testing.assert_allclose(engine.prepare(network, operation="value")(x), network(x), rtol=1e-12)


@pytest.mark.parametrize("name", EAGER)
def test_parameters_are_taken_as_they_are_at_the_run(name):
    network = ad.problems.mlp(4, 3, 2, 5)
    x, run = network.example_input(), peer(name).prepare(network)
    bound = run.bound(x)
    before = run(x)
    network.params = 1.5 * network.params
    expected = ad.jacobian(network, x, "reverse")
    assert relative_error(run(x), expected) < 1e-12
    np.testing.assert_allclose(np.asarray(run.to_numpy(bound())), before)
    np.testing.assert_allclose(np.asarray(run.to_numpy(run.bound(x)())), expected, rtol=1e-10)


@pytest.mark.parametrize("name", EAGER)
def test_bound_checks_and_repeats(name):
    network = ad.problems.mlp(4, 3, 2, 5)
    x, run = network.example_input(), peer(name).prepare(network)
    call = run.bound(x)
    for _ in range(2):
        np.testing.assert_allclose(np.asarray(run.to_numpy(call())), run(x))
    with pytest.raises(ad.InputError, match=r"x has shape \(3,\)"):
        run.bound(x[:3])
    out = np.empty(run.shape)
    assert run(x, out=out) is out


@pytest.mark.parametrize("name", ["torch-forward(chunk=2)", "torch-reverse(chunk=2)"])
@pytest.mark.parametrize("wrt", ["input", "params"])
def test_chunks(name, wrt):
    network = ad.problems.mlp(5, 4, 2, 3)
    x = network.example_input()
    J = peer(name).prepare(network, wrt)(x)
    assert relative_error(J, ad.jacobian(network, x, "reverse", wrt)) < 1e-12


@pytest.mark.parametrize("name", COMPILED)
def test_compiled(name):
    network = ad.problems.mlp(3, 1, 2, 4)
    x, run = network.example_input(), peer(name).prepare(network)
    assert relative_error(run(x), ad.jacobian(network, x, "reverse")) < 1e-10
    network.params = 1.5 * network.params
    assert relative_error(run(x), ad.jacobian(network, x, "reverse")) < 1e-10


def test_a_wrong_shape_or_precision_is_refused():
    network = ad.problems.mlp(4, 1, 2, 5)
    run = peer("autograd-reverse").prepare(network)
    run.derivative = lambda x, theta: np.ones(4)
    with pytest.raises(ad.AutodiffError, match=r"autograd-reverse gave float64 \(4,\); expected float64 \(1, 4\)"):
        run(network.example_input())


@pytest.mark.parametrize("name", NAMES)
def test_not_installed(name, monkeypatch):
    def missing(distribution):
        raise importlib.metadata.PackageNotFoundError(distribution)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    engine = ad.engine(name)
    line = "pip install 'autodiff-bench[" if engine.extra != "peers" else f"pip install {engine.package}, or all peers"
    assert engine.available().startswith(f"{engine.package} is not installed; {line}")
    with pytest.raises(ad.UnsupportedError, match="is not installed"):
        engine.prepare(ad.problems.mlp(2, 2, 1))


@pytest.mark.parametrize("name", NAMES)
def test_too_old(name, monkeypatch):
    monkeypatch.setattr(importlib.metadata, "version", lambda distribution: "0.0.1+cpu")
    engine = ad.engine(name)
    upgrade = f"pip install --upgrade '{engine.package}>={engine.minimum}'"
    assert engine.available() == f"{engine.package} 0.0.1+cpu is too old, {name} needs {engine.minimum}; {upgrade}"


def test_minimums_are_those_of_the_extra():
    requires = importlib.metadata.requires("autodiff-bench") or []
    if "enzyme" not in (importlib.metadata.metadata("autodiff-bench").get_all("Provides-Extra") or []):
        pytest.skip("the installed metadata was made before the extras")
    for engine in PEERS:
        names = "|".join(engine.distributions or (engine.package,))
        line = rf"({names})(\[\w+\])?>={re.escape(engine.minimum)}; extra == .{engine.extra}."
        assert any(re.fullmatch(line.replace("_", "[-_]"), found) for found in requires), engine.name


def test_jax_convolves_either_way():
    pytest.importorskip("jax")
    network = ad.problems.cnn(of="scores", channels=2)
    x = network.example_input()
    own, windows = (ad.jacobian(network, x, engine=f"jax-forward(convolutions={how})") for how in ("lax", "windows"))
    np.testing.assert_allclose(own, windows, 1e-12, 1e-14)
    with pytest.raises(ad.InputError, match="expected lax or windows"):
        ad.engine("jax-reverse(convolutions=direct)")


def test_no_compiler(monkeypatch):
    engine = peer("torch-compile-reverse")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert "needs a C++ compiler" in engine.available()
    assert ad.engine("torch-reverse").available() == ""


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("jax-reverse", "JAX finds no gpu here, only cpu"),
        ("torch-reverse", "PyTorch finds no gpu here, only cpu"),
        ("autograd-reverse", "Autograd computes on the cpu only, and AUTODIFF_DEVICE is gpu"),
        ("casadi-reverse", "CasADi computes on the cpu only, and AUTODIFF_DEVICE is gpu"),
    ],
)
def test_no_gpu(name, reason, monkeypatch):
    engine = peer(name)
    if engine.family == "jax":
        monkeypatch.setattr(package("jax"), "devices", lambda: package("jax").local_devices(backend="cpu"))
    if engine.family == "torch":
        monkeypatch.setattr(package("torch").cuda, "is_available", lambda: False)
    monkeypatch.setenv("AUTODIFF_DEVICE", "gpu")
    assert engine.supports(ad.problems.mlp(2, 2, 1)) == reason
    monkeypatch.setenv("AUTODIFF_DEVICE", "tpu")
    with pytest.raises(ad.InputError, match="AUTODIFF_DEVICE is 'tpu'; expected cpu or gpu"):
        engine.supports(ad.problems.mlp(2, 2, 1))


class Sorted(ad.Layer):
    """A layer that goes round the namespace, and one that gives the wrong shape."""

    n = m = 3

    def __init__(self, shape=(3,)):
        self.shape = shape

    def function(self, x, params, xp=np):
        return xp.asarray(np.sort(np.array([float(value) for value in x]))) if self.shape == (3,) else x.reshape(3, 1)

    def derivative_of(self, dtype):
        raise NotImplementedError


@pytest.mark.parametrize("name", NAMES)
def test_a_layer_that_cannot_be_traced(name):
    engine = peer(name)
    column = ad.Network([ad.Elementwise("tanh", 3), Sorted((3, 1))])
    assert engine.supports(column) == f"layer 1 (Sorted) gives shape (3, 1) under {engine.title}; expected (3,)"
    if engine.family != "autograd":  # which lets float() through
        reason = engine.supports(ad.Network([ad.Elementwise("tanh", 3), Sorted()]))
        assert reason.startswith(f"layer 1 (Sorted) cannot be traced by {engine.title}: ")


def test_a_failing_compilation_is_told(monkeypatch):
    torch, engine = package("torch"), peer("torch-compile-forward")

    def fail(*args, **options):
        raise RuntimeError("no such file\nand more")

    monkeypatch.setattr(torch, "compile", fail)
    with pytest.raises(
        ad.UnsupportedError, match=r"torch-compile-forward cannot compile mlp: RuntimeError: no such file$"
    ):
        engine.prepare(ad.problems.mlp(2, 2, 1))


def test_as_jax():
    jax = package("jax")
    network = ad.problems.mlp(4, 1, 2, 5)
    x = network.example_input()
    with jax.enable_x64(True):
        f, params = network.as_jax()
        g = jax.grad(lambda params: f(x, params)[0])(params)
        assert params.dtype == np.float64
        assert relative_error(np.asarray(g), ad.gradient(network, x, wrt="params")) < 1e-12
    with jax.enable_x64(False), pytest.raises(ad.InputError, match="jax_enable_x64"):
        network.as_jax()
    with jax.enable_x64(False):
        f, params = network.astype(np.float32).as_jax()
        assert f(x.astype(np.float32), params).dtype == np.float32


def test_as_torch():
    torch = package("torch")
    network = ad.problems.digits_loss(hidden=3, samples=2)
    f, params = network.as_torch()
    f(torch.tensor(network.example_input()), params.requires_grad_()).backward()
    found = params.grad.numpy()
    assert relative_error(found, ad.gradient(network, network.example_input(), wrt="params")) < 1e-12
    assert not np.shares_memory(params.detach().numpy(), network.params)


@pytest.mark.parametrize(("method", "name"), [("as_jax", "jax"), ("as_torch", "torch")])
def test_plain_functions_need_the_package(method, name, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)  # what Python does for a module that is not there
    with pytest.raises(ad.UnsupportedError, match=f"pip install {name}"):
        getattr(ad.problems.mlp(2, 2, 1), method)()


def evaluate(function, *arrays):
    """A function of CasadiArrays, at numbers."""
    casadi = package("casadi")
    symbols = [casadi.MX.sym("z", array.size) for array in arrays]
    made = function(*(CasadiArray(s, (s.shape[0],)).reshape(a.shape) for s, a in zip(symbols, arrays, strict=True)))
    found = casadi.Function("f", symbols, [made.held])(*(array.ravel() for array in arrays))
    return np.array(found).T.reshape(made.shape)


@pytest.mark.parametrize(
    "function",
    [
        lambda x, v, xp: x * v - 2.0 * v,
        lambda x, v, xp: 1.0 / (x * x + 1.0) + v**2,
        lambda x, v, xp: x[1:, ::2],
        lambda x, v, xp: x[..., 0],
        lambda x, v, xp: v[:, None] * v - x[0],
        lambda x, v, xp: x.T.reshape(-1),
        lambda x, v, xp: x.reshape((2, 6)),
        lambda x, v, xp: xp.matmul(x, v),
        lambda x, v, xp: xp.matmul(xp.matmul(v, x.T), x),
        lambda x, v, xp: xp.sum(x, axis=0) + xp.max(x, axis=0),
        lambda x, v, xp: xp.sum(x, axis=-1, keepdims=True) * xp.mean(x, axis=1, keepdims=True),
        lambda x, v, xp: xp.max(x, axis=-1) - xp.mean(x),
        lambda x, v, xp: xp.where(x > v, x, -x) + xp.asarray(np.ones((3, 4))) + np.arange(4.0),
        lambda x, v, xp: xp.log1p(xp.exp(x)) + xp.log(x * x) + xp.sin(x) * xp.tanh(xp.real(x)),
    ],
)
@pytest.mark.parametrize("single", [True, False])
def test_casadi_arrays_are_numpy_arrays(function, single):
    package("casadi")
    rng = np.random.default_rng(0)
    x, v = rng.standard_normal((3, 4)), rng.standard_normal(4)
    xp = CasadiNamespace(single)
    np.testing.assert_allclose(evaluate(lambda x, v: function(x, v, xp), x, v), function(x, v, np), rtol=1e-14)
