from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
from napari.layers import Image, Labels
from napari.utils.notifications import Notification

from napari_ddmd.case import Case, load_case
from napari_ddmd.viewer.layer_tag import Role, grid_arguments
from napari_ddmd.viewer.writer import WriterError, write_image, write_labels
from napari_ddmd.whole_files import PREFIX


def file_of(case: Case, modality: str) -> nibabel.Nifti1Image:
    return nibabel.load(case.files.images[modality])


@pytest.mark.parametrize("ending", [".nii.gz", ".nii"])
def test_a_mask_lies_voxel_for_voxel_on_the_files(case: Case, tmp_path: Path, ending: str) -> None:
    mask = np.zeros(case.grid.shape, np.int32)
    mask[2, 3:9, 4:7] = 1
    mask[5, 1, 2] = 3
    layer = Labels(mask, name="lesion", **grid_arguments(case, Role.LESION))
    data, attributes, _kind = layer.as_layer_data_tuple()
    target = tmp_path / f"mask{ending}"
    assert write_labels(str(target), data, attributes) == [str(target)]
    saved, original = nibabel.load(target), file_of(case, "t1")
    np.testing.assert_array_equal(saved.affine, original.affine)
    assert saved.shape == original.shape
    assert saved.get_data_dtype() == np.uint8
    voxels = np.asarray(saved.dataobj)
    assert voxels[case.grid.source_voxel(5, 1, 2)] == 3
    np.testing.assert_array_equal(case.grid.to_axial(voxels), mask)


def test_an_expert_mask_survives_the_way_through_the_viewer(case: Case, tmp_path: Path) -> None:
    assert case.files.mask is not None
    layer = Labels(load_case(case.files).mask, **grid_arguments(case, Role.EXPERT))
    data, attributes, _kind = layer.as_layer_data_tuple()
    write_labels(str(tmp_path / "seg.nii.gz"), data, attributes)
    original = np.asarray(nibabel.load(case.files.mask).dataobj)
    np.testing.assert_array_equal(np.asarray(nibabel.load(tmp_path / "seg.nii.gz").dataobj), original)


def test_a_probability_is_saved_as_float32(case: Case, tmp_path: Path) -> None:
    probability = np.random.default_rng(0).random(case.grid.shape).astype(np.float32)
    layer = Image(probability, **grid_arguments(case, Role.PROBABILITY))
    data, attributes, _kind = layer.as_layer_data_tuple()
    write_image(str(tmp_path / "p.nii.gz"), data, attributes)
    saved = nibabel.load(tmp_path / "p.nii.gz")
    assert saved.get_data_dtype() == np.float32
    np.testing.assert_array_equal(case.grid.to_axial(np.asarray(saved.dataobj)), probability)


def test_many_labels_get_a_wider_type(case: Case, tmp_path: Path) -> None:
    mask = np.zeros(case.grid.shape, np.int64)
    mask[0, 0, 0] = 300
    write_labels(str(tmp_path / "m.nii"), mask, grid_arguments(case, Role.LESION))
    saved = nibabel.load(tmp_path / "m.nii")
    assert saved.get_data_dtype() == np.uint16
    assert np.asarray(saved.dataobj).max() == 300


def test_a_layer_without_case_is_refused(tmp_path: Path) -> None:
    layer = Labels(np.zeros((2, 3, 4), int), name="mine")
    data, attributes, _kind = layer.as_layer_data_tuple()
    with pytest.raises(WriterError, match='"mine" belongs to no case'):
        write_labels(str(tmp_path / "m.nii.gz"), data, attributes)
    assert list(tmp_path.iterdir()) == []


def test_a_layer_of_another_shape_is_refused(case: Case, tmp_path: Path) -> None:
    with pytest.raises(WriterError, match=r"has shape \(2, 3, 4\)"):
        write_image(str(tmp_path / "m.nii.gz"), np.zeros((2, 3, 4)), grid_arguments(case, Role.INTER))


def test_negative_labels_are_refused(case: Case, tmp_path: Path) -> None:
    mask = np.full(case.grid.shape, -1)
    with pytest.raises(WriterError, match="negative"):
        write_labels(str(tmp_path / "m.nii.gz"), mask, grid_arguments(case, Role.LESION))


@pytest.mark.fault("Output whole or absent")
def test_what_a_killed_save_left_beside_the_file_is_told_and_removed(
    case: Case, tmp_path: Path, notifications: list[Notification]
) -> None:
    left = tmp_path / f"{PREFIX}killed"
    left.mkdir()
    for name in (".owner", "earlier.nii.gz"):
        (left / name).touch()
    write_labels(str(tmp_path / "m.nii.gz"), np.zeros(case.grid.shape, int), grid_arguments(case, Role.LESION))
    assert [entry.name for entry in tmp_path.iterdir()] == ["m.nii.gz"]
    (told,) = notifications
    assert told.message.startswith(f"{tmp_path}: a save was cut off here; ")
    assert "(earlier.nii.gz)" in told.message
