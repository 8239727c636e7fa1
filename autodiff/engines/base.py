"""What every engine promises: ``prepare`` once, then run as often as one likes."""

from __future__ import annotations

import contextvars
import functools
import math
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike

from ..arrays import BUFFER, OWNED, PLAIN, Array, aligned_empty, as_plain, as_size, check_out
from ..errors import InputError, UnknownNameError, UnsupportedError
from ..network import Network
from ..program.count import NOTHING, Work

LARGE = 1 << 16  #: bytes of a result from which its alignment is worth the microsecond that it costs

OPERATIONS = ("jacobian", "gradient", "jvp", "vjp", "value")


class Prepared(ABC):
    """A network made ready for one operation; call it with x.

    One object works in one memory: threads that call it are given turns, so prepare one for each to have them run at
    the same time. NumPy's error state (``np.errstate``) during a run is that of the preparation. Copied or pickled, it
    is prepared again, for the network's copy.

    Attributes:
        network: the network at the precision of the run.
        wrt: "input" or "params".
        operation: "jacobian", "jvp", "vjp" or "value".
        seeds: tangents of a jvp, cotangents of a vjp.
        shape: of the result: (m, n), (m, k), (k, n) or (m,).
        nbytes: bytes of the arrays held between runs.
        work: exact counts of one run, for predictions; zero where an engine cannot know them.
        maker: the engine that prepared it.
        keeps_value: a run leaves f(x) in ``value``.
    """

    nbytes: int = 0
    work: Work = NOTHING
    maker: Engine | None = None
    keeps_value: bool = False

    def __init__(self, network: Network, wrt: str, operation: str, seeds: int) -> None:
        self.network, self.wrt, self.operation, self.seeds = network, wrt, operation, seeds
        columns = network.variables(wrt)
        self._seed_shape = {"jvp": (columns, seeds), "vjp": (seeds, network.m)}.get(operation)
        shapes: dict[str, tuple[int, ...]] = {
            "jvp": (network.m, seeds),
            "vjp": (seeds, columns),
            "value": (network.m,),
        }
        self.shape = shapes.get(operation, (network.m, columns))
        self._x_shape, self._dtype = (network.n,), np.dtype(network.dtype.type)
        self._empty = aligned_empty if self.result_nbytes >= LARGE else np.empty
        self._lock, self._running = threading.RLock(), False
        self._context = contextvars.copy_context()
        self._context.run(np.setbufsize, BUFFER)

    @property
    def result_nbytes(self) -> int:
        """Bytes of one result."""
        return math.prod(self.shape) * self.network.dtype.itemsize

    @property
    def value(self) -> Array:
        """f(x) of the latest run, (m,), a copy.

        Raises:
            InputError: it is not kept, see ``keeps_value``, or nothing has been run yet.
        """
        raise InputError(f"this run does not keep the value of a {self.operation}; call network(x) for it")

    def __call__(self, x: Array, seed: Array | None = None, out: Array | None = None) -> Array:
        """Run at x (n,); ``seed`` is V (n, k) for a jvp and U (k, m) for a vjp.

        The result is a new array, or ``out`` filled. Shapes and dtypes are checked on every call; whether the
        numbers are finite is not, see :func:`autodiff.jacobian` for that.

        Raises:
            InputError: a wrong shape; an ``out`` that is not C-contiguous, aligned and writeable, or overlaps x, the
                seed or the parameters; a call from within a run of the same object.
            DTypeError: no array, or a dtype other than the prepared one.
        """
        given, dtype, shape = (x, seed), self._dtype, self._x_shape
        if type(x) is not np.ndarray or x.dtype != dtype or x.shape != shape or x.flags.num & PLAIN != PLAIN:
            x = as_plain(x, shape, dtype, "x")
        if seed is not None or self._seed_shape is not None:
            seed = self._as_seed(seed)
        if out is None:
            out = target = self._empty(self.shape, dtype)
        else:
            target = self._as_out(out, *given)
        with self._lock:
            if self._running:
                raise InputError("this run was called from within itself; prepare another for that")
            self._running = True
            try:
                self._context.run(self._run, x, seed, target)
            finally:
                self._running = False
        return out

    def _as_seed(self, seed: Array | None) -> Array | None:
        dtype, shape = self._dtype, self._seed_shape
        if shape is None:
            raise InputError(f"a {self.operation} takes no seed; prepare a jvp or a vjp for that")
        if type(seed) is np.ndarray and seed.dtype == dtype and seed.shape == shape and seed.flags.num & PLAIN == PLAIN:
            return seed
        if seed is None:
            raise InputError(f"a {self.operation} needs a seed of shape {shape}")
        return as_plain(seed, shape, dtype, "seed")

    def _as_out(self, out: Array, x: Array, seed: Array | None) -> Array:
        if (
            type(out) is np.ndarray
            and out.flags.num & OWNED == OWNED
            and out.shape == self.shape
            and out.dtype == self._dtype
            and out is not x
            and x.flags.owndata  # arrays with memory of their own: no bounds have to be compared, in 0.3 us each
            and (seed is None or (out is not seed and seed.flags.owndata))
        ):
            return out
        apart = [(x, "x"), (self.network.params, "the network's parameters")]
        if seed is not None:
            apart.append((seed, "the seed"))
        return check_out(out, self.shape, self._dtype, apart)

    def checked(self, x: Array, seed: Array | None = None) -> tuple[Array, Array | None]:
        """x and the seed as plain arrays of the shapes and the dtype that this was prepared for.

        Raises:
            InputError, DTypeError: they are not.
        """
        x = as_plain(x, self._x_shape, self._dtype, "x")
        return x, None if seed is None and self._seed_shape is None else self._as_seed(seed)

    def __reduce__(self) -> Any:
        if self.maker is None:
            raise TypeError(f"{type(self).__name__} was not prepared by an engine, so that no copy can be")
        return _prepared_again, (self.maker, self.network, self.wrt, self.operation, self.seeds)

    def bound(self, x: Array, seed: Array | None = None) -> Callable[[], object]:
        """The run at x with everything in place: what is timed.

        Each call does the whole work again and returns when its result is there, as the engine's own kind of array.
        Peers convert x, seed and parameters now, so that no conversion is timed.
        """
        out = aligned_empty(self.shape, self.network.dtype)
        return functools.partial(self, x, seed, out)

    def to_numpy(self, result: Any) -> Any:
        """What a bound run gave, as an array on the host: what is timed is checked by it."""
        return result

    @abstractmethod
    def allocate(self) -> None:
        """Take the memory that the runs work in; :meth:`Engine.prepare` calls it."""

    @abstractmethod
    def _run(self, x: Array, seed: Array | None, out: Array) -> None:
        """Fill ``out``; all arrays are C-contiguous and aligned, and ``out`` overlaps none."""


def _prepared_again(maker: Engine, network: Network, wrt: str, operation: str, seeds: int) -> Prepared:
    return maker.prepare(network, wrt, operation=operation, seeds=seeds)


class Engine(ABC):
    """A way of differentiating a network.

    Attributes:
        name: what users call it.
        family: engines of one family share a process when they are measured.
        mode: "forward" or "reverse" for engines that are compared as such, else empty.
        operations: what it can compute, besides ``value``.
        analytic: its derivatives are exact up to rounding.
        traced: its arrays are NumPy's, so that tracemalloc sees all its memory.
    """

    name: ClassVar[str]
    family: str = "numpy"
    mode: ClassVar[str] = ""
    operations: ClassVar[frozenset[str]] = frozenset({"jacobian", "gradient"})
    analytic: ClassVar[bool] = True
    traced: ClassVar[bool] = True
    _label: str = ""

    @property
    def executors(self) -> tuple[str, ...]:
        """Which of "numpy" and "compiled" may run its programs; empty for an engine that writes none."""
        return ()

    @property
    def label(self) -> str:
        """The name with the options that this engine was made with."""
        return self._label or self.name

    @label.setter
    def label(self, text: str) -> None:
        self._label = text

    def available(self) -> str:
        """Empty if this engine can run here, else the reason."""
        return ""

    def load(self) -> None:  # noqa: B027 - most need nothing
        """Import what the engine needs; called before its preparation is timed."""

    def supports(self, network: Network, wrt: str = "input", operation: str = "jacobian") -> str:
        """Empty if the engine can do that, else the reason."""
        if not isinstance(network, Network):
            raise InputError(f"expected a Network, got {type(network).__name__}")
        if operation not in OPERATIONS:
            raise UnknownNameError("operation", operation, OPERATIONS)
        if wrt == "params" and not network.params.size:
            return f"{network.name} has no parameters to differentiate; use wrt='input'"
        network.variables(wrt)
        if operation == "gradient" and network.m != 1:
            return f"a gradient needs one output, {network.name} has {network.m}; ask for the jacobian"
        if operation != "value" and operation not in self.operations:
            return f"{self.name} does not compute a {operation}"
        return self.available()

    def prepare(
        self,
        network: Network,
        wrt: str = "input",
        dtype: DTypeLike | None = None,
        operation: str = "jacobian",
        seeds: int = 1,
    ) -> Prepared:
        """Do once what need not be repeated, and return the function of x that does the rest.

        Args:
            network: the network; at its own dtype its parameters are shared, at another they are copied now.
            wrt: differentiate with respect to the "input" or the "params".
            dtype: float64 or float32; the network's own if left out.
            operation: "jacobian", "gradient" (a jacobian with one row), "jvp", "vjp" or "value".
            seeds: tangents of a jvp, cotangents of a vjp.

        Raises:
            UnsupportedError: with the reason that :meth:`supports` gives.
            InputError, DTypeError, UnknownNameError: an argument is wrong.
            MemoryError: the arrays do not fit.
        """
        made = self.layout(network, wrt, dtype, operation, seeds)
        made.allocate()
        return made

    def layout(
        self,
        network: Network,
        wrt: str = "input",
        dtype: DTypeLike | None = None,
        operation: str = "jacobian",
        seeds: int = 1,
        supported: bool = False,
    ) -> Prepared:
        """What :meth:`prepare` returns, before it takes memory; its ``nbytes``, ``shape`` and ``work`` can be read.

        Args:
            network, wrt, dtype, operation, seeds: as for :meth:`prepare`.
            supported: it is known to be, which peers find out by tracing.
        """
        seeds = as_size(seeds, "seeds")
        reason = "" if supported else self.supports(network, wrt, operation)
        if reason:
            raise UnsupportedError(reason)
        network = network if dtype is None else network.astype(dtype)
        if operation == "value":
            made = self.evaluation(network)
        else:
            made = self.build(network, wrt, "jacobian" if operation == "gradient" else operation, seeds)
        made.maker = self
        return made

    def evaluation(self, network: Network) -> Prepared:
        """The evaluation of f itself; left alone, by NumPy's executor."""
        from .forward import Forward

        return Forward().evaluation(network)

    @abstractmethod
    def build(self, network: Network, wrt: str, operation: str, seeds: int) -> Prepared:
        """The run for an operation that is known to be supported, without its memory."""

    def __repr__(self) -> str:
        return f"<engine {self.name}>"
