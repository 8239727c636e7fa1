"""How often `autodiff compare` calls the same code different, and how often it finds a slowdown.

    python benchmarks/alarms.py                    the table, from simulated noise on the measurements of a real run
    python benchmarks/alarms.py --runs A B C ...   every two of runs of the same code, started one after the other

The simulated runs go through the function that `autodiff compare` calls, kernels and evaluations of f included. What
they say holds for the noise that is simulated; separately started runs of the same code hold all that differs between
runs of one machine, and say less about any single cause.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from autodiff.bench.ask.names import MACHINE, VALUES
from autodiff.bench.judge.compare import compare, compare_sides
from autodiff.bench.judge.sides import Key, Side, read_side
from autodiff.errors import AutodiffError

REFERENCE = Path(__file__).parents[1] / "results" / "reference" / "haswell"
PASSES = ((3, 3), (5, 5), (10, 10), (20, 20), (10, 3), (3, 10), (20, 5))
SLOWER = 1.15

Noise = Callable[[np.random.Generator, int, tuple[int, int]], tuple[np.ndarray, np.ndarray]]


def steady(level: float) -> Noise:
    """Log-normal, of one standard deviation."""
    return lambda rng, count, passes: tuple(level * rng.standard_normal((count, k)) for k in passes)


def uneven(rng, count, passes):
    """Every measurement has a standard deviation of its own, of 1 to 10 %."""
    level = np.exp(rng.uniform(math.log(0.01), math.log(0.10), (count, 1)))
    return tuple(level * rng.standard_normal((count, k)) for k in passes)


def noisier(rng, count, passes):
    """3 % on one side, 9 % on the other."""
    return tuple(level * rng.standard_normal((count, k)) for level, k in zip((0.03, 0.09), passes, strict=True))


def disturbed(rng, count, passes):
    """3 %, and one pass of one side slower by 1.3 to 2 in a third of the measurements, one after the other."""
    left, right = steady(0.03)(rng, count, passes)
    hit = (rng.integers(count) + np.arange(count // 3)) % count
    right[hit, rng.integers(passes[1])] += rng.uniform(math.log(1.3), math.log(2.0))
    return left, right


def alike(level: float) -> Noise:
    """Neighbouring passes are alike: a first-order autoregression with a coefficient of 0.5."""

    def drawn(rng, count, passes):
        sides = []
        for k in passes:
            noise = rng.standard_normal((count, k))
            for i in range(1, k):
                noise[:, i] = 0.5 * noise[:, i - 1] + math.sqrt(0.75) * noise[:, i]
            sides.append(level * noise)
        return tuple(sides)

    return drawn


def together(rng, count, passes):
    """The same, of all measurements together by 5 %, and 2 % of each one's own."""
    common = alike(0.05)(rng, 1, passes)
    return tuple(shared + own for shared, own in zip(common, steady(0.02)(rng, count, passes), strict=True))


def apart(rng, count, passes):
    """3 % between passes, and 3 % more between runs, which the passes of a run do not know."""
    return tuple(0.03 * rng.standard_normal((count, 1)) + side for side in steady(0.03)(rng, count, passes))


CELLS: dict[str, Noise] = {
    **{f"sd {level:.0%}": steady(level) for level in (0.01, 0.03, 0.05, 0.08, 0.10)},
    "sd 1 to 10 %, by measurement": uneven,
    "sd 3 % in A, 9 % in B": noisier,
    "sd 3 %, a pass of B disturbed": disturbed,
    "sd 3 %, AR(1) of 0.5": alike(0.03),
    "sd 8 %, AR(1) of 0.5": alike(0.08),
    "AR(1) in all together": together,
    "sd 3 %, and 3 % between runs": apart,
}


def sides(keys: list[Key], noise: Noise, rng: np.random.Generator, passes: tuple[int, int], slower: float = 1.0):
    """Two runs of the same code, or with every engine slower in the second."""
    left, right = noise(rng, len(keys), passes)
    right = right + np.array([[0.0 if is_control(key) else math.log(slower)] for key in keys])
    made = []
    for name, logs in (("A", left), ("B", right)):
        seconds = {key: dict(enumerate(1e-3 * np.exp(row), start=1)) for key, row in zip(keys, logs, strict=True)}
        made.append(Side(Path(name), seconds, {}))
    return made


def is_control(key: Key) -> bool:
    """It is a kernel, or f itself."""
    return key[0] == MACHINE or key[2] in VALUES.values()


def called(keys: list[Key], noise: Noise, rng, passes: tuple[int, int], slower: float = 1.0) -> tuple[float, float]:
    """The share of measurements of engines, and of their means, that are called different (slower, where they are)."""
    made = compare_sides(*sides(keys, noise, rng, passes, slower))
    wanted = ["slower"] if slower > 1 else ["slower", "faster"]
    engines = ~made.table["engine"].isin(list(VALUES.values()))
    of_means = ~made.means["engine"].isin(list(VALUES.values()))
    found = made.table.loc[engines, "verdict"].isin(wanted).mean()
    return float(found), float(made.means.loc[of_means, "verdict"].isin(wanted).mean())


def simulated(keys: list[Key], pairs: int, seed: int) -> pd.DataFrame:
    """Per cent of measurements; in brackets, of means over the cases of an engine."""
    rows = {}
    for number, (name, noise) in enumerate(CELLS.items()):
        row = {}
        for passes in PASSES:
            rng = np.random.default_rng([seed, number, *passes])
            found, means = np.mean([called(keys, noise, rng, passes) for _ in range(pairs)], axis=0)
            row[f"{passes[0]} v {passes[1]}"] = f"{100 * found:.2f} ({100 * means:.1f})"
        rows[name] = row
        print(name, *row.values(), sep="  ", flush=True)
    return pd.DataFrame(rows).T


def power(keys: list[Key], pairs: int, seed: int) -> None:
    """Slowdowns of 15 % that are found, in per cent."""
    for name, noise in (("sd 3 %", steady(0.03)), ("sd 3 %, a pass of B disturbed", disturbed)):
        for passes in ((3, 3), (5, 5)):
            rng = np.random.default_rng([seed, 99, *passes])
            found, means = np.mean([called(keys, noise, rng, passes, SLOWER) for _ in range(pairs)], axis=0)
            print(
                f"found of 15 %, {name}, {passes[0]} v {passes[1]}: {100 * found:.1f} ({100 * means:.1f})", flush=True
            )


def measured(runs: list[Path]) -> None:
    """Every two of these runs, one against the other."""
    total = []
    for a, b in combinations(runs, 2):
        made = compare(a, b)
        wrong = made.table["verdict"].isin(["slower", "faster"])
        known = made.table["verdict"].isin(["slower", "faster", "same"])
        means = made.means["verdict"] != "same"
        one = (int(wrong.sum()), int(known.sum()), int(means.sum()), len(means))
        print(f"{a} against {b}: {one[0]} of {one[1]} called different; means {one[2]} of {one[3]}")
        total.append(one)
    wrong, known, means, groups = np.sum(total, axis=0)
    print(f"{100 * wrong / known:.2f} % of {known}; {100 * means / groups:.1f} % of {groups} means")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5, help="pairs of runs per cell (default 5, a minute)")
    parser.add_argument("--seed", type=int, default=0, help="of the noise (default 0)")
    parser.add_argument("--of", type=Path, default=REFERENCE, metavar="DIR", help="a run, for its measurements' names")
    parser.add_argument("--runs", type=Path, nargs="+", metavar="DIR", help="runs of the same code, at least two")
    given = parser.parse_args()
    try:
        show(parser, given)
    except AutodiffError as error:
        parser.error(str(error))


def show(parser: argparse.ArgumentParser, given: argparse.Namespace) -> None:
    """What was asked for."""
    if given.runs:
        if len(given.runs) < 2:
            parser.error("--runs needs at least two runs")
        measured(given.runs)
        return
    keys = list(read_side(given.of).times)
    controls = sum(map(is_control, keys))
    print(f"{len(keys) - controls} measurements of engines, {controls} of kernels and of f itself")
    print("called different, per cent (of means over cases in brackets):", *(f"{a} v {b}" for a, b in PASSES), sep="  ")
    simulated(keys, given.pairs, given.seed)
    power(keys, given.pairs, given.seed)


if __name__ == "__main__":
    main()
