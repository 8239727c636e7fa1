"""What engines of other packages share: is the package there, can it trace the network, and the way in and out.

The layers state their functions once, against a namespace; a peer differentiates those very functions. Parameters
are arguments of what a peer compiles, never constants in it.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import re
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from ...arrays import Array
from ...errors import AutodiffError, InputError, UnsupportedError, WrongResultError
from ...layers import Layer
from ...namespaces import install_line, load
from ...network import Network
from ..base import Engine, Prepared

DEVICE = "AUTODIFF_DEVICE"  #: the environment variable that chooses where peers compute
DEVICES = ("cpu", "gpu")


def chosen_device() -> str:
    """``cpu``, or what the environment variable ``AUTODIFF_DEVICE`` says.

    Raises:
        InputError: it says neither ``cpu`` nor ``gpu``.
    """
    found = os.environ.get(DEVICE, "cpu")
    if found not in DEVICES:
        raise InputError(f"{DEVICE} is {found!r}; expected {' or '.join(DEVICES)}")
    return found


def first_line(error: BaseException) -> str:
    """The kind of an error and the first line of its message, cut to what fits into a table."""
    text = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__


def convert(function: Callable[[Array], Any], arrays: Any) -> Any:
    """``function`` of every array in nested tuples."""
    if isinstance(arrays, tuple):
        return tuple(convert(function, array) for array in arrays)
    return function(arrays)


def leaves(arrays: Any) -> list[Any]:
    """The arrays of nested tuples, in order; what :func:`convert` visits."""
    found: list[Any] = []
    convert(found.append, arrays)
    return found


class Peer(Engine):
    """An engine that is another package.

    Attributes:
        package: its name in Python, and on PyPI unless ``distributions`` says otherwise.
        distributions: names on PyPI, any of which brings it.
        extra: of this package, that brings it.
        title: the package's name as its authors write it.
        minimum: the oldest version that this was written for.
    """

    traced: ClassVar[bool] = False
    package: ClassVar[str]
    title: ClassVar[str]
    minimum: ClassVar[str]
    distributions: ClassVar[tuple[str, ...]] = ()
    extra: ClassVar[str] = "peers"

    def available(self) -> str:
        version = self._version()
        if version is None:
            return f"{self.package} is not installed; {install_line(self.package, self.extra)}"
        if _release(version) < _release(self.minimum):
            upgrade = f"pip install --upgrade '{self.package}>={self.minimum}'"
            return f"{self.package} {version} is too old, {self.name} needs {self.minimum}; {upgrade}"
        return ""

    def _version(self) -> str | None:
        for name in self.distributions or (self.package,):
            with contextlib.suppress(importlib.metadata.PackageNotFoundError):
                return importlib.metadata.version(name)
        return None

    def load(self) -> None:
        load(self.package)

    def supports(self, network: Network, wrt: str = "input", operation: str = "jacobian") -> str:
        reason = super().supports(network, wrt, operation)
        if reason:
            return reason
        try:
            self.load()
        except Exception as error:  # an installation that is there and broken
            return f"{self.title} cannot be imported: {first_line(error)}"
        return self.lacks_device() or self._untraceable(network)

    def lacks_device(self) -> str:
        """Empty if the package computes on the chosen device, else the reason; on the CPU it always does."""
        if chosen_device() == "cpu":
            return ""
        return f"{self.title} computes on the cpu only, and {DEVICE} is {chosen_device()}"

    def _untraceable(self, network: Network) -> str:
        for index, layer in enumerate(network.layers):
            place = f"layer {index} ({layer.title})"
            try:
                shape = self.output_shape(layer, network.dtype)
            except UnsupportedError as error:
                return f"{place} {error}"
            except Exception as error:  # another's layer may raise anything
                return f"{place} cannot be traced by {self.title}: {first_line(error)}"
            if shape != (layer.m,):
                return f"{place} gives shape {shape} under {self.title}; expected ({layer.m},)"
        return ""

    @abstractmethod
    def output_shape(self, layer: Layer, dtype: np.dtype[Any]) -> tuple[int, ...]:
        """The shape that a layer's function gives in this package's arrays, found without computing it."""

    @abstractmethod
    def build(self, network: Network, wrt: str, operation: str, seeds: int) -> PeerRun:
        """The run, not compiled yet."""

    def evaluation(self, network: Network) -> Prepared:
        return self.build(network, "input", "value", 1)


def _release(version: str) -> tuple[int, ...]:
    """``2.13.0+cpu`` as (2, 13, 0); what is not a number ends it."""
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


class PeerRun(Prepared):
    """A run in another package's arrays; subclasses give :meth:`compile` and :meth:`bind`.

    How much memory the package holds is not known, so ``nbytes`` is 0.
    """

    f: Callable[..., Any]  #: the network's function of x and the parameters, in the package's arrays

    def __init__(self, engine: Peer, network: Network, wrt: str, operation: str, seeds: int) -> None:
        super().__init__(network, wrt, operation, seeds)
        self.engine = engine
        self.argument = 0 if wrt == "input" else 1  #: of f, to differentiate with respect to

    def along(self, x: Any, theta: Any) -> tuple[Callable[[Any], Any], Any]:
        """f as a function of the argument that is differentiated, and that argument."""
        if self.argument == 0:
            return lambda z: self.f(z, theta), x
        return lambda z: self.f(x, z), theta

    def first_output(self, x: Any, theta: Any) -> Any:
        """f as a scalar, for networks with one output."""
        return self.f(x, theta)[0]

    def allocate(self) -> None:
        try:
            self.compile()
        except (AutodiffError, MemoryError):
            raise
        except Exception as error:
            name = self.network.name
            raise UnsupportedError(f"{self.engine.label} cannot compile {name}: {first_line(error)}") from error

    def parameters(self) -> Any:
        """The parameters as f takes them: flat to differentiate with respect to them, else as tuples, layer by layer.

        People keep parameters layer by layer, and cutting a flat vector up costs a copy or a view for every layer.
        """
        flat = self.network.params
        return flat if self.wrt == "params" else self.network.parts(flat)

    @abstractmethod
    def compile(self) -> None:
        """Trace and compile, so that no run does."""

    @abstractmethod
    def bind(self, x: Array, seed: Array | None) -> Callable[[], Any]:
        """Convert x, the seed and the parameters as they are now; the callable does the work and waits for it."""

    def example(self) -> tuple[Array, Array | None]:
        """An input and a seed to compile with."""
        shape = self._seed_shape
        return self.network.example_input(), None if shape is None else np.ones(shape, self.network.dtype)

    def bound(self, x: Array, seed: Array | None = None) -> Callable[[], object]:
        return self.bind(*self.checked(x, seed))

    def _run(self, x: Array, seed: Array | None, out: Array) -> None:
        found = np.asarray(self.to_numpy(self.bind(x, seed)()))
        if found.shape != out.shape or found.dtype != out.dtype:
            raise WrongResultError(
                f"{self.engine.label} gave {found.dtype} {found.shape}; expected {out.dtype} {out.shape}"
            )
        np.copyto(out, found)
