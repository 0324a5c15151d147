from __future__ import annotations

import dataclasses
import gzip
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest

from napari_ddmd.case import MODALITIES, Case, CaseError, load_case
from napari_ddmd.viewer.session.archive import SessionError, read_arrays, read_session
from napari_ddmd.viewer.session.capture import Snapshot, save
from napari_ddmd.viewer.session.case_files import (
    embedded_case,
    find_images,
    has_files,
    images_in,
    load_stored_case,
)
from tests.conftest import CaseWriter


@pytest.fixture
def home(tmp_path: Path, write_small_case: CaseWriter) -> Path:
    """A folder with a case, whose files may be changed."""
    write_small_case(tmp_path / "home" / "Small_001")
    return tmp_path / "home"


@pytest.fixture
def session_file(home: Path, snapshot: Snapshot) -> Path:
    """A session of that case, beside its folder."""
    mine = dataclasses.replace(snapshot, case=load_case(home / "Small_001"))
    return save(mine, home / "s.ddmd", with_images=False)


def reopen(session_file: Path, folder: Path | None = None) -> Case:
    stored = read_session(session_file).case
    places = find_images(session_file, stored) if folder is None else images_in(folder, stored)
    expert = read_arrays(session_file, read_session(session_file))["expert"]
    return load_stored_case(session_file, stored, places, expert)


def is_same(case: Case, other: Case) -> bool:
    assert case.mask is not None
    assert other.mask is not None
    return (
        np.array_equal(case.images, other.images)
        and np.array_equal(case.mask, other.mask)
        and case.grid == other.grid
        and case.name == other.name
    )


def test_a_case_is_read_from_where_it_was(session_file: Path, home: Path) -> None:
    before = load_case(home / "Small_001")
    again = reopen(session_file)
    assert is_same(again, before)
    assert again.files == before.files
    assert again.header == before.header


def test_a_session_that_moves_with_its_case_finds_it(session_file: Path, home: Path, tmp_path: Path) -> None:
    other = load_case(home / "Small_001")
    home.rename(tmp_path / "elsewhere")
    again = reopen(tmp_path / "elsewhere" / "s.ddmd")
    assert is_same(again, other)
    assert again.files.images["t1"].parent == tmp_path / "elsewhere" / "Small_001"
    assert again.files.mask == tmp_path / "elsewhere" / "Small_001" / "Small_001_seg.nii.gz"


def test_a_session_that_moves_alone_finds_its_case(session_file: Path, tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert reopen(session_file.rename(tmp_path / "a" / "b" / "s.ddmd")).name == "Small_001"


def test_a_case_that_moved_is_read_from_the_folder_that_is_given(
    session_file: Path, home: Path, tmp_path: Path
) -> None:
    before = load_case(home / "Small_001")
    moved = (home / "Small_001").rename(tmp_path / "Ärchive")
    stored = read_session(session_file).case
    assert find_images(session_file, stored) == []
    assert images_in(tmp_path, stored) == []
    assert is_same(reopen(session_file, moved), before)
    with pytest.raises(SessionError, match=r"s\.ddmd: the images of Small_001 are not where they were; choose"):
        reopen(session_file)


def test_images_that_were_packed_anew_are_the_same(session_file: Path, home: Path) -> None:
    file = home / "Small_001" / "Small_001_t2.nii.gz"
    file.write_bytes(gzip.compress(gzip.decompress(file.read_bytes()), 1))
    assert reopen(session_file).name == "Small_001"


@pytest.mark.parametrize("change", ["voxel", "place"])
def test_other_images_are_refused(session_file: Path, home: Path, change: str) -> None:
    file = home / "Small_001" / "Small_001_t2.nii.gz"
    for one in [file] if change == "voxel" else [home / "Small_001" / f"Small_001_{m}.nii.gz" for m in MODALITIES]:
        image = nibabel.load(one)
        voxels, affine = np.asanyarray(image.dataobj).copy(), image.affine.copy()
        if change == "voxel":
            voxels[12, 14, 4] += 1
        else:
            affine[:3, 3] += 5
        nibabel.save(nibabel.Nifti1Image(voxels, affine), one)
    name = "t2" if change == "voxel" else "t1"
    with pytest.raises(
        SessionError, match=rf"_{name}\.nii\.gz: is not the image that s\.ddmd was saved with; put that"
    ):
        reopen(session_file)


def test_where_one_place_has_other_images_the_next_is_tried(
    session_file: Path, home: Path, tmp_path: Path, write_small_case: CaseWriter
) -> None:
    moved = tmp_path / "moved"
    write_small_case(moved / "Small_001")
    for modality in ("t1", "t2"):
        shutil.copy(
            moved / "Small_001" / "Small_001_flair.nii.gz", moved / "Small_001" / f"Small_001_{modality}.nii.gz"
        )
    assert reopen(session_file.rename(moved / "s.ddmd")).files.images["t1"].parent == home / "Small_001"


def test_images_that_cannot_be_read_are_told(session_file: Path, home: Path) -> None:
    file = home / "Small_001" / "Small_001_t2.nii.gz"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises((SessionError, CaseError), match=r"_t2\.nii\.gz"):
        reopen(session_file)


def test_the_experts_mask_is_as_it_was(session_file: Path, home: Path) -> None:
    (home / "Small_001" / "Small_001_seg.nii.gz").unlink()
    again = reopen(session_file)
    assert again.mask is not None
    assert again.mask.any()
    assert again.files.mask is None


def test_a_case_that_lacks_a_modality_comes_back(
    tmp_path: Path, write_small_case: CaseWriter, snapshot: Snapshot
) -> None:
    folder = write_small_case(tmp_path / "Part_001", skip=("t2",))
    with pytest.warns(UserWarning, match="has no t2"):
        part = load_case(folder, allow_missing=True)
    assert has_files(part)
    path = save(dataclasses.replace(snapshot, case=part), tmp_path / "s.ddmd", with_images=False)
    again = reopen(path)
    np.testing.assert_array_equal(again.images, part.images)
    assert again.warnings == part.warnings


def test_a_case_without_files_has_none(case: Case) -> None:
    assert has_files(case)
    assert not has_files(Case.from_arrays("x", case.images))


@pytest.mark.parametrize("scale", [1, 0.5])
def test_images_inside_come_back_voxel_for_voxel(snapshot: Snapshot, tmp_path: Path, scale: float) -> None:
    case = dataclasses.replace(snapshot.case, images=snapshot.case.images * np.float32(scale))
    path = save(dataclasses.replace(snapshot, case=case), tmp_path / "s.ddmd", with_images=True)
    session = read_session(path)
    arrays = read_arrays(path, session)
    assert arrays["images"].dtype == (np.int16 if scale == 1 else np.float32)
    again = embedded_case(session.case, arrays["images"], arrays["expert"])
    assert is_same(again, case)
    assert again.images.dtype == np.float32
    assert again.header.get_zooms() == case.header.get_zooms()
    assert again.header["cal_max"] == 700


def test_images_inside_tell_no_folder_and_no_name(snapshot: Snapshot, tmp_path: Path) -> None:
    case = snapshot.case
    header = case.header.copy()
    header["descrip"] = b"Jane Doe"
    file = next(iter(case.files.images.values()))
    case = dataclasses.replace(case, header=header, warnings=(f"{file}: is odd",))
    path = save(dataclasses.replace(snapshot, case=case), tmp_path / "s.ddmd", with_images=True)
    session = read_session(path)
    assert session.case.warnings == ("the T1 image: is odd",)
    assert session.case.nifti_header["descrip"] == b""
    assert str(file.parent) not in str(session)
