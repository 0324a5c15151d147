from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform
from numpy.typing import NDArray

from napari_ddmd.case import MODALITIES, CaseError, CaseWarning, find_cases, load_case, load_mask
from napari_ddmd.case.nifti import NiftiFile

from .conftest import LPS, SHAPE, WriteCase, WriteNifti, volume
from .test_files import NAMINGS

AXIAL = (2, 1, 0)  # LPS files only need their axes reversed


def moved(*millimetres: float) -> NDArray[np.float64]:
    affine = LPS.copy()
    affine[:3, 3] += millimetres
    return affine


def reading_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("load_case")]


@pytest.mark.parametrize("naming", NAMINGS)
def test_a_case_of_any_naming_is_loaded(write_case: WriteCase, naming: str) -> None:
    case = load_case(write_case("patient", NAMINGS[naming]))
    assert case.name == "patient"
    assert case.images.shape == (4, 5, 7, 6)
    assert case.images.dtype == np.float32
    assert case.images.flags.c_contiguous
    for channel, modality in enumerate(MODALITIES):
        np.testing.assert_array_equal(case.images[channel], volume(modality).transpose(AXIAL))
    assert case.mask is not None
    assert case.mask.dtype == np.uint8
    np.testing.assert_array_equal(case.mask, volume("seg").transpose(AXIAL))
    assert case.brain.all()
    assert case.warnings == ()
    assert reading_threads() == []


@pytest.mark.parametrize("codes", ["RAS", "LAI", "PSR", "SLA"])
def test_a_case_in_any_axis_order_comes_out_the_same(
    write_case: WriteCase, write_nifti: WriteNifti, codes: str
) -> None:
    folder = write_case("patient")
    expected = load_case(folder)
    for path in folder.iterdir():
        image = nibabel.load(path)
        turned = image.as_reoriented(ornt_transform(io_orientation(image.affine), axcodes2ornt(codes)))
        write_nifti(path, np.asarray(turned.dataobj), turned.affine)
    case = load_case(folder)
    assert "".join(nibabel.aff2axcodes(case.header.get_best_affine())) == codes
    np.testing.assert_array_equal(case.images, expected.images)
    np.testing.assert_array_equal(case.mask, expected.mask)
    assert case.grid.translate == expected.grid.translate


def test_spacing_header_and_affine_are_kept(write_case: WriteCase) -> None:
    affine = np.diag([-0.5, -0.75, 3.0, 1.0])
    case = load_case(write_case(affines=dict.fromkeys((*MODALITIES, "seg"), affine)))
    assert case.spacing == (3.0, 0.75, 0.5)
    np.testing.assert_array_equal(case.grid.affine, affine)
    np.testing.assert_array_equal(case.header.get_best_affine(), affine)
    assert case.header.get_data_shape() == SHAPE


def test_files_that_were_found_and_files_that_are_assigned(
    write_case: WriteCase, write_nifti: WriteNifti, tmp_path: Path
) -> None:
    folder = write_case("patient", skip=("t2",))
    other = write_nifti(tmp_path / "elsewhere" / "scan7.nii", volume("t2"))
    case = load_case(folder, assignment={"t2": other})
    assert case.files.images["t2"] == other
    np.testing.assert_array_equal(case.images[2], volume("t2").transpose(AXIAL))
    write_nifti(folder / "patient_t2.nii", volume("t2"))
    (found,) = find_cases(folder)
    assert load_case(found).files == found


def test_a_case_without_a_mask(write_case: WriteCase) -> None:
    assert load_case(write_case(skip=("seg",))).mask is None


def test_missing_modalities_are_named(write_case: WriteCase) -> None:
    folder = write_case("patient", skip=("t1ce", "flair"))
    with pytest.raises(CaseError, match=r"patient: no image for t1ce and flair; add them") as caught:
        load_case(folder)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize("kind", MODALITIES)
def test_one_missing_modality_is_zero_where_that_is_allowed(write_case: WriteCase, kind: str) -> None:
    whole = load_case(write_case("whole"))
    with pytest.warns(CaseWarning, match=f"patient: has no {kind}"):
        case = load_case(write_case("patient", skip=(kind,)), allow_missing=True)

    assert len(case.warnings) == 1
    for channel, modality in enumerate(MODALITIES):
        expected = np.zeros_like(whole.images[channel]) if modality == kind else whole.images[channel]
        np.testing.assert_array_equal(case.images[channel], expected)


def test_two_missing_modalities_are_refused_all_the_same(write_case: WriteCase) -> None:
    with pytest.raises(CaseError, match="no image for t1ce and flair"):
        load_case(write_case("patient", skip=("t1ce", "flair")), allow_missing=True)


@pytest.mark.parametrize("kind", ["t1ce", "t2", "flair"])
def test_an_image_of_another_shape_is_named(write_case: WriteCase, kind: str) -> None:
    folder = write_case("patient", data={kind: volume(kind, (6, 7, 4))})
    with pytest.raises(
        CaseError, match=rf"patient_{kind}\.nii\.gz: its shape is 6×7×4, that of patient_t1\.nii\.gz is 6×7×5"
    ):
        load_case(folder)


@pytest.mark.parametrize("affine", [moved(0, 0, 1), LPS @ np.diag([-1, 1, 1, 1]), LPS @ np.diag([1, 1, 1.1, 1])])
def test_an_image_that_lies_elsewhere_is_named(write_case: WriteCase, affine: NDArray[Any]) -> None:
    folder = write_case("patient", affines={"flair": affine})
    with pytest.raises(CaseError, match=r"patient_flair\.nii\.gz: lies elsewhere in space than patient_t1"):
        load_case(folder)


def test_rounding_between_headers_is_no_fault(write_case: WriteCase) -> None:
    assert load_case(write_case(affines={"flair": moved(0, 0.01, 0)})).warnings == ()


def test_an_oblique_case_is_named(write_case: WriteCase) -> None:
    tilted = LPS.copy()
    tilted[1, 2] = 0.3
    folder = write_case("patient", affines=dict.fromkeys(MODALITIES, tilted))
    with pytest.raises(CaseError, match=r"patient_t1\.nii\.gz: the image is oblique"):
        load_case(folder)


def test_headers_are_checked_before_any_voxel_is_read(write_case: WriteCase, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_case("patient", data={"flair": volume("flair", (6, 7, 4))})
    reads: list[Path] = []
    monkeypatch.setattr(NiftiFile, "_read", lambda self, dtype: reads.append(self.path))
    with pytest.raises(CaseError, match="its shape is"):
        load_case(folder)
    assert reads == []


def test_the_four_images_are_read_at_the_same_time(write_case: WriteCase, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_case()
    together = threading.Barrier(len(MODALITIES))
    read = NiftiFile.read_image

    def read_together(self: NiftiFile) -> NDArray[np.float32]:
        together.wait(timeout=20)  # breaks unless all four are under way
        return read(self)

    monkeypatch.setattr(NiftiFile, "read_image", read_together)
    assert load_case(folder).images.any()


@pytest.mark.parametrize("kind", [*MODALITIES, "seg"])
def test_a_read_that_fails_names_its_file_and_leaves_no_thread(write_case: WriteCase, kind: str) -> None:
    folder = write_case("patient")
    path = folder / f"patient_{kind}.nii.gz"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(CaseError, match=rf"patient_{kind}\.nii\.gz: the file is cut short"):
        load_case(folder)
    assert reading_threads() == []


def test_an_interrupted_load_leaves_no_thread(write_case: WriteCase, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_case()

    def slow(self: NiftiFile) -> NDArray[np.float32]:
        if guilty := "t1ce" in self.path.name:
            raise KeyboardInterrupt
        time.sleep(0.2)
        return np.ones(SHAPE, np.float32) * guilty

    monkeypatch.setattr(NiftiFile, "read_image", slow)
    with pytest.raises(KeyboardInterrupt):
        load_case(folder)
    assert reading_threads() == []


def test_an_empty_modality_is_named(write_case: WriteCase) -> None:
    folder = write_case("patient", data={"t2": np.zeros(SHAPE, np.int16)})
    with pytest.raises(CaseError, match=r"patient_t2\.nii\.gz: all voxels are zero"):
        load_case(folder)


def test_a_mask_with_another_origin_is_taken_with_a_warning(write_case: WriteCase) -> None:
    folder = write_case("patient", affines={"seg": moved(0, -6, 0)})
    with pytest.warns(CaseWarning, match=r"patient_seg\.nii\.gz: the mask's origin \(0, 0, 0\) is not") as caught:
        case = load_case(folder)
    assert len(case.warnings) == 1
    assert case.warnings[0] == str(caught[0].message)
    assert caught[0].filename == __file__
    np.testing.assert_array_equal(case.mask, volume("seg").transpose(AXIAL))


def test_a_mask_of_another_shape_is_refused(write_case: WriteCase) -> None:
    folder = write_case("patient", data={"seg": volume("seg", (6, 7, 4))})
    with pytest.raises(CaseError, match=r"patient_seg\.nii\.gz: the mask's shape is 6×7×4.* images is 6×7×5"):
        load_case(folder)


@pytest.mark.parametrize("codes", ["RAS", "LPI", "SRA", "AIL"])
def test_a_mask_in_another_axis_order_is_put_in_order(
    write_case: WriteCase, write_nifti: WriteNifti, codes: str
) -> None:
    folder = write_case("patient")
    image = nibabel.load(folder / "patient_seg.nii.gz")
    turned = image.as_reoriented(ornt_transform(io_orientation(image.affine), axcodes2ornt(codes)))
    write_nifti(folder / "patient_seg.nii.gz", np.asarray(turned.dataobj), turned.affine)
    np.testing.assert_array_equal(load_case(folder).mask, volume("seg").transpose(AXIAL))


@pytest.mark.parametrize("affine", [np.diag([1.0, 1, 1, 1]), LPS @ np.diag([1, 1, 2, 1])])
def test_a_mask_on_another_grid_is_refused(write_case: WriteCase, affine: NDArray[Any]) -> None:
    folder = write_case("patient", affines={"seg": affine})
    with pytest.raises(CaseError, match=r"patient_seg\.nii\.gz: the mask lies on another grid .* resample"):
        load_case(folder)


def test_headers_without_an_orientation_are_remarked_on(write_case: WriteCase) -> None:
    folder = write_case("patient", affines=dict.fromkeys((*MODALITIES, "seg"), None))
    with pytest.warns(CaseWarning, match=r"patient_t1\.nii\.gz: the header does not tell the orientation"):
        case = load_case(folder)
    assert len(case.warnings) == 1


def test_a_mask_without_an_orientation_is_taken_with_a_warning(write_case: WriteCase) -> None:
    folder = write_case("patient", affines={"seg": None})
    with pytest.warns(CaseWarning, match=r"patient_seg\.nii\.gz: the mask's header tells no position"):
        case = load_case(folder)
    np.testing.assert_array_equal(case.mask, volume("seg").transpose(AXIAL))


def test_a_mask_alone_onto_a_grid(write_case: WriteCase, write_nifti: WriteNifti, tmp_path: Path) -> None:
    grid = load_case(write_case(skip=("seg",))).grid
    labels = load_mask(write_nifti(tmp_path / "drawn.nii", volume("seg").astype(np.float64)), grid)
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, volume("seg").transpose(AXIAL))
    with pytest.warns(CaseWarning, match="origin") as caught:
        load_mask(write_nifti(tmp_path / "moved.nii", volume("seg"), moved(9, 9, 9)), grid)
    assert caught[0].filename == __file__
    with pytest.raises(CaseError, match=r"small\.nii: the mask's shape"):
        load_mask(write_nifti(tmp_path / "small.nii", volume("seg", (3, 3, 3))), grid)
    with pytest.raises(CaseError, match=r"none\.nii: no such file"):
        load_mask(tmp_path / "none.nii", grid)


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("Brats18_2013_21_1", {0, 1, 2, 4}),
        ("BraTS20_Training_002", {0, 1, 2, 4}),
        ("BraTS2021_00006", {0, 1, 2, 4}),
        ("BraTS-GLI-00000-000", {0, 1, 2, 3}),
        ("BraTS-GLI-00001-000", None),
    ],
)
def test_real_cases_of_each_naming(real_cases: Path, name: str, labels: set[int] | None) -> None:
    case = load_case(real_cases / name)
    assert case.images.shape == (4, 155, 240, 240)
    assert case.spacing == (1.0, 1.0, 1.0)
    assert 0.05 < case.brain.mean() < 0.35
    assert case.warnings == ()
    if labels is None:
        assert case.mask is None
    else:
        assert case.mask is not None
        assert set(np.unique(case.mask).tolist()) == labels
        assert (case.mask > 0)[~case.brain].mean() < 1e-3
    # nibabel's own reading, slice by slice as the file has them.
    flair = np.asarray(nibabel.load(case.files.images["flair"]).dataobj)
    np.testing.assert_array_equal(case.grid.to_source(case.images[3]), flair)
    np.testing.assert_array_equal(case.images[3, 80], flair[:, :, case.grid.file_slice(80)].T)
