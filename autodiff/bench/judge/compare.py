"""Two runs against each other, measurement by measurement: what is slower, what is faster, what only looks so.

How a measurement is judged is told in :mod:`~autodiff.bench.judge`. Where all of B ran on a slower machine, no engine
is to blame: the common factor is the median ratio of what does not belong to the engines compared, the machine's
kernels and f itself; never of the engines, which may all be slower for a reason. Ratios are relative to it, unless
there is too little to take it from, or absolute ones are asked for.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from ...errors import InputError
from ..ask.names import AGAIN, MACHINE, VALUES
from .comparison import Comparison, SelfCheck
from .intervals import Ratio, interval, paired_ratio
from .logs import aligned
from .rule import ENOUGH, LEVEL, Floors, Pairs, contrasts, judge, means, spread
from .side import Key, Side, few, name_of
from .sides import facts_that_differ, read_side

NOTABLE = math.log(1.02)  #: common factors from here on are told
WIDE = 1.5  #: intervals that are so much wider than the passes say are worth a word
DISAGREE = math.log(1.10)  #: by which f itself and the machine's kernels may differ before somebody has to look
QUANTILE = 0.95  #: of what identical engines differ by, the noise floor
ONE_PROCESS = (
    "a log's times come from one process and one pass: its intervals are those of the runs, and say nothing of what "
    "another process, or another day, would differ by"
)


def compare(a: Path, b: Path, *, floor: float | None = None, absolute: bool = False, force: bool = False) -> Comparison:
    """Compare two runs, two JSON files of pytest-benchmark, two logs of GradBench, or one with the other.

    A log's tool stands against every engine of a run that was measured on the same problem, in seconds as they are.
    The parts of a log's runs stand for passes; as they are one process's, only what is beyond ``Floors.single`` is a
    change.

    Args:
        a: the folder or file that B is held against.
        b: the folder or file that is judged.
        floor: the least ratio that counts as a change, instead of those of
            :class:`~autodiff.bench.judge.rule.Floors`; left out, they are raised to what identical engines differ by
            where a run measured them twice.
        absolute: judge times as they are, also where the whole machine was slower.
        force: compare also what was measured on different machines.

    Raises:
        InputError: a side cannot be read, both have nothing in common, or they come from different machines.
    """
    _check(floor)
    left, right = read_side(a), read_side(b)
    refused, differing = facts_that_differ(left, right)
    if refused and not force:
        told = "; ".join(refused)
        raise InputError(f"times from different machines say nothing about the code ({told}); --force compares anyway")
    notes = [f"{text} (compared all the same)" for text in refused] + differing + left.notes + right.notes
    made = compare_sides(left, right, floor=floor, absolute=absolute)
    return replace(made, notes=[*notes, *made.notes])


def compare_sides(left: Side, right: Side, *, floor: float | None = None, absolute: bool = False) -> Comparison:
    """The same of what was read, whatever machines it comes from.

    Raises:
        InputError: both have nothing in common.
    """
    left, right = aligned(left, right)
    logged = bool(left.tool or right.tool)
    pairs = {key: (left.times[key], right.times[key]) for key in left.times if key in right.times}
    tested = {key: pair for key, pair in pairs.items() if key[0] != MACHINE}
    if not tested:
        holds = "; ".join(f"{side.path} holds {few(map(name_of, side.tested))}" for side in (left, right))
        raise InputError(f"nothing was measured in both: {holds}")
    controls = {} if logged else _controls(pairs)  # another tool's f says nothing about the machine
    common, notes = _common(controls)
    wider = spread(controls, common)
    common, notes = (0.0, []) if absolute or logged else (common, notes)
    floors = _floors(floor, [found for side in (left, right) if (found := _own_floor(side)) is not None])
    floors = Floors(floors.single, floors.single) if logged else floors
    judged = judge(tested, common, floors, wider)
    gone, new = ([key for key in side.tested if key not in pairs and not _is_repeat(key)] for side in (left, right))
    table = pd.concat([judged, _alone(gone, left, "gone"), _alone(new, right, "new")], ignore_index=True)
    notes += [f"{len(k)} only in {side}: {few(map(name_of, k))}" for side, k in (("A", gone), ("B", new)) if k]
    notes += _explain(judged, floors, wider)
    notes += [ONE_PROCESS] if logged else []
    return Comparison(table, means(tested, common, floors, wider), notes, floors, math.exp(common), logged)


def self_check(path: Path, floor: float | None = None) -> SelfCheck:
    """Hold every engine that a run measured twice against itself: what is found is noise.

    Args:
        path: the folder of a run whose engines stand twice in it, the second time as ``NAME@again``.
        floor: the least ratio that counts as a change, instead of those of :class:`~autodiff.bench.judge.rule.Floors`.

    Raises:
        InputError: it cannot be read, or no engine was measured twice.
    """
    _check(floor)
    side = read_side(path)
    pairs = _repeated(side)
    ratios = {key: ratio for key, pair in pairs.items() if (ratio := paired_ratio(pair[1], pair[0])) is not None}
    if not ratios:
        raise InputError(f"{path} holds no engine that was measured twice, the second time as NAME{AGAIN}")
    floors = _floors(floor, [])
    judged = judge({key: pairs[key] for key in ratios}, 0.0, floors)
    table = judged[["sweep", "case", "engine"]].copy()
    table["ratio"], table["low"], table["high"] = zip(*((r.value, r.low, r.high) for r in ratios.values()), strict=True)
    table["verdict"] = judged["verdict"]
    return SelfCheck(table, _mean_over_passes(pairs), _floor_of(judged), floors, side.notes)


def _check(floor: float | None) -> None:
    if floor is not None and not 1 <= floor < math.inf:
        raise InputError(f"a noise floor is a ratio of at least 1, not {floor}")


def _floors(asked: float | None, found: Collection[float]) -> Floors:
    if asked is not None:
        return Floors(asked, asked)
    usual = max([*found, Floors().usual])
    return Floors(usual, max(usual, Floors().single))


def _controls(pairs: Pairs) -> Pairs:
    """What does not belong to the engines compared: the machine's kernels, and f itself."""
    return {key: pair for key, pair in pairs.items() if key[0] == MACHINE or key[2] in VALUES.values()}


def _alone(keys: Collection[Key], side: Side, verdict: str) -> pd.DataFrame:
    """Rows of what was measured on one side only."""
    table = pd.DataFrame(list(keys), columns=["sweep", "case", "engine"])
    table["a_s" if verdict == "gone" else "b_s"] = [min(side.times[key].values()) for key in keys]
    table["verdict"] = verdict
    return table


def _common(controls: Pairs) -> tuple[float, list[str]]:
    """The logarithm of how much slower the machine was in B, and what is to be said about it."""
    if len(controls) < ENOUGH:
        return 0.0, ["too little was measured of the machine itself: where it was slower, the code looks slower"]
    kernels: list[float] = []
    values: list[float] = []
    for (sweep, _, _), ratio in zip(controls, contrasts(controls).ratio.tolist(), strict=True):
        (kernels if sweep == MACHINE else values).append(ratio)
    common = float(np.median(kernels + values))
    notes = []
    if abs(common) > NOTABLE:
        notes.append(
            f"B ran on a machine that was {_factor(common)} (median of {len(kernels)} kernels and {len(values)} "
            "evaluations of f); every ratio is relative to that, --absolute judges the times as they are"
        )
    if kernels and values and abs(apart := float(np.median(values) - np.median(kernels))) > DISAGREE:
        notes.append(
            f"f itself became {_factor(apart)} against the machine's kernels: if the layers changed, look at --absolute"
        )
    return common, notes


def _factor(log: float) -> str:
    return f"{math.exp(abs(log)):.2f} times {'slower' if log > 0 else 'faster'}"


def _explain(judged: pd.DataFrame, floors: Floors, wider: float) -> list[str]:
    """How the verdicts come about."""
    without = int(judged["low"].isna().sum())
    notes = []
    if without < len(judged):
        notes.append(f"a change is a ratio beyond {floors.usual:.3g} whose {LEVEL:.0%} interval does not hold 1")
    if wider > WIDE:
        notes.append(
            f"the machine's kernels and f itself differ {wider:.1f} times as far between A and B as their passes say, "
            "and intervals are that much wider: what differs between runs is more than what differs within them"
        )
    if without:
        notes.append(
            f"{without} measurements have one pass on a side, so no interval: beyond {floors.single:.3g} they count as "
            "changed, though one in twenty is that far off by chance, on a busy machine more; more passes help"
        )
    return notes


def _is_repeat(key: Key) -> bool:
    """It is the second measurement of a self-check."""
    return key[2].endswith(AGAIN)


def _repeated(side: Side) -> Pairs:
    """Every engine that was measured twice: the first and the second measurement."""
    again = {key: (*key[:2], key[2] + AGAIN) for key in side.times}
    return {key: (side.times[key], side.times[second]) for key, second in again.items() if second in side.times}


def _own_floor(side: Side) -> float | None:
    """What identical engines differed by in a run; None where too few were measured twice."""
    pairs = _repeated(side)
    return _floor_of(judge(pairs, 0.0, Floors())) if len(pairs) >= ENOUGH else None


def _floor_of(judged: pd.DataFrame) -> float:
    return math.exp(float(np.log(judged["ratio"]).abs().quantile(QUANTILE)))


def _mean_over_passes(pairs: Pairs) -> Ratio:
    """The geometric mean over all pairs, with the interval that its variation between passes gives."""
    by_pass: dict[int, list[float]] = {}
    for first, second in pairs.values():
        for number in first.keys() & second.keys():
            by_pass.setdefault(number, []).append(math.log(second[number] / first[number]))
    means = [math.exp(float(np.mean(logs))) for logs in by_pass.values()]
    return Ratio(math.exp(float(np.mean(np.log(means)))), *interval(means))
