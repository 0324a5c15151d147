from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from src_training.figures.stage import held_out_patients
from src_training.figures.trained import Patient
from src_training.run import Run

from ..conftest import tiny_recipe


@pytest.fixture(scope="session")
def drawn_run(cohort: Path, tiny_out: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run of three folds and its own variant, to draw into."""
    out = shutil.copytree(tiny_out, tmp_path_factory.mktemp("drawn") / "run")
    return Run(tiny_recipe(cohort, out, "--fold", "cv"))


@pytest.fixture(scope="session")
def patients(drawn_run: Run) -> list[Patient]:
    return held_out_patients(drawn_run)
