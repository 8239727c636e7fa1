"""Runs that compare precisions, batches and numbers of threads, end to end at tiny sizes."""

import os

import pandas as pd
import pytest

from autodiff.bench.records import record as records
from autodiff.machine.host import usable_cores

SWEEPS = {
    "single": 'across = "dtype"\nproblem = "mlp"\ngrid = { n = [2, 3], m = 2, depth = 2, width = 3, '
    'dtype = ["float64", "float32"] }\n',
    "many": 'problem = "regression_loss"\noperation = "gradient"\nwrt = "params"\nmemory = true\n'
    "grid = { n = 2, width = 3, depth = 2, batch = [1, 8] }\n",
    "cores": 'across = "threads"\nthreads = [1, "all"]\nproblem = "mlp"\ngrid = { n = [2, 3], m = 2, depth = 2 }\n',
}


@pytest.mark.skipif(len(usable_cores()) < 2, reason="one processor has one number of threads")
def test_precision_batch_and_threads(called, tmp_path):
    for name, text in SWEEPS.items():
        (tmp_path / f"{name}.toml").write_text(f'name = "{name}"\nengines = ["forward", "reverse"]\n{text}')
    asked = [word for name in SWEEPS for word in ("--sweep", f"{name}.toml")]
    before = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    status, said = called("bench", *asked, "--passes", 2, "--budget", "12s", "--out", "run")
    assert status == 0, said
    assert before is None or os.sched_getaffinity(0) == before
    frame = pd.read_csv("run/results.csv")
    assert (frame["status"] == "ok").all()
    assert frame["cost_ratio"].notna().all()
    cores = len(usable_cores())
    rows = frame.groupby("sweep")
    assert set(rows.get_group("single")["dtype"]) == {"float64", "float32"}
    assert set(rows.get_group("cores")["threads"]) == {1, cores}
    assert set(rows.get_group("many")["threads"]) == {1}
    alone = frame["threads"] == 1
    assert frame.loc[alone, "predicted_s"].notna().all()
    assert frame.loc[~alone, "predicted_s"].isna().all()
    found, _ = records.read(tmp_path / "run" / "records.jsonl")
    assert {record.threads for record in found if record.case.endswith(f"-t{cores}")} == {cores}
    logs = tmp_path / "run" / "pytest"
    assert f"; {cores} BLAS thread(s)" in (logs / f"pass1-numpy-{cores}-threads.log").read_text()
    assert "; 1 BLAS thread(s)" in (logs / "pass1-numpy.log").read_text()
    report = (tmp_path / "run" / "report.md").read_text()
    for title in ("Across dtype (single)", "Batch (many)", "Across threads (cores)"):
        assert f"## {title}" in report
    assert all((tmp_path / "run" / f"{name}.png").exists() for name in SWEEPS)
