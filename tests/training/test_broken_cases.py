"""A broken case among the training's: it is named in one line, status 2, and nothing of it is stored."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from src_training.__main__ import main
from tests.case.broken import CORPUS, Broken
from tests.case.broken.broken import NAME

from .conftest import TINY

CHOSEN = (
    "nii cut in the voxels at 440",
    "nii.gz cut 4 before its end",
    "bit 5 flipped at 0.333",
    "magic b'n+3', .nii.gz",
    "one voxel nan in f4, .nii.gz",
    "mask holds 255 in i2",
    "all files are (32767, 32767, 32767) .nii.gz",
    "t1 of complex64, .nii",
    "no t2",
    "two files for flair: copy_of_t2f.nii.gz",
    "t1 copied as t2",
    "flair is a pipe",
    "t2 is a link to itself",
    "srow_x[0] = nan",
    "cut: a line end",
)
BROKEN = [case for case in CORPUS if case.name in CHOSEN]


def test_all_that_are_chosen_are_there() -> None:
    assert sorted(case.name for case in BROKEN) == sorted(CHOSEN)


@pytest.mark.fault("Bad input")
@pytest.mark.parametrize("stage", [("prepare",), ("--dry-run",)], ids=["prepare", "census"])
@pytest.mark.parametrize("broken", BROKEN, ids=lambda case: re.sub(r"\W+", "-", case.name))
def test_a_broken_case_is_named(
    broken: Broken, stage: tuple[str, ...], cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, run = tmp_path / "data", tmp_path / "run"
    shutil.copytree(next(cohort.iterdir()), data / next(cohort.iterdir()).name)
    broken.write(data)

    assert main([*stage, "--data", str(data), "--out", str(run), *TINY]) == 2
    printed = capsys.readouterr().err
    said = [line for line in printed.split("\n") if line.startswith("src_training: ")]
    assert len(said) == 1, printed
    assert broken.refused is not None
    assert re.search(broken.refused, said[0]), printed
    assert printed.endswith(f"{said[0]}\n")
    assert "Traceback" not in printed
    assert not [path for path in run.rglob("*") if NAME in path.name or path.name == "index.json"]
