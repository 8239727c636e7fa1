"""One measurement: build, check what it needs, prepare, verify, look at memory, time, record."""

from __future__ import annotations

import contextlib
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, NoReturn

import numpy as np
import psutil
import pytest

from ...arrays import Array
from ...engines import Engine, Prepared
from ...engines import engine as find_engine
from ...engines.products import Products, linear_part
from ...engines.running import ProgramRun, compiled
from ...errors import AutodiffError, LimitError, UnsupportedError, WrongResultError
from ...machine.rates import predicted, rates_for
from ...network import Network
from ...program.program import Program
from ..ask.names import PRODUCTS, SEEDS, VALUES
from ..ask.tasks import Task
from ..records import record as records
from ..records.record import Record
from .rounds import Rounds
from .timing import take_statistics, time_run
from .verify import check_timed, network_of, tolerance, verification_error

STANDING_IN = {name: "reverse" if executor == "numpy" else f"{executor}-reverse" for executor, name in VALUES.items()}
MEMORY_SHARE = 0.8  #: of the memory that is free, what one measurement may take


@dataclass(frozen=True, slots=True)
class Ready:
    """A run that can be timed.

    Attributes:
        call: what is timed.
        once: seconds that one call took.
        check: raises WrongResultError unless what a call gave is what was verified.
    """

    call: Callable[[], object]
    once: float
    check: Callable[[object], None]


class Measurement:
    """One engine (or one of :data:`~autodiff.bench.ask.names.VALUES`) on one case.

    Args:
        task: which, of which case.
        record: what is to be filled.
        keep: is given the record when it is finished.
        max_seconds: predicted for one call, above which it is refused.

    Attributes:
        seconds: that timing is meant to take; set before :meth:`run`.
    """

    def __init__(self, task: Task, record: Record, keep: Callable[[Record], None], max_seconds: float) -> None:
        assert task.of is not None
        self.case, self.engine = task.of, task.engine
        self.record, self.keep, self.max_seconds = record, keep, max_seconds
        self.seconds = 0.1
        self._ready: Ready | None = None

    @property
    def id(self) -> str:
        """``reverse-n1024-m1-d4-w64``."""
        return f"{self.engine}-{self.record.case}"

    def prepare(self) -> None:
        """Everything but the timing, unless that is done; what is refused is recorded, and told by :meth:`run`."""
        if self._ready is None and self.record.status == "ok":
            with contextlib.suppress(pytest.skip.Exception, pytest.fail.Exception), self._recorded():
                self._ready = self._prepared()

    def run(self, benchmark: Any) -> None:
        """Time with the ``benchmark`` fixture of pytest-benchmark, and keep the record.

        Skips the test where the engine cannot do the case or the memory is too small, fails it where the result
        is wrong.
        """
        benchmark.name = f"{self.case.sweep}[{self.id}]"
        benchmark.group = f"{self.case.sweep}[{self.record.case}]"
        self.prepare()
        if self._ready is None:
            self._tell()
        ready, self._ready = self._ready, None
        told = ("sweep", "case", "engine", "problem", "n", "m", "depth", "width")
        benchmark.extra_info.update({name: getattr(self.record, name) for name in told})
        rounds = Rounds(benchmark, self.seconds, self.record.threads)
        with self._recorded():
            time_run(benchmark, ready.call, ready.once, self.seconds)
            ready.check(ready.call())  # still
        if benchmark.stats is not None:  # None under --benchmark-disable
            take_statistics(self.record, benchmark.stats, rounds)
            self.keep(self.record)

    @contextlib.contextmanager
    def _recorded(self) -> Iterator[None]:
        """Whatever goes wrong inside becomes a record and an outcome of the test."""
        try:
            yield
        except LimitError as error:
            self._end("skipped", said(error))
        except UnsupportedError as error:
            self._end("unsupported", said(error))
        except WrongResultError as error:
            self._end("wrong", said(error))
        except AutodiffError as error:
            self._end("failed", said(error))
        except MemoryError as error:
            self._end("skipped", f"out of memory: {said(error) or 'the network itself does not fit'}")
        except (KeyboardInterrupt, GeneratorExit, pytest.skip.Exception, pytest.fail.Exception, pytest.exit.Exception):
            raise
        except BaseException as error:  # another package's engine may raise anything; it costs its own row, not the run
            self._end("failed", f"{type(error).__name__}: {said(error)}")

    def _prepared(self) -> Ready:
        """The run, bound to its input and verified."""
        record = self.record
        self._refuse_by_keywords()
        network = network_of(self.case)
        self._describe(network)
        engine, network = self._subject(network)
        reason = engine.supports(network, record.wrt, record.operation)
        if reason:
            self._end("unsupported", reason)
        layout = self._refuse_by_layout(engine, network)
        x = network.example_input(SEEDS["input"])
        seed = self._seed(network)
        engine.load()
        if engine.traced and record.number == 1:  # it is the same in every pass, and tracing is slow
            record.peak_bytes = self._peak(layout, engine, network, x, seed)
        start = time.perf_counter()  # asking what is supported is our question, and none of the engine's preparation
        prepared = self._prepare(engine, network)
        record.prepare_s = time.perf_counter() - start
        result = self._verify(prepared, network, x, seed, analytic=engine.analytic)
        call = prepared.bound(x, seed)
        start = time.perf_counter()
        timed = call()
        once = time.perf_counter() - start
        limit = tolerance(network.dtype, engine.analytic)
        ready = Ready(call, once, lambda timed: check_timed(prepared.to_numpy(timed), result, limit))
        ready.check(timed)
        return ready

    def _subject(self, network: Network) -> tuple[Engine, Network]:
        """What is measured, on which network."""
        for executor, name in PRODUCTS.items():
            if name == self.engine:
                return (Products if executor == "numpy" else compiled(Products))(), linear_part(network)
        return find_engine(STANDING_IN.get(self.engine, self.engine)), network

    def _peak(self, layout: Prepared, engine: Engine, network: Network, x: Array, seed: Array | None) -> int:
        """Of a program, writing it is not traced, which takes long and leaves its constants behind, and no more."""
        if not isinstance(layout, ProgramRun):
            return peak_bytes(lambda: self._prepare(engine, network), x, seed)

        def allocated() -> Prepared:
            layout.allocate()
            return layout

        return peak_bytes(allocated, x, seed) + constant_bytes(layout.program, network)

    def _prepare(self, engine: Engine, network: Network) -> Prepared:
        made = self._layout(engine, network)
        made.allocate()
        return made

    def _describe(self, network: Network) -> None:
        record = self.record
        record.n, record.m = network.variables(record.wrt), network.m
        record.depth, record.width = network.depth, network.width
        record.dtype, record.parameters = str(network.dtype), network.params.size

    def _seed(self, network: Network) -> Array | None:
        shape = {
            "jvp": (network.variables(self.record.wrt), self.case.seeds),
            "vjp": (self.case.seeds, network.m),
        }.get(self.record.operation)
        if shape is None:
            return None
        return np.random.default_rng(SEEDS["jvp and vjp"]).standard_normal(shape).astype(network.dtype)

    def _refuse_by_keywords(self) -> None:
        """Do not even build a network whose Jacobian alone would not fit."""
        keywords = self.case.keywords
        n, m = keywords.get("n"), keywords.get("m", 1)
        if self.record.operation in ("jacobian", "gradient") and isinstance(n, int) and isinstance(m, int):
            self.record.n, self.record.m = n, m
            self._refuse_above(n * m * 8, "the Jacobian")

    def _refuse_by_layout(self, engine: Engine, network: Network) -> Prepared:
        """Do not start what would not fit, or take too long; both are known before anything is allocated."""
        layout = self._layout(engine, network)
        self._refuse_above(2 * layout.result_nbytes + layout.nbytes, f"{self.engine}'s arrays and result")
        self.record.work = asdict(layout.work)
        if isinstance(layout, ProgramRun):
            self.record.executor = layout.engine.executor
            self.record.steps = [one.to_list() for one in layout.program.steps(layout.engine.executor)]
            self.record.chosen = layout.engine.name if len(engine.executors) > 1 else ""
        seconds = self._predicted(layout, engine, network)
        if seconds > self.max_seconds:
            self._end("skipped", f"one call is predicted to take {seconds:.3g} s; allowed are {self.max_seconds:g} s")
        return layout

    def _predicted(self, layout: Prepared, engine: Engine, network: Network) -> float:
        """Seconds that a call should take; of other packages, as long as our engine of that mode."""
        if not isinstance(layout, ProgramRun) and not layout.work.calls:
            layout = self._layout(find_engine(engine.mode or "mixed"), network)
        if isinstance(layout, ProgramRun):
            return predicted(layout.engine.executor, layout.program)
        return rates_for("numpy", network.dtype).predict(layout.work)

    def _layout(self, engine: Engine, network: Network) -> Prepared:
        return engine.layout(network, self.record.wrt, None, self.record.operation, self.case.seeds, supported=True)

    def _refuse_above(self, needed: int, what: str) -> None:
        free = int(psutil.virtual_memory().available * MEMORY_SHARE)
        if needed > free:
            self._end("skipped", f"{what} would take {needed:,} bytes; {free:,} may be used")

    def _verify(self, prepared: Prepared, network: Network, x: Array, seed: Array | None, *, analytic: bool) -> Array:
        """The result, compared with complex steps in random directions; a wrong engine is recorded and never timed."""
        result = prepared(x, seed)
        error = verification_error(result, self.case, x, seed, self.record)
        self.record.max_error = error
        limit = tolerance(network.dtype, analytic)
        if not error <= limit:
            self._end("wrong", f"off by {error:.1e} (relative; allowed {limit:.0e}), not timed")
        return result

    def _end(self, status: records.Status, reason: str) -> NoReturn:
        """Record why there is no measurement, and leave the test."""
        self.record.status, self.record.reason = status, reason
        self.keep(self.record)
        self._tell()

    def _tell(self) -> NoReturn:
        """Leave the test, with what the record says."""
        if self.record.status in ("wrong", "failed"):
            pytest.fail(f"{self.id}: {self.record.reason}", pytrace=False)
        pytest.skip(f"{self.id}: {self.record.reason}")


def said(error: BaseException) -> str:
    """An exception's message; those of others may fail to give one."""
    try:
        return str(error)
    except Exception:
        return "(its message cannot be read)"


def constant_bytes(program: Program, network: Network) -> int:
    """Bytes of the arrays that a program points to, the network's parameters left out."""
    operands = (one for instruction in program.code.instructions for one in (*instruction.inputs, instruction.out))
    found = {id(one.buffer.array): one.buffer.array for one in operands if one.buffer.array is not None}
    return sum(array.nbytes for array in found.values() if not np.may_share_memory(array, network.params))


def peak_bytes(prepare: Any, x: Array, seed: Array | None) -> int:
    """Bytes of arrays a prepared engine holds, plus the most that one run allocates, its result included.

    Measured with tracemalloc: NumPy reports its array memory to it under a domain of its own, which leaves
    Python's small objects out of the first part.
    """
    tracemalloc.start()
    try:
        prepared = prepare()
        arrays = tracemalloc.DomainFilter(inclusive=True, domain=np.lib.tracemalloc_domain)
        held = sum(trace.size for trace in tracemalloc.take_snapshot().filter_traces([arrays]).traces)
        prepared(x, seed)
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        prepared(x, seed)
        return held + tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
