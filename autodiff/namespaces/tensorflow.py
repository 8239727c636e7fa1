"""NumPy's names over TensorFlow, from its own ``tf.experimental.numpy``, and the few that it lacks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import load


class TensorflowNamespace:
    """The names that layers use: TensorFlow's own NumPy, whose tensors then behave like arrays.

    Raises:
        UnsupportedError: TensorFlow is not installed.
    """

    def __init__(self) -> None:
        self.tf = load("tensorflow")
        self.tf.experimental.numpy.experimental_enable_numpy_behavior()
        self._numpy = self.tf.experimental.numpy
        self.special = self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._numpy, name)

    def expit(self, x: Any) -> Any:
        """The logistic function."""
        return self.tf.math.sigmoid(x)

    def real(self, x: Any) -> Any:
        """``x``, which is real: complex steps are not taken through TensorFlow."""
        return x

    def pieces(self, flat: Any, sizes: Sequence[int]) -> Any:
        """A vector cut up, by one split."""
        return self.tf.split(flat, list(sizes))
