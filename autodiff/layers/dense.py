"""The dense layer ``y = phi(W x + b)``, alone and in a batch.

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
from .work import NOTHING, Work, passes, product


def matrix_product(A: Array, B: Array, out: Array | None) -> Array:
    """``A @ B`` into ``out``; ``np.dot`` is 0.4 microseconds faster than ``np.matmul`` but needs ``out`` contiguous."""
    if out is not None and out.flags.c_contiguous:
        return np.dot(A, B, out=out)
    return np.matmul(A, B, out=out)


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

    @property
    def activation(self) -> str:
        """The name of phi."""
        return self._activation.name

    def bind(self, params: Array) -> Self:
        bound = super().bind(params)
        bound._take(params)
        return bound

    def function(self, x: Any, params: Any, xp: Any = np) -> Any:
        W, b = self.split(params)
        z = xp.matmul(x, W.T)
        return self._activation.function(z if b is None else z + b, xp)

    def derivative_of(self, dtype: np.dtype[Any]) -> Derivative:
        return DenseDerivative(self, dtype)

    def batched_derivative_of(self, size: int, dtype: np.dtype[Any]) -> Derivative:
        return BatchedDenseDerivative(self, size, dtype)


class _Affine(Derivative):
    """What the two derivatives below share: the primal, the residuals and the counting, over ``size`` samples."""

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
                return passes(B * m * n, 1, operands=3) + passes(B * (B - 1) * m * n, 1, operands=1)
            case "jvp_params":
                return product(B, n, m * k) + scale + passes(B * m * k, 1, operands=3)
            case "vjp_params":
                return product(k * m, B, n) + scale + passes(k * B * m)
            case "dense_params":
                return passes(B * m * p, 1, operands=1) + passes(B * m * n, 1, operands=3)
            case "pullback":
                return self._sample_work("vjp", k, B) + product(k * m, B, n) + passes(k * B * m)
        raise ValueError(f"no operation {operation!r}")

    def work(self, operation: str, k: int = 1) -> Work:
        return self._sample_work(operation, k, self.size)


class DenseDerivative(_Affine):
    """``diag(d) W`` at one point: ``d = phi'(Wx + b)`` is the only residual, and x where parameters are asked for.

    ``diag(d) W V`` may scale W or the product; the smaller of the two is scaled.
    """

    def __init__(self, layer: Dense, dtype: np.dtype[Any]) -> None:
        super().__init__(layer, 1, dtype)
        self.constant = self.linear

    def sizes(self, cotangents: int = 1) -> Sizes:
        if self.linear:
            return Sizes(self.m, 0)
        # jvp scales W when there are more tangents than inputs, vjp when there are more cotangents than inputs
        return Sizes(self.m, self.m, self.m * max(self.n, min(cotangents, self.n)))

    def bind(self, primal: Array, residual: Array, scratch: Array) -> None:
        self.y = primal[: self.m]
        if not self.linear:
            self.d = residual[: self.m]
            self.d_column = self.d[:, None]
            self.scratch = scratch
            self.scaled_W = scratch[: self.m * self.n].reshape(self.m, self.n)

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
        if V.shape[1] > self.n:
            return matrix_product(self.dense(self.scaled_W), V, out)
        out = matrix_product(self.W, V, out)
        return np.multiply(out, self.d_column, out=out)

    def vjp(self, U: Array, out: Array | None = None) -> Array:
        if self.linear:
            return matrix_product(U, self.W, out)
        if U.shape[0] > self.n:
            return matrix_product(U, self.dense(self.scaled_W), out)
        return matrix_product(self._scaled(U), self.W, out)

    def dense(self, out: Array | None = None) -> Array:
        if self.linear:
            if out is None:
                return self.W
            np.copyto(out, self.W)
            return out
        scaled: Array = np.multiply(self.W, self.d_column, out=out)
        return scaled

    def _scaled(self, U: Array) -> Array:
        """``U diag(d)``, in the scratch memory where it fits."""
        if self.linear:
            return U
        room = self.scratch[: U.size]
        scaled: Array = np.multiply(U, self.d, out=room.reshape(U.shape) if room.size == U.size else None)
        return scaled

    def jvp_params(self, T: Array, out: Array | None = None) -> Array:
        W_dot, b_dot = _split_columns(self.layer, T)
        out = np.matmul(self.x, W_dot, out=out)
        if b_dot is not None:
            np.add(out, b_dot, out=out)
        return out if self.linear else np.multiply(out, self.d_column, out=out)

    def vjp_params(self, U: Array, out: Array | None = None) -> Array:
        if out is None:
            out = np.empty((U.shape[0], self.parameters), self.dtype)
        self._outer(self._scaled(U), out)
        return out

    def pullback(self, U: Array, out: Array, params_out: Array) -> Array:
        scaled = self._scaled(U)
        self._outer(scaled, params_out)
        return matrix_product(scaled, self.W, out)

    def _outer(self, scaled: Array, out: Array) -> None:
        size = self.m * self.n
        weights = out[:, :size].reshape(out.shape[0], self.m, self.n)
        np.multiply(scaled[:, :, None], self.x, out=weights)
        if self.b is not None:
            np.copyto(out[:, size:], scaled)

    def dense_params(self, out: Array | None = None) -> Array:
        if out is None:
            out = np.empty((self.m, self.parameters), self.dtype)
        return _block_columns(self.layer, self.x[None], None if self.linear else self.d[None], out)

    def work(self, operation: str, k: int = 1) -> Work:
        m, n, p = self.m, self.n, self.parameters
        scale_W = NOTHING if self.linear else passes(m * n, 1, operands=3)
        if operation in ("jvp", "vjp") and k > n:
            return (product(m, n, k) if operation == "jvp" else product(k, m, n)) + scale_W
        match operation:
            case "vjp_params" | "pullback":
                scale = NOTHING if self.linear else passes(k * m, 1, operands=3)
                outer = scale + passes(k * m * n) + passes(k * (p - m * n))
                return outer + (product(k, m, n) if operation == "pullback" else NOTHING)
        return super().work(operation, k)


class BatchedDenseDerivative(_Affine):
    """The block-diagonal ``diag(D) (I x W)`` over a batch: one matrix product for the primal and for the adjoint.

    A batch of one cotangent is ``(U * D) W`` with U seen as (size, m), and its parameter cotangent
    ``(U * D)^T X``: two matrix products, however many samples there are.
    """

    def sizes(self, cotangents: int = 1) -> Sizes:
        outputs = self.size * self.m
        if self.linear:
            return Sizes(outputs, 0)
        return Sizes(outputs, outputs, cotangents * outputs)

    def bind(self, primal: Array, residual: Array, scratch: Array) -> None:
        outputs = self.size * self.m
        self.y = primal[:outputs]
        self.Y = self.y.reshape(self.size, self.m)
        if not self.linear:
            self.D = residual[:outputs].reshape(self.size, self.m)
            self.scratch = scratch

    def value(self, x: Array) -> Array:
        np.matmul(x.reshape(self.size, self.n), self.Wt, out=self.Y)
        if self.b is not None:
            np.add(self.Y, self.b, out=self.Y)
        if not self.linear:
            self.phi.evaluate(self.Y, self.Y)
        return self.y

    def at(self, x: Array) -> Array:
        self.X = x.reshape(self.size, self.n)
        np.matmul(self.X, self.Wt, out=self.Y)
        if self.b is not None:
            np.add(self.Y, self.b, out=self.Y)
        if not self.linear:
            self.phi.linearize(self.Y, self.Y, self.D)
        return self.y

    def jvp(self, V: Array, out: Array | None = None) -> Array:
        k = V.shape[1]
        if out is None:
            out = np.empty((self.shape[0], k), self.dtype)
        if k == 1:
            rows = out.reshape(self.size, self.m)
            np.matmul(V.reshape(self.size, self.n), self.Wt, out=rows)
            if not self.linear:
                np.multiply(rows, self.D, out=rows)
            return out
        blocks = out.reshape(self.size, self.m, k)
        np.matmul(self.W, V.reshape(self.size, self.n, k), out=blocks)
        if not self.linear:
            np.multiply(blocks, self.D[:, :, None], out=blocks)
        return out

    def _scaled(self, U: Array) -> Array:
        """``U diag(D)`` as (k, size, m), in the scratch memory where it fits."""
        blocks: Array = U.reshape(U.shape[0], self.size, self.m)
        if self.linear:
            return blocks
        room = self.scratch[: U.size]
        scaled: Array = np.multiply(blocks, self.D, out=room.reshape(blocks.shape) if room.size == U.size else None)
        return scaled

    def vjp(self, U: Array, out: Array | None = None) -> Array:
        return self._pull(self._scaled(U), out)

    def _pull(self, scaled: Array, out: Array | None) -> Array:
        k = scaled.shape[0]
        if out is None:
            out = np.empty((k, self.shape[1]), self.dtype)
        np.matmul(scaled, self.W, out=out.reshape(k, self.size, self.n))
        return out

    def dense(self, out: Array | None = None) -> Array:
        if out is None:
            out = np.empty(self.shape, self.dtype)
        out.fill(0.0)
        blocks = np.einsum("bibj->bij", out.reshape(self.size, self.m, self.size, self.n))
        if self.linear:
            np.copyto(blocks, self.W)
        else:
            np.multiply(self.D[:, :, None], self.W, out=blocks)
        return out

    def jvp_params(self, T: Array, out: Array | None = None) -> Array:
        k = T.shape[1]
        if out is None:
            out = np.empty((self.shape[0], k), self.dtype)
        blocks = out.reshape(self.size, self.m, k)
        W_dot, b_dot = _split_columns(self.layer, T)
        np.matmul(self.X, W_dot, out=blocks.transpose(1, 0, 2))
        if b_dot is not None:
            np.add(blocks, b_dot, out=blocks)
        if not self.linear:
            np.multiply(blocks, self.D[:, :, None], out=blocks)
        return out

    def vjp_params(self, U: Array, out: Array | None = None) -> Array:
        if out is None:
            out = np.empty((U.shape[0], self.parameters), self.dtype)
        self._outer(self._scaled(U), out)
        return out

    def pullback(self, U: Array, out: Array, params_out: Array) -> Array:
        scaled = self._scaled(U)
        self._outer(scaled, params_out)
        return self._pull(scaled, out)

    def _outer(self, scaled: Array, out: Array) -> None:
        size = self.m * self.n
        weights = out[:, :size].reshape(out.shape[0], self.m, self.n)
        np.matmul(scaled.transpose(0, 2, 1), self.X, out=weights)
        if self.b is not None:
            np.sum(scaled, axis=1, out=out[:, size:])

    def dense_params(self, out: Array | None = None) -> Array:
        if out is None:
            out = np.empty((self.shape[0], self.parameters), self.dtype)
        return _block_columns(self.layer, self.X, None if self.linear else self.D, out)


def _split_columns(layer: Dense, T: Array) -> tuple[Array, Array | None]:
    """The tangents of W as (m, n, k) and of b as (m, k), views of the parameter tangents T (p, k)."""
    size = layer.m * layer.n
    return T[:size].reshape(layer.m, layer.n, T.shape[1]), T[size:] if layer.has_bias else None


def _block_columns(layer: Dense, X: Array, D: Array | None, out: Array) -> Array:
    """``df/dtheta`` over a batch: row (s, i) holds d_si x_s in the columns of W's row i, and d_si in b's column i."""
    samples, m, n = X.shape[0], layer.m, layer.n
    out.fill(0.0)
    rows = out.reshape(samples, m, layer.params.size)
    weights = np.einsum("siij->sij", rows[:, :, : m * n].reshape(samples, m, m, n))
    if D is None:
        np.copyto(weights, X[:, None, :])
    else:
        np.multiply(D[:, :, None], X[:, None, :], out=weights)
    if layer.has_bias:
        np.copyto(np.einsum("sii->si", rows[:, :, m * n :]), 1.0 if D is None else D)
    return out
