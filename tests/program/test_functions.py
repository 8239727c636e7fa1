"""Layers are functions: the same numbers in every namespace, with derivatives by complex steps and by peers."""

import copy
import pickle

import numpy as np
import pytest
from conftest import LAYERS, point_for

import autodiff as ad
from autodiff.engines.differences import ComplexStep, FiniteDifference
from autodiff.engines.peers.torch import TorchForward
from autodiff.errors import DTypeError, InputError, UnsupportedError
from autodiff.layers import ACTIVATIONS, Batched, CrossEntropy, Dense, Elementwise, Function, Layer, SquaredError
from autodiff.namespaces import special
from autodiff.namespaces.casadi import CasadiNamespace
from autodiff.namespaces.casadi_arrays import CasadiArray, held_shape
from autodiff.namespaces.torch import TorchNamespace
from autodiff.network import Network
from autodiff.primitives.stepped import COMPLEX_FORMS, Stepped

STEP = 1e-40
RNG = np.random.default_rng(0)


def mixed(x, params, xp):
    """A bit of everything that namespaces have."""
    W, c = params
    y = xp.matmul(W, x) * xp.asarray(np.arange(1.0, 4.0), dtype=x.dtype)
    z = xp.concatenate([xp.maximum(y, 0.5), xp.minimum(x, 0.1), xp.abs(c)])
    s = xp.stack([xp.logaddexp(y, y[0]), xp.sqrt(xp.square(y) + 1.0), special(xp).expit(y)])
    return xp.concatenate([z, s.reshape(9), xp.clip(y, -0.3, 0.3), xp.stack([y, y * c], axis=1).T.reshape(6)])


def rolled(x, params=(), xp=np):
    return xp.concatenate([x[1:], x[:1]]) * xp.exp(x)


EVERY = {
    **LAYERS,
    "function": Function(mixed, 4, (RNG.standard_normal((3, 4)), RNG.standard_normal(3))),
    "batched-function": Batched(Function(rolled, 4), 3),
}
NAMES = list(EVERY)


def numpys(layer, x):
    with np.errstate(all="ignore"):
        return np.asarray(layer.function(x, layer.params, np))


def in_jax(layer, x):
    jax = pytest.importorskip("jax", reason="jax is not installed")
    with jax.enable_x64(True):
        return np.asarray(layer.function(jax.numpy.array(x), tuple(map(jax.numpy.array, layer.params)), jax.numpy))


def in_torch(layer, x):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    return layer.function(torch.tensor(x), tuple(map(torch.tensor, layer.params)), TorchNamespace()).numpy()


def in_autograd(layer, x):
    xp = pytest.importorskip("autograd.numpy", reason="autograd is not installed")
    return layer.function(x, layer.params, xp)


def in_casadi(layer, x):
    casadi = pytest.importorskip("casadi", reason="casadi is not installed")
    arrays = (x, *layer.params)
    try:
        symbols = [casadi.MX.sym("z", *held_shape(array.shape)) for array in arrays]
        first, *rest = (CasadiArray(s, array.shape) for s, array in zip(symbols, arrays, strict=True))
        made = layer.function(first, tuple(rest), CasadiNamespace())
    except UnsupportedError as error:
        pytest.skip(str(error))  # more than two axes
    return np.array(casadi.Function("f", symbols, [made.held])(*(array.T for array in arrays))).T.reshape(made.shape)


@pytest.mark.parametrize("peer", [in_jax, in_torch, in_autograd, in_casadi])
@pytest.mark.parametrize("name", NAMES)
def test_every_namespace_gives_the_same(name, peer):
    layer = EVERY[name]
    x = point_for(layer)
    np.testing.assert_allclose(peer(layer, x), numpys(layer, x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_complex_steps_agree_with_central_differences(name):
    layer = EVERY[name]
    x = point_for(layer)
    rng, h = np.random.default_rng(3), 1e-6
    v, T = rng.standard_normal(x.shape), [rng.standard_normal(array.shape) for array in layer.params]

    def moved(t):
        return layer.function(x + t * v, tuple(a + t * d for a, d in zip(layer.params, T, strict=True)), np)

    stepped = tuple(Stepped(a + 1j * STEP * d) for a, d in zip(layer.params, T, strict=True))
    y = layer.function(Stepped(x + 1j * STEP * v), stepped, np)
    assert isinstance(y, Stepped)
    np.testing.assert_allclose(y.real, numpys(layer, x), rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(y.imag / STEP, (moved(h) - moved(-h)) / (2 * h), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", NAMES)
def test_single_precision_stays_single(name):
    layer = EVERY[name]
    x = point_for(layer)
    single = layer.with_params(tuple(array.astype(np.float32) for array in layer.params))
    y = numpys(single, x.astype(np.float32))
    assert y.dtype == np.float32
    assert single(x.astype(np.float32)).dtype == np.float32
    np.testing.assert_allclose(y, numpys(layer, x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["relu", "softplus", "sigmoid"])
def test_single_precision_stays_single_in_peers(name):
    jax, torch = pytest.importorskip("jax"), pytest.importorskip("torch")
    phi = ACTIVATIONS[name].function
    assert phi(torch.zeros(3), TorchNamespace()).dtype == torch.float32
    with jax.enable_x64(True):
        assert phi(jax.numpy.zeros(3, np.float32), jax.numpy).dtype == np.float32


def test_tails():
    x = np.array([-40.0, -800.0, 800.0])
    tail = [np.exp(-40.0), 0.0, 1.0]
    np.testing.assert_allclose(Elementwise("sigmoid", 3)(x), tail, rtol=1e-14)
    np.testing.assert_allclose(Elementwise("softplus", 3)(x), [tail[0], 0.0, 800.0], rtol=1e-14)
    for name, slope in (("softplus", tail), ("sigmoid", [tail[0], 0.0, 0.0])):
        network = Network([Elementwise(name, 3)])
        J = ComplexStep().build(network, "input", "jacobian", 1)
        J.allocate()
        np.testing.assert_allclose(np.diag(J(x)), slope, rtol=1e-13)


@pytest.mark.parametrize("name", ["sigmoid", "softplus"])
def test_tails_in_peers(name):
    phi, x = ACTIVATIONS[name].function, np.array([-40.0, -800.0, 800.0, 0.0])
    expected = [np.exp(-40.0), 0.0, float(name == "softplus"), 0.5 if name == "softplus" else 0.25]
    jax, torch, autograd = map(pytest.importorskip, ("jax", "torch", "autograd"))
    casadi, xp = pytest.importorskip("casadi"), pytest.importorskip("autograd.numpy")
    TorchForward().load()  # which keeps PyTorch's warnings of itself
    with jax.enable_x64(True):
        found = [jax.vmap(jax.grad(lambda z: phi(z, jax.numpy)))(x)]
    found.append(torch.func.jvp(lambda z: phi(z, TorchNamespace()), (torch.tensor(x),), (torch.ones(4).double(),))[1])
    found.append(torch.func.vjp(lambda z: phi(z, TorchNamespace()), torch.tensor(x))[1](torch.ones(4).double())[0])
    with np.errstate(all="ignore"):
        found.append(autograd.elementwise_grad(lambda z: phi(z, xp))(x))
        found.append(autograd.make_jvp(lambda z: phi(z, xp))(x)(np.ones(4))[1])
    z = casadi.MX.sym("z", 4)
    y = phi(CasadiArray(z, (4,)), CasadiNamespace()).held
    found.append(np.diag(casadi.Function("f", [z], [casadi.jacobian(y, z)])(x).full()))
    for one in found:
        np.testing.assert_allclose(np.asarray(one), expected, rtol=1e-12)


def test_cross_entropy_neither_overflows_nor_cancels():
    loss = CrossEntropy(0, 3)
    assert loss(np.array([1000.0, 0.0, -1000.0]))[0] == pytest.approx(0.0)
    assert loss(np.array([-1000.0, 0.0, 1000.0]))[0] == pytest.approx(2000.0)
    single = CrossEntropy(1, 3)(np.full(3, 1e8, np.float32))
    assert single.dtype == np.float32
    assert single[0] == pytest.approx(np.log(3.0), rel=1e-6)


# -- stepped arrays

REAL = {
    "maximum": lambda z: np.maximum(z, 0.0) + np.fmax(z, z[::-1]),
    "minimum": lambda z: np.minimum(1.0, z * z) - np.fmin(z, 0.2),
    "absolute": lambda z: abs(z) * np.fabs(z[::-1]) + np.hypot(z, 1.0),
    "max": lambda z: np.max(z) + z.max() - np.amin(np.outer(z, z), axis=0) + np.max(np.stack([z, -z]), axis=(0, 1)),
    "logaddexp": lambda z: np.logaddexp(z, z[::-1]) + np.logaddexp.reduce(100 * z),
    "clip": lambda z: np.clip(z, -1.0, 1.0) + z.clip(0.0, None),
    "choices": lambda z: (
        np.where(z > 0, z, 0.0) + np.where(z <= -1.0, z * z, z) + np.sign(z) * z * np.heaviside(z, 0.5)
    ),
    "elements": lambda z: np.stack([np.abs(one) for one in z]) * np.maximum(z[0], z[2]),
    "domains": lambda z: np.log(np.abs(z)) + np.sqrt(np.abs(z)) + np.log1p(z * z) + np.power(np.abs(z), 0.7) + z**3,
    "angles": lambda z: np.arctan2(z, 2.0 * z[::-1] + 0.3) + np.cbrt(z) + np.remainder(z, 2.0),
    "moments": lambda z: np.mean(z) + z.var() * np.std(z, ddof=1) + np.linalg.norm(z) + z.prod(),
    "products": lambda z: z.dot(z) + np.vdot(z, z) + np.vecdot(z, z) + np.conj(z) @ z,
    "solve": lambda z: np.linalg.solve(np.vander(np.arange(1.0, 6.0)), z),
    "astype": lambda z: z.astype(float) * 2.0,
    "written": lambda z: np.multiply(z, z, out=np.zeros_like(z)),
    "expit": lambda z: special(np).expit(z) + special(np).log_expit(z),
}


@pytest.mark.parametrize("name", REAL)
def test_functions_that_complex_numbers_lack(name):
    f, x, h = REAL[name], np.array([0.3, -0.7, 1.2, 2.4, -2.9]), 1e-6
    v = np.array([0.3, -1.2, 0.7, 0.4, 1.1])
    y = f(Stepped(x + 1j * STEP * v))
    np.testing.assert_allclose(y.real, f(x), rtol=1e-13)
    np.testing.assert_allclose(y.imag / STEP, (f(x + h * v) - f(x - h * v)) / (2 * h), rtol=1e-6, atol=1e-7)


def test_ties_share_the_derivative():
    z = Stepped(np.zeros(2) + 1j * STEP)
    for y in (np.maximum(z, 0.0), np.minimum(0.0, z)):
        np.testing.assert_allclose(y.imag / STEP, 0.5)
    assert (abs(z).imag == 0).all()
    assert (np.where(z > 0, z, 0.0).imag == 0).all()
    equal = Stepped(np.array([1.0 + 3j * STEP, 1.0 + 6j * STEP, 0.0, 1.0]))
    assert np.max(equal).imag / STEP == pytest.approx(3.0)


def test_outside_their_domain_functions_give_nan_as_they_do():
    z = Stepped(np.array([-1.5 + 1j * STEP]))
    with np.errstate(all="ignore"):
        for f in (np.log, np.sqrt, np.log1p, np.arcsin, lambda z: z**0.5):
            assert np.isnan(f(z).real).all()


def test_what_is_not_analytic_is_refused():
    z = Stepped(np.ones((2, 2)))
    with pytest.raises(UnsupportedError, match="spacing has no complex form; give it one by autodiff"):
        np.spacing(z)
    with pytest.raises(UnsupportedError, match=r"np\.linalg\.svd is not analytic"):
        np.linalg.svd(z)


def test_others_can_add_forms(monkeypatch):
    monkeypatch.setitem(COMPLEX_FORMS, np.spacing, lambda z: 2.0 * z)
    assert np.spacing(Stepped([1.0 + 1j * STEP])).imag[0] == 2 * STEP


def ran(engine, network, wrt, operation="jacobian", seeds=1):
    made = engine.build(network, wrt, operation, seeds)
    made.allocate()
    return made


@pytest.mark.parametrize("name", NAMES)
def test_difference_engines(name):
    network = Network([EVERY[name]])
    x = point_for(EVERY[name])
    for wrt in ("input", "params") if network.params.size else ("input",):
        exact, rough = ran(ComplexStep(), network, wrt), ran(FiniteDifference(), network, wrt)
        J = exact(x)
        np.testing.assert_allclose(rough(x), J, rtol=1e-6, atol=1e-6)
        V = np.random.default_rng(5).standard_normal((J.shape[1], 2))
        np.testing.assert_allclose(ran(ComplexStep(), network, wrt, "jvp", 2)(x, V), J @ V, rtol=1e-11, atol=1e-11)
        np.testing.assert_allclose(ran(FiniteDifference(), network, wrt, "jvp", 2)(x, V), J @ V, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["dense-tanh", "peaks", "function"])
def test_complex_steps_are_exact_for_single_precision(name):
    """A step of 1e-40 is a subnormal number in single precision; the steps are taken in double."""
    network = Network([EVERY[name]])
    x, single = point_for(EVERY[name]).astype(np.float32), network.astype(np.float32)
    double = single.astype(np.float64)
    for wrt in ("input", "params") if network.params.size else ("input",):
        J = ran(ComplexStep(), double, wrt)(x.astype(np.float64))
        V = np.eye(J.shape[1], 2, dtype=np.float32)
        np.testing.assert_allclose(ran(ComplexStep(), single, wrt)(x), J, rtol=1e-6, atol=1e-7)
        found = ran(ComplexStep(), single, wrt, "jvp", 2)(x, V)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, J[:, :2], rtol=1e-6, atol=1e-7)


# -- functions of one's own


def test_function_is_called_with_what_it_takes():
    x, c = np.arange(1.0, 4.0), np.array([2.0])
    for f in (
        lambda x: x * 2.0,
        lambda x, params: x * params[0],
        lambda x, theta: x * theta[0],
        lambda x, theta, lib: lib.multiply(x, theta[0]),
        lambda x, params, xp=np: xp.multiply(x, params[0]),
        lambda x, *, params: x * params[0],
        lambda x, scale=2.0: x * scale,
        lambda x, xp: xp.multiply(x, 2.0),
        lambda *args: args[0] * 2.0,
    ):
        np.testing.assert_array_equal(Function(f, 3, (c,))(x), 2 * x)
    layer = Function(np.cumsum, 3)
    assert (layer.n, layer.m, layer.kind, repr(layer)) == (3, 3, "Function", "Function(cumsum: 3 -> 3)")
    np.testing.assert_array_equal(Function(np.sin, 3)(x), np.sin(x))
    np.testing.assert_array_equal(Function(lambda x: x @ x, 3)(x), [14.0])
    np.testing.assert_array_equal(Network([Function(np.sum, 3)])(x), [6.0])


def test_function_copies_its_parameters():
    c = np.ones(3)
    layer = Function(lambda x, params: x * params[0], 3, [c])
    c[:] = 7.0
    np.testing.assert_array_equal(layer(np.ones(3)), 1.0)
    target = np.zeros(2)
    loss = SquaredError(target)
    target[:] = 7.0
    assert loss(np.zeros(2))[0] == 0.0


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Function("f", 2), InputError, "takes a function, not str"),
        (lambda: Function(np.sin, 0), InputError, r"n of Function\(sin\) is 0"),
        (lambda: Function(np.sin, 2, np.ones(2)), InputError, "as a tuple of arrays, not ndarray"),
        (lambda: Function(np.sin, 2, ([1, 2],)), DTypeError, r"params\[0\] is int64"),
        (
            lambda: Function(np.linalg.inv, 2),
            InputError,
            r"Function\(inv\) at zeros of shape \(2,\) fails: LinAlgError",
        ),
        (lambda: Function(lambda x: [x[0]], 2), InputError, r"Function\(<lambda>\) at zeros .* gives list; expected"),
        (lambda: Function(lambda x: x > 0, 2), InputError, r"gives bool \(2,\); expected a vector of floats"),
        (lambda: Function(lambda x: x[:, None], 2), InputError, r"gives float64 \(2, 1\)"),
        (lambda: Function(lambda x, a, b, c: x, 2), InputError, "takes arguments besides x, params and xp"),
        (lambda: Function(lambda: 1.0, 2), InputError, "takes no argument by position"),
    ],
)
def test_functions_that_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_a_layer_that_gives_another_shape():
    class Column(Layer):
        n = m = 3

        def function(self, x, params, xp=np):
            return x.reshape(3, 1)

    with pytest.raises(InputError, match=r"Column gives shape \(3, 1\); expected \(3,\)"):
        Column()(np.ones(3))
    with pytest.raises(InputError, match=r"network gives shape \(3, 1\); expected \(3,\)"):
        Network([Column()])(np.ones(3))


def squares(x):
    return x * x


@pytest.mark.parametrize("again", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one)), copy.copy])
def test_copies_of_networks_are_independent(again):
    f = Function(mixed, 4, (RNG.standard_normal((3, 4)), RNG.standard_normal(3)))
    layers = [f, Batched(Dense(np.ones((2, 7)), np.ones(2), "softplus"), 4), Function(squares, 8), CrossEntropy([0, 1])]
    network = Network(layers, "named", example=np.ones(4))
    made, x = again(network), network.example_input()
    np.testing.assert_array_equal(made(x), network(x))
    assert (made.name, made.params.dtype, made.slices) == (network.name, network.params.dtype, network.slices)
    np.testing.assert_array_equal(made.example_input(), x)
    assert not np.shares_memory(made.params, network.params)
    before = network(x)
    made.params *= 1.5
    np.testing.assert_array_equal(network(x), before)
    for layer in (made.layers[0], made.layers[1], made.layers[1].layer):
        assert all(np.shares_memory(array, made.params) for array in layer.params)
    for changed in (network, made):
        y = x
        for layer in changed.layers:
            y = layer(y)
        np.testing.assert_array_equal(changed(x), y)
    assert not np.array_equal(made(x), before)


@pytest.mark.parametrize("engine", ["forward", "reverse", "compiled-reverse"])
def test_powers_of_zero(engine):
    """0 ** 0 is 1 whatever its base does, and 0 ** b is 0 whatever b > 0 does."""
    exponents = np.array([0.0, 1.0, 2.0, 3.0])
    constant = ad.Network([ad.Function(lambda x: x**exponents, 4)])
    both = ad.Network([ad.Function(lambda x: x[:2] ** x[2:], 4)])
    assert np.array_equal(ad.jacobian(constant, np.zeros(4), engine), np.diag([0.0, 1.0, 0.0, 0.0]))
    assert np.array_equal(ad.jacobian(both, np.array([0.0, 0.0, 0.0, 2.0]), engine), np.zeros((2, 4)))
