"""Checks for people who add a layer or an engine of their own: they raise AssertionError with what disagrees."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from .arrays import Array, as_vector
from .engines import Engine
from .engines import engine as find_engine
from .errors import UnsupportedError
from .layers import Batched, Dense, Layer
from .network import Network
from .primitives.stepped import Stepped
from .problems import families, find_family

TOLERANCE = 1e-10  #: relative; analytic derivatives agree with complex steps to about 1e-15
SINGLE = 1e-4  #: relative, for float32
DIFFERENCES = 1e-5  #: relative, where only difference quotients can be compared with
PRODUCTS = {"forward": "jvp", "reverse": "vjp"}
DIRECTIONS = 3  #: random directions that a Jacobian is multiplied by: every entry takes part


def relative_error(found: Array, expected: Array) -> float:
    """The largest difference, over the largest expected magnitude."""
    if found.shape != expected.shape:
        raise AssertionError(f"shape {found.shape}, expected {expected.shape}")
    scale = float(np.abs(expected).max(initial=0.0))
    worst = float(np.abs(found - expected).max(initial=0.0))
    return worst / scale if scale else worst


def reference_product(network: Network, x: Array, V: Array, wrt: str = "input") -> Array:
    """``f'(x) V`` by complex steps along the columns of V, through the layers' plain functions.

    This uses no derivative rule and no engine, so it is the reference that engines are checked against.
    """
    step, theta = 1e-40, network.params.astype(np.float64)
    point = x.astype(np.float64)
    columns = []
    for v in V.T:
        dx, dtheta = (v, 0.0) if wrt == "input" else (0.0, v)
        y = network.function(Stepped(point + 1j * step * dx), network.parts(Stepped(theta + 1j * step * dtheta)))
        columns.append(np.imag(np.asarray(y)) / step)
    return np.stack(columns, axis=1)


def check_layer(layer: Layer, x: Array, tolerance: float = TOLERANCE) -> None:
    """Check what a layer computes at x (n,), and all its derivatives, against complex steps through its function.

    Value, Jacobian, jvp and vjp, by forward and by reverse, whole and in blocks, with respect to the input and to the
    parameters, by NumPy's executor and, where it can run the layer, by the compiled one; of the layer alone, in a chain
    with dense layers, behind itself, and at float32. A layer that is ``batched`` has to give with leading axes what it
    gives sample by sample. The reference of an opaque layer are difference quotients.

    Args:
        layer: any layer; one without a size takes that of x.
        x: a point at which the function is smooth.
        tolerance: relative to the largest entry.

    Raises:
        AssertionError: naming the layer and what is off, and by how much.
        UnsupportedError, InputError: the function cannot be recorded, or x does not fit; the message says why.
    """
    sized = layer if layer.n else layer.sized(np.size(x))
    point = as_vector(x, sized.n, "x", np.dtype(np.float64))
    opaque = sized.opaque_linearize is not None
    allowed = max(tolerance, DIFFERENCES) if opaque else tolerance
    with np.errstate(all="ignore"):
        if sized.batched and not opaque:
            _check_leading_axes(sized, point, tolerance)
        for place, network, at in _places(sized, point):
            _check_network(f"{sized.kind} {place}", network, at, allowed, opaque)
        single = Network([sized]).astype(np.float32)
        allowed = max(allowed, SINGLE)
        _check_network(f"{sized.kind} at float32", single, point.astype(np.float32), allowed, opaque)


def _check_leading_axes(layer: Layer, x: Array, tolerance: float) -> None:
    """``function`` of (..., n) against ``function`` of every row."""
    rows = np.stack([x, 1.01 * x, 0.99 * x])
    expected = np.stack([np.asarray(layer.function(row, layer.params, np)) for row in rows])
    for lead in ((3,), (1, 3), (3, 1)):
        what = f"{layer.kind} is declared batched; its function of shape {(*lead, layer.n)}"
        try:
            y = np.asarray(layer.function(rows.reshape(*lead, layer.n), layer.params, np))
        except Exception as error:  # another's function may raise anything
            raise AssertionError(f"{what} fails: {type(error).__name__}: {error}") from error
        _agree(what, y, expected.reshape(*lead, layer.m), tolerance)


def _places(layer: Layer, x: Array) -> Iterator[tuple[str, Network, Array]]:
    """Networks with the layer in them, and where to look at them so that the layer sees x."""
    rng = np.random.default_rng(0)
    alone = Network([layer]).astype(np.float64)
    yield "alone", alone, x
    y, z = alone(x), rng.standard_normal(2)
    first, between, last = _passing(rng, z, x), _passing(rng, y, x), _passing(rng, y, np.full(2, 0.5), "sin")
    yield "in a chain with dense layers", Network([first, layer, between, layer, last]), z
    if layer.n == layer.m and np.isfinite(alone.function(y)).all():
        yield "behind itself", Network([layer, layer]), x
    if layer.batched and layer.opaque_linearize is None:
        yield "in a batch", Network([Batched(layer, 2)]), np.concatenate([x, 1.01 * x])


def _passing(rng: np.random.Generator, x: Array, z: Array, activation: str = "identity") -> Dense:
    """A dense layer ``phi(W x + b)`` with ``W x + b = z`` at this x."""
    W = rng.standard_normal((z.size, x.size)) / np.sqrt(x.size)
    return Dense(W, z - W @ x, activation)


def _check_network(place: str, network: Network, x: Array, tolerance: float, opaque: bool) -> None:
    rng = np.random.default_rng(1)
    y = network(x)
    U = rng.standard_normal((DIRECTIONS, network.m)).astype(network.dtype)
    for wrt in ("input", "params") if network.params.size else ("input",):
        columns = network.variables(wrt)
        V = rng.standard_normal((columns, DIRECTIONS)).astype(network.dtype)
        if opaque:
            expected = find_engine("finite-difference").prepare(network.astype(np.float64), wrt)(x.astype(float)) @ V
        else:
            expected = reference_product(network, x, V, wrt)
        for order, product in PRODUCTS.items():
            blocks = [k for k in (1, 2) if k < (columns if order == "forward" else network.m)]
            for name in (order, *(f"{order}(chunk={k})" for k in blocks)):
                J, value = _run(name, network, wrt, "jacobian", x, None)
                for executor, found in J.items():
                    what = f"{place}: {executor}{name}, the Jacobian with respect to the {wrt},"
                    _agree(what, found.astype(np.float64) @ V, expected, tolerance)
                    _agree(f"{place}: {executor}{name}, the value", value[executor], y, tolerance)
            seed = V if product == "jvp" else U
            for executor, found in _run(order, network, wrt, product, x, seed)[0].items():
                what = f"{place}: {executor}{order}, the {product} with respect to the {wrt},"
                if product == "jvp":
                    _agree(what, found.astype(np.float64), expected, tolerance)
                else:
                    _agree(what, found.astype(np.float64) @ V, U @ expected, tolerance)


def _run(
    name: str, network: Network, wrt: str, operation: str, x: Array, seed: Array | None
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Result and value of the second run at x, by prefix of the executor."""
    results, values = {}, {}
    for executor in ("", "compiled-"):
        engine = find_engine(executor + name)
        if engine.available():
            continue
        try:
            run = engine.prepare(network, wrt, operation=operation, seeds=DIRECTIONS)
        except UnsupportedError:
            if not executor:
                raise
            continue  # a function that has no compiled form
        run(x, seed)
        results[executor] = run(x, seed, np.full(run.shape, np.nan, network.dtype))
        values[executor] = run.value
    return results, values


def _agree(what: str, found: Array, expected: Array, tolerance: float) -> None:
    try:
        error = relative_error(found, expected)
    except AssertionError as wrong:
        raise AssertionError(f"{what} has {wrong}") from None
    assert error <= tolerance, f"{what} is off by {error:.1e} (relative; allowed {tolerance:.0e})"


def check_engine(engine: Engine | str, tolerance: float | None = None, problems: Iterable[str] | None = None) -> None:
    """Check an engine's Jacobians on every problem family, at a small size, against complex steps.

    Args:
        engine: or its name.
        tolerance: relative to the largest entry; left out, what an engine of its kind can keep.
        problems: names of families; all of them if left out.

    Raises:
        AssertionError: naming the family and the error.
        UnknownNameError: no such family.
    """
    chosen = find_engine(engine) if isinstance(engine, str) else engine
    allowed = tolerance if tolerance is not None else (TOLERANCE if chosen.analytic else 1e-4)
    for name in families() if problems is None else problems:
        network = find_family(name).small()
        for wrt in ("input", "params") if network.params.size else ("input",):
            if chosen.supports(network, wrt):
                continue
            x = network.example_input(1)
            V = np.random.default_rng(2).standard_normal((network.variables(wrt), DIRECTIONS))
            J = chosen.prepare(network, wrt=wrt)(x)
            _agree(f"{chosen.name} on {name} (wrt {wrt})", J @ V, reference_product(network, x, V, wrt), allowed)
