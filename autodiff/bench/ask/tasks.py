"""The measurements that a request comes to, in the order in which they are made, and in whose process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ...engines import engine as find_engine
from ...machine.kernels import WRITERS, cannot_run
from ...machine.rates import EXECUTORS, PRECISIONS
from .floors import floor_of, floors
from .names import AGAIN, COMPILED, MACHINE, MODEL, OURS, PRODUCTS, VALUES
from .request import Request
from .sweep import SEEDS, Case

KERNELS = tuple((name, precision) for precision in PRECISIONS for name in WRITERS)


@dataclass(frozen=True)
class Task:
    """One measurement of one pass.

    Attributes:
        sweep, case, engine: what its record is kept under.
        family: whose process measures it.
        of: the case; None for a kernel of the machine.
        threads: that it is measured with; 0 for the run's.
    """

    sweep: str
    case: str
    engine: str
    family: str
    of: Case | None
    threads: int = 0

    @property
    def process(self) -> str:
        """In which process it is measured: its family's, one for each number of threads."""
        return f"{self.family}-{self.threads}-threads" if self.threads else self.family

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it the only one of its kind in a pass."""
        return self.sweep, self.case, self.engine


def asked(request: Request) -> list[tuple[Case, str]]:
    """Every case with each of its engines, in order; under a self-check each twice, the second time :data:`AGAIN`."""
    return [
        (case, engine)
        for sweep in request.sweeps
        for case in sweep.cases(request.effort)
        for engine in _doubled(request.engines or case.series.engines, request.again)
    ]


def _doubled(engines: Sequence[str], again: bool) -> list[str]:
    return [name for one in engines for name in ([one, one + AGAIN] if again else [one])]


def executors_of(engines: Iterable[str]) -> frozenset[str]:
    """Which executors may run engines of these names."""
    return frozenset(one for name in engines for one in find_engine(name).executors)


def kernels_of(executors: frozenset[str]) -> list[tuple[str, str]]:
    """Kernel and precision of every rate of these executors, as far as they can run here."""
    able = [one for one in EXECUTORS if one in executors and not cannot_run(one)]
    return [(COMPILED + name if one == "compiled" else name, precision) for one in able for name, precision in KERNELS]


def models_of(executors: frozenset[str], precisions: Iterable[str]) -> list[tuple[str, str]]:
    """Name and precision of every calibration of these executors, as far as they can run here."""
    able = [one for one in EXECUTORS if one in executors and not cannot_run(one)]
    return [(COMPILED + MODEL if one == "compiled" else MODEL, precision) for one in able for precision in precisions]


def precisions_of(cases: Iterable[Case]) -> list[str]:
    """Which precisions cases say that they are of; float64 where they say nothing."""
    said = {str(case.keywords.get("dtype", PRECISIONS[0])) for case in cases}
    return [one for one in PRECISIONS if one in said] or [PRECISIONS[0]]


def tasks(request: Request, number: int = 1) -> list[Task]:
    """Every measurement of a pass: the machine's own kernels, then case by case f itself and each of its engines.

    Before the first case of a sweep come its engines' floors, where it has them; where seeds are an axis, the bare
    matrix products come beside f. The engines of a case change their order from pass to pass, so that being first or
    last favours none.

    Raises:
        AutodiffError: an engine that there is not.
    """
    cases: dict[tuple[str, str], tuple[Case, list[str]]] = {}
    for case, engine in asked(request):
        cases.setdefault((case.sweep, case.name), (case, []))[1].append(engine)
    families = {name: find_engine(name).family for name in {name for _, own in cases.values() for name in own}}
    executors = executors_of(families) | {"numpy"}
    machine = kernels_of(executors) + models_of(executors, precisions_of(case for case, _ in cases.values()))
    found = [Task(MACHINE, precision, kernel, OURS, None) for kernel, precision in machine]
    first = {sweep.name: floors(sweep, request.engines) for sweep in request.sweeps}
    for case, engines in cases.values():
        for floor in first.pop(case.sweep, []):
            found += _ordered(floor, floor_of(floor.series.operation), floor.series.engines, families, number)
        known = executors_of(engines) | {"numpy"}
        others = [name for executor, name in VALUES.items() if executor in known]
        if case.series.axes == [SEEDS]:  # f is the same for every number of them
            others = [PRODUCTS["compiled" if "compiled" in known else "numpy"]]
        threads = case.threads if case.threads != request.threads else 0
        found += _ordered(case, case.name, [*others, *engines], families, number, threads)
    return found


def _ordered(
    case: Case, name: str, engines: Sequence[str], families: Mapping[str, str], number: int, threads: int = 0
) -> list[Task]:
    """The tasks of a case in a pass."""
    own = [Task(case.sweep, name, engine, families.get(engine, OURS), case, threads) for engine in engines]
    return own if number % 2 else own[::-1]
