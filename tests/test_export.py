from __future__ import annotations

import errno
import json
import warnings
from collections.abc import Callable
from itertools import permutations, product
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import napari_ddmd
from napari_ddmd.case import MODALITIES, Case, load_case
from napari_ddmd.case.plain_header import plain_header
from napari_ddmd.export import (
    ExportError,
    prediction_folder,
    save_prediction,
    save_volume,
)
from napari_ddmd.model import Bundle
from napari_ddmd.volumes import Volumes

from .conftest import LAI_2MM, SHAPE
from .results import finished

ORIENTATIONS = list(product(permutations(range(3)), product((1, -1), repeat=3)))
Save = Callable[..., Path]


@pytest.fixture
def save(small_case: Case, tiny_bundle: Bundle, tmp_path: Path) -> Save:
    def save_some(volumes: Volumes | None = None, *, case: Case = small_case, **options: Any) -> Path:
        return save_prediction(
            tmp_path / "out",
            case,
            tiny_bundle,
            finished(case) if volumes is None else volumes,
            settings={"seed": 7},
            device="cpu",
            seconds=1.25,
            threshold=0.5,
            **options,
        )

    return save_some


def test_a_volume_lies_voxel_for_voxel_on_the_files_grid(
    small_case: Case, small_case_folder: Path, tmp_path: Path
) -> None:
    source = nibabel.load(small_case_folder / "Small_001_t1.nii.gz")
    path = save_volume(tmp_path / "t1.nii.gz", small_case.images[0], small_case, dtype=np.int16)
    saved = nibabel.load(path)

    assert saved.get_data_dtype() == np.int16
    assert np.array_equal(saved.affine, source.affine)
    assert np.array_equal(np.asanyarray(saved.dataobj), np.asanyarray(source.dataobj))
    for code in ("sform_code", "qform_code", "xyzt_units"):
        assert saved.header[code] == source.header[code]
    # The scan's display range would show a mask as black.
    assert saved.header["cal_max"] == 0
    assert small_case.header["cal_max"] == 700


@pytest.mark.parametrize(
    ("code", "saved"),
    [(3, "mm"), (1, "mm"), (2, "mm"), (10, "mm"), (0, "unknown"), (4, "mm"), (0x47, "mm"), (255, "mm")],
)
def test_the_unit_is_that_for_which_the_numbers_are_taken(code: int, saved: str) -> None:
    header = nibabel.Nifti1Header()
    header["xyzt_units"] = code
    assert plain_header(header).get_xyzt_units()[0] == saved


@settings(max_examples=48, deadline=None)
@given(st.sampled_from(ORIENTATIONS))
def test_every_orientation_comes_back_exactly(
    tmp_path_factory: pytest.TempPathFactory, orientation: tuple[tuple[int, ...], tuple[int, ...]]
) -> None:
    axes, signs = orientation
    affine = np.eye(4)
    affine[:3, :3] = np.eye(3)[:, list(axes)] * signs * (1.0, 2.0, 3.0)
    affine[:3, 3] = (5, -6, 7)
    images = np.random.default_rng(0).normal(size=(4, 3, 4, 5)).astype(np.float32)
    case = Case.from_arrays("any", images, affine)
    path = tmp_path_factory.mktemp("any") / "t2.nii"
    saved = nibabel.load(save_volume(path, case.images[2], case, dtype=np.float32))

    assert np.array_equal(saved.affine, affine)
    assert np.array_equal(np.asanyarray(saved.dataobj), images[2])


@pytest.mark.parametrize("ending", [".nii", ".nii.gz", ".NII.GZ"])
def test_the_same_volume_makes_the_same_bytes(
    small_case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    written = []
    for number in (1, 2):
        monkeypatch.setattr("time.time", lambda number=number: 1e9 * number)
        path = save_volume(tmp_path / f"{number}{ending}", small_case.images[0], small_case, dtype=np.float32)
        written.append(path.read_bytes())
        assert np.array_equal(small_case.grid.to_axial(nibabel.load(path).get_fdata()), small_case.images[0])
    assert written[0] == written[1]
    assert written[0].startswith(b"\x1f\x8b") == ending.lower().endswith(".gz")


def test_a_volume_needs_a_nifti_name_and_a_folder(small_case: Case, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"mask\.png: the name must end in"):
        save_volume(tmp_path / "mask.png", small_case.images[0], small_case, dtype=np.uint8)
    with pytest.raises(ExportError, match="cannot be written"):
        save_volume(tmp_path / "no" / "mask.nii", small_case.images[0], small_case, dtype=np.uint8)


def test_a_volume_that_cannot_be_written_leaves_the_old_file(
    small_case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mask.nii.gz"
    path.write_bytes(b"old")
    monkeypatch.setattr("napari_ddmd.export.write_nifti", disk_full_after(0))

    with pytest.raises(ExportError, match=r"mask\.nii\.gz: cannot be written \(No space"):
        save_volume(path, small_case.images[0], small_case, dtype=np.uint8)
    assert [entry.name for entry in tmp_path.iterdir()] == ["mask.nii.gz"]
    assert path.read_bytes() == b"old"


def test_a_prediction_has_all_files_on_the_source_grid(save: Save, small_case: Case) -> None:
    volumes = finished(small_case)
    folder = save(volumes).parent

    assert folder.name == "Small_001"
    assert {entry.name for entry in folder.iterdir()} == {
        "Small_001_mask.nii.gz",
        "Small_001_probability.nii.gz",
        "Small_001_uncertainty.nii.gz",
        "Small_001_inter.nii.gz",
        "Small_001_intra.nii.gz",
        "summary.json",
    }
    for kind in ("mask", "probability", "uncertainty", "inter", "intra"):
        image = nibabel.load(folder / f"Small_001_{kind}.nii.gz")
        assert image.shape == SHAPE
        assert np.array_equal(image.affine, LAI_2MM)
        assert image.get_data_dtype() == (np.uint8 if kind == "mask" else np.float32)
        expected = volumes.mask(0.5) if kind == "mask" else getattr(volumes, kind)
        assert np.array_equal(small_case.grid.to_axial(np.asanyarray(image.dataobj)), expected)
    expert = nibabel.load(small_case.files.mask).dataobj
    mask = nibabel.load(folder / "Small_001_mask.nii.gz").dataobj
    assert np.array_equal(np.asanyarray(mask), np.asanyarray(expert))


def test_the_summary_counts_as_the_files_do(save: Save, small_case: Case, tiny_bundle: Bundle) -> None:
    # The file's third axis runs downwards: axial slices 2, 3, 4 of 8 are the file's 5, 4, 3.
    summary = json.loads(save(finished(small_case, slices=[4, 2, 3])).read_text())

    assert list(summary)[:4] == ["case", "lesion_volume_ml", "lesions", "warnings"], "what is looked for comes first"
    assert list(summary).index("scores") > list(summary).index("settings")
    assert summary["case"] == "Small_001"
    assert summary["model"] == {
        "name": tiny_bundle.name,
        "variant": "full",
        "version": tiny_bundle.version,
        "sha256": tiny_bundle.sha256,
        "settings_sha256": tiny_bundle.settings_sha256,
    }
    assert summary["settings"] == {"seed": 7, "threshold": 0.5}
    assert summary["device"] == "cpu"
    assert summary["seconds"] == 1.25
    assert summary["peak_memory_mb"] > 10
    assert summary["package"] == napari_ddmd.__version__
    assert summary["left_out"] == {"n": 0, "volume_ml": 0.0}
    assert summary["slices"] == {"first": 3, "last": 5, "n": 3, "numbers": [3, 4, 5]}
    assert summary["scores"]["inter"] == [4.0, 3.0, 2.0]
    assert summary["scores"]["intra"] == [4.5, 3.5, 2.5]
    assert list(summary["scores"]["per_modality"]) == list(MODALITIES)
    assert summary["scores"]["per_modality"]["t1ce"] == {
        "inter": [14.0, 13.0, 12.0],
        "intra": [14.5, 13.5, 12.5],
    }

    labels = np.asanyarray(nibabel.load(small_case.files.mask).dataobj)[..., 3:6] > 0
    (lesion,) = summary["lesions"]
    assert summary["lesion_volume_ml"] == pytest.approx(labels.sum() * 0.012)
    assert lesion["volume_ml"] == pytest.approx(labels.sum() * 0.012)
    assert lesion["slices"] == [3, 5]
    assert lesion["centroid_voxel"] == [7, 17, 4]
    assert lesion["mean_probability"] == pytest.approx(0.8)
    assert lesion["mean_uncertainty"] == pytest.approx(0.25)
    assert lesion["diameter_slice"] == 4
    # Nine voxels of 2 mm.
    assert lesion["longest_diameter_mm"] == pytest.approx(18, abs=0.5)
    assert lesion["modality_scores"] == {"t1": 3.0, "t1ce": 13.0, "t2": 23.0, "flair": 33.0}


def test_a_model_without_intra_writes_none(save: Save, small_case: Case) -> None:
    summary_file = save(finished(small_case, intra=False))
    scores = json.loads(summary_file.read_text())["scores"]

    assert not (summary_file.parent / "Small_001_intra.nii.gz").exists()
    assert scores["intra"] is None
    assert scores["per_modality"]["flair"]["intra"] is None


def test_earlier_results_are_kept_unless_told(save: Save, small_case: Case) -> None:
    summary_file = save()
    notes = summary_file.parent / "notes.txt"
    notes.write_text("mine")
    before = summary_file.read_bytes()

    with pytest.raises(ExportError, match=r"Small_001_mask\.nii\.gz: exists already"):
        save(finished(small_case, slices=[3]))
    assert summary_file.read_bytes() == before

    save(finished(small_case, slices=[3], intra=False), overwrite=True)
    assert json.loads(summary_file.read_text())["slices"]["n"] == 1
    assert not (summary_file.parent / "Small_001_intra.nii.gz").exists()
    assert notes.read_text() == "mine"


@pytest.mark.parametrize("written", range(5))
def test_a_full_disk_leaves_nothing_half_written(
    save: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    monkeypatch.setattr("napari_ddmd.export.write_nifti", disk_full_after(written))

    with pytest.raises(ExportError, match=r"Small_001: cannot be written \(No space"):
        save()
    assert list((tmp_path / "out").iterdir()) == []


def test_a_full_disk_leaves_earlier_results_alone(save: Save, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = save().parent
    before = {entry.name: entry.read_bytes() for entry in folder.iterdir()}
    monkeypatch.setattr("napari_ddmd.export.write_nifti", disk_full_after(2))

    with pytest.raises(ExportError):
        save(overwrite=True)
    assert {entry.name: entry.read_bytes() for entry in folder.iterdir()} == before


def test_a_report_and_a_table_come_with_the_rest_and_go_with_it(save: Save, small_case: Case) -> None:
    folder = save(report=True).parent
    table = (folder / "Small_001_lesions.csv").read_bytes()
    assert table.count(b"\r\n") == 2
    assert "All 6 slices" in (folder / "Small_001_report.html").read_text("utf-8")

    with pytest.raises(ExportError, match="exists already"):
        save(report=True)
    save(finished(small_case, slices=[3]), report=True, overwrite=True)
    assert "Only 1 of 6 slices" in (folder / "Small_001_report.html").read_text("utf-8")
    assert (folder / "Small_001_lesions.csv").read_bytes() != table

    save(overwrite=True)
    assert {entry.suffix for entry in folder.iterdir()} == {".gz", ".json"}


def test_a_report_that_cannot_be_written_leaves_nothing(
    save: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Path.write_text

    def full(path: Path, text: str, **options: Any) -> int:
        if path.suffix == ".html":
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, text, **options)

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(ExportError, match=r"Small_001: cannot be written \(No space"):
        save(report=True)
    assert list((tmp_path / "out").iterdir()) == []


def test_several_volumes_are_one_file(small_case: Case, tmp_path: Path) -> None:
    samples = np.stack([small_case.images[0], small_case.images[3]])
    saved = nibabel.load(save_volume(tmp_path / "both.nii.gz", samples, small_case, dtype=np.float32))
    assert saved.shape == (*SHAPE, 2)
    for number in range(2):
        array = np.asanyarray(saved.dataobj)[..., number]
        assert np.array_equal(small_case.grid.to_axial(array), samples[number])


def test_nothing_to_save_is_refused(save: Save, small_case: Case, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="Small_001: no slice has been segmented"):
        save(Volumes(small_case, 3, intra=True, inter=True))
    assert not (tmp_path / "out").exists()


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")

    with pytest.raises(ExportError, match="out: is a file; choose another output folder"):
        prediction_folder(tmp_path / "out" / "deeper", "case", overwrite=True)


def test_two_real_cases_come_back_on_their_own_grid(real_cases: Path, tmp_path: Path) -> None:
    for name in ("BraTS2021_00006", "BraTS-GLI-00000-000"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            case = load_case(real_cases / name)
        assert case.mask is not None
        saved = nibabel.load(save_volume(tmp_path / f"{name}.nii.gz", case.mask, case, dtype=np.uint8))
        expert = nibabel.load(case.files.mask)
        assert np.array_equal(np.asanyarray(saved.dataobj), np.asanyarray(expert.dataobj))
        assert np.array_equal(saved.affine, nibabel.load(case.files.images["t1"]).affine)


def disk_full_after(files: int) -> Callable[[Any, Path], None]:
    """A stand-in for `write_nifti` that writes some files, then half of one more."""
    written: list[Path] = []

    def save(image: Any, path: Path) -> None:
        if len(written) == files:
            path.write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(path)
        path.write_bytes(image.to_bytes())

    return save
