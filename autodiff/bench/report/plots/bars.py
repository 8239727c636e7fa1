"""What a derivative costs in evaluations of f, one bar per engine and problem."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from ....text import seconds_text
from ...ask.sweep import Sweep
from ...judge.results import Results
from ..section import engines_of
from .style import looks, words

BESIDE = 8.0  #: times the time, up to which a count stands where the text would


def draw_bars(figure: Figure, results: Results, sweep: Sweep) -> None:
    """Cost ratios on a logarithmic axis, with the times beside them; diamonds are operations over those of f."""
    measured = results.measured(sweep.name).dropna(subset=["cost_ratio"])
    if measured.empty:
        return
    engines, drawn = engines_of(results, sweep), looks(measured)
    cases = list(dict.fromkeys(measured["case"]))
    axes = figure.subplots()
    height = 0.8 / max(len(engines), 1)
    for index, engine in enumerate(engine for engine in engines if engine in drawn):
        own = measured[measured["engine"] == engine]
        places = np.array([cases.index(case) for case in own["case"]]) + (index - (len(engines) - 1) / 2) * height
        spread = (own[["ci_low_s", "ci_high_s"]].to_numpy().T / own["median_s"].to_numpy() - 1) * own[
            "cost_ratio"
        ].to_numpy()
        axes.barh(
            places, own["cost_ratio"], height * 0.9, color=drawn[engine].colour, label=words(engine), edgecolor="white",
            linewidth=0, hatch="////" if drawn[engine].compiled else None,
            xerr=None if np.isnan(spread).all() else np.abs(np.nan_to_num(spread)), ecolor="black", capsize=2,
        )  # fmt: skip
        counted = own["counted_cost"].astype(float)
        for place, ratio, seconds, count in zip(places, own["cost_ratio"], own["median_s"], counted, strict=True):
            beside = max(ratio, count) if count < BESIDE * ratio else ratio  # not under its diamond
            text = axes.text(
                beside * 1.2, place, f"{_number(ratio)}  ({seconds_text(seconds)})", va="center", fontsize=9
            )
            text.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 1.0})
        label = "counted, in operations" if not index else None
        axes.plot(
            counted, places, "D", markerfacecolor="white", markeredgecolor="black", markersize=4, label=label, zorder=6
        )  # fmt: skip
    axes.set_xscale("log")
    axes.set_xlim(
        min(0.8, measured["cost_ratio"].min()), np.nanmax(measured[["cost_ratio", "counted_cost"]].astype(float)) * 8
    )
    labels = []
    for case in cases:
        one = measured[measured["case"] == case].iloc[0]
        shared = (measured["problem"] == one["problem"]).sum() > len(engines)
        what = case if shared else one["problem"]
        labels.append(f"{words(what)}\n{one['m']} x {one['n']} {one['operation']}")
    axes.set_yticks(range(len(cases)), labels)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("cost in evaluations of f")
    axes.set_title(words(sweep.heading))
    figure.legend(loc="outside lower center", ncols=3, fontsize=9)


def _number(ratio: float) -> str:
    return f"{ratio:.3g}" if ratio < 1000 else f"{ratio:,.0f}"
