"""Functions that cannot be recorded are refused by name, with what to write instead; others' ufuncs are recorded."""

import subprocess
import sys

import numpy as np
import pytest
import scipy.special

import autodiff as ad
from autodiff.errors import AutodiffError, InputError, UnsupportedError
from autodiff.primitives.table import PRIMITIVES
from autodiff.program.builder import Builder

POINT = np.array([0.3, -0.7, 1.2])
M = np.arange(9.0).reshape(3, 3) / 9
kept = []


class Own(ad.Layer):
    """A layer around a function that is not tried out when it is made."""

    n = m = 3

    def __init__(self, f, *params):
        self.f, self.params = f, params

    def function(self, x, params, xp=np):
        return self.f(x, params)


def branch(x, params):
    return x if x[0] > 0 else -x


def branch_on_equality(x, params):
    return x if x[0] == 0 else -x


def assignment(x, params):
    x = x + 1.0
    x[0] = 2.0
    return x


def into_numbers(x, params):
    y = np.zeros(3)
    y[0] = x[0]
    return y


def onto_numbers(x, params):
    y = np.zeros(3)
    y += x
    return y


def keeps(x, params):
    kept.append(x * 2.0)
    return kept[0]


REFUSED = {
    "branch": (branch, "a branch cannot depend on a value; write np.where"),
    "equality": (branch_on_equality, r"values cannot be compared for equality; np\.where"),
    "truth": (lambda x, p: x if x.any else -x, "a value has no any; write it with NumPy's functions"),
    "while": (lambda x, p: x if x[0] else -x, "a branch cannot depend on a value"),
    "and": (lambda x, p: np.where((x > 0) and (x < 1), x, 0.0), "a branch cannot depend on a value; write np.where"),
    "assignment": (assignment, "a value cannot be written into; build it with np.concatenate, np.stack"),
    "into numbers": (into_numbers, r"a value put into an array of numbers, cannot be recorded; .*np\.stack"),
    "onto numbers": (onto_numbers, r"np\.add is recorded without out=; write y = np\.add\(\.\.\.\)"),
    "out": (lambda x, p: np.tanh(x, out=np.empty(3)), r"np\.tanh is recorded without out=; write y = np\.tanh"),
    "where": (lambda x, p: np.add(x, x, where=x > 0), r"np\.add is recorded without where=; leave it out"),
    "float": (lambda x, p: x * float(x[0]), r"float\(value\).* cannot be recorded; compute with x itself"),
    "boolean mask": (
        lambda x, p: x[x > 0],
        r"x\[condition\].* cannot be recorded; use np\.where\(condition, x, 0\)",
    ),
    "masks of numbers": (lambda x, p: x[np.ones((3, 1), bool)], "can be indexed by a vector of integers"),
    "float index": (lambda x, p: x[1.5], r"cannot be indexed by float; use integers, slices, .*np\.take"),
    "out of range": (lambda x, p: x[5], "index 5 is out of range for an axis of 3"),
    "taken out of range": (lambda x, p: np.take(x, [0, 3, 1]), "positions are out of range for an axis of 3"),
    "inverse": (lambda x, p: np.linalg.inv(x * np.eye(3))[0], r"np\.linalg\.inv cannot be recorded; .*opaque"),
    "sort": (lambda x, p: np.sort(x), r"np\.sort cannot be recorded; .*opaque_linearize"),
    "unknown ufunc": (lambda x, p: np.arcsinh(x), r"np\.arcsinh has no derivative rule; .*primitive\(arcsinh"),
    "accumulate": (lambda x, p: np.add.accumulate(x), r"np\.add\.accumulate cannot be recorded"),
    "asarray": (lambda x, p: np.asarray(x) * 2, r"np\.asarray\(value\) cannot be recorded.*compute with x itself"),
    "array of values": (lambda x, p: np.array([x[0], x[1], x[2]]), r"np\.asarray\(value\) cannot be .*np\.stack"),
    "integers": (lambda x, p: x.astype(int), "a value cannot become int64"),
    "keyword": (lambda x, p: np.sum(x, dtype=float) * x, r"np\.sum is recorded without dtype=; leave it out"),
    "method": (lambda x, p: x.cumsum(), "a value has no cumsum; write it with NumPy's functions"),
    "list": (lambda x, p: [x[0], x[1], x[2]], r"gives list, not a value .*; put its values together with np\.stack"),
    "constant": (lambda x, p: np.ones(3), "gives ndarray, not a value that depends on its input; compute it from x"),
    "none": (lambda x, p: None, "gives NoneType, not a value that depends on its input"),
    "shape": (lambda x, p: x[:2], r"the function gives shape \(2,\); expected \(3,\)"),
    "broadcast": (lambda x, p: x + np.ones(2), r"shapes \(3,\) and \(2,\) cannot be broadcast together"),
    "matmul": (lambda x, p: np.ones((3, 2)) @ x, r"shapes \(3, 2\) and \(3,\) do not fit together: 2 and 3"),
    "reshape": (lambda x, p: x.reshape(2, 2), r"cannot reshape 3 elements into \(2, 2\)"),
    "axis": (lambda x, p: np.sum(x, axis=1) * x, r"axis 1 is out of range for shape \(3,\)"),
    "concatenate": (lambda x, p: np.concatenate([x, np.eye(3)]), "do not fit together along axis 0"),
    "complex": (lambda x, p: x * np.ones(3, complex), "a constant is complex128; values are real numbers"),
    "complex number": (lambda x, p: x * 1j, "a constant is complex"),
    "strings": (lambda x, p: x + np.array(["a", "b", "c"]), "a constant is <U1; values are real numbers"),
    "where with numbers": (lambda x, p: np.where(x, x, 0.0), r"np\.where needs a comparison such as x > 0"),
    "where alone": (lambda x, p: np.where(x > 0), r"np\.where needs both of its values"),
    "einsum": (lambda x, p: np.einsum("ii->i", np.outer(x, x)), "einsum 'ii->i' cannot be recorded; name every"),
    "einsum of lists": (lambda x, p: np.einsum(x, [0], x, [0], [0]), "einsum is recorded with its subscripts as text"),
    "iteration": (lambda x, p: np.stack(list(x[0])), "a value without axes has no length"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_recorded(name):
    f, message = REFUSED[name]
    network = ad.Network([ad.Dense(M), Own(f)])
    for engine, wrt in (("forward", "input"), ("reverse", "params")):
        with pytest.raises(AutodiffError, match=rf"^layer 1 \(Own\).*{message}"):
            ad.engine(engine).prepare(network, wrt=wrt)


def test_the_largest_has_no_derivative():
    for f in (np.max, np.min):
        network = ad.Network([Own(lambda x, p, f=f: x - f(x))])
        for engine in ("forward", "reverse"):
            with pytest.raises(UnsupportedError, match=r"layer 0 \(Own\).* here; take np\.max of np\.real"):
                ad.engine(engine).prepare(network)


def test_values_that_were_kept():
    kept.clear()
    ad.engine("forward").prepare(ad.Network([Own(keeps)]))
    with pytest.raises(UnsupportedError, match=r"layer 0 \(Own\): .*kept from another layer or another program"):
        ad.engine("forward").prepare(ad.Network([Own(keeps)]))
    with pytest.raises(UnsupportedError, match=r"layer 0 \(Own\): a value of another program came in"):
        ad.engine("forward").prepare(ad.Network([Own(lambda x, p: x + kept[0])]))
    for keep in (lambda x, p: x, lambda x, p: np.tanh(x), lambda x, p: p[0]):

        def first(x, p, keep=keep):
            kept[:] = [keep(x, p)]
            return x * 3.0

        network = ad.Network([Own(first, POINT), Own(lambda x, p: x + kept[0])])
        with pytest.raises(UnsupportedError, match=r"layer 1 \(Own\): .*pass that value on through x"):
            ad.engine("reverse").prepare(network)


def test_what_others_raise_is_not_hidden():
    def broken(x, params):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        ad.engine("forward").prepare(ad.Network([Own(broken)]))
    with pytest.raises(InputError, match=r"layer 0 \(Own\) cannot be recorded: 'yours' is not in list"):
        ad.engine("forward").prepare(ad.Network([Own(lambda x, p: x[["mine"].index("yours")])]))


def jacobians(f, *params, n=3):
    """By complex steps, forward and reverse."""
    network = ad.Network([ad.Function(f, n, params)])
    x = np.linspace(-0.7, 1.2, n)
    for wrt in ("input", "params") if params else ("input",):
        expected = ad.jacobian(network, x, "complex-step", wrt)
        for engine in ("forward", "reverse", "compiled-reverse"):
            np.testing.assert_allclose(ad.jacobian(network, x, engine, wrt), expected, 1e-12, 1e-14, err_msg=engine)


def test_the_same_numbers_without_their_derivative():
    """A value that is computed twice is computed once; with and without a derivative it is still two values."""
    jacobians(lambda x: x * 2 - x.real * 2)
    jacobians(lambda x: np.tanh(x.real) * np.tanh(x))
    jacobians(lambda x: np.sum(x * x) * np.sum(x.real * x.real) * x)


def test_powers_at_zero():
    jacobians(lambda x: x**0 + x**1 + x**2 + x**3.0 + (x + 1.0) ** -1, n=3)
    network = ad.Network([ad.Function(lambda x: x**0 + x**1 + x**2 + x**3, 3)])
    np.testing.assert_array_equal(ad.jacobian(network, np.zeros(3), "forward"), np.eye(3))


def test_constants_that_are_written_into():
    def f(x):
        c = np.ones(3)
        y = x * c
        c[:] = 5.0
        return y + np.sin(x) * c

    network = ad.Network([ad.Function(f, 3)])
    np.testing.assert_allclose(ad.engine("forward").prepare(network, operation="value")(POINT), network(POINT), 1e-14)
    jacobians(f)


def test_factors_that_are_there_twice():
    """Of a term's factors some may be equal: cos(x)^2 is not cos(x), nor is x^2 y equal to x y^2."""
    W = np.arange(12.0).reshape(4, 3) / 7 - 0.8
    jacobians(lambda x, p: (p[0] @ (np.sin(x) * np.cos(x) + x)) ** 2, W)
    jacobians(lambda x, p: p[0] @ (x * x * np.exp(x)) + p[0] @ (x * np.exp(x) * np.exp(x)), W)


# -- ufuncs of other packages


@pytest.fixture
def rules(monkeypatch):
    monkeypatch.setattr("autodiff.primitives.table.PRIMITIVES", PRIMITIVES)
    before = dict(PRIMITIVES)
    yield
    PRIMITIVES.clear()
    PRIMITIVES.update(before)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_ufunc_of_scipy(dtype, rules):
    ad.primitive(scipy.special.erf, slope=lambda x, y: 2 / np.sqrt(np.pi) * np.exp(-x * x))
    network = ad.Network([ad.Dense(M.astype(dtype)), ad.Function(lambda x: scipy.special.erf(x) * x, 3)])
    x = POINT.astype(dtype)
    for wrt in ("input", "params"):
        expected = ad.jacobian(network.astype(np.float64), x.astype(float), "complex-step", wrt)
        for engine in ("forward", "reverse"):
            J = ad.jacobian(network, x, engine, wrt)
            assert J.dtype == dtype
            np.testing.assert_allclose(J, expected, 1e-12 if dtype == np.float64 else 1e-5, 1e-6)
            np.testing.assert_array_equal(ad.jacobian(network, x, f"compiled-{engine}", wrt), J)


@pytest.mark.filterwarnings("ignore")
def test_a_ufunc_in_python(rules):
    double = np.frompyfunc(lambda value: 2.0 * value, 1, 1)
    with pytest.raises(UnsupportedError, match=r"layer 0 \(Own\): .*has no derivative rule; .*autodiff.primitive"):
        ad.engine("forward").prepare(ad.Network([Own(lambda x, p: double(x))]))
    ad.primitive(double, slope=lambda x, y: 2.0)
    network = ad.Network([Own(lambda x, p: double(np.tanh(x)))])
    for engine in ("forward", "reverse"):
        np.testing.assert_allclose(ad.jacobian(network, POINT, engine), np.diag(2 - 2 * np.tanh(POINT) ** 2), 1e-13)
        with pytest.raises(UnsupportedError, match="calls Python"):
            ad.jacobian(network, POINT, f"compiled-{engine}")


def test_a_rule_needs_a_slope_for_every_argument(rules):
    with pytest.raises(InputError, match="takes an elementwise ufunc with one result"):
        ad.primitive(np.divmod, slopes=(None, None))
    with pytest.raises(InputError, match="hypot takes 2 arguments; 1 slopes were given"):
        ad.primitive(np.hypot, slope=lambda x, y: 1.0)
    ad.primitive(np.hypot, slopes=(lambda a, b, y: a / y, lambda a, b, y: b / y))
    jacobians(lambda x: np.hypot(x, x[::-1] * 2.0 + 1.0))


def test_a_builder_of_its_own_knows_no_others_values():
    one, other = Builder(np.dtype(float)), Builder(np.dtype(float))
    with pytest.raises(UnsupportedError, match="a value of another program came in"):
        one.outside("x", (3,)) + other.outside("x", (3,))


def test_functions_are_known_before_any_ufunc_is_called():
    """In a process of its own: everything that answers is loaded by whatever is asked for first."""
    code = "import numpy as np, autodiff as ad; ad.jacobian(ad.Network([ad.Function({}, 2)]), np.ones(2), 'forward')"
    for function in ("lambda x: np.flip(x)", "lambda x: np.sum(x, keepdims=True)"):
        done = subprocess.run([sys.executable, "-c", code.format(function)], capture_output=True, text=True)
        assert done.stderr == ""
