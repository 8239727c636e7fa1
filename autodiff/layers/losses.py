"""Losses, R^n -> R."""

from __future__ import annotations

import copy
import functools
from typing import Any

import numpy as np

from ..arrays import Array, as_floats, as_size
from ..errors import DTypeError, InputError
from .base import Layer


class SquaredError(Layer):
    """``y = |x - target|^2 / 2``.

    Args:
        target: a vector (n,).

    Raises:
        InputError: the target is no vector, or not finite.
    """

    m = 1
    batched = True

    def __init__(self, target: object) -> None:
        self.target = as_floats(target, "target").copy()
        if self.target.ndim != 1 or not self.target.size:
            raise InputError(f"target has shape {self.target.shape}; expected a vector")
        self.n = self.target.size

    def function(self, x: Any, params: Any, xp: Any = np) -> Any:
        error = x - xp.asarray(self.target, dtype=x.dtype)
        return 0.5 * xp.sum(xp.square(error), axis=-1, keepdims=True)


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
    batched = True

    def __init__(self, label: object, classes: int | None = None) -> None:
        try:
            labels = np.atleast_1d(np.asarray(label))
        except ValueError as error:
            raise InputError(f"label is ragged: {error}") from error
        if labels.dtype.kind not in "iu":
            raise DTypeError(f"label is {labels.dtype}; pass the index of the class, or a vector of them")
        if labels.ndim != 1 or not labels.size or labels.min() < 0:
            raise InputError("label must be a class index from 0, or a vector of them")
        self.labels = labels.astype(np.intp)  # a copy
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
        top = xp.max(xp.real(scores), axis=-1, keepdims=True)  # keeps exp from overflowing, and has no derivative
        shifted = scores - top
        log_sum = xp.log(xp.sum(xp.exp(shifted), axis=-1))
        chosen = xp.sum(shifted * xp.asarray(self.one_hot, dtype=x.dtype), axis=-1)  # shifted too, lest digits cancel
        return xp.mean(log_sum - chosen, axis=-1, keepdims=True)
