"""GradBench's logs as sides of a comparison."""

import json

import numpy as np
import pytest

from autodiff.bench.judge.compare import compare
from autodiff.bench.judge.sides import read_side
from autodiff.errors import InputError
from autodiff.gradbench import Tool


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
                *({"name": "evaluate", "nanoseconds": n * took} for n in (3, 1, 2)),
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
    assert side.times == {("ode", "n=3,s=2", "primal"): {1: 2e-3}, ("ode", "n=3,s=2", "gradient"): {1: 4e-3}}
    made = compare(a, b)
    assert made.table["ratio"].tolist() == pytest.approx([2.0, 2.0])
    assert made.failures(1.1)
    assert not compare(b, a).failures(1.1)
    assert any("a log of GradBench" in note and "mine" in note for note in made.notes)


def test_an_invalid_answer_is_left_out_with_the_reason(tmp_path):
    side = read_side(write_log(tmp_path / "a.jsonl", fault="gradient"))
    assert list(side.times) == [("ode", "n=3,s=2", "primal")]
    assert any("1 evaluation is left out: ode::gradient n=3,s=2 (invalid: off by 1)" in note for note in side.notes)


def test_without_inputs_and_outputs_and_cut_off(tmp_path):
    path = write_log(tmp_path / "a.jsonl")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        for said in row.values():
            said.pop("input", None)
            said.pop("output", None)
    last = next(k for k, row in enumerate(rows) if row.get("message", {}).get("function") == "gradient")
    path.write_text("\n".join(map(json.dumps, rows[: last + 1])))
    side = read_side(path)
    assert list(side.times) == [("ode", "n=3,s=2", "primal")]
    assert any("the tool did not answer" in note for note in side.notes)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 3 is no JSON"),
        ("[1]", "line 3 is neither a message nor a response"),
        ('{"elapsed": {}}', "line 3 is neither a message nor a response"),
        ('{"elapsed": {}, "response": {}}', "line 3 is a response to no message"),
    ],
)
def test_a_line_that_is_none_of_a_logs(tmp_path, line, said):
    path = write_log(tmp_path / "a.jsonl")
    rows = path.read_text().splitlines()
    path.write_text("\n".join([*rows[:2], line, *rows[2:]]))
    with pytest.raises(InputError, match=said):
        read_side(path)


def test_a_log_without_evaluations(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"elapsed": {"nanoseconds": 1}, "message": {"id": 0, "kind": "start"}}\n')
    with pytest.raises(InputError, match="holds no measurement"):
        read_side(path)


def test_a_log_stands_against_every_engine_of_a_run(tmp_path):
    from autodiff.bench.records.folder import Folder
    from autodiff.bench.records.record import Record, append

    run = Folder(tmp_path / "run")
    run.path.mkdir()
    for engine, seconds in (("value", 1e-3), ("reverse", 2e-3), ("compiled-reverse", 1e-3)):
        operation = "value" if engine == "value" else "gradient"
        record = Record("gradbench", "ode-n3-s2", engine, 1, "ode", operation, "params", {"n": 3, "s": 2})
        record.min_s = record.median_s = seconds
        record.seconds = [seconds]
        append(run.records, record)
    log = write_log(tmp_path / "log.jsonl")
    made = compare(log, run.path)
    ratios = dict(zip(made.table["engine"], made.table["ratio"], strict=True))
    assert ratios == pytest.approx({"value": 0.5, "reverse": 0.5, "compiled-reverse": 0.25})
    backwards = compare(run.path, log)
    assert np.allclose(sorted(backwards.table["ratio"]), [2.0, 2.0, 4.0])
