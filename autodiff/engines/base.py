"""What every engine promises: ``prepare`` once, then run as often as one likes."""

from __future__ import annotations

import contextvars
import functools
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike

from ..arrays import Array, aligned_empty, as_size, check_out
from ..errors import DTypeError, InputError, UnknownNameError, UnsupportedError
from ..layers.work import NOTHING, Work
from ..network import Network
from .memory import ChainMemory

# NumPy copies a broadcast operand into a buffer of its own unless a row is at least as long as the buffer; with its
# default of 8192 elements diag(d) V takes three times as long for rows of 1024, and every run allocates the buffer.
# The setting belongs to a context, which costs a tenth of a microsecond to enter.
BUFFER = 512

LARGE = 1 << 16  #: bytes of a result from which its alignment is worth the microsecond that it costs

OPERATIONS = ("jacobian", "gradient", "jvp", "vjp", "value")


class Prepared(ABC):
    """A network made ready for one operation; call it with x.

    One object works in one memory, so it serves one thread at a time; prepare one for each. NumPy's error state
    (``np.errstate``) during a run is that of the preparation.

    Attributes:
        network: the network at the precision of the run.
        wrt: "input" or "params".
        operation: "jacobian", "jvp", "vjp" or "value".
        shape: of the result: (m, n), (m, k), (k, n) or (m,).
        nbytes: bytes of the arrays held between runs.
        work: exact counts of one run, for predictions; zero where an engine cannot know them.
    """

    nbytes: int = 0
    work: Work = NOTHING

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
        self._context = contextvars.copy_context()
        self._context.run(np.setbufsize, BUFFER)

    @property
    def result_nbytes(self) -> int:
        """Bytes of one result."""
        return int(np.prod(self.shape)) * self.network.dtype.itemsize

    def __call__(self, x: Array, seed: Array | None = None, out: Array | None = None) -> Array:
        """Run at x (n,); ``seed`` is V (n, k) for a jvp and U (k, m) for a vjp.

        The result is a new array, or ``out`` filled. Shapes and dtypes are checked on every call; whether the
        numbers are finite is not, see :func:`autodiff.jacobian` for that.

        Raises:
            InputError: a wrong shape.
            DTypeError: a dtype other than the prepared one.
        """
        self._check(x, (self.network.n,), "x")
        if self._seed_shape is not None:
            if seed is None:
                raise InputError(f"a {self.operation} needs a seed of shape {self._seed_shape}")
            self._check(seed, self._seed_shape, "seed")
        elif seed is not None:
            raise InputError(f"a {self.operation} takes no seed; prepare a jvp or a vjp for that")
        if out is None:
            large = self.result_nbytes >= LARGE
            out = (aligned_empty if large else np.empty)(self.shape, self.network.dtype)
        else:
            check_out(out, self.shape, self.network.dtype)
        self._context.run(self._run, x, seed, out)
        return out

    def _check(self, array: Array, shape: tuple[int, ...], what: str) -> None:
        if not isinstance(array, np.ndarray) or array.dtype != self.network.dtype:
            came = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
            wanted = self.network.dtype
            raise DTypeError(f"{what} is {came}; this was prepared for {wanted}: np.asarray({what}, dtype=np.{wanted})")
        if array.shape != shape:
            raise InputError(f"{what} has shape {array.shape}; expected {shape}")

    def bound(self, x: Array, seed: Array | None = None) -> Callable[[], object]:
        """The run at x with everything in place: what is timed.

        Each call does the whole work again and returns when its result is there, as the engine's own kind of array.
        Peers convert x, seed and parameters now, so that no conversion is timed.
        """
        out = aligned_empty(self.shape, self.network.dtype)
        return functools.partial(self, x, seed, out)

    @abstractmethod
    def allocate(self) -> None:
        """Take the memory that the runs work in; :meth:`Engine.prepare` calls it."""

    @abstractmethod
    def _run(self, x: Array, seed: Array | None, out: Array) -> None:
        """Fill ``out``."""


class Evaluation(Prepared):
    """``y = f(x)`` over preallocated memory: what derivatives are compared with."""

    def __init__(self, network: Network) -> None:
        super().__init__(network, "input", "value", 1)
        self.chain = network.derivatives()
        self.memory = ChainMemory(self.chain, keep_primal=False, keep_residuals=False)
        self.nbytes = self.memory.nbytes
        self.work = sum((d.work("value") for d in self.chain), NOTHING)

    def allocate(self) -> None:
        self.memory.allocate()

    def value(self, x: Array) -> Array:
        """f(x) as a view of the working memory, valid until the next call."""
        for derivative in self.chain:
            x = derivative.value(x)
        return x

    def _run(self, x: Array, seed: Array | None, out: Array) -> None:
        np.copyto(out, self.value(x))


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
    ) -> Prepared:
        """What :meth:`prepare` returns, before it takes memory; its ``nbytes``, ``shape`` and ``work`` can be read."""
        seeds = as_size(seeds, "seeds")
        reason = self.supports(network, wrt, operation)
        if reason:
            raise UnsupportedError(reason)
        return self.assemble(network if dtype is None else network.astype(dtype), wrt, operation, seeds)

    def assemble(self, network: Network, wrt: str, operation: str, seeds: int) -> Prepared:
        """:meth:`layout` for what is known to be supported: peers find that out by tracing, which takes its time."""
        if operation == "value":
            return self.evaluation(network)
        return self.build(network, wrt, "jacobian" if operation == "gradient" else operation, seeds)

    def evaluation(self, network: Network) -> Prepared:
        """The evaluation of f itself; peers give their own."""
        return Evaluation(network)

    @abstractmethod
    def build(self, network: Network, wrt: str, operation: str, seeds: int) -> Prepared:
        """The run for an operation that is known to be supported, without its memory."""

    def __repr__(self) -> str:
        return f"<engine {self.name}>"


def chain_work(pairs: list[tuple[Any, str, int]]) -> Work:
    """The sum over (derivative, operation, k), ``vjp_both`` being an operation too."""
    counted = (d.work_both(k) if operation == "vjp_both" else d.work(operation, k) for d, operation, k in pairs)
    return sum(counted, NOTHING)
