"""Running a program: what an engine that writes one prepares."""

from __future__ import annotations

import functools
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

from ..arrays import Array, aligned_empty
from ..errors import InputError, UnsupportedError
from ..machine.blas import touch_buffers
from ..network import Network
from ..program.count import Work
from ..program.instructions import Code
from ..program.program import Program
from .base import Engine, Prepared
from .writer import Writer


class ProgramRun(Prepared):
    """A program, its memory and an executor.

    Attributes:
        program: what is run.
        work: its exact counts.
        nbytes: of its working memory and of the constants that it keeps.
    """

    def __init__(
        self, engine: ProgramEngine, network: Network, wrt: str, operation: str, seeds: int, program: Program
    ) -> None:
        super().__init__(network, wrt, operation, seeds)
        self.engine = self.maker = engine
        self.program = program
        self.nbytes = program.nbytes + _constants(program.code, network.params)
        self.keeps_value = program.code.value is not None
        self.executor: Any = None
        self._work: Work | None = None
        self._has_run = False

    @property
    def work(self) -> Work:  # type: ignore[override]
        """Exact counts of one run."""
        if self._work is None:
            self._work = self.program.work
        return self._work

    def allocate(self) -> None:
        touch_buffers()
        self.executor = self.engine.execution()(self.program.code, self.program.elements)

    def _run(self, x: Array, seed: Array | None, out: Array) -> None:
        self.executor.run(x, seed, out)
        self._has_run = True

    @property
    def value(self) -> Array:
        """f(x) of the latest run, (m,), a copy.

        Raises:
            InputError: the program does not keep it, or has not been run yet.
        """
        if not self.keeps_value:
            return super().value
        with self._lock:
            if not self._has_run:
                raise InputError("nothing has been run yet, so that there is no value")
            kept: Array = self.executor.value.copy()
        return kept

    def bound(self, x: Array, seed: Array | None = None) -> Callable[[], object]:
        """The run at x with everything checked and in place: what is timed.

        Unlike the run itself it takes no turns: one thread at a time may call it.
        """
        out = aligned_empty(self.shape, self.network.dtype)
        x, seed = self.checked(x, seed)
        self(x, seed, out)
        run, context = self.executor.run, self._context
        if self.engine.executor == "numpy":

            def timed() -> Array:
                context.run(run, x, seed, out)
                return out

            return timed

        def timed_compiled() -> Array:
            run(x, seed, out)
            return out

        return timed_compiled


def _constants(code: Code, params: Array) -> int:
    """Bytes of the constants and positions that a program keeps; the parameters are the network's."""
    kept: dict[int, int] = {}
    for one in code.instructions:
        arrays = [operand.buffer.array for operand in one.inputs] + [one.index]
        kept.update((id(array), array.nbytes) for array in arrays if array is not None and array is not params)
    return sum(kept.values())


class ProgramEngine(Engine):
    """An engine that writes a program, and leaves running it to an executor.

    Attributes:
        executor: "numpy" or "compiled".
    """

    executor: ClassVar[str] = "numpy"

    @property
    def executors(self) -> tuple[str, ...]:
        return (self.executor,)

    def available(self) -> str:
        if self.executor == "numpy":
            return ""
        from ..executors.loops import available

        return available()

    def load(self) -> None:
        self.execution()

    def execution(self) -> Any:
        """The executor's class."""
        if self.executor == "numpy":
            from ..executors.numpy import NumpyExecutor

            return NumpyExecutor
        try:
            from ..executors.compiled import CompiledExecutor
        except ImportError as error:  # an installation of Numba that is there and broken, or none
            raise UnsupportedError(self.available() or f"Numba cannot be imported: {error}") from error
        return CompiledExecutor

    def build(self, network: Network, wrt: str, operation: str, seeds: int) -> Prepared:
        return self.written(self.write, network, wrt, operation, seeds)

    def evaluation(self, network: Network) -> Prepared:
        return self.written(Writer.evaluate, network, "input", "value", 1)

    def written(
        self, write: Callable[[Writer], None], network: Network, wrt: str, operation: str, seeds: int
    ) -> ProgramRun:
        """The run of what ``write`` writes, by this engine's executor."""
        w = Writer.of(network, wrt, operation, seeds)
        write(w)
        return ProgramRun(self, network, wrt, operation, seeds, w.program())

    @abstractmethod
    def write(self, w: Writer) -> None:
        """Write the program for ``w.operation``."""


@functools.cache
def compiled(engine: type[ProgramEngine]) -> type[ProgramEngine]:
    """The same order, run by the compiled executor: the engine ``compiled-`` and its name."""
    doc = f"``compiled-{engine.name}``: what ``{engine.name}`` writes, run by NumPy's inner loops."
    made = type(
        f"Compiled{engine.__name__}",
        (engine,),
        {
            "name": f"compiled-{engine.name}",
            "executor": "compiled",
            "__doc__": doc,
            "__module__": engine.__module__,
            "__reduce__": lambda self: (_compiled_again, (engine, self.__dict__)),  # no module has the class by name
        },
    )
    assert issubclass(made, ProgramEngine)
    return made


def _compiled_again(engine: type[ProgramEngine], state: dict[str, Any]) -> ProgramEngine:
    made = object.__new__(compiled(engine))
    made.__dict__.update(state)
    return made
