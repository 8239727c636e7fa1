"""The pytest side: parametrise over sweeps, hand each test its measurement.

``benchmarks/conftest.py`` imports the names of ``__all__``, so this acts on that folder alone and a pytest run
elsewhere never notices that the package is installed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
from threadpoolctl import threadpool_limits

from ...arrays import as_size
from ...engines.registry import split_names
from ...errors import AutodiffError
from ..ask.files import load_all
from ..ask.request import Request
from ..ask.tasks import Task, tasks
from ..records import record as records
from ..records.folder import read_request
from ..records.record import Record, begun
from .calibration import Calibration
from .link import Link
from .measurement import MEMORY_SHARE, Measurement

__all__ = [
    "calibration",
    "measurement",
    "pytest_addoption",
    "pytest_collection_finish",
    "pytest_collection_modifyitems",
    "pytest_configure",
    "pytest_generate_tests",
    "pytest_report_header",
    "pytest_runtest_logfinish",
    "pytest_runtest_setup",
    "pytest_sessionfinish",
]


@dataclass(frozen=True)
class Session:
    """What this pytest session measures, and where its records go."""

    request: Request
    todo: list[Task]
    number: int
    keep: Callable[[Record], None]
    link: Link | None
    made: dict[tuple[str, str, str], Measurement] = field(default_factory=dict)
    known: dict[tuple[str, str, str], Task] = field(default_factory=dict)

    def measurement(self, key: tuple[str, str, str]) -> Measurement:
        """The one of that sweep, case and engine, made when it is first asked for."""
        if not self.known:
            self.known.update((task.key, task) for task in self.todo)
        if key not in self.made:
            task = self.known[key]
            record = begun(task, self.number, self.request.threads)
            self.made[key] = Measurement(task, record, self.keep, self.request.max_seconds)
        return self.made[key]

    @property
    def threads(self) -> int:
        """Of BLAS: the run's, or in a process of a run those of its measurements, which are the same for all."""
        own = self.todo[0].threads if self.link and self.todo else 0
        return own or self.request.threads


SESSION = pytest.StashKey[Session]()
LIMIT = pytest.StashKey[Any]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the sweeps; everything about timing is pytest-benchmark's."""
    group = parser.getgroup("autodiff")
    group.addoption("--sweep", action="append", default=[], metavar="NAME|FILE", help="a sweep; may be given again")
    group.addoption("--engines", default="", metavar="A,B", help="measure these instead of the sweeps' own engines")
    group.addoption("--effort", default="default", choices=["quick", "default", "full"], help="which grid to run")
    group.addoption("--blas-threads", default=1, type=int, metavar="T", help="threads of BLAS (default 1)")
    group.addoption("--records", type=Path, metavar="FILE", help="append a JSON line per measurement")
    # what autodiff bench gives the processes that it starts
    group.addoption("--request", type=Path, help="of autodiff bench")
    group.addoption("--todo", type=Path, help="of autodiff bench")
    group.addoption("--link", type=int, help="of autodiff bench")
    group.addoption("--pass-number", default=1, type=int, help="of autodiff bench")


def pytest_configure(config: pytest.Config) -> None:
    """Settle what is measured, and hold BLAS and memory to what the records will say."""
    if config.getoption("numprocesses", None) and not config.getoption("benchmark_disable", False):
        raise pytest.UsageError("several tests at a time cannot be timed: leave -n out, or add --benchmark-disable")
    try:
        session = _session(config)
    except AutodiffError as error:
        raise pytest.UsageError(str(error)) from None
    config.stash[SESSION] = session
    config.stash[LIMIT] = threadpool_limits(session.threads, user_api="blas")
    if session.link:  # a process of our own: better a MemoryError than being killed
        _limit_memory()


def pytest_report_header(config: pytest.Config) -> list[str]:
    """What is measured, and what is wrong with measuring it in one process."""
    session = config.stash[SESSION]
    names = ", ".join(sweep.name for sweep in session.request.sweeps)
    lines = [f"autodiff: sweeps {names}; {session.threads} BLAS thread(s)"]
    families = sorted({task.family for task in session.todo})
    if len(families) > 1:
        lines.append(f"autodiff: {', '.join(families)} share this process; autodiff bench gives each one of its own")
    return lines


def _session(config: pytest.Config) -> Session:
    number = config.getoption("--pass-number", 1)
    path = config.getoption("--request", None)
    if path is None:
        request = _request(config)
        file = config.getoption("--records", None)
        keep: Callable[[Record], None] = partial(records.append, file) if file else lambda record: None
        return Session(request, tasks(request, number), number, keep, None)
    request, mine = read_request(path), Link(config.getoption("--link"))
    known = {task.key: task for task in tasks(request, number)}
    todo = [known[tuple(key)] for key in json.loads(config.getoption("--todo").read_text())]
    return Session(request, todo, number, mine.tell, mine)


def _request(config: pytest.Config) -> Request:
    engines = split_names(config.getoption("--engines", ""))
    threads = as_size(config.getoption("--blas-threads", 1), "--blas-threads")
    sweeps = load_all(config.getoption("--sweep", []))
    return Request(
        sweeps=sweeps, engines=engines, effort=config.getoption("--effort", "default"), passes=1, threads=threads
    )


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:
        return
    used = psutil.Process().memory_info().vms
    limit = used + int(psutil.virtual_memory().available * MEMORY_SHARE)
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test per kernel, and per case and engine, the engines of a case next to each other in time."""
    session = metafunc.config.stash[SESSION]
    for name, kernels in (("calibration", True), ("measurement", False)):
        if name in metafunc.fixturenames:
            own = [task for task in session.todo if (task.of is None) == kernels]
            metafunc.parametrize(name, own, ids=["-".join(_words(task)) for task in own], indirect=True)


def _words(task: Task) -> tuple[str, ...]:
    return (task.engine, task.case) if task.of is None else (task.sweep, task.engine, task.case)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out the test that pytest makes of an empty list of parameters: it would wait for a turn of its own."""
    items[:] = [item for item in items if not _empty(item)]


def _empty(item: pytest.Item) -> bool:
    given = getattr(getattr(item, "callspec", None), "params", {})
    return any(name in given and not isinstance(given[name], Task) for name in ("calibration", "measurement"))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Ready."""
    mine = session.config.stash[SESSION].link
    if mine:
        mine.done()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Wait for this test's turn, and learn how long it may take."""
    session = item.config.stash[SESSION]
    if session.link is None:
        return
    message = session.link.wait()
    while message and "prepare" in message:
        session.measurement(tuple(message["prepare"])).prepare()
        session.link.done()
        message = session.link.wait()
    if message is None:
        pytest.exit("no more turns", returncode=0)
    item.add_marker(pytest.mark.benchmark(**message))


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Stay still until every other process has measured what it had to."""
    mine = session.config.stash[SESSION].link if SESSION in session.config.stash else None
    if mine:
        mine.wait()


def pytest_runtest_logfinish(nodeid: str, location: Any) -> None:
    """Say that the turn is over."""
    if Link.current is not None:
        Link.current.done()


@pytest.fixture
def measurement(request: pytest.FixtureRequest) -> Measurement:
    """The :class:`~autodiff.bench.measure.Measurement` of this test."""
    session, task = request.config.stash[SESSION], request.param
    if session.link is None:  # one process for all; of peers the threads cannot be changed any more
        request.config.stash[LIMIT] = threadpool_limits(task.threads or session.threads, user_api="blas")
    made = session.measurement(task.key)
    made.seconds = _seconds(request)
    return made


@pytest.fixture
def calibration(request: pytest.FixtureRequest) -> Calibration:
    """The :class:`~autodiff.bench.calibrate.Calibration` of this test."""
    session = request.config.stash[SESSION]
    record = begun(request.param, session.number, session.request.threads)
    return Calibration(record, session.keep, _seconds(request))


def _seconds(request: pytest.FixtureRequest) -> float:
    """That timing this test is meant to take."""
    marker = request.node.get_closest_marker("benchmark")
    return float((marker.kwargs if marker else {}).get("max_time") or request.config.option.benchmark_max_time)
