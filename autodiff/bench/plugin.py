"""The pytest side: parametrise over sweeps, hand each test its measurement.

``benchmarks/conftest.py`` imports the names of ``__all__``, so this acts on that folder alone and a pytest run
elsewhere never notices that the package is installed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from threadpoolctl import threadpool_limits

from ..arrays import as_size
from ..engines.registry import split_names
from ..errors import AutodiffError
from .calibrate import KERNELS, Calibration
from .folder import Request, read_request
from .measure import MEMORY_SHARE, Measurement
from .plan import plan
from .sweep import load_all

__all__ = ["calibration", "measurement", "pytest_addoption", "pytest_configure", "pytest_generate_tests"]


@dataclass(frozen=True)
class Session:
    """What this pytest session measures, and where it records."""

    request: Request
    number: int
    records: Path | None


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
    group.addoption("--request", type=Path, metavar="FILE", help="take sweeps, engines, effort and threads from here")
    group.addoption("--pass-number", default=1, type=int, metavar="K", help="the number of this pass, for the records")


def pytest_configure(config: pytest.Config) -> None:
    """Settle what is measured, and hold BLAS and memory to what the records will say."""
    try:
        session = Session(_request(config), config.getoption("--pass-number", 1), config.getoption("--records", None))
    except AutodiffError as error:
        raise pytest.UsageError(str(error)) from None
    config.stash[SESSION] = session
    config.stash[LIMIT] = threadpool_limits(session.request.threads, user_api="blas")
    if config.getoption("--request", None):  # a process of our own: better a MemoryError than being killed
        _limit_memory()


def _request(config: pytest.Config) -> Request:
    path = config.getoption("--request", None)
    if path is not None:
        return read_request(path)
    engines = split_names(config.getoption("--engines", ""))
    threads = as_size(config.getoption("--blas-threads", 1), "--blas-threads")
    sweeps = load_all(config.getoption("--sweep", []))
    return Request(sweeps, engines, config.getoption("--effort", "default"), 1, threads)


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:
        return
    used = psutil.Process().memory_info().vms
    limit = used + int(psutil.virtual_memory().available * MEMORY_SHARE)
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test per case and engine, the engines of a case next to each other in time."""
    if "calibration" in metafunc.fixturenames:
        metafunc.parametrize("calibration", KERNELS, ids=["-".join(one) for one in KERNELS], indirect=True)
    if "measurement" not in metafunc.fixturenames:
        return
    session = metafunc.config.stash[SESSION]
    request = session.request
    made = [
        Measurement(case, engine, session.number, request.threads, session.records)
        for case, engine in plan(request.sweeps, request.effort, request.engines)
    ]
    metafunc.parametrize("measurement", made, ids=[f"{one.case.sweep}-{one.id}" for one in made], indirect=True)


@pytest.fixture
def measurement(request: pytest.FixtureRequest) -> Any:
    """The :class:`~autodiff.bench.measure.Measurement` of this test."""
    return request.param


@pytest.fixture
def calibration(request: pytest.FixtureRequest) -> Any:
    """The :class:`~autodiff.bench.calibrate.Calibration` of this test."""
    session = request.config.stash[SESSION]
    kernel, dtype = request.param
    return Calibration(kernel, dtype, session.number, session.records)
