"""Several processes share a cohort: each case once, and one that fails does not end the others."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from napari_ddmd import cli, launcher
from src_training.__main__ import main as train

from .conftest import CaseWriter

ROOT = Path(__file__).parents[1]


def be_process(monkeypatch: pytest.MonkeyPatch, rank: int, world: int, local: int = 0) -> None:
    for name, value in {"RANK": rank, "WORLD_SIZE": world, "LOCAL_RANK": local}.items():
        monkeypatch.setenv(name, str(value))


def test_a_process_that_nobody_launched_has_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")  # some platforms set it everywhere
    monkeypatch.delenv("RANK", raising=False)

    assert launcher.share("abc") == ["a", "b", "c"]
    assert launcher.device_name("auto") == "auto"
    assert launcher.gather("abc") == ["a", "b", "c"]


def test_shares_are_all_items_once(monkeypatch: pytest.MonkeyPatch) -> None:
    shares = []
    for rank in range(3):
        be_process(monkeypatch, rank, 3)
        shares.append(launcher.share("abcde"))

    assert shares == [["a", "d"], ["b", "e"], ["c"]]


@pytest.mark.parametrize(
    ("name", "value"),
    [("WORLD_SIZE", "two"), ("WORLD_SIZE", "0"), ("RANK", ""), ("RANK", "-1"), ("RANK", "1.5"), ("RANK", "2")],
)
def test_what_is_no_number_of_processes_is_named_in_one_line(
    name: str,
    value: str,
    tmp_path: Path,
    write_small_case: CaseWriter,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    be_process(monkeypatch, 1, 2)
    monkeypatch.setenv(name, value)
    case = write_small_case(tmp_path / "a")
    told = f"{name} is {value!r} in the environment, which cannot be; start with torchrun, or unset RANK"

    assert cli.main(["predict", str(case), "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err == f"napari-ddmd: {told}\n"
    assert train(["--data", str(tmp_path), "--out", str(tmp_path / "run")]) == 2
    assert capsys.readouterr().err == f"src_training: {told}\n"
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("gpus", "wanted", "name"), [(2, "auto", "cuda:1"), (2, "cuda", "cuda:1"), (2, "cpu", "cpu"), (0, "auto", "auto")]
)
def test_processes_divide_the_gpus(gpus: int, wanted: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    be_process(monkeypatch, 7, 8, local=3)

    assert launcher.device_name(wanted) == name


def test_two_processes_predict_a_cohort(tmp_path: Path, write_small_case: CaseWriter, tiny_model_folder: Path) -> None:
    for name in ("a", "b", "c"):
        write_small_case(tmp_path / "cohort" / name)
    cut = tmp_path / "cohort" / "a" / "a_flair.nii.gz"  # the first process has nothing but this and c
    cut.write_bytes(cut.read_bytes()[:-200])
    shutil.copy(
        write_small_case(tmp_path / "cohort" / "d") / "d_t1.nii.gz", tmp_path / "cohort" / "d" / "twin_t1.nii.gz"
    )
    words = ["predict", "cohort", "--out", "results", "--model", str(tiny_model_folder), "--json"]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"),
            *("-m", "napari_ddmd", *words, "--samples", "1", "--steps", "1", "--slices", "3:5"),
        ],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    answers = sorted((json.loads(line) for line in done.stdout.splitlines()), key=lambda answer: len(answer["failed"]))

    assert done.returncode != 0
    assert [[summary["case"] for summary in answer["cases"]] for answer in answers] == [["b"], ["c"]]
    assert answers[0]["failed"] == []
    assert [fault.split(":")[0].split("/")[-1] for fault in sorted(answers[1]["failed"])] == ["a_flair.nii.gz", "d"]
    assert {path.name for path in (tmp_path / "results").iterdir()} == {"b", "c", "cohort.csv"}
    with (tmp_path / "results" / "cohort.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["case"], row["status"]) for row in rows] == [
        ("a", "failed"),
        ("b", "done"),
        ("c", "done"),
        ("d", "failed"),
    ]
    assert done.stderr.count("4 cases: 2 done, 2 failed; results in results, table ") == 1
    # Two processes write to one stream, so that a line need not begin where one of them began it.
    said = re.findall(r"napari-ddmd: (?!warning: )[^\n]*", done.stderr)
    assert len(said) == 2
