"""A batch of dense layers: block-diagonal, with one matrix product where there seem to be many."""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from .base import Sizes
from .dense import Affine
from .dense_params import block_columns, split_columns, weight_columns, weight_rows
from .work import Work, product


class BatchedDenseDerivative(Affine):
    """The block-diagonal ``diag(D) (I x W)`` over a batch: one matrix product for the primal and for the adjoint.

    A batch of one cotangent is ``(U * D) W`` with U seen as (size, m), and its parameter cotangent
    ``(U * D)^T X``: two matrix products, however many samples there are.
    """

    def sizes(self, cotangents: int = 1, tangents: int | None = None) -> Sizes:
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

    def columns(self, start: int, stop: int, out: Array) -> Array:
        m, n = self.m, self.n
        out.fill(0.0)
        for sample in range(start // n, -(-stop // n)):
            first, last = max(start, sample * n), min(stop, (sample + 1) * n)
            block, W = out[sample * m : (sample + 1) * m, first - start : last - start], self.W
            np.copyto(block, W[:, first - sample * n : last - sample * n])
            if not self.linear:
                np.multiply(block, self.D[sample, :, None], out=block)
        return out

    def rows(self, start: int, stop: int, out: Array) -> Array:
        m, n = self.m, self.n
        out.fill(0.0)
        for sample in range(start // m, -(-stop // m)):
            first, last = max(start, sample * m), min(stop, (sample + 1) * m)
            own = slice(first - sample * m, last - sample * m)
            block = out[first - start : last - start, sample * n : (sample + 1) * n]
            np.copyto(block, self.W[own])
            if not self.linear:
                np.multiply(block, self.D[sample, own, None], out=block)
        return out

    def jvp_params(self, T: Array, out: Array | None = None) -> Array:
        k = T.shape[1]
        if out is None:
            out = np.empty((self.shape[0], k), self.dtype)
        blocks = out.reshape(self.size, self.m, k)
        W_dot, b_dot = split_columns(self.layer, T)
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

    def vjp_both(self, U: Array, out: Array, params_out: Array) -> Array:
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
        return block_columns(self.layer, *self._samples(), out)

    def _samples(self) -> tuple[Array, Array | None]:
        return self.X, None if self.linear else self.D

    def params_columns(self, start: int, stop: int, out: Array) -> Array:
        return weight_columns(self.layer, *self._samples(), start, stop, out)

    def params_rows(self, start: int, stop: int, out: Array) -> Array:
        return weight_rows(self.layer, *self._samples(), start, stop, out)

    def work_both(self, k: int = 1) -> Work:
        return self.work("vjp_params", k) + product(k * self.size, self.m, self.n)
