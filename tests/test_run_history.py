"""Earlier runs are remembered, and a cache that is damaged or closed does no harm."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from napari_ddmd.run_history import Pace, PastRun, RunHistory

PACE = Pace(voxel_s=1e-8, slice_s=0.01, call_s=0.002, row_s=0.005)
RUN = PastRun(
    model="ab", device="cpu", slices=9, samples=5, steps=2, sampler="ddim", voxels=1000, computed=40, seconds=2.5
)


@pytest.fixture
def history(tmp_path: Path) -> RunHistory:
    return RunHistory(tmp_path / "deep" / "runs.json")


def test_what_is_kept_is_there_again(history: RunHistory) -> None:
    assert history.pace("key") is None
    assert history.runs("ab", "cpu") == []
    history.keep_pace("key", PACE)
    history.keep_run(RUN)
    history.keep_run(replace(RUN, device="gpu"))
    again = RunHistory(history.path)
    assert again.pace("key") == PACE
    assert again.runs("ab", "cpu") == [RUN]
    assert [entry.name for entry in history.path.parent.iterdir()] == ["runs.json"], "nothing half-written is left"


def test_the_oldest_runs_go(history: RunHistory) -> None:
    for number in range(70):
        history.keep_run(replace(RUN, slices=number))
    kept = [run.slices for run in history.runs("ab", "cpu")]
    assert kept == list(range(10, 70))


def test_nothing_of_a_patient_is_kept(history: RunHistory) -> None:
    history.keep_run(RUN)
    (run,) = json.loads(history.path.read_text("utf-8"))["runs"]
    counts = {"slices", "samples", "steps", "voxels", "computed", "seconds"}
    assert set(run) == {"model", "device", "sampler", *counts}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"format": 2, "paces": {}, "runs": []}',
        '{"format": 1, "paces": [], "runs": []}',
        json.dumps({"format": 1, "paces": {}, "runs": [asdict(RUN) | {"seconds": -1}]}),
        json.dumps({"format": 1, "paces": {}, "runs": [asdict(RUN) | {"seconds": float("nan")}]}),
        json.dumps({"format": 1, "paces": {}, "runs": [asdict(RUN) | {"slices": "9"}]}),
        json.dumps({"format": 1, "paces": {}, "runs": [asdict(RUN) | {"name": "Patient"}]}),
        json.dumps({"format": 1, "paces": {"key": 3}, "runs": []}),
        json.dumps({"format": 1, "paces": {}, "runs": [asdict(RUN) | {"slices": 10**400}]}),
        "[" * 100_000,
    ],
)
def test_a_damaged_file_is_as_none_and_is_replaced(history: RunHistory, text: str) -> None:
    history.path.parent.mkdir()
    history.path.write_text(text, encoding="utf-8")
    assert history.runs("ab", "cpu") == []
    assert history.pace("key") is None
    history.keep_run(RUN)
    assert history.runs("ab", "cpu") == [RUN]


def test_a_place_that_cannot_be_written_is_let_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    history = RunHistory(tmp_path / "file" / "runs.json")
    history.keep_run(RUN)
    assert history.runs("ab", "cpu") == []
