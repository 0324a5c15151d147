from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from napari_ddmd.case import Case
from napari_ddmd.dicom import DicomError, segmentation
from napari_ddmd.saveable import Saveable
from napari_ddmd.viewer import saving
from napari_ddmd.viewer.saving import KINDS, USUAL, Kind, result_files, save_results
from napari_ddmd.whole_files import ExportError
from tests.results import finished


@pytest.fixture
def content(case: Case) -> Saveable:
    volumes = finished(case)
    return Saveable(case=case, mask=volumes.mask(), volumes=volumes, threshold=0.5, is_models=True)


def load(path: Path) -> Any:
    return np.asanyarray(nibabel.load(path).dataobj)


def test_everything_is_saved_on_the_files_grid(content: Saveable, tmp_path: Path) -> None:
    case, volumes = content.case, content.volumes
    assert volumes is not None
    files = save_results(tmp_path, KINDS, content)
    assert [file.name.removeprefix("Small_001_") for file in files] == [
        "mask.nii.gz",
        "probability.nii.gz",
        "uncertainty.nii.gz",
        "inter.nii.gz",
        "intra.nii.gz",
        "samples.nii.gz",
        "lesions.csv",
        "report.html",
    ]
    assert sorted(tmp_path.iterdir()) == sorted(files)
    affine = nibabel.load(case.files.images["t1"]).affine
    arrays = (content.mask, volumes.probability, volumes.uncertainty, volumes.inter, volumes.intra)
    for file, volume in zip(files, arrays, strict=False):
        np.testing.assert_array_equal(nibabel.load(file).affine, affine)
        np.testing.assert_array_equal(case.grid.to_axial(load(file)), volume)
    samples = load(files[5])
    assert samples.dtype == np.uint8
    np.testing.assert_array_equal(case.grid.to_axial(np.moveaxis(samples, -1, 0)), volumes.samples)


def test_what_there_is_not_is_passed_over(case: Case, tmp_path: Path) -> None:
    assert case.mask is not None
    files = save_results(tmp_path, KINDS, Saveable(case=case, mask=case.mask))
    assert [file.name for file in files] == ["Small_001_mask.nii.gz", "Small_001_lesions.csv", "Small_001_report.html"]
    np.testing.assert_array_equal(case.grid.to_axial(load(files[0])), case.mask)
    one_map = Saveable(case=case, mask=case.mask, volumes=finished(case, intra=False))
    assert result_files(tmp_path, ("maps",), one_map) == [tmp_path / "Small_001_inter.nii.gz"]


def test_only_what_was_chosen_is_saved(content: Saveable, tmp_path: Path) -> None:
    files = save_results(tmp_path, {"lesions"}, content)
    assert list(tmp_path.iterdir()) == files == [tmp_path / "Small_001_lesions.csv"]


def test_it_is_all_or_nothing_and_the_message_names_the_folder(
    content: Saveable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "Small_001_mask.nii.gz"
    mine.write_bytes(b"mine")

    def full(path: Path, *_: object) -> None:
        raise ExportError(f"{path / 'Small_001_report.html'}: cannot be written (no space)")

    monkeypatch.setitem(saving.KINDS, "report", Kind("Report", "", KINDS["report"].names, full))
    with pytest.raises(ExportError) as caught:
        save_results(tmp_path, USUAL, content)
    assert str(caught.value) == f"{mine.parent}/Small_001_report.html: cannot be written (no space)"
    assert list(tmp_path.iterdir()) == [mine]
    assert mine.read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("{}/a_seg.dcm: the mask falls between the slices", "{}/a_seg.dcm: the mask falls between the slices"),
        ("/study/1.dcm: cannot be read again", "{}/a_seg.dcm: /study/1.dcm: cannot be read again"),
    ],
)
def test_what_a_study_is_at_fault_with_names_the_file_that_was_wanted(
    content: Saveable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, told: str
) -> None:
    def fail(place: Path, _content: Saveable) -> None:
        raise DicomError(words.format(place))

    monkeypatch.setitem(saving.KINDS, "segmentation", Kind("", "", lambda _: ["a_seg.dcm"], fail))
    with pytest.raises(ExportError) as caught:
        save_results(tmp_path, ("mask", "segmentation"), content)
    assert str(caught.value) == told.format(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_made_where_there_is_one_for_it_to_lie_in(content: Saveable, tmp_path: Path) -> None:
    (file,) = save_results(tmp_path / "new", ("mask",), content)
    assert file == tmp_path / "new" / "Small_001_mask.nii.gz"
    assert file.exists()
    with pytest.raises(ExportError, match="nowhere"):
        save_results(tmp_path / "nowhere" / "new", ("mask",), content)


def test_a_folder_that_nothing_could_be_saved_in_goes_again(
    content: Saveable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    broken = Kind("Mask", "", lambda _: ["a.txt"], fail)
    monkeypatch.setattr(saving, "KINDS", {"mask": broken})
    with pytest.raises(ExportError, match="No space left"):
        save_results(tmp_path / "new", ("mask",), content)
    assert list(tmp_path.iterdir()) == []


def test_another_kind_is_another_entry(content: Saveable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(folder: Path, what: Saveable) -> None:
        (folder / f"{what.case.name}.dcm").write_bytes(b"DICM")

    kind = Kind("DICOM", "", lambda what: [f"{what.case.name}.dcm"], write)
    monkeypatch.setitem(saving.KINDS, "dicom", kind)
    assert save_results(tmp_path, ("dicom",), content) == [tmp_path / "Small_001.dcm"]
    assert (tmp_path / "Small_001.dcm").read_bytes() == b"DICM"


def test_each_kind_reads_what_it_says(content: Saveable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kind that read an array that is not copied would save slices that came in meanwhile."""
    assert content.volumes is not None
    every = {"probability", "uncertainty", "inter", "intra", "samples", "agreement"}
    for key, kind in KINDS.items():
        kept = content.settled(every)
        for name in every - set(kind.arrays):
            monkeypatch.delattr(kept.volumes, name) if name not in ("inter", "intra") else None
        save_results(tmp_path, (key,), kept)


@pytest.mark.parametrize("key", KINDS)
def test_kinds_have_words(key: str) -> None:
    assert KINDS[key].title
    assert KINDS[key].tip


@pytest.mark.parametrize(
    ("of", "made"),
    [
        ({}, "MANUAL"),
        ({"is_models": True}, "AUTOMATIC"),
        ({"is_models": True, "edited_slices": (4,)}, "SEMIAUTOMATIC"),
        ({"is_restored": True}, "SEMIAUTOMATIC"),
        ({"is_copy": True}, "SEMIAUTOMATIC"),
    ],
)
def test_a_dicom_segmentation_says_whose_the_mask_is(
    small_case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, of: dict[str, Any], made: str
) -> None:
    told: list[str] = []
    monkeypatch.setattr(saving, "_segmentation_names", lambda _content: ["seg.dcm"])
    monkeypatch.setattr(segmentation, "write_segmentation", lambda *_, made: told.append(made))
    assert small_case.mask is not None
    saving._write_segmentation(tmp_path, Saveable(case=small_case, mask=small_case.mask, **of))
    assert told == [made]
