"""From a measurement to a report, in one process."""

import json
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import model_of, request_of

import autodiff as ad
from autodiff.bench.ask.files import load, parse
from autodiff.bench.ask.floors import floors
from autodiff.bench.ask.names import FLOOR
from autodiff.bench.ask.tasks import Task
from autodiff.bench.judge.columns import KEY, RESULTS
from autodiff.bench.measure import measurement
from autodiff.bench.measure.timing import time_run
from autodiff.bench.records import folder as folders
from autodiff.bench.records import record as records
from autodiff.bench.records.folder import Folder
from autodiff.bench.records.record import Record
from autodiff.bench.report import report
from autodiff.bench.run import conditions
from autodiff.engines.running import ProgramRun
from autodiff.errors import InputError, WrongResultError
from autodiff.machine.blas import blas_info, kernel_warning, thread_environment
from autodiff.machine.host import environment

TINY = {"name": "tiny", "problem": "mlp", "engines": ["forward", "reverse"], "grid": {"n": 3, "m": 2, "depth": 2}}


class FakeStats:
    """What pytest-benchmark hands over."""

    iterations, extra_info = 10, {}
    stats = SimpleNamespace(
        data=list(np.linspace(1e-6, 2e-6, 200)), rounds=200, min=1e-6, median=1.5e-6, mean=1.5e-6, stddev=3e-7, iqr=5e-7
    )


class FakeBenchmark:
    """Stands in for the fixture where nothing is timed."""

    def __init__(self):
        self.name = self.group = ""
        self.stats, self.extra_info, self.calls = None, {}, 0

    def __call__(self, function):
        self.calls += 1
        self.stats = FakeStats
        return function()

    def pedantic(self, function, rounds, iterations):
        self.rounds = rounds
        return self(function)


def measured(tmp_path, engine="reverse", sweep=TINY, expected=None, max_seconds=30.0, floor=False):
    """Run one measurement, or that of the engine's floor, and read its record back."""
    path, benchmark = tmp_path / "records.jsonl", FakeBenchmark()
    case = (floors(parse(sweep, "tiny"), [engine]) if floor else parse(sweep, "tiny").cases())[0]
    task = Task(case.sweep, FLOOR if floor else case.name, engine, "numpy", case)
    one = measurement.Measurement(task, records.begun(task, 1, 1), partial(records.append, path), max_seconds)
    if expected:
        with pytest.raises(expected):
            one.run(benchmark)
    else:
        one.run(benchmark)
    found, problems = records.read(path)
    assert not problems
    return found[0], benchmark


@pytest.mark.parametrize("engine", ["forward", "compiled-reverse", "mixed", "complex-step", "autograd-reverse"])
def test_a_floor_is_the_engines_own_call_on_the_identity(tmp_path, engine):
    if ad.engine(engine).available():
        pytest.skip(ad.engine(engine).available())
    record, benchmark = measured(tmp_path, engine, TINY | {"plot": "peers"}, floor=True)
    assert (record.status, record.case, record.operation, record.mode) == (
        "ok", "@identity", "jacobian", ad.engine(engine).mode,
    )  # fmt: skip
    assert (record.n, record.m, record.depth, record.parameters) == (1, 1, 1, 0)
    assert record.max_error is not None
    assert (benchmark.name, benchmark.group) == (f"tiny[{engine}-@identity]", "tiny[@identity]")


@pytest.mark.parametrize("operation", ["jacobian", "jvp", "vjp", "value"])
@pytest.mark.parametrize("engine", ["forward", "reverse", "value", "auto", "finite-difference", "complex-step"])
def test_a_measurement_is_verified_and_recorded(tmp_path, engine, operation):
    chosen = ad.engine("reverse" if engine == "value" else engine)
    skip = engine != "value" and operation != "value" and operation not in chosen.operations
    sweep = (
        TINY | {"operation": operation, "seeds": 2} if operation in ("jvp", "vjp") else TINY | {"operation": operation}
    )
    record, benchmark = measured(tmp_path, engine, sweep, pytest.skip.Exception if skip else None)
    if skip:
        assert record.status == "unsupported"
        assert record.reason
        assert not benchmark.calls
        return
    assert record.status == "ok"
    assert record.max_error < (1e-6 if engine == "finite-difference" else 1e-12)
    assert (record.n, record.m, record.depth, record.width) == (3, 2, 2, 64)
    assert len(record.seconds) == records.ROUNDS_KEPT
    assert record.peak_bytes > 0
    assert benchmark.name == f"tiny[{engine}-n3-m2-d2]"
    assert benchmark.extra_info["engine"] == engine


@pytest.mark.parametrize("operation", ["jvp", "vjp"])
@pytest.mark.parametrize("engine", ["forward", "reverse", "products", "compiled-products"])
def test_many_seeds_are_verified_by_a_few_sums_of_them(tmp_path, monkeypatch, engine, operation):
    if engine == {"jvp": "reverse", "vjp": "forward"}[operation]:
        return
    sweep = TINY | {"operation": operation, "seeds": [9, 10]}
    record, _ = measured(tmp_path, engine, sweep)
    assert (record.status, record.keywords["seeds"]) == ("ok", 9)
    assert record.max_error < 1e-12
    assert record.package == ("" if "products" in engine else "autodiff")

    def spoil(self, x, seed, out, run=ProgramRun._run):
        run(self, x, seed, out)
        out[-1, -1] += 1e-3

    monkeypatch.setattr(ProgramRun, "_run", spoil)
    (tmp_path / "again").mkdir()
    record, benchmark = measured(tmp_path / "again", engine, sweep, pytest.fail.Exception)
    assert record.status == "wrong"
    assert not benchmark.calls


@pytest.mark.parametrize(
    ("engine", "executor", "chosen"),
    [
        ("forward", "numpy", ""),
        ("compiled-reverse", "compiled", ""),
        ("compiled-value", "compiled", ""),
        ("compiled-mixed(memory=1MiB)", "compiled", ""),
        ("auto", "compiled", "compiled-"),
        ("finite-difference", "", ""),
    ],
)
def test_a_record_says_what_ran_it(tmp_path, engine, executor, chosen):
    record, _ = measured(tmp_path, engine)
    assert record.executor == executor
    assert record.chosen.startswith(chosen)
    assert bool(record.chosen) == bool(chosen)
    assert bool(record.work["calls"]) == bool(executor)
    assert record.peak_bytes > 0


def test_what_is_timed_is_what_was_verified(tmp_path, monkeypatch):
    class Lying(type(ad.engine("reverse"))):
        def build(self, *args):
            run = super().build(*args)
            run.bound = lambda x, seed: lambda: run(x, seed) + 1e-6
            return run

    monkeypatch.setattr(measurement, "find_engine", lambda name: Lying())
    record, benchmark = measured(tmp_path, expected=pytest.fail.Exception)
    assert record.status == "wrong"
    assert record.reason.startswith("what is timed is off by 1.")
    assert record.reason.endswith(" from what was verified")
    assert not benchmark.calls


def test_a_wrong_engine_is_recorded_and_never_timed(tmp_path, monkeypatch):
    class Wrong(type(ad.engine("reverse"))):
        name = "wrong"

        def build(self, *args):
            run = super().build(*args)
            right = run._run
            run._run = lambda x, seed, out: (right(x, seed, out), out.__iadd__(1e-6))
            return run

    monkeypatch.setattr(measurement, "find_engine", lambda name: Wrong())
    record, benchmark = measured(tmp_path, expected=pytest.fail.Exception)
    assert record.status == "wrong"
    assert "not timed" in record.reason
    assert not benchmark.calls
    assert record.median_s is None


def test_a_result_of_the_wrong_shape_is_wrong(tmp_path, monkeypatch):
    class Shapeless(type(ad.engine("reverse"))):
        def build(self, *args):
            run = super().build(*args)

            def lie(x, seed, out):
                raise WrongResultError("reverse gave float64 (3,); expected float64 (2, 3)")

            run._run = lie
            return run

    monkeypatch.setattr(measurement, "find_engine", lambda name: Shapeless())
    record, benchmark = measured(tmp_path, expected=pytest.fail.Exception)
    assert (record.status, record.reason) == ("wrong", "reverse gave float64 (3,); expected float64 (2, 3)")
    assert not benchmark.calls


def test_slow_calls_get_fewer_rounds(tmp_path):
    benchmark = FakeBenchmark()
    time_run(benchmark, lambda: None, once=1.0, seconds=0.1)
    assert benchmark.rounds == 2
    time_run(benchmark, lambda: None, once=0.3, seconds=0.1)
    assert benchmark.rounds == 3
    del benchmark.rounds
    time_run(benchmark, lambda: None, once=0.01, seconds=0.1)
    assert not hasattr(benchmark, "rounds")


def test_nan_is_wrong(tmp_path, monkeypatch):
    class Broken(type(ad.engine("reverse"))):
        def build(self, *args):
            run = super().build(*args)
            run._run = lambda x, seed, out: out.fill(np.nan)
            return run

    monkeypatch.setattr(measurement, "find_engine", lambda name: Broken())
    record, _ = measured(tmp_path, expected=pytest.fail.Exception)
    assert record.status == "wrong"


@pytest.mark.parametrize("grid", [{"n": 10**7, "m": 10**7}, {"n": 400_000, "m": 400_000}])
def test_what_does_not_fit_is_skipped_with_its_bytes(tmp_path, grid):
    record, benchmark = measured(tmp_path, sweep=TINY | {"grid": grid | {"depth": 2}}, expected=pytest.skip.Exception)
    assert record.status == "skipped"
    assert f"{grid['n'] * grid['m'] * 8:,} bytes" in record.reason
    assert not benchmark.calls


def test_a_problem_that_refuses_is_recorded(tmp_path):
    sweep = TINY | {"problem": "digits_loss", "wrt": "params", "grid": {"samples": 4000}}
    record, _ = measured(tmp_path, sweep=sweep, expected=pytest.fail.Exception)
    assert (record.status, record.reason) == ("failed", "images 0 to 3999 were asked for; there are 1797")


def test_an_engine_that_raises_costs_its_own_row(tmp_path, monkeypatch):
    class Crashing(type(ad.engine("reverse"))):
        def build(self, *args):
            run = super().build(*args)
            run._run = lambda x, seed, out: 1 / 0
            return run

    monkeypatch.setattr(measurement, "find_engine", lambda name: Crashing())
    record, _ = measured(tmp_path, expected=pytest.fail.Exception)
    assert (record.status, record.reason) == ("failed", "ZeroDivisionError: division by zero")


@pytest.mark.parametrize(
    "change",
    [
        {"seconds": "abc"}, {"seconds": ["a"]},
        {"seconds": [None]}, {"seconds": [-1.0]}, {"seconds": None}, {"seconds": []},
        {"sweep": []}, {"case": {}},
        {"engine": 3}, {"number": []}, {"keywords": None}, {"median_s": "a"}, {"median_s": 0},
        {"rounds": "a"},
        {"iterations": 10**30}, {"peak_bytes": "x"}, {"work": {"fma": 1}}, {"status": "fine"}, {"new": 1},
    ],
)  # fmt: skip
def test_records_of_the_wrong_form_are_left_out(tmp_path, change):
    folder, _ = write_run(tmp_path)
    line = json.loads(folder.records.read_text().splitlines()[0]) | change
    folder.records.write_text(json.dumps(line) + "\n")
    found, problems = records.read(folder.records)
    assert not found
    assert problems[0].startswith("records.jsonl line 1 is left out: ")


@pytest.mark.parametrize(
    "change",
    [
        {"effort": "slow"}, {"effort": None}, {"sweeps": []}, {"sweeps": {"a": 1}}, {"sweeps": [1]}, {"sweeps": "abc"},
        {"passes": 0}, {"threads": -1}, {"engines": "ab"}, {"new": 1},
    ],
)  # fmt: skip
def test_requests_of_the_wrong_form_are_refused(tmp_path, change):
    folder, request = write_run(tmp_path)
    folders.write_json(folder.request, request.model_dump(mode="json") | change)
    with pytest.raises(ad.AutodiffError):
        folders.open_run(tmp_path)


@pytest.mark.parametrize("environment_", [{"warnings": 3}, {"blas": []}, {"packages": 3}, [], "text"])
def test_a_damaged_environment_does_not_stop_a_report(tmp_path, environment_):
    folder, request = write_run(tmp_path)
    folders.write_json(folder.environment, environment_)
    assert report.write(folder, request).files


@pytest.mark.parametrize("name", ["n", "grid", "products", "real", "bottleneck", "memory"])
def test_a_run_that_was_cut_short_is_reported(tmp_path, name):
    """Only f itself and the first engine of the first case were measured."""
    sweep = load(name)
    folder, request = Folder(tmp_path), request_of(sweep, effort="quick")
    case = sweep.cases("quick")[0]
    for engine in ("value", case.series.engines[0]):
        records.append(
            folder.records,
            Record(
                name, case.name, engine, 1, keywords=case.keywords, n=1, m=1, depth=1, width=1, dtype="float64",
                seconds=[1e-5], rounds=1, min_s=1e-5, median_s=1e-5, mean_s=1e-5, stddev_s=0.0, iqr_s=0.0, peak_bytes=1,
            ),
        )  # fmt: skip
    made = report.write(folder, request)
    assert folder.report.exists()
    assert (made.results.frame["status"] == "ok").sum() == 1


def test_one_pass_left_out_does_not_cost_the_row(tmp_path):
    folder, request = write_run(tmp_path)
    records.append(
        folder.records, Record("tiny", "n1-m2-d2", "reverse", 3, status="skipped", reason="no memory", n=1, m=2)
    )
    results, _, _ = report.collect(folder, request)
    row = results.frame.iloc[1]
    assert (row["engine"], row["status"], row["passes"], row["reason"]) == ("reverse", "ok", 2, "pass 3: no memory")


@pytest.mark.parametrize("engine", ["reverse-checkpointed(memory=1KiB)", "mixed(memory=1KiB)"])
def test_a_limit_that_cannot_be_kept_is_skipped_with_the_least(tmp_path, engine):
    sweep = TINY | {"engines": [engine], "grid": {"n": 64, "m": 8, "depth": 4}}
    record, _ = measured(tmp_path, engine, sweep, pytest.skip.Exception)
    assert record.status == "skipped"
    assert "bytes" in record.reason


def test_records_survive_damage(tmp_path):
    path = tmp_path / "records.jsonl"
    for number in (1, 2):
        records.append(path, Record("s", "c", "e", number, seconds=[1.0], median_s=1.0))
    good = path.read_bytes()
    path.write_bytes(good + b"{broken}\n" + json.dumps({"schema": 99}).encode() + b"\n[]\n" + good[:40])
    found, problems = records.read(path)
    assert [record.number for record in found] == [1, 2]
    assert [text.split(":")[0] for text in problems] == [f"records.jsonl line {k} is left out" for k in (3, 4, 5, 6)]
    assert "cut off" in problems[-1]


def write_run(path):
    """A folder with records of two engines, one of which failed in a case."""
    sweep = parse(TINY | {"grid": {"n": [1, 2, 4, 8, 16, 32], "m": 2, "depth": 2}}, "tiny")
    request = request_of(sweep, passes=2)
    folder = Folder(path)
    folders.write_json(folder.request, request.model_dump(mode="json"))
    for number in (1, 2):
        for case in sweep.cases():
            n = case.keywords["n"]
            for engine, seconds in (("value", 1e-6), ("forward", 2e-6 * n), ("reverse", 3e-6)):
                if (engine, n) == ("forward", 8):
                    continue
                rounds = [seconds * (1 + 0.01 * k) for k in range(10)]
                records.append(
                    folder.records,
                    Record(
                        "tiny", case.name, engine, number, "mlp", "jacobian", "input", case.keywords, n, 2, 2, 64,
                        "float64", 1, 10, seconds=rounds, rounds=10, iterations=1, min_s=seconds,
                        median_s=1.045 * seconds, mean_s=1.045 * seconds, stddev_s=0.0, iqr_s=0.0, prepare_s=1e-5,
                        peak_bytes=100, max_error=0.0,
                    ),
                )  # fmt: skip
    return folder, request


def test_the_table_has_a_row_for_every_case_and_engine(tmp_path):
    folder, request = write_run(tmp_path)
    results, problems, _ = report.collect(folder, request)
    assert not problems
    assert [name for name in results.frame if not name.startswith(KEY)] == list(RESULTS)
    assert len(results.frame) == 12
    lost = results.frame[results.frame["status"] != "ok"]
    assert lost[["engine", "n", "status", "reason"]].to_numpy().tolist() == [
        ["forward", 8, "not run", "the run ended before it"]
    ]
    row = results.frame[(results.frame["engine"] == "forward") & (results.frame["n"] == 4)].iloc[0]
    assert row["passes"] == 2
    assert row["rounds"] == 20
    assert row["cost_ratio"] == pytest.approx(8.0, rel=0.1)
    assert row["value_s"] == pytest.approx(1.045e-6, rel=1e-3)
    assert row["ci_low_s"] <= row["median_s"] <= row["ci_high_s"]


def test_a_compiled_engine_is_compared_with_f_compiled(tmp_path):
    """And predicted by the compiled executor's model; records of schema 2, which know no executor, are NumPy's."""
    folder, request = write_run(tmp_path)
    lines = [json.loads(line) for line in folder.records.read_text().splitlines()]
    work = {"fma": 0, "elementwise": 0, "transcendental": 0, "elements": 0, "calls": 10}
    old = [
        {key: value for key, value in line.items() if key not in ("executor", "chosen")} | {"schema": 2, "work": work}
        for line in lines
    ]
    new = []
    for line in lines:
        if line["engine"] != "forward":
            time = {"value": 1e-7, "reverse": 4e-7}[line["engine"]]
            name = f"compiled-{line['engine']}"
            new.append(line | {"engine": name, "median_s": time, "executor": "compiled", "work": work})
    steps = [["map", "tanh", [1, 1], "", 10, [], []]]
    new = [line | {"steps": steps} for line in new]
    models = [
        {"sweep": "@machine", "case": "float64", "engine": prefix + "model", "number": number, "dtype": "float64",
         "seconds": [1.0], "median_s": 1.0, "executor": executor, "model": model_of(calls * number, 0.0).to_dict()}
        for prefix, executor, calls in (("", "numpy", 1e-6), ("compiled-", "compiled", 1e-8))
        for number in (1, 2, 3)
    ]  # fmt: skip
    folder.records.write_text("".join(json.dumps(line) + "\n" for line in [*old, *new, *models]))
    sweep = parse(TINY | {"engines": ["reverse", "compiled-reverse"], "grid": {"n": 1, "m": 2, "depth": 2}}, "tiny")
    results, problems, _ = report.collect(folder, request.model_copy(update={"sweeps": [sweep]}))
    assert not problems
    rows = results.frame.set_index("engine")
    assert rows.loc["reverse", "cost_ratio"] == pytest.approx(3.0, rel=1e-3)
    assert rows.loc["compiled-reverse", "cost_ratio"] == pytest.approx(4.0, rel=1e-3)
    assert rows.loc["compiled-reverse", "value_s"] == pytest.approx(1e-7)
    assert np.isnan(rows.loc["reverse", "predicted_s"])  # of steps that nobody wrote down nothing is known
    assert rows.loc["compiled-reverse", "predicted_s"] == pytest.approx(10 * (2e-8 + 1e-9))  # the middle of three
    assert rows["executor"].tolist() == ["", "compiled"]


def test_reports_are_made_from_records_alone_and_always_the_same(tmp_path):
    folder, request = write_run(tmp_path)
    first = report.write(folder, request)
    names = [path.name for path in first.files]
    assert {"results.csv", "passes.csv", "tiny.csv", "COLUMNS.md", "report.md", "tiny.png", "tiny.svg"} == set(names)
    before = {path: path.read_bytes() for path in first.files}
    report.write(*folders.open_run(tmp_path))
    assert all(path.read_bytes() == content for path, content in before.items())
    text = folder.report.read_text()
    assert "11 of 12 engine cases were measured, in 2 passes." in text
    assert "![tiny](tiny.png)" in text
    assert "| tiny | reverse | n = 1 to 32 | 0.00 [" in text


def test_other_settings_are_not_mixed_unless_asked(tmp_path, monkeypatch):
    folder, request = write_run(tmp_path)
    machine = {"processor": "One", "cores": 2, "threads": 1, "blas": {"kernel": "A"}, "packages": {"numpy": "1.0"}}
    monkeypatch.setattr(conditions, "describe", lambda request, cores: machine)
    assert conditions.resume(folder, request, [0], anyway=False) == 0  # it had not been written down yet
    assert conditions.resume(folder, request, [0], anyway=False) == 0
    other = machine | {"processor": "Another", "packages": {"numpy": "2.0"}}
    monkeypatch.setattr(conditions, "describe", lambda request, cores: other)
    with pytest.raises(InputError, match=r"processor: One then, Another now; packages numpy: 1\.0 then") as told:
        conditions.resume(folder, request, [0], anyway=False)
    assert "--resume-anyway" in str(told.value)
    assert conditions.resume(folder, request, [0], anyway=True) == 1
    assert conditions.resume(folder, request, [0], anyway=False) == 1  # known by now
    found, _ = records.read(folder.records)
    records.append(folder.records, replace(found[-1], number=3, setting=1))
    made = report.write(folder, request)
    assert made.notes[0].startswith("Mixed settings: this run was resumed under others (processor: One then")
    assert all("Mixed settings" in section.note for section in made.sections)
    assert "Mixed settings" in folder.report.read_text()
    row = made.results.frame[made.results.frame["engine"] == "reverse"].iloc[-1]
    assert "mixed settings: passes resumed under setting 1" in row["reason"]


def test_a_folder_is_never_overwritten(tmp_path):
    write_run(tmp_path)
    with pytest.raises(InputError, match="already holds a run; nothing is overwritten"):
        folders.create(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        folders.create(tmp_path / "file")
    with pytest.raises(InputError, match="holds no run"):
        folders.open_run(tmp_path / "missing")


def test_latest_follows_the_newest_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = folders.create(None)
    assert (tmp_path / "results" / "latest").resolve() == made.path.resolve()


def test_requests_survive_json(tmp_path):
    request = request_of(load("real"), load("grid"), engines=["auto"], effort="quick", passes=2)
    folders.write_json(tmp_path / "run.json", request.model_dump(mode="json"))
    assert folders.read_request(tmp_path / "run.json") == request


def test_environment_says_what_measurements_depend_on():
    found = environment()
    assert found["blas"]["library"] == blas_info()["library"]
    assert found["cores_usable"] >= 1
    assert found["packages"]["numpy"] == np.__version__
    json.dumps(found)


def test_a_slow_kernel_is_noticed():
    flags = {"avx512f", "avx512dq", "avx512bw"}
    assert "OPENBLAS_CORETYPE" in kernel_warning("Haswell", flags)
    assert not kernel_warning("SkylakeX", flags)
    assert not kernel_warning("Haswell", {"avx2"})
    assert thread_environment(3, {})["OPENBLAS_NUM_THREADS"] == "3"


def test_a_peer_without_single_precision_is_unsupported(tmp_path):
    pytest.importorskip("casadi")
    single = TINY | {"engines": ["casadi-reverse"], "grid": TINY["grid"] | {"dtype": "float32"}}
    record, benchmark = measured(tmp_path, "casadi-reverse", single, pytest.skip.Exception)
    assert (record.status, benchmark.calls) == ("unsupported", 0)
    assert record.reason == "CasADi computes in double precision only, mlp is float32; network.astype('float64')"


@pytest.mark.parametrize("engine", ["forward", "mixed", "compiled-reverse"])
def test_single_precision_is_verified_to_its_own_tolerance(tmp_path, engine):
    single = TINY | {"engines": [engine], "grid": TINY["grid"] | {"dtype": "float32"}}
    record, _ = measured(tmp_path, engine, single)
    assert (record.status, record.dtype) == ("ok", "float32")
    assert 1e-12 < record.max_error < 1e-5
