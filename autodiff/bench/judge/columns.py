"""The columns of every CSV file of a run: their order, their types, and what they mean.

``python -m autodiff.bench.judge.columns`` prints the dictionary as Markdown; a run's folder holds it as COLUMNS.md.
"""

from __future__ import annotations

from typing import NamedTuple

from ...text import markdown


class Column(NamedTuple):
    """What a column holds.

    Attributes:
        kind: "text" ("-" for nothing), "integer", "count" (an integer, empty where it is not known), "number" (empty
            where it is not known), "seconds" (of one call, the same) or "truth" (True or False).
        meaning: in a sentence.
    """

    kind: str
    meaning: str


CASE = {
    "run": Column("text", "the run: when it began and where, or the name of its folder"),
    "host": Column("text", "the machine's name"),
    "commit": Column("text", "git commit of this package, with -dirty where files were changed; - where not known"),
    "sweep": Column("text", "name of the sweep"),
    "case": Column("text", "name of the case, unique within its sweep; key_ columns hold the same as values"),
    "problem": Column("text", "the problem family, or module:name"),
    "operation": Column("text", "jacobian, gradient, jvp or vjp"),
    "wrt": Column("text", "differentiated with respect to: input or params"),
}
ENGINE = {
    "engine": Column("text", "name of the engine, with its options"),
    "package": Column("text", "whose engine it is: autodiff, jax, torch, ..."),
    "mode": Column("text", "forward or reverse; - for engines that are neither throughout"),
    "executor": Column("text", "what ran the program: numpy or compiled; - for other packages"),
    "chosen": Column("text", "the engine that an engine which chooses, such as auto, has taken"),
}
SIZES = {
    "n": Column("integer", "variables: inputs of f, or its parameters where wrt is params"),
    "m": Column("integer", "outputs of f"),
    "depth": Column("integer", "layers of the network as built, a loss included, for every problem"),
    "width": Column("integer", "elements of the widest value between two layers; of a single layer, its inputs"),
    "dtype": Column("text", "float64 or float32"),
    "threads": Column("integer", "of BLAS, and of other packages"),
    "parameters": Column("integer", "scalars that the layers hold"),
}
OUTCOME = {
    "status": Column("text", "ok, or why there is no time: wrong, failed, timeout, skipped, unsupported, not run"),
    "reason": Column("text", "the reason, or what to know about an ok row"),
}
TIMES = {
    "rounds": Column("integer", "timed rounds, over all passes"),
    "iterations": Column("integer", "calls in a round"),
    "min_s": Column("seconds", "fastest round"),
    "median_s": Column("seconds", "median of the passes' medians"),
    "mean_s": Column("seconds", "mean of the passes' means"),
    "stddev_s": Column("seconds", "standard deviation over rounds, mean of the passes'"),
    "iqr_s": Column("seconds", "interquartile range over rounds, mean of the passes'"),
}
COSTS = {
    "ci_low_s": Column("seconds", "lower end of the 95 % interval of the time, from pass to pass; empty for one pass"),
    "ci_high_s": Column("seconds", "its upper end"),
    "value_s": Column("seconds", "one evaluation of f, run by the same executor"),
    "floor_s": Column("seconds", "what the engine takes on the identity of one element; of sweeps against peers alone"),
    "cost_ratio": Column("number", "the time in evaluations of f, median over the passes"),
    "predicted_cost": Column("number", "the same by counts and the machine's rates"),
    "counted_cost": Column("number", "counted operations over those of f, a multiply-add as two"),
    "counted_elements": Column("number", "array elements read and written, over those of f"),
    "counted_transcendental": Column(
        "number", "evaluations of tanh, exp and the like, over those of f; empty for none"
    ),
    "counted_calls": Column("number", "array operations issued, over those of f"),
    "flops": Column("count", "counted operations of one call, a multiply-add as two; empty for other packages"),
    "bytes_moved": Column("count", "counted bytes that the operations read and write"),
    "predicted_s": Column("seconds", "the time that counts and the machine's rates give"),
}
PREPARED = {
    "prepare_s": Column("seconds", "preparation before the first call: planning, tracing, compiling"),
    "peak_bytes": Column("count", "most bytes that the engine held at a time, its result included"),
    "max_error": Column("number", "relative error against complex steps in random directions"),
}
STEADINESS = {
    "drift": Column("number", "end over start of a steady movement of the times; 1 for none"),
    "outliers": Column("number", "share of rounds far above the others (Tukey's outer fence)"),
    "disturbed": Column("number", "share of rounds that other processes interrupted, mean of the passes'"),
}
KEY = "key_"  #: begins the columns of what a case's problem was called with

PASSES = Column("integer", "passes that measured it")
RESULTS = CASE | ENGINE | SIZES | OUTCOME | {"passes": PASSES} | TIMES | COSTS | PREPARED | STEADINESS
PASS = (
    CASE
    | {"engine": ENGINE["engine"], "pass": Column("integer", "number of the pass, from 1")}
    | {name: column for name, column in ENGINE.items() if name != "engine"}
    | SIZES
    | OUTCOME
    | {"setting": Column("integer", "0; from 1 on for passes after a resume under other settings")}
    | {
        "rounds": Column("integer", "timed rounds"),
        "iterations": TIMES["iterations"],
        "min_s": TIMES["min_s"],
        "median_s": Column("seconds", "median of the rounds"),
        "mean_s": Column("seconds", "mean of the rounds"),
        "stddev_s": Column("seconds", "standard deviation over rounds"),
        "iqr_s": Column("seconds", "interquartile range over rounds"),
        "disturbed": Column("number", "share of the rounds that other processes interrupted, left out of the times"),
    }
    | PREPARED
)
WON = {name: CASE[name] for name in ("sweep", "case", "problem", "operation", "wrt")} | {
    "winner": Column("text", "the engine with the least median time"),
    "winner_s": Column("seconds", "its time"),
    "other": Column("text", "the fastest engine of another mode; of any mode where all are of one"),
    "ratio": Column("number", "the other's time over the winner's, median over the passes"),
    "ratio_low": Column("number", "lower end of its 95 % interval; empty for one pass"),
    "ratio_high": Column("number", "upper end"),
    "decided": Column("truth", "the interval does not touch 1"),
    "cost_ratio": Column("number", "the winner's time in evaluations of f"),
    "counted_cost": COSTS["counted_cost"],
    "predicted_cost": COSTS["predicted_cost"],
}
#: of rules of thumb
RULES = {
    **{name: CASE[name] for name in ("sweep", "case")},
    **{name: SIZES[name] for name in ("n", "m")},
    "rule": Column("text", "the rule's origin, or mixed for the plan that is chosen here"),
    "pick": Column("text", "the mode that it picks"),
    "best": Column("text", "the faster mode"),
    "regret": Column("number", "time of the pick over that of the best"),
    "low": Column("number", "lower end of its 95 % interval; empty for one pass"),
    "high": Column("number", "upper end"),
}
_WORK = {
    "multiply_adds": "multiply-adds of products",
    "elementwise": "other arithmetic operations",
    "transcendental": "evaluations of tanh, exp and the like",
    "elements_moved": "array elements read and written",
    "calls": "array operations issued",
}
CONSTANTS = {
    "layer": Column("text", "the layer, or the primitive by its ufunc's name"),
    "elements": Column("integer", "of its largest array"),
    "derivative": Column("text", "jvp with one tangent, vjp with one cotangent, vjp-params to the parameters"),
    "engine": ENGINE["engine"],
    "executor": ENGINE["executor"],
    "f_s": COSTS["value_s"],
    "derivative_s": Column("seconds", "the derivative, f included"),
    "timed": COSTS["cost_ratio"],
    "timed_low": Column("number", "lower end of its 95 % interval; empty for one pass"),
    "timed_high": Column("number", "upper end"),
    "counted": COSTS["counted_cost"],
    "predicted": COSTS["predicted_cost"],
    **{name: Column("count", f"{meaning}, of the derivative") for name, meaning in _WORK.items()},
    **{f"f_{name}": Column("count", f"{meaning}, of f") for name, meaning in _WORK.items()},
}
FILES = {
    "results.csv": ("A row per case and engine.", RESULTS),
    "passes.csv": (
        "A row per case, engine and pass; the evaluation of f is the engine value, bare matrix products are products, "
        "floors are the case @identity.",
        PASS,
    ),
    "SWEEP.csv": ("Who won: a file per sweep, a row per case.", WON),
    "constants.csv": ("What derivatives cost over f: a row per layer, size, derivative and engine.", CONSTANTS),
    "rules.csv": ("A row per case and rule of thumb, of sweeps that map or compare modes.", RULES),
}
INTRODUCTION = f"""# What the columns mean

Every run's folder holds these files; they are made from its records, and `pandas.read_csv` needs no options for them.
Text is "-" for nothing, numbers are empty where they are not known; seconds are those of one call, bytes are bytes.

`results.csv`, `passes.csv` and every `SWEEP.csv` have a column `{KEY}NAME` for everything that a problem was called
with, as the sweep's file says it, empty where a problem has no such keyword. `n`, `m`, `depth` and `width` are measured
on the network that was built, and mean the same for every problem. `SWEEP.csv` has three more columns per engine:
`ENGINE_s`, `ENGINE_low_s` and `ENGINE_high_s`, its time with its 95 % interval.
"""


def dictionary() -> str:
    """The dictionary of all columns, in Markdown."""
    parts = [INTRODUCTION]
    for name, (what, columns) in FILES.items():
        rows = [f"| `{column}` | {kind} | {markdown(meaning)} |\n" for column, (kind, meaning) in columns.items()]
        parts.append(f"## {name}\n\n{what}\n\n| column | holds | meaning |\n| --- | --- | --- |\n{''.join(rows)}")
    return "\n".join(parts)


if __name__ == "__main__":
    print(dictionary(), end="")
