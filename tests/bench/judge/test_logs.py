"""GradBench's logs as sides of a comparison."""

import json

import numpy as np
import pytest

from autodiff.bench.judge.compare import compare
from autodiff.bench.judge.logs import fastest
from autodiff.bench.judge.sides import read_side
from autodiff.bench.judge.workloads import workload
from autodiff.bench.records.folder import Folder
from autodiff.bench.records.record import Record, append
from autodiff.errors import InputError
from autodiff.gradbench import Tool
from autodiff.problems import families

RUNS = (3.0, 1.0, 1.02, 0.98, 1.01, 0.99)  #: the first compiles


def write_log(path, scale=1.0, tool="theirs", fault=None):
    """A log as GradBench writes it, of this package's own answers, their times replaced."""
    answers, rows, clock = Tool("reverse"), [], 0

    def say(message, **changed):
        nonlocal clock
        clock += 10
        rows.append({"elapsed": {"nanoseconds": clock}, "message": message})
        response = answers.answer(json.dumps(message))
        if "timings" in response and message["kind"] == "evaluate":
            took = round(1e6 * scale * message["id"])
            timings = [
                {"name": "prepare", "nanoseconds": 7},
                *({"name": "evaluate", "nanoseconds": round(n * took)} for n in RUNS),
            ]
            response = response | {"timings": timings}
        rows.append({"elapsed": {"nanoseconds": clock + 5}, "response": response | changed})

    say({"id": 0, "kind": "start", "eval": "ode"}, tool=tool)
    say({"id": 1, "kind": "define", "module": "ode"})
    for number, function in ((2, "primal"), (4, "gradient")):
        given = {"x": [0.5, 2.0, 1.0], "s": 2, "min_runs": 1, "min_seconds": 0}
        say(
            {
                "id": number,
                "kind": "evaluate",
                "module": "ode",
                "function": function,
                "input": given,
                "description": "n=3,s=2",
            }
        )
        valid = {"id": number + 1, "kind": "analysis", "of": number, "valid": function != fault}
        say(valid | ({"error": "off by 1"} if function == fault else {}))
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n")
    return path


def test_two_logs_match_by_eval_function_and_description(tmp_path):
    a, b = write_log(tmp_path / "a.jsonl"), write_log(tmp_path / "b.jsonl", scale=2.0, tool="mine")
    side = read_side(a)
    runs = RUNS[1:]  # none of the first
    assert side.times == {
        ("ode", "n=3,s=2", "primal"): pytest.approx({k: 2e-3 * run for k, run in enumerate(runs, start=1)}),
        ("ode", "n=3,s=2", "gradient"): pytest.approx({k: 4e-3 * run for k, run in enumerate(runs, start=1)}),
    }
    made = compare(a, b)
    assert made.table["ratio"].tolist() == pytest.approx([2.0, 2.0])
    assert (made.table["low"] > 1.8).all()
    assert (made.table["high"] < 2.2).all()
    assert made.failures(1.1)
    assert not compare(b, a).failures(1.1)
    assert any("a log of GradBench" in note and "mine" in note for note in made.notes)
    assert any("one process" in note for note in made.notes)


def test_a_log_of_one_process_is_only_different_where_processes_do_not_differ_by_as_much(tmp_path):
    a = write_log(tmp_path / "a.jsonl")
    slightly, more = (compare(a, write_log(tmp_path / f"{scale}.jsonl", scale)) for scale in (1.08, 1.15))
    assert slightly.table["verdict"].tolist() == ["same", "same"]
    assert more.table["verdict"].tolist() == ["slower", "slower"]
    assert more.failures(1.02)
    assert not more.failures(1.06)  # 1.15 / 1.10


@pytest.mark.parametrize(
    ("runs", "parts"), [([5.0], [5.0]), ([5.0, 2.0], [2.0]), ([9.0, *range(11, 0, -1)], [9.0, 7.0, 5.0, 3.0, 1.0])]
)
def test_the_fastest_of_every_part_of_the_runs(runs, parts):
    assert list(fastest(runs).values()) == parts


def test_an_invalid_answer_is_left_out_with_the_reason(tmp_path):
    side = read_side(write_log(tmp_path / "a.jsonl", fault="gradient"))
    assert list(side.times) == [("ode", "n=3,s=2", "primal")]
    assert any("ode::gradient n=3,s=2 is left out, invalid: off by 1" in note for note in side.notes)
    made = compare(write_log(tmp_path / "b.jsonl"), side.path)
    assert made.table.set_index("engine")["verdict"].to_dict() == {"primal": "same", "gradient": "gone"}


def test_without_inputs_and_outputs_and_cut_off(tmp_path):
    path = write_log(tmp_path / "a.jsonl")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        for said in row.values():
            said.pop("input", None)
            said.pop("output", None)
    last = next(k for k, row in enumerate(rows) if row.get("message", {}).get("function") == "gradient")
    for kept, reason in ((last + 1, "the tool did not answer"), (last + 2, "the eval did not judge the answer")):
        path.write_text("\n".join(map(json.dumps, rows[:kept])))
        side = read_side(path)
        assert list(side.times) == [("ode", "n=3,s=2", "primal")]
        assert any(reason in note for note in side.notes)


def test_inputs_of_one_name_are_told_apart_or_left_out(tmp_path):
    path = write_log(tmp_path / "a.jsonl")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    again = [json.loads(json.dumps(row).replace('"gradient"', '"primal"')) for row in rows]
    path.write_text("\n".join(map(json.dumps, again)))
    assert any("an evaluation before it has the same name" in note for note in read_side(path).notes)
    for row, x in zip((row for row in again if "function" in row.get("message", {})), (1.0, 2.0), strict=True):
        del row["message"]["description"]
        row["message"]["input"] = x
    path.write_text("\n".join(map(json.dumps, again)))
    assert list(read_side(path).times) == [("ode", "1.0", "primal"), ("ode", "2.0", "primal")]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 3 is no JSON"),
        ("[1]", "line 3 is neither a message nor a response"),
        ('{"elapsed": {}}', "line 3 is neither a message nor a response"),
        ('{"elapsed": {}, "response": {}}', "line 3 is a response to no message"),
        ('{"message": {"id": [], "kind": "start"}}', "line 3: message.id: Input should be a valid integer"),
        ('{"message": {"id": 1, "kind": "evaluate", "module": 7}}', "line 3: message.module: "),
    ],
)
def test_a_line_that_is_none_of_a_logs(tmp_path, line, said):
    path = write_log(tmp_path / "a.jsonl")
    rows = path.read_text().splitlines()
    path.write_text("\n".join([*rows[:2], line, *rows[2:]]))
    with pytest.raises(InputError, match=said):
        read_side(path)


@pytest.mark.parametrize("nanoseconds", ["-1", "1e400", "1" + "0" * 400, "NaN", '"1"', "null"])
def test_times_that_are_none(tmp_path, nanoseconds):
    path = write_log(tmp_path / "a.jsonl")
    path.write_text(path.read_text().replace('"nanoseconds": 7', f'"nanoseconds": {nanoseconds}'))
    with pytest.raises(InputError, match=r"line 6: response\.timings\.0\.nanoseconds: "):
        read_side(path)


def test_a_log_is_known_by_its_name_where_its_first_line_is_broken(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"elapsed\n')
    with pytest.raises(InputError, match="line 1 is no JSON"):
        read_side(path)


def test_a_log_without_evaluations(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"elapsed": {"nanoseconds": 1}, "message": {"id": 0, "kind": "start"}}\n')
    with pytest.raises(InputError, match="holds no measurement"):
        read_side(path)


def record(engine, seconds, number=1, wrt="params"):
    """As a run of the sweep has it."""
    operation = "value" if engine == "value" else "gradient"
    return Record(
        "gradbench", "ode-n3-s2", engine, number, "ode", operation, wrt, {"n": 3, "s": 2},
        min_s=seconds, median_s=seconds, seconds=[seconds],
    )  # fmt: skip


def run_of(path, *records):
    run = Folder(path)
    run.path.mkdir()
    for one in records:
        append(run.records, one)
    return path


def test_a_log_stands_against_every_engine_of_a_run(tmp_path):
    times = {"value": 1e-3, "reverse": 2e-3, "compiled-reverse": 1e-3}
    run = run_of(
        tmp_path / "run", *(record(name, took, number) for name, took in times.items() for number in (1, 2, 3))
    )
    log = write_log(tmp_path / "log.jsonl")
    made = compare(log, run)
    ratios = dict(zip(made.table["engine"], made.table["ratio"], strict=True))
    assert ratios == pytest.approx({"value": 0.5, "reverse": 0.5, "compiled-reverse": 0.25}, rel=1e-3)
    assert made.table["low"].notna().all()
    backwards = compare(run, log)
    assert np.allclose(sorted(backwards.table["ratio"]), [2.0, 2.0, 4.0], rtol=1e-3)
    assert len(backwards.failures(1.1)) == 6  # three cases, and as many means over one


def test_what_differs_in_its_derivative_does_not_match(tmp_path):
    run = run_of(tmp_path / "run", record("value", 1e-3, wrt="input"), record("reverse", 2e-3, wrt="input"))
    made = compare(write_log(tmp_path / "log.jsonl"), run)
    assert made.table.set_index("engine")["verdict"].to_dict() == {
        "value": "faster",
        "gradient": "gone",
        "reverse": "new",
    }


@pytest.mark.parametrize(
    ("module", "description", "problem", "keywords"),
    [
        ("llsq", "n=1024,m=128", "llsq", {"n": 1024, "m": 128}),
        ("gmm", "10_25_1000", "gmm", {"d": 10, "k": 25, "points": 1000}),
        ("det", "7", "det", {"ell": 7}),
        ("lstm", "l=2,c=1024", "diagonal_lstm", {"l": 2, "c": 1024}),
        ("ba", "ba1_n49_m7776_p31843", "reprojections", {"observations": 31843}),
    ],
)
def test_workloads_that_are_problems(module, description, problem, keywords):
    assert workload(module, description, "jacobian") == (problem, frozenset(keywords.items()), "derivative", "input")
    assert families()[problem].check(**keywords) is None


@pytest.mark.parametrize(
    ("module", "description"), [("lstm", "l=2,c=16"), ("ht", "hand1_t26_c100"), ("llsq", ""), ("kmeans", "4_5_6")]
)
def test_workloads_that_are_none(module, description):
    assert workload(module, description, "jacobian") is None
