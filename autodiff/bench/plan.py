"""What will be measured, in which order, and in whose process."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..engines import engine as find_engine
from .calibrate import MACHINE, kernels_of
from .folder import Request
from .records import Record
from .sweep import Case, Effort, Sweep

VALUE = "value"  #: stands in an engine's place for the evaluation of f that derivatives are compared with
#: the same, by executor: a derivative is compared with f run by what runs it
VALUES = {"numpy": VALUE, "compiled": f"compiled-{VALUE}"}
AGAIN = "@again"  #: marks the second of two measurements of the same engine, in a process of its own
SEEDS = {"input": 1, "verification": 2, "jvp and vjp": 3}  #: of every random number in a measurement
OURS = "numpy"  #: the family of this package's engines, in whose process f and the machine are measured too


def plan(
    sweeps: Sequence[Sweep], effort: Effort, engines: Sequence[str], again: bool = False
) -> list[tuple[Case, str]]:
    """Every case with f itself first and then each of its engines, so that rivals are measured next to each other.

    Args:
        sweeps: in order.
        effort: which points of their grids.
        engines: instead of the sweeps' own; empty for those.
        again: every engine twice, the second time under its name with :data:`AGAIN`.
    """
    return [
        (case, engine)
        for sweep in sweeps
        for case in sweep.cases(effort)
        for engine in _with_values(_doubled(engines or case.series.engines, again))
    ]


def _with_values(engines: list[str]) -> list[str]:
    known = executors_of(engines)
    return [*(name for executor, name in VALUES.items() if executor == "numpy" or executor in known), *engines]


def executors_of(engines: Iterable[str]) -> frozenset[str]:
    """Which executors may run engines of these names."""
    return frozenset(one for name in engines for one in find_engine(name).executors)


def _doubled(engines: Sequence[str], again: bool) -> list[str]:
    return [name for one in engines for name in ([one, one + AGAIN] if again else [one])]


@dataclass(frozen=True)
class Turn:
    """One measurement of one pass.

    Attributes:
        sweep, case, engine: what its record is kept under.
        family: whose process measures it.
        of: the case; None for a kernel of the machine.
    """

    sweep: str
    case: str
    engine: str
    family: str
    of: Case | None

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it the only one of its kind in a pass."""
        return self.sweep, self.case, self.engine

    def record(self, number: int, threads: int) -> Record:
        """Its record before anything is known but what was asked for."""
        if self.of is None:
            return Record(self.sweep, self.case, self.engine, number, dtype=self.case, threads=threads)
        series, keywords = self.of.series, self.of.keywords
        made = Record(
            sweep=self.sweep,
            case=self.case,
            engine=self.engine,
            number=number,
            problem=series.problem,
            operation=VALUE if self.engine in VALUES.values() else series.operation,
            wrt=series.wrt,
            keywords=keywords,
            threads=threads,
        )
        for name in ("n", "m", "depth", "width"):
            size = keywords.get(name)
            if isinstance(size, int):
                setattr(made, name, size)
        return made


def turns(request: Request, number: int = 1) -> list[Turn]:
    """Every measurement of a pass, the machine's own kernels first.

    The engines of a case change their order from pass to pass, so that being first or last favours none.
    """
    planned = plan(request.sweeps, request.effort, request.engines, request.again)
    engines = {engine for _, engine in planned} - set(VALUES.values())
    executors = executors_of(engines) | {"numpy"}
    found = [Turn(MACHINE, precision, kernel, OURS, None) for kernel, precision in kernels_of(executors)]
    families = dict.fromkeys(VALUES.values(), OURS)
    cases: dict[tuple[str, str], list[Turn]] = {}
    for case, engine in planned:
        if engine not in families:
            families[engine] = find_engine(engine).family
        cases.setdefault((case.sweep, case.name), []).append(
            Turn(case.sweep, case.name, engine, families[engine], case)
        )
    for own in cases.values():
        found += own if number % 2 else own[::-1]
    return found
