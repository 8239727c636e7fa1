"""JAX: ``jacfwd`` and ``jacrev`` under ``jit``, ``grad`` for one output.

Source: JAX documentation, "The Autodiff Cookbook" (jvp and vjp under vmap are its ``jmp`` and ``vmp``).
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from ...arrays import Array
from ...errors import InputError
from ...layers import Layer
from ...namespaces import load
from ...namespaces.jax import windowed
from ...network import Network
from .peer import Peer, PeerRun, chosen_device, convert


def _narrow(jax: Any, dtype: np.dtype[Any]) -> bool:
    """JAX, as it is set, would turn numbers of ``dtype`` into float32."""
    return dtype == np.float64 and not jax.config.jax_enable_x64


def _precision(jax: Any, dtype: np.dtype[Any]) -> contextlib.AbstractContextManager[Any]:
    """A context in which JAX keeps ``dtype``; outside of it the user's setting stays."""
    made: contextlib.AbstractContextManager[Any]
    made = jax.enable_x64(True) if _narrow(jax, dtype) else contextlib.nullcontext()
    return made


class _Jax(Peer):
    """An engine of JAX.

    Args:
        convolutions: "lax", its own convolution, as its documentation advises; or "windows", a product with all
            windows, as this package's NumPy writes it, which is faster in float64 on a CPU for some networks.

    Raises:
        InputError: something else.
    """

    family = "jax"
    package: ClassVar[str] = "jax"
    title: ClassVar[str] = "JAX"
    minimum: ClassVar[str] = "0.8"  # the first with jax.enable_x64

    def __init__(self, convolutions: str = "lax") -> None:
        if convolutions not in ("lax", "windows"):
            raise InputError(f"convolutions is {convolutions!r}; expected lax or windows")
        self.convolutions = convolutions

    @property
    def numpy(self) -> Any:
        """The namespace that layers are traced with."""
        return load("jax.numpy") if self.convolutions == "lax" else windowed()

    def lacks_device(self) -> str:
        if chosen_device() == "cpu":
            return ""
        found = sorted({device.platform for device in load("jax").devices()})
        return "" if "gpu" in found else f"JAX finds no gpu here, only {', '.join(found)}"

    def output_shape(self, layer: Layer, dtype: np.dtype[Any]) -> tuple[int, ...]:
        jax = load("jax")
        with _precision(jax, dtype):
            x = jax.ShapeDtypeStruct((layer.n,), dtype)
            theta = tuple(jax.ShapeDtypeStruct(array.shape, dtype) for array in layer.params)
            found = jax.eval_shape(lambda x, theta: layer.function(x, theta, self.numpy), x, theta)
        return tuple(found.shape)

    def build(self, network: Network, wrt: str, operation: str, seeds: int) -> PeerRun:
        return JaxRun(self, network, wrt, operation, seeds)


class JaxForward(_Jax):
    """``jax-forward``: ``jax.jit(jax.jacfwd(f))``."""

    name: ClassVar[str] = "jax-forward"
    mode: ClassVar[str] = "forward"
    operations: ClassVar[frozenset[str]] = frozenset({"jacobian", "gradient", "jvp"})


class JaxReverse(_Jax):
    """``jax-reverse``: ``jax.jit(jax.jacrev(f))``, and ``jax.grad`` for one output."""

    name: ClassVar[str] = "jax-reverse"
    mode: ClassVar[str] = "reverse"
    operations: ClassVar[frozenset[str]] = frozenset({"jacobian", "gradient", "vjp"})


class JaxMixed(_Jax):
    """``jax-mixed``: the layers as a chain of JAX functions, in the order that :func:`autodiff.jax.jacobian` plans.

    With respect to the parameters there is nothing to bracket, and it is ``jax-reverse``.
    """

    name: ClassVar[str] = "jax-mixed"


class JaxRun(PeerRun):
    """One jitted function of x, the parameters and the seed."""

    engine: _Jax

    def compile(self) -> None:
        self.jax = jax = load("jax")
        self.device = jax.devices(chosen_device())[0]
        self.f = functools.partial(self.network.function, xp=self.engine.numpy)
        x, seed = self.example()
        # outside the context a jitted function would be traced again, in float32; an executable stays what it is,
        # and takes a microsecond longer to call
        ahead = _narrow(jax, self.network.dtype)
        with _precision(jax, self.network.dtype):
            jitted, arguments = jax.jit(self._derivative()), self._arguments(x, seed)
            self.compiled = jitted.lower(*arguments).compile() if ahead else jitted
            self.compiled(*arguments).block_until_ready()

    def _derivative(self) -> Callable[..., Any]:
        """The function that is compiled, in JAX's terms."""
        derivative: Callable[..., Any]
        if self.operation != "jacobian":
            derivative = {"value": self.f, "jvp": self._jvp, "vjp": self._vjp}[self.operation]
        elif isinstance(self.engine, JaxMixed) and self.wrt == "input":
            derivative = self._planned
        elif self.engine.mode == "forward":
            derivative = self.jax.jacfwd(self.f, self.argument)
        elif self.network.m > 1:
            derivative = self.jax.jacrev(self.f, self.argument)
        else:
            gradient = self.jax.grad(self.first_output, self.argument)
            derivative = lambda x, theta: gradient(x, theta)[None]  # noqa: E731
        return derivative

    def _planned(self, x: Any, theta: Any) -> Any:
        from ...jax import jacobian  # imports JAX

        pairs = zip(self.network.layers, theta, strict=True)
        layers = [functools.partial(layer.function, params=part, xp=self.engine.numpy) for layer, part in pairs]
        return jacobian(layers)(x)

    def _jvp(self, x: Any, theta: Any, V: Any) -> Any:
        f, z = self.along(x, theta)
        return self.jax.vmap(lambda v: self.jax.jvp(f, (z,), (v,))[1], in_axes=1, out_axes=1)(V)

    def _vjp(self, x: Any, theta: Any, U: Any) -> Any:
        f, z = self.along(x, theta)
        return self.jax.vmap(self.jax.vjp(f, z)[1])(U)[0]

    def _arguments(self, x: Array, seed: Array | None) -> Any:
        arrays = (x, self.parameters(), *(() if seed is None else (seed,)))
        with _precision(self.jax, self.network.dtype):
            # copies, since device_put may go on reading NumPy's memory, and params may be written to
            return convert(lambda array: self.jax.device_put(array.copy(), self.device), arrays)

    def bind(self, x: Array, seed: Array | None) -> Callable[[], Any]:
        compiled, arguments = self.compiled, self._arguments(x, seed)
        return lambda: compiled(*arguments).block_until_ready()
