"""What a run says about rivals, rules, noise and growth, from records that are made up for the purpose."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from conftest import model_of, request_of
from made_up import results_of

from autodiff.bench.ask.files import parse
from autodiff.bench.ask.tasks import asked, tasks
from autodiff.bench.judge.columns import CONSTANTS
from autodiff.bench.judge.noise import interrupted, noise, speed_swing, verdict
from autodiff.bench.judge.results import Results
from autodiff.bench.measure.rounds import EVERY
from autodiff.bench.records.folder import Folder, read_environment, write_json
from autodiff.bench.records.record import Record, append, begun
from autodiff.bench.report import constants, costs, rivals, rules, seeds, structure
from autodiff.bench.report.growth import exponents
from autodiff.bench.report.plots import draw_all, roofline
from autodiff.bench.report.report import _passes
from autodiff.bench.report.tables import write_tables
from autodiff.bench.run.conditions import conclude

RIVALS = {
    "name": "rivals", "problem": "mlp", "plot": "peers", "engines": ["forward", "reverse", "forward@b", "reverse@b"],
    "grid": {"n": [1, 2, 4, 8], "m": 1, "depth": 2},
}  # fmt: skip
TIMES = {"value": 1e-6, "forward": 2e-6, "reverse": 3e-6, "forward@b": 4e-6, "reverse@b": 1.5e-6}


def test_rivals_are_compared_within_their_mode():
    sweep = parse(RIVALS, "x")
    results = results_of(sweep, lambda engine, number, n, **_: TIMES[engine] * n * (1 + 0.01 * number))
    table = rivals.relative(results, sweep)
    found = {(row.mode, row.rival): row.ratio for row in table.itertuples() if row.case.startswith("n2-")}
    assert found == {
        ("forward", "forward"): 1.0,
        ("forward", "forward@b"): pytest.approx(2.0),
        ("reverse", "reverse"): pytest.approx(2.0),
        ("reverse", "reverse@b"): 1.0,
        ("best", "autodiff"): pytest.approx(4 / 3),
        ("best", "autodiff@b"): 1.0,
    }
    mean = rivals.geometric_mean(table[table["rival"] == "forward@b"])
    assert mean.value == pytest.approx(2.0)
    assert mean.low == pytest.approx(2.0)
    sections = rivals.standings(results, sweep)
    assert [section.title for section in sections] == [
        title for mode in ("forward", "reverse", "best")
        for title in (f"Rivals, {mode} (rivals)", f"Rivals, {mode}, case by case (rivals)")
    ]  # fmt: skip
    assert sections[0].table["engine"].tolist() == ["forward", "forward@b"]
    assert sections[0].table["fastest in"].tolist() == ["4 of 4", "0 of 4"]


def test_means_say_what_they_are_over():
    """How many networks, those of a class of widths, and an interval that holds the cases' differences."""
    sweep = parse(RIVALS | {"grid": {"n": [2, 4, 8, 16, 32], "m": 1, "depth": 2, "width": [16, 32, 64, 512]}}, "x")

    def seconds(engine, number, n, width, **_):
        if engine == "forward@b" and width == 512 and n > 8:
            return None
        return 1e-6 * n * ({16: 2, 32: 2, 64: n, 512: 8}[width] if engine == "forward@b" else 1)

    results = results_of(sweep, seconds)
    table = rivals.relative(results, sweep)
    own = table[table["mode"] == "forward"]
    mean = rivals.geometric_mean(own[own["rival"] == "forward@b"])
    assert mean.low < 3.5 < mean.value < 5.0 < mean.high
    by_width = rivals.by_width(sweep, "forward", own).table.set_index("engine")
    assert list(by_width) == ["width up to 32 (10)", "width 33 to 256 (5)", "width above 256 (3)"]
    assert by_width.loc["forward"].tolist() == ["1.00 [1.00, 1.00]", "1.00 [1.00, 1.00]", "1.00"]
    narrow, middle, wide = by_width.loc["forward@b"]
    assert (narrow, wide) == ("2.00 [2.00, 2.00]", "8.00")
    assert middle.startswith("8.00 [")
    assert rivals.by_width(sweep, "forward", own.assign(width=8)) is None
    section = rivals.standings(results, sweep)[0]
    assert "on these 18 networks" in section.note
    assert "resample the networks" in section.note


def test_what_was_not_measured_is_left_out_of_the_mean():
    sweep = parse(RIVALS, "x")
    results = results_of(
        sweep, lambda engine, number, n, **_: None if engine == "forward@b" and n == 8 else TIMES[engine]
    )
    sections = rivals.standings(results, sweep)
    assert sections[0].table.set_index("engine").loc["forward@b", "fastest in"] == "0 of 3"
    by_case = sections[1].table.set_index("case")
    assert len(by_case) == 3  # where one of a mode has no rival there is nothing to compare


def test_preparation_that_pays():
    sweep = parse(RIVALS, "x")
    results = results_of(
        sweep, lambda engine, number, **_: TIMES[engine], prepare={"reverse@b": 4.9e-6, "reverse": 1e-3}
    )
    table = rivals.preparation(results, sweep).table.set_index("engine")
    assert table.loc["forward", "after"] == "at once"
    assert table.loc["reverse@b", "after"] == "10 calls"  # 4.9 us of preparation, 0.5 us gained by every call
    assert table.loc["reverse", "after"] == "never"
    assert table.loc["reverse", "pays in"] == "0 of 4"


GRID = {
    "name": "grid", "problem": "mlp", "engines": ["forward", "reverse", "mixed"],
    "grid": {"n": [10, 120, 200], "m": [10, 100, 200], "depth": 2},
}  # fmt: skip


def test_rules_and_their_regret():
    sweep = parse(GRID, "x")
    times = {"forward": lambda n, m: n, "reverse": lambda n, m: m, "mixed": lambda n, m: 0.5 * min(n, m)}
    results = results_of(sweep, lambda engine, number, n, m, **_: 1e-6 * times.get(engine, lambda n, m: 1)(n, m))
    table = rules.regrets(results, [sweep])
    found = {(row.n, row.m, row.rule): (row.pick, row.regret) for row in table.itertuples()}
    assert found[120, 100, "DiffSharp"] == ("reverse", 1.0)
    assert found[10, 10, "DiffSharp"] == ("reverse", 1.0)
    assert found[120, 100, "lineax"] == ("forward", pytest.approx(1.2))
    assert found[200, 100, "lineax"] == ("reverse", 1.0)
    assert found[200, 100, "CasADi"] == ("forward", pytest.approx(2.0))
    assert found[120, 10, "CasADi"] == ("reverse", 1.0)
    assert found[120, 100, "mixed"] == ("mixed", pytest.approx(0.5))
    section = rules.rules_of_thumb(table).table.set_index("rule")
    assert section.loc["CasADi", "surely wrong in"] == "2 of 9"
    assert section.loc["CasADi", "worst"].startswith("2.00")
    assert section.loc["mixed", "mean regret"] == "0.5"


def kernel(number, seconds):
    return Record("@machine", "float64", "fma", number, dtype="float64", seconds=[seconds], median_s=seconds)


def test_a_noisy_machine_is_told_first():
    quiet = {"busy_share": 0.01, "busy_share_after": 0.02, "steal_share": 0.0}
    steady = [kernel(number, 1.0 + 0.01 * number) for number in (1, 2, 3)]
    assert verdict(quiet, steady) == ""
    assert "changed by a factor of 1.60" in verdict(quiet, [kernel(1, 1.0), kernel(2, 1.6), kernel(3, 1.0)])
    assert "10% of its processor time" in verdict(quiet | {"steal_share": 0.1}, steady)
    assert "other programs used 70% of its processors before" in verdict(quiet | {"busy_share": 0.7}, steady)
    assert "other programs used 50% of its processors after" in verdict(quiet | {"busy_share_after": 0.5}, steady)
    assert "raise --passes" in verdict(quiet | {"steal_share": 0.1}, steady)
    assert verdict({"busy_share": "x", "steal_share": "y"}, []) == ""
    assert speed_swing([]) == 1.0


def disturbed(shares):
    """Records of a pass each, of which other processes interrupted these shares."""
    return [
        Record("n", f"n{case}", "reverse", number, seconds=[1.0], median_s=1.0, disturbed=share)
        for case, row in enumerate(shares)
        for number, share in enumerate(row, 1)
    ]


@pytest.mark.parametrize(
    ("shares", "cores", "said"),
    [
        ([], [1], ""),
        ([[None, None]], [1], ""),
        ([[0.01, 0.02], [0.0, 0.1]], [1], ""),
        ([[0.2, 0.3], [0.1, 0.0]], [0, 1], "other processes interrupted 15% of the rounds on cores 0, 1"),
        ([[0.0, None], *[[0.0, 0.0]] * 40, [0.0, 0.6]], [1], "other processes interrupted 1% of the rounds on core 1, "
         "in 1 of 83 measurements more than half (n n41 reverse 30%)"),
        ([[0.6], [1.0], [0.9], [0.7], [0.8], [0.5]], "x", "other processes interrupted 75% of the rounds, in 5 of 6 "
         "measurements more than half (n n1 reverse 100%; n n2 reverse 90%; n n4 reverse 80%; and 2 more rows)"),
    ],
)  # fmt: skip
def test_other_processes_on_the_core_are_told_with_the_rows_they_cost(tmp_path, shares, cores, said):
    """In the report, and at the end of a run in its environment, where a comparison finds it."""
    environment, found = {"pinned_to": cores, "noise": "of an earlier end"}, disturbed(shares)
    assert interrupted(environment, found) == noise(environment, found) == said
    assert said in verdict(environment, found)
    assert bool(said) == bool(verdict(environment, found))
    folder = Folder(tmp_path)
    write_json(folder.environment, environment)
    for record in found:
        append(folder.records, record)
    conclude(folder, SimpleNamespace(after=lambda: {"steal_share": 0.0}))
    expected = {"pinned_to": cores, "steal_share": 0.0}
    assert read_environment(folder) == expected | ({"noise": said} if said else {})


def test_a_row_says_what_share_of_its_rounds_was_interrupted():
    sweep = parse({"name": "n", "problem": "mlp", "engines": ["reverse"], "grid": {"n": 2, "m": 1, "depth": 2}}, "x")
    request = request_of(sweep, passes=3)
    task = next(task for task in tasks(request) if task.engine == "reverse")
    timed = {"dtype": "float64", "seconds": [1e-6], "rounds": 1, "iterations": 1, "min_s": 1e-6, "median_s": 1e-6}
    passes = [(1.0, EVERY), (0.25, ""), (1.0, EVERY)]
    found = [
        replace(begun(task, number, 1), **timed, disturbed=share, reason=reason)
        for number, (share, reason) in enumerate(passes, 1)
    ]
    row = Results(asked(request), found).frame.set_index("engine").loc["reverse"]
    assert (row["status"], row["disturbed"], row["reason"]) == ("ok", 0.75, f"passes 1, 3: {EVERY}")
    assert np.isnan(Results(asked(request), [replace(found[1], disturbed=None)]).frame.iloc[0]["disturbed"])


def test_a_budget_that_cost_passes_is_told():
    request = request_of(parse(GRID, "x"), passes=3, budget=90.0)
    assert _passes(request, [kernel(1, 1.0)]) == ["With a budget of 90 s, 1 of 3 passes were measured."]
    assert _passes(request, [kernel(3, 1.0)]) == []
    assert _passes(request_of(parse(GRID, "x"), passes=3), [kernel(1, 1.0)]) == []


def test_growth_is_told_of_every_part():
    sweep = parse({"name": "b", "problem": "mlp", "engines": ["forward", "reverse"], "grid": {
        "n": [2**k for k in range(12)], "m": 1, "depth": 2}}, "x")  # fmt: skip
    curve = {"value": lambda n: 1.0, "forward": lambda n: 1.0 * n, "reverse": lambda n: 100.0 + n}
    table = exponents(results_of(sweep, lambda engine, number, n, **_: 1e-6 * curve[engine](n)), [sweep]).table
    assert table["engine"].tolist() == ["forward", "reverse", "reverse"]
    assert table["exponent"][0] == "1.00 [1.00, 1.00]"
    assert table["over"][1].endswith(table["over"][2].split(" to ")[0].removeprefix("n = "))


def test_problems_of_one_sweep_do_not_grow_together():
    series = [
        {"problem": "lse", "grid": {"n": [1, 2, 4, 8]}},
        {"problem": "det", "grid": {"ell": [2, 3]}},
    ]
    sweep = parse({"name": "s", "plot": "peers", "engines": ["forward", "reverse"], "series": series}, "x")
    assert exponents(results_of(sweep, lambda engine, number, **_: 1e-6), [sweep]).table.empty


MANY = {
    "name": "many", "problem": "mlp", "plot": "seeds", "seeds": [1, 2, 4, 8, 16], "grid": {"n": 4, "m": 4, "depth": 2},
    "series": [{"operation": "jvp", "engines": ["forward", "compiled-forward"]}],
}  # fmt: skip


def of_many_seeds(engine, number, seeds, **_):
    """A start and a cost a seed; what is common to a pass leaves no trace in ratios."""
    start, each = {"compiled-products": (1e-6, 1e-6), "forward": (13e-6, 2e-6), "compiled-forward": (1e-6, 2e-6)}.get(
        engine, (1e-6, 0.0)
    )
    return (start + each * seeds) * (1 + 0.1 * number)


def test_what_the_next_seed_costs():
    sweep = parse(MANY, "x")
    results = results_of(sweep, of_many_seeds)
    by = {line.engine: line for line in seeds.lines(results, sweep)}
    assert set(by) == {"compiled-products", "forward", "compiled-forward"}
    forward = by["forward"]
    assert forward.cheapest == 16
    assert forward.over_first(2).value == pytest.approx(17 / 15)
    # (13 + 2 k) / k against 1.25 (13 + 32) / 16 = 3.5: not at 8 with 3.625
    assert forward.knee == 16
    assert by["compiled-forward"].knee == 2  # 5 / 2 <= 1.25 * 33 / 16
    assert forward.shares[1].value == pytest.approx(2 / 15)
    row = seeds.seeds(results, sweep).table.set_index("engine").loc["forward"]
    assert row["times cheaper"].startswith("5.33 [5.33, 5.33]")
    assert (row["BLAS of 1"], row["of most"], row["interpreter"]) == ("13%", "38%", "80%")


def test_a_knee_of_one_number_of_seeds():
    sweep = parse(MANY | {"seeds": [4, 8]}, "x")
    results = results_of(sweep, lambda engine, number, seeds, **_: 1e-6 * seeds if seeds == 4 else None)
    (row, *_) = seeds.seeds(results, sweep).table.to_dict("records")
    assert (row["two take"], row["times cheaper"], row["knee"]) == ("-", "-", 4)


CONSTANT = {
    "name": "constants", "problem": "single", "plot": "constants",
    "grid": {"layer": ["tanh", "add"], "elements": [8, 64]},
    "series": [
        {"operation": "jvp", "engines": ["forward", "compiled-forward"]},
        {"operation": "vjp", "wrt": "params", "engines": ["reverse"],
         "grid": {"layer": ["add", "matvec"], "elements": [8, 64]}},
    ],
}  # fmt: skip


def test_a_derivative_over_f_counted_and_timed(tmp_path):
    sweep = parse(CONSTANT, "x")
    assert [case.name for case in sweep.cases()][:3] == ["jvp-input-tanh-e8", "jvp-input-tanh-e64", "jvp-input-add-e8"]

    def took(engine, number, layer, elements):
        return (1e-6 if "value" in engine else 3e-6 if elements == 8 else 5e-6) * (1 + 0.1 * number)

    results = results_of(sweep, took, work=True)
    table = constants.constants(results, sweep).set_index(["layer", "elements", "derivative", "engine"])
    row = table.loc[("tanh", 64, "jvp", "compiled-forward")]
    assert (row["timed"], row["timed_low"]) == (pytest.approx(5), pytest.approx(5))
    # tanh, and 1 - y^2 times the tangent
    assert (row["counted"], row["transcendental"], row["f_transcendental"], row["f_elementwise"]) == (4, 64, 64, 0)
    sections = {one.title: one for one in constants.constant_sections(results, sweep)}
    assert list(sections) == ["Constants, jvp (constants)", "Constants, vjp-params (constants)"]
    assert "2 to 2.5" in sections["Constants, jvp (constants)"].note
    params = sections["Constants, vjp-params (constants)"].table.set_index("layer")
    assert params.loc["add", ["operations", "timed, 8", "timed, 64"]].tolist() == [
        "2",
        "3.00 [3.00, 3.00]",
        "5.00 [5.00, 5.00]",
    ]
    columns = write_tables(Folder(tmp_path), results, [sweep])
    assert tmp_path / "constants.csv" in columns
    assert pd.read_csv(tmp_path / "constants.csv").columns.tolist() == list(CONSTANTS)


WAYS = ["forward", "forward(seeds=dense)", "forward(chunk=1)", "reverse", "reverse(seeds=dense)", "forward(chunk=2)"]


def test_structure_or_order():
    sweep = parse({"name": "ways", "problem": "mlp", "engines": WAYS, "grid": {"n": 8, "m": 3, "depth": 2}}, "x")
    seconds = {"value": 1.0, "forward": 2.0, "forward(seeds=dense)": 6.0, "forward(chunk=1)": 24.0, "reverse": 3.0}
    results = results_of(
        sweep, lambda engine, number, **_: 1e-6 * seconds[engine] * number if engine in seconds else None
    )
    results.frame[["n", "m"]] = [8, 3]
    found = structure.structure(results, sweep).table
    assert found["engine"].tolist() == ["forward"]  # of reverse there is one way only
    row = found.iloc[0].tolist()[2:]
    assert row == [8, "2", "6", "24", "0.75", "3.00 [3.00, 3.00]"]


def test_costs_are_counted_beside_the_time():
    sweep = parse(
        {"name": "one", "problem": "single", "engines": ["forward"], "grid": {"layer": "exp", "elements": 4}}, "x"
    )
    results = results_of(sweep, lambda engine, number, **_: 1e-6 if engine == "value" else 3e-6, work=True)
    (row,) = costs.costs(results, sweep).table.to_dict("records")
    assert (row["timed"], row["transcendental"]) == ("3.00 [3.00, 3.00]", "1")
    work = [results.work("one", row["case"], name) for name in ("forward", "value")]
    assert row["operations"] == f"{work[0].flops / work[1].flops:.3g}"
    assert row["calls"] == f"{work[0].calls / work[1].calls:.3g}"


def test_like_is_compared_with_like():
    """Other packages' forward mode with ours that multiplies the identity, not with ours that keeps its structure."""
    engines = ["forward", "forward(seeds=dense)", "reverse", "jax-forward", "jax-reverse"]
    grid = {"n": [2, 4, 8, 16], "m": 3, "depth": 2}
    sweep = parse({"name": "like", "problem": "mlp", "engines": engines, "grid": grid}, "x")
    each = {"forward": 1e-6, "forward(seeds=dense)": 4e-6, "jax-forward": 8e-6}
    results = results_of(sweep, lambda engine, number, n, **_: each.get(engine, 1e-6) * n * (1 + 0.1 * number))
    (row,) = structure.like_with_like(results, sweep).table.to_dict("records")  # of reverse there is no dense one
    assert (row["engine"], row["over"], row["cases"]) == ("jax-forward", "forward(seeds=dense)", 4)
    assert row["times"].startswith("2.00")


def test_a_roofline(tmp_path):
    grid = {"n": 4, "m": 3, "depth": 2}
    sweep = parse({"name": "roof", "problem": "mlp", "engines": ["forward", "compiled-reverse"], "grid": grid}, "x")
    results = results_of(sweep, lambda engine, number, **_: 1e-6, work=True)
    assert not roofline.enough(results)  # nothing is known of the machine
    results.models["compiled", "float64"] = model_of(fma=1e-11, read=1e-10)
    table = roofline.points(results).set_index("engine")
    work = results.work("roof", table["case"].iloc[0], "forward")
    assert table.loc["forward", "intensity"] == pytest.approx(work.flops / (8 * work.elements))
    assert table.loc["forward", "speed"] == pytest.approx(work.flops / 1e-6)
    files, _ = draw_all(results, [sweep], tmp_path)
    assert tmp_path / "roofline.png" in files
    assert "products of 256: 200 Gop/s" in (tmp_path / "roofline.svg").read_text()
    assert "memory, 10 GB/s" in (tmp_path / "roofline.svg").read_text()
