"""GradBench's eval ``gmm``: the posterior of a Gaussian mixture with a Wishart prior on its precision matrices."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...arrays import Array
from ...layers import Function
from ...network import Network
from .fields import floats, integer, number
from .lse import log_sum_exp
from .task import Maker, Task, scalar


def log_posterior(X: Array, k: int, m: int, gamma: float) -> Function:
    """The logarithm of a mixture's posterior probability, of (alpha, mu, q, l) one after the other.

    alpha (k,) are weights, mu (k, d) means; q (k, d) and l (k, d (d - 1) / 2) make the lower triangular ``Q_k``, whose
    diagonal is exp q and whose columns below it are l, and ``Q_k^T Q_k`` is a precision matrix::

        beta_ik = alpha_k - |Q_k (x_i - mu_k)|^2 / 2 + sum_j q_kj
        f = sum_i logsumexp beta_i - N (d/2 log 2 pi + logsumexp alpha) + sum_k (m sum_j q_kj - gamma^2/2 |Q_k|_F^2)
            + K (n d log(gamma / sqrt 2) - log Gamma_d(n / 2)) with n = d + m + 1

    Args:
        X: observations (N, d).
        k: components K.
        m: degrees of freedom of the prior besides d + 1.
        gamma: precision of the prior.

    Source: GradBench, eval ``gmm``, which corrects Srajer, Kukelova & Fitzgibbon, A benchmark of selected algorithmic
    differentiation tools (2018), section 4.1.
    """
    N, d = X.shape
    below = d * (d - 1) // 2
    place = triangle(d)
    constant = k * _log_wishart(d, m, gamma) - N * d / 2.0 * math.log(2.0 * math.pi)

    def f(x: Any, xp: Any) -> Any:
        cuts = np.cumsum([k, k * d, k * d])
        alpha, mu = x[: cuts[0]], x[cuts[0] : cuts[1]].reshape(k, d, 1)
        q, l = x[cuts[1] : cuts[2]].reshape(k, d), x[cuts[2] :].reshape(k, below) if below else None  # noqa: E741
        Q = _lower(xp.exp(q), l, place, xp)
        Qx = xp.matmul(Q.reshape(k * d, d), xp.asarray(X.T, dtype=x.dtype)).reshape(k, d, N)
        distance = xp.sum(xp.square(Qx - xp.matmul(Q, mu)), axis=1)  # (k, N)
        volume = xp.sum(q, axis=1)
        beta = (alpha + volume).reshape(k, 1) - 0.5 * distance
        likelihood = xp.sum(log_sum_exp(beta, xp, axis=0)) - float(N) * log_sum_exp(alpha, xp)
        prior = float(m) * xp.sum(volume) - 0.5 * gamma**2 * xp.sum(xp.square(Q))
        return likelihood + prior + constant

    return Function(f, k * (1 + 2 * d + below))


def triangle(d: int) -> Array:
    """For every element of a (d, d) matrix, row by row, its position in (0, diagonal, columns below the diagonal)."""
    place = np.zeros((d, d), np.intp)
    np.fill_diagonal(place, 1 + np.arange(d))
    columns, rows = np.triu_indices(d, 1)  # of the transposed matrix, whose rows are the columns
    place[rows, columns] = 1 + d + np.arange(rows.size)
    return place.ravel()


def _lower(diagonal: Any, l: Any, place: Array, xp: Any) -> Any:  # noqa: E741  (the eval's name)
    """``Q`` (k, d, d) of its diagonal (k, d) and what is below it (k, d (d - 1) / 2)."""
    k, d = diagonal.shape
    zeros = xp.asarray(np.zeros((1, k)), dtype=diagonal.dtype)
    parts = [zeros, *(xp.transpose(one, (1, 0)) for one in (diagonal, l) if one is not None)]
    return xp.transpose(xp.concatenate(parts, axis=0)[place], (1, 0)).reshape(k, d, d)


def _log_wishart(d: int, m: int, gamma: float) -> float:
    """What of the logarithm of a Wishart density depends on neither matrix nor mean."""
    half = (d + m + 1) / 2.0
    log_gamma = d * (d - 1) / 4.0 * math.log(math.pi) + sum(math.lgamma(half - j / 2.0) for j in range(d))
    return 2.0 * half * d * math.log(gamma / math.sqrt(2.0)) - log_gamma


def _made(given: Any) -> tuple[Network, Array]:
    d, k, n = (integer(given, name) for name in ("d", "k", "n"))
    X, alpha, mu = floats(given, "x", n, d), floats(given, "alpha", k), floats(given, "mu", k, d)
    q, below = floats(given, "q", k, d), floats(given, "l", k, d * (d - 1) // 2)
    f = log_posterior(X, k, integer(given, "m", least=0), number(given, "gamma"))
    return Network([f], name="gmm"), np.concatenate([part.ravel() for part in (alpha, mu, q, below)])


def _jacobian(given: Any) -> Task:
    d, k = integer(given, "d"), integer(given, "k")

    def output(J: Array) -> dict[str, Any]:
        alpha, mu, q, below = np.split(J[0], np.cumsum([k, k * d, k * d]))
        parts = {"mu": mu, "q": q, "l": below}
        return {"alpha": alpha.tolist()} | {name: part.reshape(k, -1).tolist() for name, part in parts.items()}

    return Task(*_made(given), output, "gradient")


FUNCTIONS: dict[str, Maker] = {
    "objective": lambda given: Task(*_made(given), scalar),
    "jacobian": _jacobian,
}
