"""The pytest side: parametrise over sweeps, hand each test its measurement.

``benchmarks/conftest.py`` imports the names of ``__all__``, so this acts on that folder alone and a pytest run
elsewhere never notices that the package is installed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from threadpoolctl import threadpool_limits

from ..errors import AutodiffError
from .measure import VALUE, Measurement
from .sweep import Case, Sweep, load_all

__all__ = ["measurement", "pytest_addoption", "pytest_configure", "pytest_generate_tests"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the sweeps; everything about timing is pytest-benchmark's."""
    group = parser.getgroup("autodiff")
    group.addoption("--sweep", action="append", default=[], metavar="NAME|FILE", help="a sweep; may be given again")
    group.addoption("--engines", default="", metavar="A,B", help="measure these instead of the sweeps' own engines")
    group.addoption("--effort", default="default", choices=["quick", "default", "full"], help="which grid to run")
    group.addoption("--blas-threads", default=1, type=int, metavar="T", help="threads of BLAS (default 1)")
    group.addoption("--records", default=None, type=Path, metavar="FILE", help="append a JSON line per measurement")
    group.addoption("--pass-number", default=1, type=int, metavar="K", help="the number of this pass, for the records")


def pytest_configure(config: pytest.Config) -> None:
    """Hold BLAS to the threads that the records will name."""
    threads = int(config.getoption("--blas-threads", 1))
    config.stash[_LIMIT] = threadpool_limits(threads, user_api="blas")


_LIMIT = pytest.StashKey[Any]()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test per case and engine, the engines of a case next to each other in time."""
    if "measurement" not in metafunc.fixturenames:
        return
    config = metafunc.config
    try:
        sweeps = load_all(config.getoption("--sweep", []))
        chosen = [name for name in config.getoption("--engines", "").split(",") if name]
        planned = plan(sweeps, config.getoption("--effort", "default"), chosen)
    except AutodiffError as error:
        raise pytest.UsageError(str(error)) from None
    made = [
        Measurement(
            case,
            engine,
            config.getoption("--pass-number", 1),
            int(config.getoption("--blas-threads", 1)),
            config.getoption("--records", None),
        )
        for case, engine in planned
    ]
    metafunc.parametrize("measurement", made, ids=[f"{one.case.sweep}-{one.id}" for one in made], indirect=True)


def plan(sweeps: list[Sweep], effort: Any, engines: list[str]) -> list[tuple[Case, str]]:
    """Every case with f itself first and then each of its engines."""
    return [
        (case, engine)
        for sweep in sweeps
        for case in sweep.cases(effort)
        for engine in [VALUE, *(engines or case.series.engines)]
    ]


@pytest.fixture
def measurement(request: pytest.FixtureRequest) -> Any:
    """The :class:`~autodiff.bench.measure.Measurement` of this test."""
    return request.param
