"""Comparing runs: what is told apart, what is not, and what is refused."""

import contextlib
import json
import math
import re
import runpy
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from conftest import ordinary_environment
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from autodiff.bench.ask.names import MACHINE
from autodiff.bench.ask.tasks import KERNELS
from autodiff.bench.judge.compare import compare, self_check
from autodiff.bench.judge.rule import Floors, judge, means
from autodiff.bench.records.record import Record
from autodiff.errors import InputError

ENVIRONMENT = {
    "processor": "A fast one", "cores": 2, "threads": 1, "python": "CPython 3.11.7",
    "blas": {"library": "openblas", "kernel": "SkylakeX", "version": "1"}, "packages": {"numpy": "2.4.6"},
}  # fmt: skip
KEYS = [("n", f"n{n}", engine) for n in range(20) for engine in ("value", "forward", "reverse")]
MIRROR = {"slower": "faster", "faster": "slower", "same": "same"}
SEEDS = st.integers(0, 2**32 - 1)


def run_of(rng, keys=KEYS, passes=3, slower=lambda key: 1.0, machine=1.0, level=0.02, disturbed=0.0):
    """Seconds per key and pass: noise between passes, and a part of every other pass disturbed by a factor of 1.6."""
    keys = [*((MACHINE, dtype, kernel) for kernel, dtype in KERNELS), *keys]
    times = np.exp(level * rng.standard_normal((len(keys), passes))) * machine
    for column in times.T:
        start = rng.integers(len(keys))
        column[start : start + int(disturbed * rng.integers(2) * len(keys))] *= 1.6
    return {key: 1e-3 * slower(key) * row for key, row in zip(keys, times, strict=True)}


def write_run(path, times, environment=ENVIRONMENT):
    """A folder that looks like that of a run."""
    path.mkdir(exist_ok=True)
    lines = []
    for (sweep, case, engine), row in times.items():
        for number, seconds in enumerate(map(float, row), start=1):
            made = Record(
                sweep, case, engine, number, seconds=[seconds], min_s=seconds, median_s=1.1 * seconds, rounds=1
            )
            lines.append(json.dumps(asdict(made)))
    (path / "records.jsonl").write_text("\n".join(lines) + "\n")
    if environment is not None:
        (path / "environment.json").write_text(json.dumps(environment))
    return path


def write_json(path, times, **more):
    """A file that looks like pytest-benchmark's, of this package's benchmarks."""
    entries = []
    for (sweep, case, engine), row in times.items():
        own = sweep != MACHINE
        name = f"{sweep if own else 'machine'}[{engine}-{case}]"
        entries.append(
            {
                "name": name,
                "fullname": f"b.py::{name}",
                "group": f"{sweep}[{case}]" if own else "machine",
                "extra_info": {"sweep": sweep, "case": case, "engine": engine} if own else {},
                "stats": {"min": float(min(row)), "median": float(np.median(row))},
            }
        )
    path.write_text(json.dumps({"benchmarks": entries, **more}))
    return path


def verdicts(made):
    return made.table["verdict"].value_counts().to_dict()


def pairs_of(left, right):
    return {key: (dict(enumerate(left[key])), dict(enumerate(right[key]))) for key in left if key[0] != MACHINE}


def test_floors_are_in_no_comparison(tmp_path):
    """They are no case, and would be one of a mean over cases."""
    times = {("n", f"n{case}", "forward"): np.array([1e-3, 1.01e-3, 1.02e-3]) for case in range(4)}
    floors = {("n", "@identity", "forward"): np.array([1e-6, 1e-6, 1e-6])}
    a = write_run(tmp_path / "a", times | floors)
    b = write_run(tmp_path / "b", times | {key: 9 * row for key, row in floors.items()})
    made = compare(a, b)
    assert len(made.table) == 4
    assert made.means["cases"].tolist() == [4]
    assert set(made.table["verdict"]) == {"same"}


@given(SEEDS, st.integers(1, 5), st.integers(1, 5), st.floats(0.001, 0.1))
def test_exchanging_the_sides_mirrors_everything(seed, ours, theirs, level):
    rng = np.random.default_rng(seed)
    left = run_of(rng, passes=ours, level=level)
    right = run_of(rng, passes=theirs, level=level, slower=lambda key: rng.choice([0.8, 1.0, 1.3]))
    there, back = (judge(pairs_of(*sides), 0.0, Floors()) for sides in ((left, right), (right, left)))
    np.testing.assert_allclose(there["ratio"] * back["ratio"], 1)
    np.testing.assert_allclose(there["low"], 1 / back["high"])
    assert there["verdict"].map(MIRROR).tolist() == back["verdict"].tolist()
    one, other = (means(pairs_of(*sides), 0.0, Floors()) for sides in ((left, right), (right, left)))
    assert one["verdict"].map(MIRROR).tolist() == other["verdict"].tolist()


@pytest.mark.parametrize("passes", [1, 2, 3])
def test_a_run_is_no_different_from_itself(tmp_path, passes):
    run = write_run(tmp_path / "a", run_of(np.random.default_rng(0), passes=passes))
    made = compare(run, run)
    assert verdicts(made) == {"same": len(KEYS)}
    assert (made.table["ratio"] == 1).all()
    assert not made.failures(1.0)
    assert made.headline == f"0 of {len(KEYS)} measurements are slower, 0 are faster, {len(KEYS)} show no difference"


ALARMS = runpy.run_path(str(Path(__file__).parents[3] / "benchmarks" / "alarms.py"))
CODE = [(MACHINE, dtype, kernel) for kernel, dtype in KERNELS]
CODE += [*KEYS, *(("m", f"c{i}", engine) for i in range(150) for engine in ("value", "e"))]


@pytest.mark.parametrize("passes", [(3, 3), (10, 10), (10, 3)])
@pytest.mark.parametrize("cell", ALARMS["CELLS"])
def test_the_same_code_is_called_different_in_one_case_of_a_hundred(cell, passes):
    """With noise of every kind; ``benchmarks/alarms.py`` says it more exactly."""
    rng = np.random.default_rng([len(cell), *passes])
    found = [ALARMS["called"](CODE, ALARMS["CELLS"][cell], rng, passes) for _ in range(4)]
    assert np.mean(found, axis=0)[0] <= 0.02


@pytest.mark.parametrize(("passes", "least"), [((3, 3), 0.97), ((5, 5), 0.996)])
def test_slowdowns_of_15_percent_are_found(passes, least):
    rng = np.random.default_rng(passes)
    found = [ALARMS["called"](CODE, ALARMS["steady"](0.03), rng, passes, 1.15) for _ in range(6)]
    assert np.mean(found, axis=0)[0] >= least


def test_disturbed_passes_are_left_out():
    noise = np.random.default_rng(0).normal(0, 0.01, (50, 2, 3))
    left, right = np.moveaxis(np.exp(noise), 1, 0)
    left[0, 1] *= 1.6
    right[0, :2] *= 3.0
    made = judge(
        {("s", str(i), "e"): (dict(enumerate(left[i])), dict(enumerate(right[i]))) for i in range(50)}, 0.0, Floors()
    )
    assert made["verdict"].eq("same").all()
    assert made["a_s"][0] == pytest.approx(1, rel=0.05)
    assert made["high"][0] - made["low"][0] > made["high"][1] - made["low"][1]


def test_a_single_measurement_has_only_its_own_variance():
    """Welch's interval; nothing is borrowed where there is nobody to lend."""
    left, right = [1.0, 1.01, 1.02], [1.05, 1.06, 1.07]
    row = judge({("s", "c", "e"): (dict(enumerate(left)), dict(enumerate(right)))}, 0.0, Floors()).iloc[0]
    expected = stats.ttest_ind(np.log(right), np.log(left), equal_var=False).confidence_interval(0.99)
    assert (math.log(row["low"]), math.log(row["high"])) == pytest.approx((expected.low, expected.high), rel=1e-9)


@pytest.mark.parametrize("machine", [0.75, 1.3])
def test_a_slower_machine_blames_no_engine(tmp_path, machine):
    rng = np.random.default_rng(1)
    a = write_run(tmp_path / "a", run_of(rng))
    b = write_run(tmp_path / "b", run_of(rng, machine=machine, slower=lambda key: 1.2 if key[1] == "n7" else 1.0))
    made = compare(a, b)
    assert made.common == pytest.approx(machine, rel=0.02)
    assert set(made.table.loc[made.table["verdict"] == "slower", "case"]) == {"n7"}
    assert f"{max(made.common, 1 / made.common):.2f} times" in made.notes[0]
    assert verdicts(compare(a, b, absolute=True))["slower" if machine > 1 else "faster"] >= len(KEYS) - 3


def test_the_only_engine_cannot_hide_behind_the_machine(tmp_path):
    """It makes up every case that is tested, and f itself and the kernels say that the machine is what it was."""
    rng = np.random.default_rng(2)
    keys = [key for key in KEYS if key[2] != "forward"]
    a, b = (run_of(rng, keys, slower=lambda key, f=f: f if key[2] == "reverse" else 1.0) for f in (1.0, 1.3))
    made = compare(write_run(tmp_path / "a", a), write_run(tmp_path / "b", b))
    assert made.means.set_index("engine")["verdict"].to_dict() == {"value": "same", "reverse": "slower"}
    assert made.table.query("engine == 'reverse'")["verdict"].eq("slower").all()
    bare = [{key: row for key, row in run.items() if key[2] == "reverse"} for run in (a, b)]
    made = compare(write_run(tmp_path / "c", bare[0]), write_run(tmp_path / "d", bare[1]))
    assert verdicts(made) == {"slower": 20}
    assert "too little was measured of the machine itself" in made.notes[0]


def test_a_slower_f_is_found_and_told(tmp_path):
    rng = np.random.default_rng(3)
    a = write_run(tmp_path / "a", run_of(rng))
    some = write_run(tmp_path / "b", run_of(rng, slower=lambda key: 1.3 if key[1:] == ("n3", "value") else 1.0))
    assert compare(a, some).table.query("verdict == 'slower'")[["case", "engine"]].to_numpy().tolist() == [
        ["n3", "value"]
    ]
    every = write_run(tmp_path / "c", run_of(rng, slower=lambda key: 1.3 if key[2] == "value" else 1.0))
    assert any("f itself became 1." in note for note in compare(a, every).notes)


def test_failures_need_the_whole_interval(tmp_path):
    rng = np.random.default_rng(4)
    a = write_run(tmp_path / "a", run_of(rng))
    b = write_run(tmp_path / "b", run_of(rng, slower=lambda key: 1.5 if key[1:] == ("n3", "reverse") else 1.0))
    made = compare(a, b)
    assert [text.split(": ")[0] for text in made.failures(1.1)] == ["n n3 reverse"]
    assert re.fullmatch(r"n n3 reverse: 1\.[45]\d \[1\.[34]\d, 1\.[56]\d\]", made.failures(1.1)[0])
    assert not made.failures(1.55)
    for above in (0, -1, math.nan, math.inf):
        with pytest.raises(InputError, match="a number above 0"):
            made.failures(above)
    with pytest.raises(InputError, match="at least 1"):
        compare(a, b, floor=0.9)
    assert compare(a, b, floor=2.0).headline.startswith("0 of 60")


def test_the_text_can_be_pasted(tmp_path):
    rng = np.random.default_rng(5)
    more = [*KEYS, ("n", "n99", "reverse")]
    a = write_run(tmp_path / "a", run_of(rng, more))
    b = write_run(
        tmp_path / "b", run_of(rng, KEYS[:-1], slower=lambda key: 2.0 if key[1:] == ("n3", "reverse") else 1.0)
    )
    text = compare(a, b).to_markdown()
    assert text.startswith(
        "**1 of 59 measurements is slower, 0 are faster, 58 show no difference; 2 only in A.**\n\n| "
    )
    assert "| n | n3 | reverse | 1" in text
    assert re.search(r"ms \| (1\.9|2\.0)\d \[1\.\d\d, 2\.\d\d\] \| slower \|", text)
    assert "2 only in A: n[reverse-n19], n[reverse-n99]" in text
    assert "| n | reverse | 19 | 1.0" in text
    assert "nan" not in text


def test_engines_measured_twice_say_what_noise_is(tmp_path):
    rng = np.random.default_rng(6)
    keys = [
        key
        for n, case, engine in KEYS
        for key in ((n, case, engine), (n, case, f"{engine}@again"))
        if engine != "value"
    ]
    run = write_run(tmp_path / "a", run_of(rng, keys, passes=5))
    made = self_check(run)
    assert len(made.table) == 40
    assert 1.005 < made.floor < 1.05
    assert made.mean.low < 1 < made.mean.high
    assert len(made.alarms) == 0
    assert "0 of 40 pairs are wrongly called different" in made.to_markdown()
    assert compare(run, run).floor == 1.05  # what one run finds of noise may raise the floor, never lower it
    apart = write_run(
        tmp_path / "b", run_of(rng, keys, slower=lambda key: 1.3 if key[1:] == ("n3", "reverse@again") else 1)
    )
    assert "1 of 40 pairs is wrongly called different" in self_check(apart).to_markdown()
    assert self_check(apart).alarms[["case", "engine"]].to_numpy().tolist() == [["n3", "reverse"]]
    with pytest.raises(InputError, match="measured twice"):
        self_check(write_run(tmp_path / "c", run_of(rng)))


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        ({"processor": "Another"}, "processor: A fast one in A, Another in B"),
        ({"threads": 4}, "threads: 1 in A, 4 in B"),
        ({"blas": {"kernel": "Haswell"}}, "BLAS kernels: SkylakeX in A, Haswell in B"), ({"cores": 8}, "cores: 2"),
    ],
)  # fmt: skip
def test_other_machines_are_refused(tmp_path, change, refused):
    times = run_of(np.random.default_rng(7))
    a, b = write_run(tmp_path / "a", times), write_run(tmp_path / "b", times, ENVIRONMENT | change)
    with pytest.raises(InputError, match=refused):
        compare(a, b)
    assert any(refused in note for note in compare(a, b, force=True).notes)


def test_what_a_run_said_of_its_noise_is_repeated(tmp_path):
    times = run_of(np.random.default_rng(7))
    a = write_run(tmp_path / "a", times)
    for noise, told in (("12 % of the rounds\nwere interrupted", True), ("", False), (3, False)):
        b = write_run(tmp_path / "b", times, ENVIRONMENT | {"noise": noise})
        assert any("12 % of the rounds were interrupted" in note for note in compare(a, b).notes) is told


def test_runs_that_differ_further_than_their_passes_say(tmp_path):
    """What every run brings with it is seen in the kernels and in f, and is no slowdown of the engines."""
    rng = np.random.default_rng(10)
    own = {key: math.exp(rng.normal(0, 0.1)) for key in [*KEYS, *((MACHINE, d, k) for k, d in KERNELS)]}
    a = write_run(tmp_path / "a", run_of(rng, level=0.005))
    times = {key: own[key] * row for key, row in run_of(rng, level=0.005).items()}
    made = compare(a, write_run(tmp_path / "b", times))
    assert verdicts(made).get("same", 0) >= len(KEYS) - 2
    assert any("intervals are that much wider" in note for note in made.notes)


@pytest.mark.parametrize("environment", [None, [], "text", {"blas": 3, "packages": [], "processor": {}}])
def test_an_unknown_machine_is_noted(tmp_path, environment):
    times = run_of(np.random.default_rng(7))
    made = compare(write_run(tmp_path / "a", times), write_run(tmp_path / "b", times, environment))
    assert any("does not say which machine" in note for note in made.notes)


def test_other_versions_are_noted(tmp_path):
    times = run_of(np.random.default_rng(7))
    other = ENVIRONMENT | {"packages": {"numpy": "3.0", "autodiff-bench": "9"}, "python": "CPython 3.14.0"}
    made = compare(write_run(tmp_path / "a", times), write_run(tmp_path / "b", times, other))
    assert made.notes[:2] == ["python: CPython 3.11.7 in A, CPython 3.14.0 in B", "numpy: 2.4.6 in A, 3.0 in B"]


def test_a_folder_and_a_file_match_by_case_and_engine(tmp_path):
    rng = np.random.default_rng(8)
    a = write_run(tmp_path / "a", run_of(rng))
    slower = run_of(rng, machine=1.4, slower=lambda key: 1.5 if key[1:] == ("n3", "reverse") else 1.0)
    machine = {"cpu": {"brand_raw": "A fast one"}, "python_implementation": "CPython", "python_version": "3.11.7"}
    made = compare(a, write_json(tmp_path / "b.json", slower, machine_info=machine))
    assert verdicts(made) == {"slower": 1, "same": 59}
    assert made.common == pytest.approx(1.4, rel=0.05)
    assert made.table["low"].isna().all()
    assert [text.split(": ")[0] for text in made.failures(1.1)] == ["n n3 reverse"]
    assert any("no interval" in note for note in made.notes)
    other = write_json(tmp_path / "c.json", slower, machine_info=machine | {"cpu": {"brand_raw": "Another"}})
    with pytest.raises(InputError, match="processor"):
        compare(a, other)


def test_files_of_pytest_benchmark_itself(tmp_path):
    """Of a project that knows nothing of this package."""
    head = "import pytest, time\n@pytest.mark.parametrize('k', [1, 2])\ndef test_it(benchmark, k):\n"
    for name, seconds in (("a", "0.001"), ("b", "0.001 * k")):
        (tmp_path / "test_it.py").write_text(f"{head}    benchmark(time.sleep, {seconds})\n")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--benchmark-max-time=0.02"]
        subprocess.run(
            [*command, f"--benchmark-json={name}.json"],
            cwd=tmp_path,
            check=True,
            capture_output=True,
            env=ordinary_environment(),
        )
    made = compare(tmp_path / "a.json", tmp_path / "b.json")
    assert made.table["case"].tolist() == ["test_it.py::test_it[1]", "test_it.py::test_it[2]"]
    assert made.table["verdict"].tolist() == ["same", "slower"]
    assert made.table["ratio"][1] == pytest.approx(2, rel=0.2)
    assert "too little was measured of the machine" in made.notes[0]


@pytest.mark.parametrize(
    "stats",
    [
        None, [], {}, {"min": None}, {"min": -1.0}, {"min": "1"}, {"min": 0}, {"min": math.inf}, {"min": math.nan},
        {"min": True}, {"min": 10**400},
    ],
)  # fmt: skip
def test_odd_benchmarks_are_left_out_and_noted(tmp_path, stats):
    times = run_of(np.random.default_rng(9))
    a, b = (write_json(tmp_path / f"{name}.json", times) for name in "ab")
    data = json.loads(b.read_text())
    data["benchmarks"][-1]["stats"] = stats
    b.write_text(json.dumps(data))
    made = compare(a, b)
    assert verdicts(made) == {"same": len(KEYS) - 1, "gone": 1}
    assert any("1 benchmark is left out: b.py::n[reverse-n19] (stats" in note for note in made.notes)
    data["benchmarks"] = data["benchmarks"][-1:]
    b.write_text(json.dumps(data))
    with pytest.raises(InputError, match=r"b\.json holds no measurement"):
        compare(a, b)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "cannot be read"), ("", "is no JSON"), ("{", "is no JSON"), ("[" * 10**5, "is no JSON"),
        ("[]", "no file of pytest"), ('{"benchmarks": 3}', "no file of pytest"),
        ('{"benchmarks": []}', "holds no measurement"), (b"\xff\xfe\x00", "is no JSON"), ("9" * 5000, "is no JSON"),
    ],
)  # fmt: skip
def test_what_is_no_measurement_is_refused_by_name(tmp_path, text, reason):
    good, bad = write_json(tmp_path / "good.json", run_of(np.random.default_rng(0))), tmp_path / "bad.json"
    if text is not None:
        bad.write_bytes(text if isinstance(text, bytes) else text.encode())
    for sides in ((good, bad), (bad, good)):
        with pytest.raises(InputError, match=f"bad.json.*{reason}"):
            compare(*sides)


def test_folders_without_a_run_are_refused(tmp_path):
    times = run_of(np.random.default_rng(0))
    good = write_run(tmp_path / "good", times)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match="holds no run"):
        compare(good, empty)
    (empty / "records.jsonl").write_text("{}\n")
    with pytest.raises(InputError, match=r"holds no measurement.*line 1 is left out"):
        compare(good, empty)
    other = write_run(tmp_path / "other", {("m", "c", "forward"): [1.0]})
    with pytest.raises(
        InputError, match=r"nothing was measured in both: .*n\[value-n0\].* and 55 more; .*m\[forward-c\]"
    ):
        compare(good, other)
    with (good / "records.jsonl").open("a") as file:
        file.write(
            "{broken\n"
            + json.dumps(asdict(Record("n", "tiny", "forward", 1, seconds=[1.0], min_s=1e-300, median_s=1.0)))
            + "\n"
        )
    made = compare(good, good)
    assert verdicts(made) == {"same": 60}
    assert any(
        f"line {3 * len(times) + 1} is left out" in note and "n[forward-tiny] in pass 1 is left out" in note
        for note in made.notes
    )


NAMES = ["benchmarks", "stats", "min", "fullname", "group", "extra_info", "machine_info", "cpu", "sweep"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner),
    max_leaves=12,
)
ENTRY = st.fixed_dictionaries(
    {"fullname": st.just("x") | JSON, "stats": st.fixed_dictionaries({"min": JSON})},
    optional={"group": JSON, "extra_info": JSON, "name": JSON},
)


@given(JSON, st.lists(ENTRY, max_size=3))
def test_random_files_never_break_it(tmp_path_factory, value, entries):
    for data in (value, {"benchmarks": entries, "machine_info": value}):
        path = tmp_path_factory.getbasetemp() / "random.json"
        path.write_text(json.dumps(data))
        with contextlib.suppress(InputError):
            assert compare(path, path).to_markdown()
