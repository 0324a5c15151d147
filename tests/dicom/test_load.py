from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from nibabel.affines import apply_affine

from napari_ddmd.case import MODALITIES, Case, CaseError
from napari_ddmd.case.guards.skull import WHOLE_HEAD
from napari_ddmd.dicom import DicomError, accepted, find_study, propose
from napari_ddmd.dicom.load import load_study
from napari_ddmd.dicom.origin import origin_of
from napari_ddmd.missing import missing_modalities
from tests.dicom.studies import DESCRIPTIONS, PATIENT, SEQUENCES, StudyWriter, flat, resliced, rigid, with_head


def load(folder: Path, **options: Path) -> Case:
    return load_study(accepted(propose(find_study(folder))), **options)


@pytest.fixture(scope="module")
def fine(images: dict[str, sitk.Image]) -> dict[str, sitk.Image]:
    """A part of the brain, of voxels of 1 mm."""
    cropped = {modality: image[20:60, 20:60, 18:38] for modality, image in images.items()}
    return {modality: resliced(image, (1, 1, 1)) for modality, image in cropped.items()}


def test_one_grid_of_1_mm_is_taken_voxel_for_voxel(writer: StudyWriter, fine: dict[str, sitk.Image]) -> None:
    writer.four(fine, shuffled=True)
    case = load(writer.folder)
    for modality, image in zip(MODALITIES, case.images, strict=True):
        np.testing.assert_array_equal(image, np.rint(sitk.GetArrayFromImage(fine[modality])))
    # Up, back and to the left, as LPS images have it.
    x, y, z = fine["t1"].GetOrigin()
    np.testing.assert_allclose(case.grid.translate, (z, y, x), atol=1e-4)
    assert not [remark for remark in case.warnings if "resampled" in remark or "registered" in remark]


def test_one_sagittal_grid_is_only_reordered(writer: StudyWriter, fine: dict[str, sitk.Image]) -> None:
    sagittal = {m: sitk.PermuteAxes(image, (1, 2, 0)) for m, image in fine.items()}
    writer.four(sagittal)
    case = load(writer.folder)
    expected = sitk.GetArrayFromImage(sitk.DICOMOrient(sagittal["t2"], "LPS"))
    np.testing.assert_array_equal(case.images[2], np.rint(expected))


def test_one_grid_of_other_voxels_is_resampled_without_registration(
    writer: StudyWriter, images: dict[str, sitk.Image]
) -> None:
    writer.four(images)
    case = load(writer.folder)
    assert case.spacing == (1, 1, 1)
    assert case.warnings == ("all series share one axial grid of 3×3×3 mm and were resampled to axial slices of 1 mm",)
    assert 1e6 < case.brain.sum() < 2e6


def test_series_on_grids_of_their_own_are_put_on_one(mixed_case: Case) -> None:
    case = mixed_case
    assert case.spacing == (1, 1, 1)
    assert np.diag(case.grid.affine).tolist() == [-1, -1, 1, 1]
    first = case.warnings[0]
    assert first == "T1ce (axial, 4.0 mm between slices) was resampled to axial slices of 1 mm"
    for label, thickness in (("T1", "sagittal, 2.5"), ("T2", "axial, 6.0"), ("FLAIR", "axial, 5.0")):
        start = f"{label} ({thickness} mm between slices) was registered to T1ce (moved by 0."
        assert [remark for remark in case.warnings if remark.startswith(start)]
    assert case.warnings[-1] == WHOLE_HEAD


def test_modalities_lie_where_they_were(mixed_case: Case, images: dict[str, sitk.Image]) -> None:
    """Each modality is most like the brain that the study was made from at the place where that was."""
    grid = mixed_case.grid
    steps = np.stack(np.meshgrid(*[np.arange(-30, 31, 6)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    for modality, image in images.items():
        middle = image.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in image.GetSize()])
        truth = [image.EvaluateAtPhysicalPoint(point) for point in (steps + middle).tolist()]

        def likeness(shift: tuple[int, int, int], volume: np.ndarray, here: np.ndarray, truth: list[float]) -> float:
            ras = (here + shift) * (-1, -1, 1)
            voxels = np.rint(apply_affine(np.linalg.inv(grid.axial_affine), ras)).astype(int)
            return float(np.corrcoef(truth, volume[tuple(voxels.T)])[0, 1])

        volume = mixed_case.images[MODALITIES.index(modality)]
        here = likeness((0, 0, 0), volume, steps + middle, truth)
        assert here > 0.8
        for axis in range(3):
            for side in (-6, 6):
                shift = tuple(side if number == axis else 0 for number in range(3))
                assert likeness(shift, volume, steps + middle, truth) < here


@pytest.mark.torture
def test_what_was_apart_is_brought_together(writer: StudyWriter, images: dict[str, sitk.Image]) -> None:
    """T1 is a part of the head, T2 has moved a little, FLAIR lies in another frame of reference."""
    coarse = {modality: resliced(image, (3, 3, 4)) for modality, image in images.items()}
    away = resliced(images["flair"], (3, 3, 5), rigid(images["flair"], (0, 4, 0), (0, 0, 0)))
    away.SetOrigin(np.add(away.GetOrigin(), (150, -80, 60)).tolist())
    moved = resliced(images["t2"], (2, 2, 5), rigid(images["t2"], (3, -2, 4), (4, 3, -3)))
    for modality, image in {**coarse, "t1": coarse["t1"][:, :, 15:], "t2": moved, "flair": away}.items():
        frame = {"FrameOfReferenceUID": "1.2.3"} if modality == "flair" else {}
        writer.series(image, DESCRIPTIONS[modality], **SEQUENCES[modality], **frame)
    case = load(writer.folder)

    (told,) = [remark for remark in case.warnings if remark.startswith("T2")]
    assert "(moved by 5." in told
    (told,) = [remark for remark in case.warnings if "covers" in remark]
    assert told.startswith("T1 covers 6")
    assert not [remark for remark in case.warnings if "may not be registered well" in remark]
    # The brain's outlines lie on each other again.
    t1ce, t2, flair = case.images[1:] > 100
    for other in (t2, flair):
        assert 2 * (t1ce & other).sum() / (t1ce.sum() + other.sum()) > 0.94


def test_a_brain_mask_takes_the_skull_away(writer: StudyWriter, images: dict[str, sitk.Image], tmp_path: Path) -> None:
    writer.four(with_head(images))
    whole = load(writer.folder)
    assert WHOLE_HEAD in whole.warnings
    grid = whole.grid
    middle = np.zeros(grid.source_shape, np.uint8)
    middle[80:160, 80:160, 50:90] = 1
    nibabel.save(nibabel.Nifti1Image(middle, grid.affine), tmp_path / "brain.nii.gz")
    case = load(writer.folder, brain_mask=tmp_path / "brain.nii.gz")

    inside = grid.to_axial(middle).astype(bool)
    np.testing.assert_array_equal(case.images, whole.images * inside)
    assert WHOLE_HEAD not in case.warnings
    assert case.warnings[-1] == "everything outside the brain mask that was given is set to 0"


def test_nothing_of_the_patient_is_told(mixed_folder: Path, mixed_case: Case) -> None:
    said = " ".join([mixed_case.name, *mixed_case.warnings, repr(mixed_case.files), repr(mixed_case)])
    for secret in (PATIENT, "Doe", "Jane", "4711", "2020", "19700102", str(mixed_folder), mixed_folder.name):
        assert secret not in said


def test_what_makes_no_case_is_refused(writer: StudyWriter) -> None:
    writer.four(dict.fromkeys(MODALITIES, flat()))
    chosen = accepted(propose(find_study(writer.folder)))
    with pytest.raises(DicomError, match="no series is chosen for T2"):
        load_study({modality: chosen[modality] for modality in ("t1", "t1ce", "flair")})


@pytest.mark.parametrize(
    "gone", ["t1", "flair", *(pytest.param(name, marks=pytest.mark.torture) for name in ("t1ce", "t2"))]
)
def test_a_study_may_lack_a_modality(writer: StudyWriter, images: dict[str, sitk.Image], gone: str) -> None:
    there = {modality: image for modality, image in images.items() if modality != gone}
    writer.four(there)
    chosen = accepted(propose(find_study(writer.folder)), allow_missing=True)
    case = load_study(chosen, allow_missing=True)
    assert missing_modalities(case) == (gone,)
    assert case.warnings[0].endswith(f"has no {gone}; what is found without it is less sure")
    origin = origin_of(case)
    assert origin is not None
    assert origin.reference in there
    whole = [case.images[MODALITIES.index(modality)] for modality in there]
    assert all(image.any() for image in whole)
    with pytest.raises(DicomError, match="no series is chosen for"):
        load_study(chosen)


@pytest.mark.torture
def test_series_on_grids_of_their_own_may_lack_one(
    writer: StudyWriter, mixed_images: dict[str, sitk.Image], mixed_case: Case
) -> None:
    writer.four({modality: image for modality, image in mixed_images.items() if modality != "t2"})
    case = load_study(accepted(propose(find_study(writer.folder)), allow_missing=True), allow_missing=True)
    assert missing_modalities(case) == ("t2",)
    for modality in ("t1", "t1ce", "flair"):
        place = MODALITIES.index(modality)
        np.testing.assert_array_equal(case.images[place], mixed_case.images[place])


def test_an_empty_image_is_refused(writer: StudyWriter) -> None:
    blank = flat((12, 14, 12), value=0) * 0
    writer.four({**dict.fromkeys(MODALITIES, flat()), "t2": blank})
    with pytest.raises(CaseError, match="t2: all voxels are zero"):
        load(writer.folder)


def test_what_is_done_is_told(writer: StudyWriter) -> None:
    writer.four(dict.fromkeys(MODALITIES, flat(spacing=1)))
    told: list[str] = []
    load_study(accepted(propose(find_study(writer.folder))), tell=told.append)
    assert told == ["Reading T1", "Reading T1ce", "Reading T2", "Reading FLAIR"]


def test_a_brain_mask_that_is_not_there_is_refused_before_anything_is_read(
    writer: StudyWriter, images: dict[str, sitk.Image], tmp_path: Path
) -> None:
    writer.four(images)
    told: list[str] = []
    assignment = accepted(propose(find_study(writer.folder)))
    with pytest.raises(DicomError, match=r"brain.nii.gz: no such file; check the path of the brain mask"):
        load_study(assignment, brain_mask=tmp_path / "brain.nii.gz", tell=told.append)
    assert told == []


@pytest.mark.parametrize(("patient", "perhaps"), [("Doe", ""), ("", ", perhaps of different patients")])
def test_series_of_different_examinations_are_told(writer: StudyWriter, patient: str, perhaps: str) -> None:
    whose = {"PatientID": patient, "PatientName": patient}
    images = dict.fromkeys(MODALITIES, flat(spacing=1))
    writer.four({modality: images[modality] for modality in ("t1", "t1ce", "t2")}, **whose)
    other = StudyWriter(writer.folder / "other", frame_uid=writer.frame_uid)
    other.four({"flair": images["flair"]}, **whose)
    by_words = {series.facts.description: series for series in find_study(writer.folder).series}
    case = load_study({modality: by_words[DESCRIPTIONS[modality]] for modality in MODALITIES})
    assert f"the series are of different examinations{perhaps}: what has changed" in "\n".join(case.warnings)
