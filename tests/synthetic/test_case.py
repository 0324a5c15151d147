from __future__ import annotations

import os
from pathlib import Path

import nibabel
import numpy as np
import pytest

from napari_ddmd.case import MODALITIES, load_case
from napari_ddmd.synthetic import SyntheticCase, make_case, make_small_case, write_case
from napari_ddmd.synthetic import case as room
from napari_ddmd.whole_files import ExportError

BRATS_AFFINE = [[-1, 0, 0, 0], [0, -1, 0, 239], [0, 0, 1, 0], [0, 0, 0, 1]]


@pytest.fixture(scope="module")
def full() -> SyntheticCase:
    return make_case(0)


@pytest.fixture
def small_instead_of_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `write_case` write a small case: what it does with files does not depend on the size."""
    monkeypatch.setattr(room, "make_case", make_small_case)


def test_a_full_case_has_the_form_of_brats(full: SyntheticCase) -> None:
    assert tuple(full.images) == MODALITIES
    for image in full.images.values():
        assert image.shape == (240, 240, 155)
        assert image.dtype == np.int16
        assert 300 < np.median(image[image > 0]) < 1300
    assert full.mask.shape == (240, 240, 155)
    assert full.mask.dtype == np.uint8
    assert np.unique(full.mask).tolist() == [0, 1, 2, 4]
    np.testing.assert_array_equal(full.affine, BRATS_AFFINE)


def test_a_full_case_has_a_brain_of_the_size_and_place_of_real_ones(full: SyntheticCase) -> None:
    brain = full.images["t1"] > 0
    assert 1.15e6 < brain.sum() < 1.8e6
    first, last = np.argwhere(brain).min(0), np.argwhere(brain).max(0)
    # the span over sixteen patients, and a margin
    assert np.all(first >= (40, 20, 0))
    assert np.all(first <= (62, 60, 15))
    assert np.all(last >= (177, 203, 130))
    assert np.all(last <= (200, 228, 152))
    assert 2e4 < (full.mask > 0).sum() < 2.5e5


@pytest.mark.parametrize(("seed", "shape"), [(0, (60, 60, 40)), (1, (40, 40, 26)), (2, (64, 48, 40))])
def test_a_small_case_is_whole(seed: int, shape: tuple[int, int, int]) -> None:
    case = make_small_case(seed, shape)
    brain = case.images["t1"] > 0
    for image in case.images.values():
        assert image.shape == shape
        np.testing.assert_array_equal(image > 0, brain)
        assert image.min() == 0
    assert np.unique(case.mask).tolist() == [0, 1, 2, 4]
    assert not case.mask[~brain].any()
    spacing = np.abs(np.diag(case.affine)[:3])
    assert 1.0e6 < brain.sum() * spacing.prod() < 1.9e6


@pytest.mark.parametrize("seed", range(3))
def test_lesions_look_like_lesions(seed: int) -> None:
    case = make_small_case(seed)
    healthy = (case.images["t1"] > 0) & (case.mask == 0)

    def contrast(modality: str, label: int) -> float:
        image = case.images[modality]
        return float(np.median(image[case.mask == label]) / np.median(image[healthy]))

    assert contrast("flair", 2) > 1.2
    assert contrast("t2", 2) > 1.2
    white = np.quantile(case.images["t1"][healthy], 0.75) / np.median(case.images["t1"][healthy])
    assert contrast("t1", 2) < 0.95 * white
    assert contrast("t1", 1) < 0.85
    assert contrast("t1ce", 1) < 0.85
    assert contrast("t2", 1) > 1.4
    assert contrast("t1ce", 4) > 1.5


def test_the_seed_makes_the_case() -> None:
    first, same, other = (make_small_case(seed, (40, 40, 26)) for seed in (7, 7, 8))
    for modality in MODALITIES:
        np.testing.assert_array_equal(first.images[modality], same.images[modality])
        assert (first.images[modality] != other.images[modality]).mean() > 0.1
    np.testing.assert_array_equal(first.mask, same.mask)
    assert (first.mask != other.mask).any()


def test_a_shape_too_small_is_refused() -> None:
    with pytest.raises(ValueError, match="too coarse for a brain"):
        make_small_case(0, (20, 20, 20))


@pytest.mark.usefixtures("small_instead_of_full")
@pytest.mark.parametrize("there", [False, True])
def test_a_case_is_written_as_brats_does(tmp_path: Path, there: bool) -> None:
    folder = tmp_path / "deep" / "patient"
    if there:
        folder.mkdir(parents=True)
    assert write_case(folder, seed=3, name="Made_up") == folder
    assert sorted(p.name for p in folder.iterdir()) == [
        f"Made_up_{kind}.nii.gz" for kind in ("flair", "seg", "t1", "t1ce", "t2")
    ]
    assert [p.name for p in folder.parent.iterdir()] == ["patient"]
    expected = make_small_case(3)
    for kind, volume in {**expected.images, "seg": expected.mask}.items():
        image = nibabel.nifti1.load(folder / f"Made_up_{kind}.nii.gz")
        np.testing.assert_array_equal(np.asarray(image.dataobj), volume)
        assert image.get_data_dtype() == volume.dtype
        assert nibabel.orientations.aff2axcodes(image.affine) == ("L", "P", "S")
        assert image.header.get_xyzt_units()[0] == "mm"
        np.testing.assert_allclose(image.affine, expected.affine)
        np.testing.assert_allclose(image.header.get_qform(), expected.affine, atol=1e-5)


@pytest.mark.usefixtures("small_instead_of_full")
def test_a_written_case_can_be_loaded(tmp_path: Path) -> None:
    case = load_case(write_case(tmp_path / "patient"))
    assert case.images.shape == (4, 40, 60, 60)
    assert case.warnings == ()
    assert case.mask is not None
    assert np.unique(case.mask).tolist() == [0, 1, 2, 4]


@pytest.mark.usefixtures("small_instead_of_full")
def test_the_current_folder_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert write_case("patient") == tmp_path / "patient"


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("keep")
    with pytest.raises(ExportError, match="not an empty folder") as refused:
        write_case(tmp_path)
    assert str(tmp_path) in str(refused.value)
    with pytest.raises(ExportError):
        write_case(tmp_path / "notes.txt")
    assert os.listdir(tmp_path) == ["notes.txt"]  # noqa: PTH208


@pytest.mark.usefixtures("small_instead_of_full")
def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, written = nibabel.save, []

    def full_disk(image: nibabel.Nifti1Image, path: Path) -> None:
        if len(written) == 2:
            raise OSError(28, "No space left on device")
        written.append(path)
        real(image, path)

    monkeypatch.setattr(nibabel, "save", full_disk)
    with pytest.raises(ExportError, match="No space left"):
        write_case(tmp_path / "patient")
    assert len(written) == 2
    assert list(tmp_path.iterdir()) == []
