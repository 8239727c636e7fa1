"""The dense layer ``y = phi(W x + b)``; its batch is in ``dense_batch``.

Its derivative is ``f'(x) = diag(d) W`` with ``d = phi'(W x + b)``; with respect to the parameters
``dy_i/dW_ij = d_i x_j`` and ``dy_i/db_i = d_i``. None of the three is formed unless ``dense`` asks for it.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from ..arrays import Array, as_floats
from ..errors import InputError
from .activations import activation as find_activation
from .base import Derivative, Layer, Sizes
from .dense_params import block_columns, split_columns, weight_columns, weight_rows
from .products import matrix_product, thin_pull, thin_room
from .work import NOTHING, Work, passes, product


class Dense(Layer):
    """``y = phi(W x + b)``.

    Args:
        W: weights (m, n).
        b: bias (m,), or None for a layer without one.
        activation: the name of phi; see :data:`autodiff.layers.activations.ACTIVATIONS`.

    The parameter vector is W, row by row, then b.

    Raises:
        InputError: W is no matrix, or b does not fit it.
        UnknownNameError: no activation of that name.
    """

    def __init__(self, W: object, b: object | None = None, activation: str = "identity") -> None:
        weights = as_floats(W, "W")
        if weights.ndim != 2 or 0 in weights.shape:
            raise InputError(f"W has shape {weights.shape}; expected a matrix (outputs, inputs)")
        self.m, self.n = weights.shape
        self.has_bias = b is not None
        parts = [weights.ravel()]
        if b is not None:
            bias = as_floats(b, "b", weights.dtype)
            if bias.shape != (self.m,):
                raise InputError(f"b has shape {bias.shape}; W {weights.shape} needs ({self.m},)")
            parts.append(bias)
        self._activation = find_activation(activation)
        self._take(np.concatenate(parts))

    def _take(self, params: Array) -> None:
        self.params = params
        self.W, self.b = self.split(params)

    def split(self, params: Any) -> tuple[Any, Any]:
        """W and b as views of a flat parameter vector, b None for a layer without bias."""
        size = self.m * self.n
        return params[:size].reshape(self.m, self.n), params[size:] if self.has_bias else None

    def parts(self, params: Any) -> tuple[Any, Any]:
        return self.split(params)

    @property
    def activation(self) -> str:
        """The name of phi."""
        return self._activation.name

    def bind(self, params: Array) -> Self:
        bound = super().bind(params)
        bound._take(params)
        return bound

    def function(self, x: Any, params: Any, xp: Any = np) -> Any:
        W, b = params if isinstance(params, tuple) else self.split(params)
        # one sample as W x, which costs JAX a tenth less and PyTorch three views fewer
        z = xp.matmul(W, x) if len(x.shape) == 1 else xp.matmul(x, W.T)
        return self._activation.function(z if b is None else z + b, xp)

    def derivative_of(self, dtype: np.dtype[Any]) -> Derivative:
        return DenseDerivative(self, dtype)

    def batched_derivative_of(self, size: int, dtype: np.dtype[Any]) -> Derivative:
        from .dense_batch import BatchedDenseDerivative

        return BatchedDenseDerivative(self, size, dtype)


class Affine(Derivative):
    """What the derivatives of one sample and of a batch share: primal, residuals and counting over ``size`` samples."""

    def __init__(self, layer: Dense, size: int, dtype: np.dtype[Any]) -> None:
        super().__init__((layer.m * size, layer.n * size), dtype, layer.params.size)
        self.layer, self.size = layer, size
        self.m, self.n = layer.m, layer.n
        self.W: Array = layer.W
        self.Wt: Array = layer.W.T
        self.b: Array | None = layer.b
        self.phi = layer._activation
        self.linear = layer.activation == "identity"

    def _sample_work(self, operation: str, k: int, B: int) -> Work:
        """Counts over a batch of ``B`` samples; products are B times (m, n) (n, k)."""
        m, n, p = self.m, self.n, self.parameters
        bias = passes(B * m, 1, operands=3) if self.b is not None else NOTHING
        scale = NOTHING if self.linear else passes(B * m * k, 1, operands=3)
        match operation:
            case "value":
                return product(B, n, m) + bias + self.phi.work("value", B * m)
            case "at":
                return product(B, n, m) + bias + (NOTHING if self.linear else self.phi.work("at", B * m))
            case "jvp":
                return product(B * m, n, k) + scale
            case "vjp":
                return product(k * B, m, n) + scale
            case "dense":
                zeros = passes(B * (B - 1) * m * n, 1, operands=1) if B > 1 else NOTHING
                return passes(B * m * n, 1, operands=3) + zeros
            case "jvp_params":
                added = passes(B * m * k, 1, operands=3) if self.b is not None else NOTHING
                return product(B, n, m * k) + scale + added
            case "vjp_params":
                return product(k * m, B, n) + scale + passes(k * B * m)
            case "dense_params":
                return passes(B * m * p, 1, operands=1) + passes(B * m * n, 1, operands=3)
        raise ValueError(f"no operation {operation!r}")

    def work(self, operation: str, k: int = 1) -> Work:
        return self._sample_work(operation, k, self.size)


class DenseDerivative(Affine):
    """``diag(d) W`` at one point: ``d = phi'(Wx + b)`` is the only residual, and x where parameters are asked for.

    ``diag(d) W V`` may scale W or the product; the smaller of the two is scaled.
    """

    def __init__(self, layer: Dense, dtype: np.dtype[Any]) -> None:
        super().__init__(layer, 1, dtype)
        self.constant = self.linear

    def sizes(self, cotangents: int = 1, tangents: int | None = None) -> Sizes:
        if self.linear:
            return Sizes(self.m, 0)
        k = max(cotangents, self.n + 1 if tangents is None else tangents)
        matrix = self.m * self.n if k > self.n else 0
        # W is scaled where there are more tangents or cotangents than inputs, else the cotangents are; for the
        # parameters always the cotangents
        rows = self.m * cotangents if cotangents <= self.n or self.parameters else 0
        return Sizes(self.m, self.m, max(matrix, rows + thin_room(cotangents, self.m, self.n)))

    def bind(self, primal: Array, residual: Array, scratch: Array) -> None:
        self.y = primal[: self.m]
        if not self.linear:
            self.d = residual[: self.m]
            self.d_column = self.d[:, None]
            self.scratch = scratch
            whole = scratch[: self.m * self.n]
            self.scaled_W = whole.reshape(self.m, self.n) if whole.size == self.m * self.n else None

    def value(self, x: Array) -> Array:
        y = self.y
        np.dot(self.W, x, out=y)
        if self.b is not None:
            np.add(y, self.b, out=y)
        if not self.linear:
            self.phi.evaluate(y, y)
        return y

    def at(self, x: Array) -> Array:
        self.x = x
        y = self.y
        np.dot(self.W, x, out=y)
        if self.b is not None:
            np.add(y, self.b, out=y)
        if not self.linear:
            self.phi.linearize(y, y, self.d)
        return y

    def jvp(self, V: Array, out: Array | None = None) -> Array:
        if self.linear:
            return matrix_product(self.W, V, out)
        if V.shape[1] > self.n and self.scaled_W is not None:
            return matrix_product(self.dense(self.scaled_W), V, out)
        out = matrix_product(self.W, V, out)
        return np.multiply(out, self.d_column, out=out)

    def vjp(self, U: Array, out: Array | None = None) -> Array:
        if self.linear:
            return matrix_product(U, self.W, out)
        if U.shape[0] > self.n and self.scaled_W is not None:
            return matrix_product(U, self.dense(self.scaled_W), out)
        return self._pull(self._scaled(U), out)

    def _pull(self, scaled: Array, out: Array | None) -> Array:
        if out is None or self.linear:
            return matrix_product(scaled, self.W, out)
        return thin_pull(scaled, self.W, out, self.scratch[scaled.size :])

    def dense(self, out: Array | None = None) -> Array:
        if self.linear:
            if out is None:
                return self.W
            np.copyto(out, self.W)
            return out
        scaled: Array = np.multiply(self.W, self.d_column, out=out)
        return scaled

    def columns(self, start: int, stop: int, out: Array) -> Array:
        if self.linear:
            np.copyto(out, self.W[:, start:stop])
        else:
            np.multiply(self.W[:, start:stop], self.d_column, out=out)
        return out

    def rows(self, start: int, stop: int, out: Array) -> Array:
        if self.linear:
            np.copyto(out, self.W[start:stop])
        else:
            np.multiply(self.W[start:stop], self.d_column[start:stop], out=out)
        return out

    def _scaled(self, U: Array) -> Array:
        """``U diag(d)``, in the scratch memory where it fits."""
        if self.linear:
            return U
        room = self.scratch[: U.size]
        scaled: Array = np.multiply(U, self.d, out=room.reshape(U.shape) if room.size == U.size else None)
        return scaled

    def jvp_params(self, T: Array, out: Array | None = None) -> Array:
        W_dot, b_dot = split_columns(self.layer, T)
        out = np.matmul(self.x, W_dot, out=out)
        if b_dot is not None:
            np.add(out, b_dot, out=out)
        return out if self.linear else np.multiply(out, self.d_column, out=out)

    def vjp_params(self, U: Array, out: Array | None = None) -> Array:
        if out is None:
            out = np.empty((U.shape[0], self.parameters), self.dtype)
        self._outer(self._scaled(U), out)
        return out

    def vjp_both(self, U: Array, out: Array, params_out: Array) -> Array:
        scaled = self._scaled(U)
        self._outer(scaled, params_out)
        return self._pull(scaled, out)

    def _outer(self, scaled: Array, out: Array) -> None:
        size = self.m * self.n
        weights = out[:, :size].reshape(out.shape[0], self.m, self.n)
        np.multiply(scaled[:, :, None], self.x, out=weights)
        if self.b is not None:
            np.copyto(out[:, size:], scaled)

    def dense_params(self, out: Array | None = None) -> Array:
        if out is None:
            out = np.empty((self.m, self.parameters), self.dtype)
        return block_columns(self.layer, *self._samples(), out)

    def _samples(self) -> tuple[Array, Array | None]:
        return self.x[None], None if self.linear else self.d[None]

    def params_columns(self, start: int, stop: int, out: Array) -> Array:
        return weight_columns(self.layer, *self._samples(), start, stop, out)

    def params_rows(self, start: int, stop: int, out: Array) -> Array:
        return weight_rows(self.layer, *self._samples(), start, stop, out)

    def work(self, operation: str, k: int = 1) -> Work:
        m, n, p = self.m, self.n, self.parameters
        scale_W = NOTHING if self.linear else passes(m * n, 1, operands=3)
        if operation in ("jvp", "vjp") and k > n:
            return (product(m, n, k) if operation == "jvp" else product(k, m, n)) + scale_W
        if operation == "vjp_params":
            scale = NOTHING if self.linear else passes(k * m, 1, operands=3)
            return scale + passes(k * m * n) + (passes(k * m) if p > m * n else NOTHING)
        return super().work(operation, k)

    def work_both(self, k: int = 1) -> Work:
        return self.work("vjp_params", k) + product(k, self.m, self.n)
