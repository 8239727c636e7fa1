"""PyTorch: ``torch.func.jacfwd`` and ``jacrev``, ``torch.autograd.grad`` for one row; eager, or compiled.

Source: PyTorch documentation, "Jacobians, Hessians, hvp, vhp, and more: composing function transforms".
"""

from __future__ import annotations

import functools
import os
import shutil
import warnings
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from ...arrays import Array, as_size
from ...layers import Layer
from ...namespaces import load
from ...namespaces.torch import TorchNamespace
from ...network import Network
from .peer import Peer, PeerRun, chosen_device, convert, leaves

COMPILERS = ("c++", "g++", "clang++")


class _Torch(Peer):
    family = "torch"
    package: ClassVar[str] = "torch"
    title: ClassVar[str] = "PyTorch"
    minimum: ClassVar[str] = "2.6"
    compiles: ClassVar[bool] = False

    def __init__(self, chunk: int | None = None) -> None:
        self.chunk = None if chunk is None else as_size(chunk, "chunk")

    def load(self) -> None:
        torch = load("torch")
        with warnings.catch_warnings():  # at the first jvp PyTorch loads more rules, and warns of its own deprecations
            warnings.simplefilter("ignore")
            torch.func.jvp(torch.sin, (torch.zeros(1),), (torch.zeros(1),))

    def lacks_device(self) -> str:
        if chosen_device() == "cpu" or load("torch").cuda.is_available():
            return ""
        return "PyTorch finds no gpu here, only cpu"

    def output_shape(self, layer: Layer, dtype: np.dtype[Any]) -> tuple[int, ...]:
        torch = load("torch")

        def like(shape: int | tuple[int, ...]) -> Any:
            return torch.empty(shape, dtype=getattr(torch, dtype.name), device="meta")

        theta = tuple(like(array.shape) for array in layer.params)
        return tuple(layer.function(like(layer.n), theta, TorchNamespace("meta")).shape)

    def build(self, network: Network, wrt: str, operation: str, seeds: int) -> PeerRun:
        return TorchRun(self, network, wrt, operation, seeds)


class TorchForward(_Torch):
    """``torch-forward``: ``torch.func.jacfwd``.

    Args:
        chunk: at most so many tangents at a time; all, if left out.
    """

    name: ClassVar[str] = "torch-forward"
    mode: ClassVar[str] = "forward"
    operations: ClassVar[frozenset[str]] = frozenset({"jacobian", "gradient", "jvp"})


class TorchReverse(_Torch):
    """``torch-reverse``: ``torch.func.jacrev``, and ``torch.autograd.grad`` for one row.

    Args:
        chunk: at most so many cotangents at a time; all, if left out.
    """

    name: ClassVar[str] = "torch-reverse"
    mode: ClassVar[str] = "reverse"
    operations: ClassVar[frozenset[str]] = frozenset({"jacobian", "gradient", "vjp"})


class _TorchCompile(_Torch):
    compiles: ClassVar[bool] = True

    def available(self) -> str:
        found = any(shutil.which(compiler) for compiler in (os.environ.get("CXX", ""), *COMPILERS))
        missing = f"torch.compile needs a C++ compiler; none of {', '.join(COMPILERS)} or $CXX is found"
        return super().available() or ("" if found else missing)


class TorchCompileForward(_TorchCompile, TorchForward):
    """``torch-compile-forward``: the same under ``torch.compile``."""

    name: ClassVar[str] = "torch-compile-forward"


class TorchCompileReverse(_TorchCompile, TorchReverse):
    """``torch-compile-reverse``: the same under ``torch.compile``, with ``torch.func.grad`` for one output."""

    name: ClassVar[str] = "torch-compile-reverse"


class TorchRun(PeerRun):
    """A function of x, the parameters and the seed, on one device."""

    engine: _Torch

    def compile(self) -> None:
        self.torch = load("torch")
        self.device = "cuda" if chosen_device() == "gpu" else "cpu"
        self.f = functools.partial(self.network.function, xp=TorchNamespace(self.device))
        arguments = self._arguments(*self.example())
        self.f(*arguments[:2])  # plainly first, so that constants are converted outside of any tracing
        # one row is plain backpropagation when eager: a transform's overhead would be more than the work
        rows = self.seeds if self.operation == "vjp" else self.network.m
        reverse = self.engine.mode == "reverse" and self.operation != "value"
        self.plain = reverse and rows == 1 and not self.engine.compiles
        self.derivative: Callable[..., Any] = self._row if self.plain else self._derivative()
        if self.engine.compiles:
            self.derivative = self._compiled(self.derivative, arguments)

    def _compiled(self, derivative: Callable[..., Any], arguments: tuple[Any, ...]) -> Callable[..., Any]:
        """``derivative`` as a compiled function of the leaves of its arguments.

        It is traced to a graph first, which leaves no guards on our layers, nor nested tuples, for every call to check.
        """

        def flat(*given: Any) -> Any:
            rest = iter(given)
            return derivative(*convert(lambda _: next(rest), arguments))

        given = leaves(arguments)
        make_fx = load("torch.fx.experimental.proxy_tensor").make_fx
        with warnings.catch_warnings():  # the compiler warns of its own deprecations
            warnings.simplefilter("ignore")
            # plain options, and a plain function: others are checked again at every call, for a dozen microseconds
            compiled: Callable[..., Any] = self.torch.compile(make_fx(flat)(*given).forward)
            compiled(*given)
        return compiled

    def _row(self, x: Any, theta: Any, *seed: Any) -> Any:
        rows = (u[0] for u in seed)
        return self.torch.autograd.grad(self.f(x, theta), (x, theta)[self.argument], *rows)[0][None]

    def _derivative(self) -> Callable[..., Any]:
        """The operation as a pure function, in PyTorch's terms."""
        func, chunk = self.torch.func, self.engine.chunk
        derivative: Callable[..., Any]
        if self.operation != "jacobian":
            derivative = {"value": self.f, "jvp": self._jvp, "vjp": self._vjp}[self.operation]
        elif self.engine.mode == "forward":  # jacfwd has no chunks of its own
            derivative = self._columns if chunk else func.jacfwd(self.f, self.argument)
        elif self.network.m > 1:
            derivative = func.jacrev(self.f, self.argument, chunk_size=chunk)
        else:
            gradient = func.grad(self.first_output, self.argument)
            derivative = lambda x, theta: gradient(x, theta)[None]  # noqa: E731
        return derivative

    def _jvp(self, x: Any, theta: Any, V: Any) -> Any:
        func, (f, z) = self.torch.func, self.along(x, theta)
        if V.shape[1] == 1:
            return func.jvp(f, (z,), (V[:, 0],))[1][:, None]
        push = func.vmap(lambda v: func.jvp(f, (z,), (v,))[1], in_dims=1, out_dims=1, chunk_size=self.engine.chunk)
        return push(V)

    def _vjp(self, x: Any, theta: Any, U: Any) -> Any:
        func, (f, z) = self.torch.func, self.along(x, theta)
        return func.vmap(func.vjp(f, z)[1], chunk_size=self.engine.chunk)(U)[0]

    def _columns(self, x: Any, theta: Any) -> Any:
        z = (x, theta)[self.argument]
        return self._jvp(x, theta, self.torch.eye(len(z), dtype=z.dtype, device=z.device))

    def _arguments(self, x: Array, seed: Array | None) -> Any:
        arrays = (x, self.parameters(), *(() if seed is None else (seed,)))
        return convert(lambda array: self.torch.tensor(array, device=self.device), arrays)

    def bind(self, x: Array, seed: Array | None) -> Callable[[], Any]:
        arguments = self._arguments(x, seed)
        if self.plain:
            arguments[self.argument].requires_grad_()
        run = functools.partial(self.derivative, *(leaves(arguments) if self.engine.compiles else arguments))
        if self.device == "cpu":
            return run
        synchronize = self.torch.cuda.synchronize

        def finished() -> Any:
            result = run()
            synchronize()
            return result

        return finished

    def to_numpy(self, result: Any) -> Any:
        return result.cpu().numpy()
