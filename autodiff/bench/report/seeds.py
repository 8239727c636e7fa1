"""What the k-th seed costs beside the first: from vector-matrix to matrix-matrix, and what of it the BLAS takes."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ...text import seconds_text
from ..ask.names import COMPILED, PRODUCTS
from ..ask.sweep import SEEDS, Sweep
from ..judge.intervals import Ratio, paired_ratio
from ..judge.results import Results
from .section import Section, engines_of

KNEE = 1.25  #: times the least time per seed, within which a number of seeds is as good as any


@dataclass(frozen=True, slots=True)
class Line:
    """One engine on one network: its times against the number of seeds.

    Attributes:
        network: the name of its cases without the seeds.
        operation: "jvp" or "vjp".
        width: of the network.
        engine: its name, or that of the bare products.
        times: of every number of seeds, by pass.
        shares: of the bare products in the engine's time, by number of seeds, where both were measured.
    """

    network: str
    operation: str
    width: int
    engine: str
    times: dict[int, dict[int, float]]
    shares: dict[int, Ratio]

    @property
    def per_seed(self) -> dict[int, float]:
        """Median seconds for each of k seeds, by k."""
        return {k: float(np.median([*own.values()])) / k for k, own in sorted(self.times.items())}

    @property
    def cheapest(self) -> int:
        """The number of seeds that costs least per seed."""
        found = self.per_seed
        return min(found, key=found.__getitem__)

    @property
    def knee(self) -> int:
        """The fewest seeds whose time per seed is within :data:`KNEE` of the least."""
        found = self.per_seed
        return next(k for k in found if found[k] <= KNEE * found[self.cheapest])

    def over_first(self, k: int) -> Ratio | None:
        """The time of k seeds over that of one, pass by pass; None where one was not measured."""
        return paired_ratio(self.times[k], self.times[1]) if k in self.times and 1 in self.times else None


def lines(results: Results, sweep: Sweep) -> list[Line]:
    """Every engine on every network, and beside them the bare products; the narrowest network first."""
    measured = results.measured(sweep.name)
    if measured.empty or f"key_{SEEDS}" not in measured:
        return []
    found = []
    bases = measured["case"].map(lambda name: re.sub(r"-k\d+$", "", str(name)))
    for base, own in measured.groupby(bases, sort=False):
        cases = {int(row[f"key_{SEEDS}"]): str(row["case"]) for _, row in own.iterrows()}
        known = {
            name: _times(results, sweep.name, cases, name) for name in (*PRODUCTS.values(), *engines_of(results, sweep))
        }
        bare = next((name for name in reversed(PRODUCTS.values()) if known[name]), "")
        first = own.iloc[0]
        for engine, times in known.items():
            if times:
                shares = {k: results.ratio(sweep.name, cases[k], bare, engine) for k in times} if bare else {}
                kept = {k: share for k, share in shares.items() if share and engine != bare}
                found.append(Line(str(base), first["operation"], int(first["width"]), engine, times, kept))
    return sorted(found, key=lambda line: (line.operation, line.width))


def _times(results: Results, sweep: str, cases: dict[int, str], engine: str) -> dict[int, dict[int, float]]:
    times = {k: results.medians(sweep, case, engine) for k, case in cases.items()}
    return {k: own for k, own in times.items() if own}


def seeds(results: Results, sweep: Sweep) -> Section | None:
    """How much cheaper the k-th seed is than the first, from how many on, and how much of that is the BLAS."""
    found, rows = lines(results, sweep), []
    by = {(line.network, line.engine): line for line in found}
    for line in found:
        first, most = min(line.times), max(line.times)
        cheaper, two = line.over_first(line.cheapest), line.over_first(2)
        rows.append(
            (
                line.operation,
                line.width,
                line.engine,
                seconds_text(line.per_seed[first]),
                str(two) if two else "-",
                seconds_text(line.per_seed[line.cheapest]),
                str(_inverse(cheaper, line.cheapest)) if cheaper else "-",
                line.knee,
                *(_share(line, k) for k in (first, line.knee, most)),
                _interpreter(line, by.get((line.network, COMPILED + line.engine))),
            )
        )
    if not rows:
        return None
    names = ["operation", "width", "engine", "first seed", "two take", "least", "times cheaper", "knee"]
    shares = ["BLAS of 1", "at the knee", "of most"]
    note = (
        "A jvp with k tangents, a vjp with k cotangents, f(x) included. Two take: the time of two seeds over that of "
        "one; least: the least time per seed, so many times cheaper than the first; knee: the fewest seeds within "
        f"{KNEE:g} of it. BLAS: the layers' bare matrix products, measured beside the engines, in the time of one, at "
        "the knee and of the most seeds; interpreter: what of one seed's time is gone where the program is compiled."
    )
    table = pd.DataFrame(rows, columns=[*names, *shares, "interpreter"])
    return Section(
        f"Seeds ({sweep.name})", note, table, spare=(("of most",), ("two take",), ("least",), ("at the knee",))
    )


def _inverse(ratio: Ratio, k: int) -> Ratio:
    """The first seed over each of k, where ``ratio`` is k seeds over the first."""
    return Ratio(k / ratio.value, k / ratio.high, k / ratio.low)


def _share(line: Line, k: int) -> str:
    share = line.shares.get(k)
    return f"{share.value:.0%}" if share else "-"


def _interpreter(line: Line, compiled: Line | None) -> str:
    """The share of one seed's time that the same program does not take when it is compiled."""
    if compiled is None or line.engine in PRODUCTS.values():
        return "-"
    return f"{max(1 - compiled.per_seed[min(compiled.times)] / line.per_seed[min(line.times)], 0.0):.0%}"
