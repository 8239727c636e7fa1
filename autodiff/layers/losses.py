"""Losses, R^n -> R: the derivative is one row, the gradient, and that row is the residual."""

from __future__ import annotations

import copy
import functools
from abc import abstractmethod
from typing import Any

import numpy as np

from ..arrays import Array, as_floats, as_size
from ..errors import DTypeError, InputError
from .base import Derivative, Layer, Sizes
from .work import Work, passes, product


class SquaredError(Layer):
    """``y = |x - target|^2 / 2``.

    Args:
        target: a vector (n,).

    Raises:
        InputError: the target is no vector, or not finite.
    """

    m = 1

    def __init__(self, target: object) -> None:
        self.target = as_floats(target, "target").copy()
        if self.target.ndim != 1 or not self.target.size:
            raise InputError(f"target has shape {self.target.shape}; expected a vector")
        self.n = self.target.size

    def function(self, x: Any, params: Any, xp: Any = np) -> Any:
        error = x - xp.asarray(self.target, dtype=x.dtype)
        return 0.5 * xp.sum(error * error, axis=-1, keepdims=True)

    def derivative_of(self, dtype: np.dtype[Any]) -> Derivative:
        return SquaredErrorDerivative(self.target, dtype)


class CrossEntropy(Layer):
    """The mean cross-entropy of a softmax classifier: ``y = mean_s (log sum_c exp x_sc - x_s,label(s))``.

    The inputs are the scores of one sample (classes,), or of a batch, sample after sample (samples * classes,).

    Args:
        label: the true class, or one for every sample of the batch.
        classes: how many there are; left out, it follows from the layer before.

    Raises:
        DTypeError: labels that are not integers.
        InputError: a label outside the classes, or inputs that do not divide into the samples.
    """

    m = 1

    def __init__(self, label: object, classes: int | None = None) -> None:
        try:
            labels = np.atleast_1d(np.asarray(label))
        except ValueError as error:
            raise InputError(f"label is ragged: {error}") from error
        if labels.dtype.kind not in "iu":
            raise DTypeError(f"label is {labels.dtype}; pass the index of the class, or a vector of them")
        if labels.ndim != 1 or not labels.size or labels.min() < 0:
            raise InputError("label must be a class index from 0, or a vector of them")
        self.labels = labels.astype(np.intp)
        self.n, self.classes = 0, 0
        if classes is not None:
            self._resize(as_size(classes, "classes") * labels.size)

    def _resize(self, n: int) -> None:
        samples = self.labels.size
        if n < 1 or n % samples:
            raise InputError(f"CrossEntropy with {samples} labels needs a multiple of {samples} inputs, not {n}")
        self.n, self.classes = n, n // samples
        if self.labels.max() >= self.classes:
            raise InputError(f"CrossEntropy has label {self.labels.max()}, but only classes 0 to {self.classes - 1}")

    def sized(self, n: int) -> Layer:
        if self.n:
            return self
        layer = copy.copy(self)
        layer._resize(n)
        return layer

    @functools.cached_property
    def one_hot(self) -> Array:
        """The labels as rows of the identity, (samples, classes)."""
        rows: Array = np.eye(self.classes)[self.labels]
        return rows

    def function(self, x: Any, params: Any, xp: Any = np) -> Any:
        scores = x.reshape(*x.shape[:-1], self.labels.size, self.classes)
        top = xp.max(xp.real(scores), axis=-1, keepdims=True)  # cancels exactly; keeps exp from overflowing
        log_sum = xp.log(xp.sum(xp.exp(scores - top), axis=-1)) + top[..., 0]
        chosen = xp.sum(scores * xp.asarray(self.one_hot, dtype=x.dtype), axis=-1)
        return xp.mean(log_sum - chosen, axis=-1, keepdims=True)

    def derivative_of(self, dtype: np.dtype[Any]) -> Derivative:
        return CrossEntropyDerivative(self, dtype)


class GradientRow(Derivative):
    """The derivative of a function into R: one row g (1, n)."""

    def __init__(self, n: int, dtype: np.dtype[Any]) -> None:
        super().__init__((1, n), dtype)

    def sizes(self, cotangents: int = 1, tangents: int | None = None) -> Sizes:
        return Sizes(1, self.shape[1])

    def bind(self, primal: Array, residual: Array, scratch: Array) -> None:
        self.y = primal[:1]
        self.g = residual[: self.shape[1]]
        self.row = self.g[None]

    def jvp(self, V: Array, out: Array | None = None) -> Array:
        return np.matmul(self.row, V, out=out)

    def vjp(self, U: Array, out: Array | None = None) -> Array:
        return np.multiply(U, self.row, out=out)

    def dense(self, out: Array | None = None) -> Array:
        if out is None:
            return self.row.copy()
        np.copyto(out, self.row)
        return out

    def columns(self, start: int, stop: int, out: Array) -> Array:
        np.copyto(out, self.row[:, start:stop])
        return out

    def work(self, operation: str, k: int = 1) -> Work:
        n = self.shape[1]
        match operation:
            case "jvp":
                return product(1, n, k)
            case "vjp":
                return passes(n * k, 1, operands=3)
            case "dense":
                return passes(n)
        return self._primal_work(operation)

    @abstractmethod
    def _primal_work(self, operation: str) -> Work:
        """The work of ``value`` or ``at``."""


class SquaredErrorDerivative(GradientRow):
    """``(x - target)^T``."""

    def __init__(self, target: Array, dtype: np.dtype[Any]) -> None:
        super().__init__(target.size, dtype)
        self.target = target.astype(dtype, copy=False)

    def value(self, x: Array) -> Array:
        np.subtract(x, self.target, out=self.g)
        self.y[0] = 0.5 * np.dot(self.g, self.g)
        return self.y

    at = value

    def _primal_work(self, operation: str) -> Work:
        n = self.shape[1]
        return passes(n, 1, operands=3) + product(1, n, 1)


class CrossEntropyDerivative(GradientRow):
    """``(softmax(x_s) - e_label(s))^T / samples``, by the shifted exponentials that the loss needs anyway."""

    def __init__(self, layer: CrossEntropy, dtype: np.dtype[Any]) -> None:
        super().__init__(layer.n, dtype)
        self.samples, self.classes = layer.labels.size, layer.classes
        self.chosen = np.arange(self.samples) * self.classes + layer.labels
        self.mean = np.full(self.samples, 1.0 / self.samples, dtype)

    def sizes(self, cotangents: int = 1, tangents: int | None = None) -> Sizes:
        return Sizes(1, self.shape[1], 2 * self.samples)

    def bind(self, primal: Array, residual: Array, scratch: Array) -> None:
        super().bind(primal, residual, scratch)
        self.table = self.g.reshape(self.samples, self.classes)
        self.sum = scratch[: self.samples]
        self.picked = scratch[self.samples : 2 * self.samples]
        self.sum_column, self.picked_column = self.sum[:, None], self.picked[:, None]

    def value(self, x: Array) -> Array:
        scores = x.reshape(self.samples, self.classes)
        np.amax(scores, axis=1, out=self.sum)  # complex numbers are ordered by their real part, so this is analytic
        np.take(x, self.chosen, out=self.picked, mode="clip")
        np.subtract(scores, self.sum_column, out=self.table)
        np.subtract(self.sum, self.picked, out=self.picked)
        np.exp(self.table, out=self.table)
        np.add.reduce(self.table, axis=1, out=self.sum)
        y = np.dot(self.picked, self.mean)
        np.log(self.sum, out=self.picked)
        self.y[0] = y + np.dot(self.picked, self.mean)
        return self.y

    def at(self, x: Array) -> Array:
        self.value(x)
        np.multiply(self.sum, self.samples, out=self.sum)
        np.divide(self.table, self.sum_column, out=self.table)
        np.take(self.g, self.chosen, out=self.picked, mode="clip")
        np.subtract(self.picked, self.mean, out=self.picked)
        self.g[self.chosen] = self.picked
        return self.y

    def _primal_work(self, operation: str) -> Work:
        n, samples = self.shape[1], self.samples
        work = passes(n, 4, transcendental=1) + passes(samples, 3, transcendental=1) + product(1, samples, 1) * 2
        return work if operation == "value" else work + passes(n, 1) + passes(samples, 4)
