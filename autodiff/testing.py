"""Checks for people who add a layer or an engine of their own: they raise AssertionError with what disagrees."""

from __future__ import annotations

import itertools

import numpy as np

from .arrays import Array, as_vector
from .engines import Engine
from .engines import engine as find_engine
from .layers import Layer
from .network import Network
from .problems import families

TOLERANCE = 1e-10  #: relative; analytic derivatives agree with complex steps to about 1e-15


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
        if wrt == "input":
            y = network.function(point + 1j * step * v, theta + 0j)
        else:
            y = network.function(point + 0j, theta + 1j * step * v)
        columns.append(np.imag(y) / step)
    return np.stack(columns, axis=1)


def check_layer(layer: Layer, x: Array, tolerance: float = TOLERANCE) -> None:
    """Check every method of a layer's derivative at x (n,) against complex steps and against each other.

    Raises:
        AssertionError: naming the method that is wrong, and by how much.
    """
    network = Network([layer])
    x = as_vector(x, network.n, "x", network.dtype)
    rng = np.random.default_rng(0)
    bound = network.layers[0]
    derivative = bound.derivative(cotangents=3)
    m, n = derivative.shape
    p = derivative.parameters
    checks: list[tuple[str, Array, Array]] = []
    y = bound.function(x, network.params)
    checks.append(("value", derivative.value(x).copy(), y))
    checks.append(("at", derivative.at(x).copy(), y))
    J = reference_product(network, x, np.eye(n))
    V, U = rng.standard_normal((n, 2)), rng.standard_normal((3, m))
    checks.append(("dense", derivative.dense(), J))
    checks.append(("jvp", derivative.jvp(V), J @ V))
    checks.append(("vjp", derivative.vjp(U), U @ J))
    for start, stop in _parts(n):
        checks.append(("columns", derivative.columns(start, stop, _dirty(m, stop - start)), J[:, start:stop]))
    for start, stop in _parts(m):
        checks.append(("rows", derivative.rows(start, stop, _dirty(stop - start, n)), J[start:stop]))
    if p:
        Jp = reference_product(network, x, np.eye(p), "params")
        T = rng.standard_normal((p, 2))
        checks.append(("dense_params", derivative.dense_params(), Jp))
        checks.append(("jvp_params", derivative.jvp_params(T), Jp @ T))
        checks.append(("vjp_params", derivative.vjp_params(U), U @ Jp))
        for start, stop in _parts(p):
            checks.append(
                ("params_columns", derivative.params_columns(start, stop, _dirty(m, stop - start)), Jp[:, start:stop])
            )
        for start, stop in _parts(m):
            checks.append(("params_rows", derivative.params_rows(start, stop, _dirty(stop - start, p)), Jp[start:stop]))
        both = _dirty(3, n), _dirty(3, p)
        derivative.vjp_both(U, *both)
        checks += [("vjp_both", both[0], U @ J), ("vjp_both", both[1], U @ Jp)]
    wide = _dirty(m, 4)
    derivative.jvp(V, wide[:, 1:3])
    checks.append(("jvp into columns of a wider array", wide[:, 1:3], J @ V))
    wide = _dirty(3, n + 2)
    derivative.vjp(U, wide[:, 1:-1])
    checks.append(("vjp into columns of a wider array", wide[:, 1:-1], U @ J))
    for operation in (
        "value",
        "at",
        "jvp",
        "vjp",
        "dense",
        *(("jvp_params", "vjp_params", "dense_params") if p else ()),
    ):
        assert derivative.work(operation, 2).calls >= 0, f"{layer.kind}.work({operation!r}) counts nothing"
    for method, found, expected in checks:
        error = relative_error(found, expected)
        assert error <= tolerance, f"{layer.kind}.{method} is off by {error:.1e} (relative; allowed {tolerance:.0e})"


def _parts(size: int) -> list[tuple[int, int]]:
    """Ranges that cut a size in uneven places."""
    cuts = sorted({0, size // 3, size // 3 + 1, size - 1, size})
    return [pair for pair in itertools.combinations(cuts, 2) if pair[0] < pair[1]]


def _dirty(rows: int, columns: int) -> Array:
    return np.full((rows, columns), np.nan)


def check_engine(engine: Engine | str, tolerance: float | None = None) -> None:
    """Check an engine's Jacobians on every problem family, at a small size, against complex steps.

    Raises:
        AssertionError: naming the family and the error.
    """
    chosen = find_engine(engine) if isinstance(engine, str) else engine
    allowed = tolerance if tolerance is not None else (TOLERANCE if chosen.analytic else 1e-4)
    for name, family in families().items():
        network = family.small()
        for wrt in ("input", "params") if network.params.size else ("input",):
            if chosen.supports(network, wrt):
                continue
            x = network.example_input(1)
            V = np.random.default_rng(2).standard_normal((network.variables(wrt), 3))
            J = chosen.prepare(network, wrt=wrt)(x)
            error = relative_error(J @ V, reference_product(network, x, V, wrt))
            assert error <= allowed, f"{chosen.name} on {name} (wrt {wrt}) is off by {error:.1e}; allowed {allowed:.0e}"
