"""The functions most people need: one call each, checked, at the price of preparing every time."""

from __future__ import annotations

from typing import Any, Literal

from .arrays import Array, as_floats, as_vector
from .chain import Plan, bracket
from .engines import Engine, Prepared
from .engines import engine as find_engine
from .engines.costs import chain_problem
from .errors import InputError
from .network import Network

AnyEngine = str | Engine | type[Engine]  #: an engine's name, an engine, or a class of engines


def _network(network: object) -> Network:
    if not isinstance(network, Network):
        raise InputError(f"expected a Network, got {type(network).__name__}; build one with ad.Network([layers])")
    return network


def _prepare(network: Network, engine: AnyEngine, wrt: str, operation: str, seeds: int = 1) -> Prepared:
    return find_engine(engine).prepare(network, wrt=wrt, operation=operation, seeds=seeds)


def _point(network: object, x: object) -> tuple[Network, Array]:
    found = _network(network)
    return found, as_vector(x, found.n, "x", found.dtype)


def _value(run: Prepared, x: Array) -> Array:
    """f(x) of the run that has just been at x."""
    return run.value if run.keeps_value else run.network(x)


def jvp(network: Network, x: object, v: object, wrt: str = "input") -> tuple[Array, Array]:
    """The value and the directional derivative ``f'(x) v``, by forward mode.

    Args:
        network: f, with n inputs, m outputs and p parameters.
        x: (n,).
        v: one tangent (n,) or k of them as columns (n, k); (p,) or (p, k) with ``wrt="params"``.
        wrt: "input" or "params".

    Returns:
        y (m,) and f'(x) v, (m,) or (m, k).

    Raises:
        InputError: a wrong shape, NaN or infinity. DTypeError: integers or objects.
    """
    network, point = _point(network, x)
    tangents = as_floats(v, "v", network.dtype)
    columns = network.variables(wrt)
    if tangents.ndim not in (1, 2) or tangents.shape[0] != columns or not tangents.size:
        raise InputError(f"v has shape {tangents.shape}; expected ({columns},) or ({columns}, k)")
    V = tangents.reshape(columns, -1)
    run = _prepare(network, "forward", wrt, "jvp", V.shape[1])
    dy = run(point, V)
    return _value(run, point), dy[:, 0] if tangents.ndim == 1 else dy


def vjp(network: Network, x: object, u: object, wrt: str = "input") -> tuple[Array, Array]:
    """The value and ``u f'(x)``, by reverse mode.

    Args:
        network: f, with n inputs, m outputs and p parameters.
        x: (n,).
        u: one cotangent (m,) or k of them as rows (k, m).
        wrt: "input" or "params".

    Returns:
        y (m,) and u f'(x), (n,) or (k, n); (p,) or (k, p) with ``wrt="params"``.

    Raises:
        InputError: a wrong shape, NaN or infinity. DTypeError: integers or objects.
    """
    network, point = _point(network, x)
    cotangents = as_floats(u, "u", network.dtype)
    if cotangents.ndim not in (1, 2) or cotangents.shape[-1] != network.m or not cotangents.size:
        raise InputError(f"u has shape {cotangents.shape}; expected ({network.m},) or (k, {network.m})")
    U = cotangents.reshape(-1, network.m)
    run = _prepare(network, "reverse", wrt, "vjp", U.shape[0])
    g = run(point, U)
    return _value(run, point), g[0] if cotangents.ndim == 1 else g


def linearize(
    network: Network, x: object, wrt: str = "input", executor: Literal["compiled", "numpy"] | None = None
) -> tuple[Array, Any]:
    """The value, and the Jacobian at x as an operator: its products, without its entries.

    ``J @ v`` is a jvp and ``u @ J`` or ``J.T @ u`` a vjp, of one vector or of columns; SciPy's iterative solvers take J
    as it is, e.g. ``scipy.sparse.linalg.lsmr(J, r)``. f is evaluated when a product is prepared, once for each number
    of columns, and never in a product. J is that of the parameters as they are now; write into them, linearize again.

    Args:
        network: f, with n inputs, m outputs and p parameters.
        x: (n,).
        wrt: "input" or "params".
        executor: "compiled" or "numpy"; left out, compiled where it is available.

    Returns:
        y (m,) and J, a ``scipy.sparse.linalg.LinearOperator`` of shape (m, n), or (m, p), and the network's dtype.

    Raises:
        InputError: a wrong shape, NaN or infinity. DTypeError: integers or objects. UnsupportedError: the executor
            cannot run here.
    """
    from .operator import Jacobian  # imports SciPy

    network, point = _point(network, x)
    J = Jacobian(network, point, wrt, executor)
    return J.y.copy(), J


def jacobian(
    network: Network, x: object, engine: AnyEngine = "auto", wrt: str = "input", out: Array | None = None
) -> Array:
    """The Jacobian ``f'(x)``, (m, n), or ``df/dtheta``, (m, p), by an engine, its class, or the one of that name.

    To differentiate the same network often, prepare once: ``run = ad.engine("reverse").prepare(network)``.

    Args:
        network: f, with n inputs, m outputs and p parameters.
        x: (n,).
        engine: "forward", "reverse(chunk=8)", ``Forward()``, ...; see :func:`autodiff.engines`.
        wrt: "input" or "params".
        out: (m, n) or (m, p), filled and returned: C-contiguous and apart from x and the parameters.

    Raises:
        UnknownNameError: no such engine. UnsupportedError: the engine cannot do this, with the reason.
        InputError: a wrong shape, NaN or infinity. DTypeError: integers or objects.
    """
    network, point = _point(network, x)
    return _prepare(network, engine, wrt, "jacobian")(point, out=out)


def value_and_jacobian(
    network: Network, x: object, engine: AnyEngine = "auto", wrt: str = "input"
) -> tuple[Array, Array]:
    """f(x), (m,), and its Jacobian, from one evaluation if the engine keeps the value; see :func:`jacobian`."""
    network, point = _point(network, x)
    run = _prepare(network, engine, wrt, "jacobian")
    J = run(point)
    return _value(run, point), J


def gradient(network: Network, x: object, engine: AnyEngine = "reverse", wrt: str = "input") -> Array:
    """The gradient of a network with one output, (n,), or (p,) with ``wrt="params"``.

    Raises:
        UnsupportedError: the network has more than one output. Else what :func:`jacobian` raises.
    """
    network, point = _point(network, x)
    g: Array = _prepare(network, engine, wrt, "gradient")(point)[0]
    return g


def value_and_gradient(
    network: Network, x: object, engine: AnyEngine = "reverse", wrt: str = "input"
) -> tuple[float, Array]:
    """f(x) as a number, and its gradient, from one evaluation if the engine keeps the value; see :func:`gradient`."""
    network, point = _point(network, x)
    run = _prepare(network, engine, wrt, "gradient")
    g = run(point)[0]
    return float(_value(run, point)[0]), g


def plan(network: Network, memory: int | None = None) -> Plan:
    """The optimal bracketing of the network's Jacobian, with its cost beside forward's and reverse's.

    ``print`` it, or read ``plan.gain``; ``engine="mixed"`` runs it where it is worth its steps.

    Args:
        network: a chain of layers; differentiated with respect to its input.
        memory: bytes of tape that one adjoint elimination may need; no limit if left out.

    Raises:
        InputError: a negative memory.
    """
    return bracket(chain_problem(_network(network)), memory_limit=memory)


__all__ = [
    "gradient",
    "jacobian",
    "jvp",
    "linearize",
    "plan",
    "value_and_gradient",
    "value_and_jacobian",
    "vjp",
]
