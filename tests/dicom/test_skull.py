from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from napari_ddmd.case import MODALITIES, AxialGrid, load_case
from napari_ddmd.dicom import DicomError
from napari_ddmd.dicom.skull import is_skull_stripped, read_brain_mask
from tests.dicom.studies import resliced, with_head


def stripped(image: sitk.Image) -> bool:
    x, y, z = image.GetSpacing()
    return is_skull_stripped(sitk.GetArrayFromImage(image), (z, y, x))


@pytest.mark.parametrize("modality", MODALITIES)
def test_brains_and_heads_are_told_apart(images: dict[str, sitk.Image], modality: str) -> None:
    head = with_head(images)[modality]
    assert stripped(images[modality])
    assert not stripped(head)
    sagittal = (0, 0, 1, 1, 0, 0, 0, 1, 0)
    assert stripped(resliced(images[modality], (2, 2, 5), direction=sagittal))
    assert not stripped(resliced(head, (2, 2, 5), direction=sagittal))


def test_a_head_in_air_that_was_set_to_zero_is_a_head(images: dict[str, sitk.Image]) -> None:
    head = sitk.GetArrayFromImage(with_head(images)["t1"])
    head[head < 150] = 0  # air, and bone with it
    assert not is_skull_stripped(head, images["t1"].GetSpacing()[::-1])


def test_a_brain_that_fills_its_image_is_a_brain(images: dict[str, sitk.Image]) -> None:
    brain = sitk.GetArrayFromImage(images["t2"])
    box = tuple(slice(where.min() - 1, where.max() + 2) for where in np.nonzero(brain))
    assert is_skull_stripped(brain[box], images["t2"].GetSpacing()[::-1])


def test_real_brains_are_brains(real_cases: Path) -> None:
    folders = sorted(folder for folder in real_cases.iterdir() if folder.is_dir())[:4]
    for folder in folders:
        case = load_case(folder)
        assert [is_skull_stripped(image, case.spacing) for image in case.images] == [True] * 4


@pytest.fixture
def grid() -> AxialGrid:
    return AxialGrid.from_affine(np.diag([-1.0, -1, 1, 1]), (30, 40, 20))


def save(file: Path, voxels: np.ndarray, affine: np.ndarray) -> Path:
    image = nibabel.Nifti1Image(voxels.astype(np.uint8), affine)
    nibabel.save(image, file)
    return file


def test_a_brain_mask_comes_to_the_grid_of_the_case(tmp_path: Path, grid: AxialGrid) -> None:
    # In RAS, on voxels of 2 mm, half a voxel aside.
    affine = np.diag([2.0, 2, 2, 1])
    affine[:3, 3] = (-29.5, -39.5, -0.5)
    voxels = np.zeros((16, 21, 11))
    voxels[5:9, 4:8, 3:6] = 1
    brain = read_brain_mask(save(tmp_path / "m.nii.gz", voxels, affine), grid)

    assert brain.shape == grid.shape
    for s, h, w in np.argwhere(brain)[::50]:
        place = grid.axial_affine @ (s, h, w, 1)
        voxel = np.rint(np.linalg.inv(affine) @ place)[:3].astype(int)
        assert voxels[tuple(voxel)]
    assert brain.sum() == pytest.approx(8 * voxels.sum(), rel=0.2)


def test_a_brain_mask_covers_the_images_up_to_their_edge(tmp_path: Path) -> None:
    affine = np.diag([-1.0, -1, 1, 1])
    affine[:3, 3] = 17.3, -4.1, 33.7  # which a mask's header holds in 32 bits
    grid = AxialGrid.from_affine(affine, (30, 40, 20))
    same = save(tmp_path / "same.nii", np.ones(grid.source_shape), grid.affine)
    coarse = grid.affine @ np.diag([2.0, 2, 2, 1])
    coarse[:3, 3] += grid.affine[:3, :3] @ (0.5, 0.5, 0.5)  # where the first of the larger voxels begins
    half = save(tmp_path / "half.nii", np.ones(np.array(grid.source_shape) // 2), coarse)

    assert read_brain_mask(same, grid).all()
    assert read_brain_mask(half, grid).all()


def test_masks_that_do_not_fit_are_refused(tmp_path: Path, grid: AxialGrid) -> None:
    here = np.diag([-1.0, -1, 1, 1])
    away = here.copy()
    away[:3, 3] = 500
    with pytest.raises(DicomError, match=r"x.nii: the brain mask cannot be read"):
        read_brain_mask(tmp_path / "x.nii", grid)
    with pytest.raises(DicomError, match="lies beside the images"):
        read_brain_mask(save(tmp_path / "a.nii", np.ones(grid.source_shape), away), grid)
    with pytest.raises(DicomError, match="lies beside the images"):
        read_brain_mask(save(tmp_path / "e.nii", np.zeros(grid.source_shape), here), grid)
    image = nibabel.Nifti1Image(np.ones(grid.source_shape, np.uint8), None)
    nibabel.save(image, tmp_path / "n.nii")
    with pytest.raises(DicomError, match="tells no position"):
        read_brain_mask(tmp_path / "n.nii", grid)
