"""The functions most people need: one call each, checked, at the price of preparing every time."""

from __future__ import annotations

import numpy as np

from .arrays import Array, as_floats, as_vector
from .chain import Plan, bracket
from .engines import Prepared
from .engines import engine as find_engine
from .errors import InputError
from .network import Network


def _network(network: object) -> Network:
    if not isinstance(network, Network):
        raise InputError(f"expected a Network, got {type(network).__name__}; build one with ad.Network([layers])")
    return network


def _prepare(network: Network, name: str, wrt: str, operation: str, seeds: int = 1) -> Prepared:
    return find_engine(name).prepare(_network(network), wrt=wrt, operation=operation, seeds=seeds)


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
    point = as_vector(x, _network(network).n, "x", network.dtype)
    tangents = as_floats(v, "v", network.dtype)
    columns = network.variables(wrt)
    if tangents.ndim not in (1, 2) or tangents.shape[0] != columns or not tangents.size:
        raise InputError(f"v has shape {tangents.shape}; expected ({columns},) or ({columns}, k)")
    V = np.ascontiguousarray(tangents.reshape(columns, -1))
    dy = _prepare(network, "forward", wrt, "jvp", V.shape[1])(point, V)
    return network(point), dy[:, 0] if tangents.ndim == 1 else dy


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
    point = as_vector(x, _network(network).n, "x", network.dtype)
    cotangents = as_floats(u, "u", network.dtype)
    if cotangents.ndim not in (1, 2) or cotangents.shape[-1] != network.m or not cotangents.size:
        raise InputError(f"u has shape {cotangents.shape}; expected ({network.m},) or (k, {network.m})")
    U = cotangents.reshape(-1, network.m)
    g = _prepare(network, "reverse", wrt, "vjp", U.shape[0])(point, U)
    return network(point), g[0] if cotangents.ndim == 1 else g


def jacobian(network: Network, x: object, engine: str = "auto", wrt: str = "input") -> Array:
    """The Jacobian ``f'(x)``, (m, n), or ``df/dtheta``, (m, p), by the engine of that name.

    To differentiate the same network often, prepare once: ``run = ad.engine("reverse").prepare(network)``.

    Raises:
        UnknownNameError: no such engine. UnsupportedError: the engine cannot do this, with the reason.
        InputError: a wrong shape, NaN or infinity. DTypeError: integers or objects.
    """
    point = as_vector(x, _network(network).n, "x", network.dtype)
    return _prepare(network, engine, wrt, "jacobian")(point)


def gradient(network: Network, x: object, engine: str = "reverse", wrt: str = "input") -> Array:
    """The gradient of a network with one output, (n,), or (p,) with ``wrt="params"``.

    Raises:
        UnsupportedError: the network has more than one output. Else what :func:`jacobian` raises.
    """
    point = as_vector(x, _network(network).n, "x", network.dtype)
    g: Array = _prepare(network, engine, wrt, "gradient")(point)[0]
    return g


def value_and_gradient(network: Network, x: object, engine: str = "reverse", wrt: str = "input") -> tuple[float, Array]:
    """f(x) as a number, and its gradient; see :func:`gradient`."""
    g = gradient(network, x, engine, wrt)
    return float(network(x)[0]), g


def plan(network: Network, memory: int | None = None) -> Plan:
    """The optimal bracketing of the network's Jacobian, with its cost beside forward's and reverse's.

    ``print`` it, or read ``plan.gain``; ``engine="mixed"`` runs it where it is worth its steps.

    Args:
        network: a chain of layers; differentiated with respect to its input.
        memory: bytes of tape that one adjoint elimination may need; no limit if left out.

    Raises:
        InputError: a negative memory.
    """
    return bracket(_network(network).chain_problem(), memory_limit=memory)


__all__ = ["gradient", "jacobian", "jvp", "plan", "value_and_gradient", "vjp"]
