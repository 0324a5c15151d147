"""The whole comparison from nothing, as a new user starts it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from src_training.metrics import METRICS
from src_training.recipe import SYSTEMS


@pytest.mark.torture
def test_the_comparison_runs_end_to_end_on_synthetic_patients(tmp_path: Path) -> None:
    """In a process of its own, with patients of full size; `test_table` compares all systems over small patients."""
    words = ("table", "--data", "patients", "--out", "run", "--preset", "smoke", "--device", "cpu")
    done = subprocess.run(
        [sys.executable, "-m", "src_training", *words],
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-4000:]
    patients = {folder.name for folder in (tmp_path / "patients").iterdir()}
    assert len(patients) == 3
    assert not list(tmp_path.glob(".*"))
    page = (tmp_path / "run" / "table.md").read_text()
    assert done.stdout.strip() == page.strip()
    found = json.loads((tmp_path / "run" / "metrics.json").read_text())["systems"]
    assert list(found) == list(SYSTEMS)
    for name, figures in found.items():
        assert f"| {name} |" in page
        assert all(set(figures[metric]["per_patient"]) == patients for metric in METRICS)
