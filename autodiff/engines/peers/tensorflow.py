"""TensorFlow: ``ForwardAccumulator`` and ``GradientTape`` under ``tf.function``, vectorised over the seeds.

Source: TensorFlow guide, "Advanced automatic differentiation", on Jacobians and on ``ForwardAccumulator``.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from ...arrays import Array
from ...layers import Layer
from ...namespaces import load
from ...namespaces.tensorflow import TensorflowNamespace
from ...network import Network
from .peer import Peer, PeerRun, convert


class _Tensorflow(Peer):
    family = "tensorflow"
    package: ClassVar[str] = "tensorflow"
    distributions: ClassVar[tuple[str, ...]] = ("tensorflow", "tensorflow-cpu")
    extra: ClassVar[str] = "tensorflow"
    title: ClassVar[str] = "TensorFlow"
    minimum: ClassVar[str] = "2.18"

    def load(self) -> None:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        threads = int(os.environ.get("OMP_NUM_THREADS", "0") or 0)
        tf = load("tensorflow")
        if threads:  # its own settings, which know nothing of the variables that others read
            for setting in (tf.config.threading.set_intra_op_parallelism_threads,
                            tf.config.threading.set_inter_op_parallelism_threads):  # fmt: skip
                try:
                    setting(threads)
                except RuntimeError:  # it computes already, and was told before
                    break

    def output_shape(self, layer: Layer, dtype: np.dtype[Any]) -> tuple[int, ...]:
        tf, xp = load("tensorflow"), TensorflowNamespace()
        theta = tuple(tf.TensorSpec(array.shape, dtype) for array in layer.params)
        traced = tf.function(lambda x, theta: layer.function(x, theta, xp), autograph=False)
        made = traced.get_concrete_function(tf.TensorSpec((layer.n,), dtype), theta)
        return tuple(made.structured_outputs.shape)

    def build(self, network: Network, wrt: str, operation: str, seeds: int) -> PeerRun:
        return TensorflowRun(self, network, wrt, operation, seeds)


class TensorflowForward(_Tensorflow):
    """``tensorflow-forward``: ``tf.autodiff.ForwardAccumulator``, vectorised over the tangents."""

    name: ClassVar[str] = "tensorflow-forward"
    mode: ClassVar[str] = "forward"
    operations: ClassVar[frozenset[str]] = frozenset({"jacobian", "gradient", "jvp"})


class TensorflowReverse(_Tensorflow):
    """``tensorflow-reverse``: ``tf.GradientTape``, its ``jacobian``, and its ``gradient`` for one output."""

    name: ClassVar[str] = "tensorflow-reverse"
    mode: ClassVar[str] = "reverse"
    operations: ClassVar[frozenset[str]] = frozenset({"jacobian", "gradient", "vjp"})


class TensorflowRun(PeerRun):
    """One graph of x, the parameters and the seed."""

    def compile(self) -> None:
        self.engine.load()
        self.tf = tf = load("tensorflow")
        self.f = functools.partial(self.network.function, xp=TensorflowNamespace())
        arguments = self._arguments(*self.example())
        self.compiled = tf.function(self._derivative(), autograph=False).get_concrete_function(*arguments)
        self.compiled(*arguments).numpy()

    def _derivative(self) -> Callable[..., Any]:
        if self.operation == "value":
            return lambda x, theta: self.f(x, theta)  # which TensorFlow asks for its arguments' names
        if self.engine.mode == "forward":
            return self._pushed
        return self._pulled if self.operation == "vjp" else self._rows

    def _pushed(self, x: Any, theta: Any, V: Any) -> Any:
        """``f' V``; the tangents are the rows of V."""
        tf, (f, z) = self.tf, self.along(x, theta)

        def push(v: Any) -> Any:
            with tf.autodiff.ForwardAccumulator(z, v) as accumulator:
                y = f(z)
            return accumulator.jvp(y, unconnected_gradients=tf.UnconnectedGradients.ZERO)

        return tf.transpose(tf.vectorized_map(push, V))

    def _rows(self, x: Any, theta: Any) -> Any:
        f, z = self.along(x, theta)
        with self.tf.GradientTape() as tape:
            tape.watch(z)
            y = f(z)
        if self.network.m == 1:
            return tape.gradient(y, z, unconnected_gradients=self.tf.UnconnectedGradients.ZERO)[None]
        return tape.jacobian(y, z, unconnected_gradients=self.tf.UnconnectedGradients.ZERO)

    def _pulled(self, x: Any, theta: Any, U: Any) -> Any:
        """``U f'``."""
        f, z = self.along(x, theta)
        zero = self.tf.UnconnectedGradients.ZERO
        with self.tf.GradientTape(persistent=True) as tape:
            tape.watch(z)
            y = f(z)
        return self.tf.vectorized_map(lambda u: tape.gradient(y, z, output_gradients=u, unconnected_gradients=zero), U)

    def _arguments(self, x: Array, seed: Array | None) -> list[Any]:
        arrays = [x, self.parameters()]
        if self.engine.mode == "forward" and self.operation != "value":
            arrays.append(np.eye(self.network.variables(self.wrt), dtype=x.dtype) if seed is None else seed.T)
        elif seed is not None:
            arrays.append(seed)
        return [convert(lambda array: self.tf.constant(array.copy()), array) for array in arrays]

    def bind(self, x: Array, seed: Array | None) -> Callable[[], Any]:
        compiled, arguments = self.compiled, self._arguments(x, seed)
        return lambda: compiled(*arguments)  # on the CPU it returns when its result is there

    def to_numpy(self, result: Any) -> Any:
        return result.numpy()
