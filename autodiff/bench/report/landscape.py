"""Forward against reverse mode over networks of every kind: where each wins, measured beside predicted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ..ask.sweep import Sweep
from ..judge.columns import KEY
from ..judge.intervals import Ratio
from ..judge.results import Results
from .pairs import Pair, pairs
from .section import Section, engines_of
from .structure import OWN

AUTO = "auto"


def landscape_table(results: Results, sweep: Sweep) -> pd.DataFrame:
    """A row for every case and pair of modes: n over m, forward over reverse with its interval, and as predicted."""
    rows: list[tuple[Any, ...]] = []
    for pair in pairs(results, sweep):
        for case, own in results.measured(sweep.name).groupby("case", sort=False):
            ratio = results.ratio(sweep.name, str(case), *pair)
            if ratio is None:
                continue
            predicted = own.set_index("engine")["predicted_s"]
            first = own.iloc[0]
            rows.append(
                (
                    *(case, _name(first), first["wrt"], int(first["n"]), int(first["m"]), *pair),
                    *(ratio.value, ratio.low, ratio.high, predicted[pair[0]] / predicted[pair[1]]),
                )
            )
    names = ["case", "name", "wrt", "n", "m", "first", "second", "ratio", "low", "high", "predicted"]
    return pd.DataFrame(rows, columns=names)


def _name(row: pd.Series[Any]) -> str:
    """The problem, and the words that it was called with."""
    said = [str(value) for key, value in row.items() if str(key).startswith(KEY) and isinstance(value, str)]
    return " ".join([str(row["problem"]), *(one for one in said if one != "-")])


def landscape(results: Results, sweep: Sweep) -> list[Section]:
    """What each mode costs on every network, and what choosing by itself cost over the best."""
    table = landscape_table(results, sweep)
    made = [_costs(results, sweep, table, pair) for pair in pairs(results, sweep)]
    return [one for one in (*made, regret(results, sweep)) if one is not None]


def _costs(results: Results, sweep: Sweep, table: pd.DataFrame, pair: Pair) -> Section | None:
    rows = []
    own = table[(table["first"] == pair[0]) & (table["second"] == pair[1])]
    mixed = pair[0].replace("forward", "mixed")
    for one in own.sort_values("ratio").to_dict("records"):
        at = results.measured(sweep.name)
        costs = at[at["case"] == one["case"]].set_index("engine")["cost_ratio"]
        shown = [_number(costs.get(name)) for name in (*pair, mixed)]
        ratio = str(Ratio(one["ratio"], one["low"], one["high"]))
        rows.append((one["case"], one["wrt"], f"{one['m']} x {one['n']}", *shown, ratio, _number(one["predicted"])))
    if not rows:
        return None
    names = ["network", "wrt", "m x n", *pair, mixed, "forward / reverse", "predicted"]
    note = (
        "Each mode in evaluations of f by the same executor, and forward over reverse, from where forward wins to "
        "where reverse does; predicted from counts and this machine's rates."
    )
    return Section(f"Landscape ({pair[0]} and {pair[1]})", note, pd.DataFrame(rows, columns=names), ((mixed,),))


def regret(results: Results, sweep: Sweep) -> Section | None:
    """The time of ``auto`` over that of the best engine of this package, on every network."""
    if AUTO not in engines_of(results, sweep):
        return None
    rows = []
    for case, own in results.measured(sweep.name).groupby("case", sort=False):
        ours = own[own["package"] == OWN]
        others = ours[ours["engine"] != AUTO].set_index("engine")["median_s"]
        if others.empty or AUTO not in set(ours["engine"]):
            continue
        best = str(others.idxmin())
        ratio = results.ratio(sweep.name, str(case), AUTO, best)
        if ratio is not None:
            chosen = str(ours.set_index("engine")["chosen"][AUTO])
            rows.append((str(case), chosen, best, ratio))
    if not rows:
        return None
    values = np.array([ratio.value for *_, ratio in rows])
    mean = np.exp(np.log(values).mean())
    note = (
        f"The time of what auto has chosen over that of the best of the other engines: {mean:.3g} as the geometric "
        f"mean of {len(rows)} networks, {values.max():.3g} at worst."
    )
    table = pd.DataFrame([(case, chosen, best, str(ratio)) for case, chosen, best, ratio in rows])
    table.columns = ["network", "auto took", "best", "auto / best"]
    return Section("What choosing cost", note, table)


def _number(value: float | None) -> str:
    if value is None or pd.isna(value):
        return "-"
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"
