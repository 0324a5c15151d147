"""The command on real patients: every file of the results, on the grid of the patient's own files."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest

from napari_ddmd.case import find_case_files
from napari_ddmd.cli import main


@pytest.mark.parametrize("name", ["BraTS20_Training_002", "BraTS-GLI-00000-000"])
def test_predict_saves_on_the_grid_of_the_source(
    name: str, real_cases: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--slices", "80:82", "--samples", "2", "--json"]
    assert main(["predict", str(real_cases / name), "--out", str(tmp_path), *asked]) == 0

    source = nibabel.load(find_case_files(real_cases / name).images["t1"])
    for kind in ("mask", "probability", "uncertainty", "inter", "intra"):
        saved = nibabel.load(tmp_path / name / f"{name}_{kind}.nii.gz")
        assert saved.shape == source.shape
        np.testing.assert_array_equal(saved.affine, source.affine)
        inside = np.flatnonzero(np.asanyarray(saved.dataobj).any(axis=(0, 1)))
        assert set(inside) <= {80, 81}
        assert inside.size or kind == "mask"
    summary = json.loads((tmp_path / name / "summary.json").read_text())
    assert summary["case"] == name
    assert summary["slices"]["numbers"] == [80, 81]
    assert json.loads(capsys.readouterr().out)["case"] == name
