"""Whether an engine is right: against complex steps, and what is timed against what was verified."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ...arrays import Array
from ...engines.products import linear_part
from ...errors import WrongResultError
from ...network import Network
from ...problems import find_family
from ...testing import reference_product, relative_error
from ..ask.names import PRODUCTS, SEEDS
from ..ask.sweep import Case
from ..records.record import Record

DIRECTIONS = 6  #: random directions in which a Jacobian is compared with its reference


@functools.lru_cache(maxsize=1)
def _network(problem: str, items: tuple[tuple[str, Any], ...]) -> Network:
    return find_family(problem)(**dict(items))


@functools.lru_cache(maxsize=1)
def _reference(
    problem: str, items: tuple[tuple[str, Any], ...], wrt: str, seeds: int, linear: bool
) -> tuple[Array, Array]:
    """The mixed tangents of a jvp, or for no ``seeds`` random ones, and f'(x) times them; for all engines of a case."""
    network = _network(problem, items)
    if linear:
        network = linear_part(network)
    n = network.variables(wrt)
    if seeds:
        given = np.random.default_rng(SEEDS["jvp and vjp"]).standard_normal((n, seeds)).astype(network.dtype)
        V = given @ _mixing(seeds)
    else:
        V = np.random.default_rng(SEEDS["verification"]).standard_normal((n, min(DIRECTIONS, n)))
    return V, reference_product(network, network.example_input(SEEDS["input"]), V, wrt)


def _mixing(seeds: int) -> Array:
    """What many tangents are multiplied by, so that checking a few sums covers them all; few are checked as such."""
    if seeds <= DIRECTIONS:
        return np.eye(seeds)
    return np.random.default_rng(SEEDS["verification"]).standard_normal((seeds, DIRECTIONS))


def network_of(case: Case) -> Network:
    """The case's network, kept while its engines are measured one after the other."""
    return _network(case.series.problem, tuple(case.keywords.items()))


def tolerance(dtype: np.dtype[Any], analytic: bool) -> float:
    """The relative error that verification allows."""
    if not analytic:
        return 1e-1 if dtype == np.float32 else 1e-5
    return 1e-4 if dtype == np.float32 else 1e-10


def verification_error(result: Array, case: Case, x: Array, seed: Array | None, record: Record) -> float:
    """How far a result is from complex steps, relative to the largest entry; NaN counts as infinitely far.

    A Jacobian is multiplied by random directions V, so a check of a few columns covers every entry; so are many
    columns of a jvp.
    """
    series, operation = case.series, record.operation
    if operation == "value":
        found, expected = result, network_of(case).function(x)
    else:
        seeds, linear = case.seeds if operation == "jvp" else 0, record.engine in PRODUCTS.values()
        V, expected = _reference(series.problem, tuple(case.keywords.items()), record.wrt, seeds, linear)
        found = result.astype(np.float64) @ (_mixing(seeds) if operation == "jvp" else V)
        if operation == "vjp":
            assert seed is not None
            expected = seed @ expected
    try:
        error = relative_error(found, expected)
    except AssertionError:
        return float("inf")
    return error if np.isfinite(error) else float("inf")


def check_timed(timed: object, verified: Array, limit: float) -> None:
    """What is timed gives what was verified; asked before its rounds and after them.

    Raises:
        WrongResultError: it does not.
    """
    try:
        error = relative_error(np.asarray(timed, verified.dtype).reshape(verified.shape), verified)
    except (AssertionError, TypeError, ValueError) as wrong:
        raise WrongResultError(f"what is timed gives {type(timed).__name__}: {wrong}") from None
    if not error <= limit:
        raise WrongResultError(f"what is timed is off by {error:.1e} from what was verified")
