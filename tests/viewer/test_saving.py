from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np

from napari_ddmd.case import Case
from napari_ddmd.viewer.saving import result_files, save_results


def test_mask_and_probability_are_saved_on_the_files_grid(case: Case, tmp_path: Path) -> None:
    assert case.mask is not None
    probability = np.linspace(0, 1, case.mask.size, dtype=np.float32).reshape(case.mask.shape)
    files = save_results(tmp_path, case, case.mask, probability)
    assert files == result_files(tmp_path, case, with_probability=True)
    assert [file.name for file in files] == ["Small_001_mask.nii.gz", "Small_001_probability.nii.gz"]
    affine = nibabel.load(case.files.images["t1"]).affine
    for file, volume in zip(files, (case.mask, probability), strict=True):
        saved = nibabel.load(file)
        np.testing.assert_array_equal(saved.affine, affine)
        np.testing.assert_array_equal(case.grid.to_axial(np.asarray(saved.dataobj)), volume)


def test_without_a_run_there_is_no_probability(case: Case, tmp_path: Path) -> None:
    assert case.mask is not None
    files = save_results(tmp_path, case, case.mask, None)
    assert sorted(tmp_path.iterdir()) == files == [tmp_path / "Small_001_mask.nii.gz"]
