"""What a run says beside who won: ratios, gains, predictions, what moved; each a table with a sentence."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..ask.sweep import SEEDS, Sweep
from ..judge.intervals import Ratio
from ..judge.results import Results
from .across import across
from .batches import BATCH, per_example
from .checkpoints import checkpointing
from .constants import constant_sections
from .costs import costs
from .crossover import crossover
from .growth import exponents
from .landscape import landscape
from .pairs import Pair, named, pairs
from .section import Section, engines_of
from .seeds import seeds
from .structure import like_with_like, structure
from .won import who_won

ALONE = (SEEDS, "constants")  #: sweeps in which nobody wins, since every case has one mode


def findings(results: Results, sweeps: list[Sweep]) -> list[Section]:
    """Every section that the run's sweeps give rise to, but those on rivals and rules."""
    single = [sweep for sweep in sweeps if sweep.kind not in ALONE]
    made = [who_won(results, sweep) for sweep in single]
    made.append(exponents(results, single))
    for sweep in sweeps:
        about = {"map": crossover, "ratio": products}.get(sweep.kind)
        made += [about(results, sweep, pair) for pair in pairs(results, sweep)] if about else []
    made += [costs(results, sweep) for sweep in sweeps if sweep.kind == "bars"]
    made += [structure(results, sweep) for sweep in sweeps]
    made += [like_with_like(results, sweep) for sweep in sweeps]
    made += [gains(results, s) for s in sweeps if s.kind == "gain"]
    made += [seeds(results, s) for s in sweeps if s.kind == SEEDS]
    made += [one for s in sweeps if s.kind == "constants" for one in constant_sections(results, s)]
    made += [one for s in sweeps if s.kind == "landscape" for one in landscape(results, s)]
    made += [checkpointing(results, s) for s in sweeps if s.kind == "checkpoints"]
    made += [per_example(results, sweep) for sweep in sweeps if sweep.axes == [BATCH]]
    made += [section for sweep in sweeps if sweep.across for section in across(results, sweep)]
    return [section for section in made if section is not None and not section.table.empty]


def products(results: Results, sweep: Sweep, pair: Pair) -> Section | None:
    """Measured ratio of two engines beside the ratio of their multiplication counts."""
    table = ratio_table(results, sweep, pair)
    if table.empty:
        return None
    first, second = pair
    shown = pd.DataFrame(
        {
            sweep.axes[0]: table["size"].map("{:g}".format),
            "measured": [str(Ratio(*row)) for row in table[["ratio", "low", "high"]].to_numpy()],
            "by multiplications": table["counted"].map("{:.4g}".format),
            "by the machine's rates": table["predicted"].map("{:.3g}".format),
        }
    )
    if table["predicted"].isna().all():  # a run without models
        shown = shown.drop(columns="by the machine's rates")
    note = (
        f"{first} over {second}, each with the evaluation of f that it needs. Large products run at arithmetic speed, "
        "thin ones wait for memory and small ones for the interpreter, so the time does not follow the count."
    )
    return Section(f"Ratio ({named(sweep, pair, sweep.title)})", note, shown)


def ratio_table(results: Results, sweep: Sweep, pair: Pair) -> pd.DataFrame:
    """Size, ratio with interval, and what counts and rates predict, for a sweep over one axis."""
    rows, (first, second) = [], pair
    for case, own in results.measured(sweep.name).groupby("case", sort=False):
        ratio = results.ratio(sweep.name, str(case), first, second)
        if ratio is None:
            continue
        above, below = (results.work(sweep.name, str(case), name) for name in (first, second))
        predicted = own.set_index("engine")["predicted_s"]
        rows.append(
            (
                own.iloc[0][f"key_{sweep.axes[0]}"],
                ratio.value,
                ratio.low,
                ratio.high,
                above.fma / below.fma if below.fma else np.nan,
                predicted[first] / predicted[second],
            )
        )
    return pd.DataFrame(rows, columns=["size", "ratio", "low", "high", "counted", "predicted"])


def gain_table(results: Results, sweep: Sweep) -> pd.DataFrame:
    """Size, gain of the last engine over the best of the others with its interval, and what predicts it."""
    rows, engines = [], engines_of(results, sweep)
    for case, own in results.measured(sweep.name).groupby("case", sort=False):
        times, predicted = own.set_index("engine")["median_s"], own.set_index("engine")["predicted_s"]
        others = [name for name in engines[:-1] if name in times]
        if engines[-1] not in times or not others:
            continue
        best = min(others, key=lambda name: times[name])
        ratio = results.ratio(sweep.name, str(case), best, engines[-1])
        if ratio is None:  # they have no pass in common
            continue
        counts = {name: results.work(sweep.name, str(case), name).fma for name in [*others, engines[-1]]}
        rows.append(
            (
                own.iloc[0][f"key_{sweep.axes[0]}"],
                engines[-1],
                best,
                ratio.value,
                ratio.low,
                ratio.high,
                min(counts[name] for name in others) / counts[engines[-1]] if counts[engines[-1]] else np.nan,
                min(predicted[name] for name in others) / predicted[engines[-1]],
            )
        )
    return pd.DataFrame(rows, columns=["size", "engine", "best", "gain", "low", "high", "counted", "predicted"])


def gains(results: Results, sweep: Sweep) -> Section | None:
    """How much faster the last engine is than the best of the others, beside what counts and rates predict."""
    table = gain_table(results, sweep)
    if table.empty:
        return None
    shown = pd.DataFrame(
        {
            sweep.axes[0]: table["size"].map("{:g}".format),
            "best of the others": table["best"],
            "gain, measured": [str(Ratio(*row)) for row in table[["gain", "low", "high"]].to_numpy()],
            "by multiplications": table["counted"].map("{:.4g}".format),
            "by the machine's rates": table["predicted"].map("{:.3g}".format),
        }
    )
    if table["counted"].isna().all():  # other packages' engines, whose operations are not known
        shown = shown.drop(columns="by multiplications")
    if table["predicted"].isna().all():  # those too, and a run without models
        shown = shown.drop(columns="by the machine's rates")
    note = f"The time of the best of the other engines over that of {table['engine'].iloc[0]}."
    return Section(f"Gain ({sweep.name})", note, shown)


CLOSE = (0.8, 1.25)  #: measured over predicted, within which a prediction is called close


def prediction(results: Results) -> Section:
    """How far the times are from what counts and the executors' models predict, by sweep and over all."""
    known = results.frame.dropna(subset=["predicted_s", "median_s"])
    factor = known["median_s"] / known["predicted_s"]
    parts = [(str(sweep), factor[own.index]) for sweep, own in known.groupby("sweep", sort=False)]
    if len(parts) > 1:
        parts.append(("all", factor))
    rows = []
    for name, own in parts:
        low, middle, high = np.quantile(own, [0.0, 0.5, 1.0])
        close = own.between(*CLOSE).mean()
        rows.append(
            (name, len(own), f"{close:.0%}", f"{middle:.2f}", f"{low:.2f} to {high:.2f}", _farthest(known, own))
        )
    return Section(
        "Measured over predicted",
        "Predictions come from the programs' steps and the executors' models, measured in this run: products by their "
        "sizes, every function's loop, calls, and bytes by how long ago they were used. Close is within "
        f"{CLOSE[0]:g} and {CLOSE[1]:g}. Far from 1, something happens that the steps do not know.",
        pd.DataFrame(rows, columns=["sweep", "rows", "close", "median", "range", "farthest"]),
        (("farthest",),),
    )


def _farthest(known: pd.DataFrame, factor: pd.Series) -> str:
    at = known.loc[np.abs(np.log(factor)).idxmax()]
    return f"{at['engine']} {at['case']}"


OUTLYING = 0.15  #: share of far rounds from which on a row is worth a look; a quiet run's median is a third of it


def steadiness(results: Results) -> Section:
    """How many rows moved while they were measured, or had many rounds far above the others."""
    rows = []
    for sweep, own in results.frame[results.frame["status"] == "ok"].groupby("sweep", sort=False):
        moved, far = own[own["drift"] != 1], own[own["outliers"] > OUTLYING]
        if len(moved) or len(far):
            most = f"{np.exp(np.abs(np.log(moved['drift'])).max()):.2f}" if len(moved) else ""
            rows.append((sweep, len(own), len(moved), most, len(far)))
    return Section(
        "Steadiness",
        "Rows whose times moved by over 5 % during a pass or 10 % from pass to pass, always in one direction, and rows "
        f"with over {OUTLYING:.0%} of their rounds beyond Tukey's far fence. A few of both are usual; see the columns "
        "drift and outliers.",
        pd.DataFrame(rows, columns=["sweep", "rows", "drifted", "by up to", "many outliers"]),
    )


def missing(results: Results) -> Section:
    """What was asked for and not measured, with the reason."""
    rows = results.frame[results.frame["status"] != "ok"]
    shown = rows[["sweep", "case", "engine", "status", "reason"]].reset_index(drop=True)
    return Section("Not measured", "Rows without a time, and why.", shown)
