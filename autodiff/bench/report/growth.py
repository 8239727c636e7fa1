"""How the cost of every engine grows with the swept size, measured and counted."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..ask.sweep import Sweep
from ..judge.columns import KEY
from ..judge.growth import Exponent, growth
from ..judge.results import Results
from .section import Section

UNRELATED = ("bars", "across")  #: kinds of sweeps whose cases do not follow one size


def exponents(results: Results, sweeps: list[Sweep]) -> Section:
    """``time ~ axis^exponent`` for every sweep of one problem over one axis, a row per part."""
    rows = []
    for sweep in (sweep for sweep in sweeps if len(sweep.series) == len(sweep.axes) == 1):
        if sweep.kind in UNRELATED:
            continue
        axis, measured = sweep.axes[0], results.measured(sweep.name)
        if axis == "seed" or measured.empty:
            continue
        for engine, own in measured.groupby("engine", sort=False):
            for part in growth(own[KEY + axis].tolist(), own["median_s"].tolist()):
                over = f"{axis} = {part.first:g} to {part.last:g}"
                rows.append((sweep.name, engine, over, str(part), _counted(results, own, KEY + axis, part)))
    return Section(
        "Growth",
        "time ~ size^exponent: the slope of log time over log size, with the 95 % interval of the slope that times "
        "without noise would give over the same sizes; in two parts where one line does not do. By counts: the "
        "exponent of the multiply-adds over the same sizes, where there is nothing but those.",
        pd.DataFrame(rows, columns=["sweep", "engine", "over", "exponent", "by counts"]),
        spare=(("by counts",),),
    )


def _counted(results: Results, own: pd.DataFrame, axis: str, part: Exponent) -> str:
    """The exponent of the counted multiply-adds; empty for other packages, which do not count."""
    inside = own[own[axis].between(part.first, part.last)]
    names = zip(inside["sweep"], inside["case"], inside["engine"], strict=True)
    counts = np.array([results.work(*map(str, name)).fma for name in names], float)
    if not (counts > 0).all():
        return ""
    return f"{np.polyfit(np.log(inside[axis].to_numpy(float)), np.log(counts), 1)[0]:.2f}"
