from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from napari_ddmd.case import MODALITIES, Case
from napari_ddmd.dicom import accepted, find_study, propose
from napari_ddmd.dicom.load import load_study
from napari_ddmd.dicom.origin import origin_of
from napari_ddmd.dicom.segmentation import write_segmentation
from napari_ddmd.saveable import Saveable
from napari_ddmd.viewer.saving import result_files, save_results
from napari_ddmd.viewer.session.archive import read_session
from napari_ddmd.viewer.session.capture import Snapshot, save
from napari_ddmd.viewer.session.loading import Loaded, load
from tests.dicom.studies import PATIENT, StudyWriter, flat
from tests.viewer.session.conftest import members_of

SEG = ("segmentation",)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    writer = StudyWriter(tmp_path / "here" / "study")
    writer.four(dict.fromkeys(MODALITIES, flat(spacing=1)), shuffled=True)
    return writer.folder


@pytest.fixture
def of_study(study: Path) -> Case:
    return load_study(accepted(propose(find_study(study))))


@pytest.fixture
def saved(snapshot: Snapshot, of_study: Case, tmp_path: Path) -> Path:
    return save(plain(snapshot, of_study), tmp_path / "here" / "s.ddmd", with_images=False)


def plain(snapshot: Snapshot, case: Case) -> Snapshot:
    """A session of a case of DICOM, before the first run."""
    parts = {**snapshot.parts, "results": None, "has_lesion": False, "masks": ()}
    return dataclasses.replace(snapshot, case=case, has_files=False, volumes=None, parts=parts, copies={})


def reopen(path: Path) -> Loaded:
    return load(path, read_session(path), [])


def blob(case: Case) -> np.ndarray:
    mask = np.zeros(case.grid.shape, np.uint8)
    mask[4:7, 3:6, 3:6] = 1
    return mask


def test_a_segmentation_can_be_saved_after_reopening(saved: Path, of_study: Case, tmp_path: Path) -> None:
    again = reopen(saved)
    assert again.remarks == ()
    files = save_results(tmp_path, SEG, Saveable(case=again.case, mask=blob(of_study)))
    before = dcmread(write_segmentation(tmp_path / "before.dcm", blob(of_study), of_study))
    after = dcmread(files[0])
    np.testing.assert_array_equal(after.pixel_array, before.pixel_array)
    assert after.StudyInstanceUID == before.StudyInstanceUID
    assert after.ReferencedSeriesSequence[0].SeriesInstanceUID == before.ReferencedSeriesSequence[0].SeriesInstanceUID


def test_the_session_names_the_folder_and_nobody(saved: Path, study: Path) -> None:
    text = members_of(saved)["session.json"].decode()
    assert "S002" in text
    assert not [word for word in (*PATIENT.split("^"), "ID-", "4711", "19700102", "20200304") if word in text]
    header = dcmread(next(file for file in study.rglob("*") if file.is_file()), stop_before_pixels=True)
    assert not [uid for uid in (header.StudyInstanceUID, header.SeriesInstanceUID) if str(uid) in text]


def test_a_study_that_moved_with_the_session_is_found(saved: Path) -> None:
    moved = saved.parent.rename(saved.parent.with_name("there"))
    again = reopen(moved / "s.ddmd")
    origin = origin_of(again.case)
    assert origin is not None
    assert all(moved in header.file.resolve().parents for header in origin.reference_series.slices)


def test_without_the_study_one_line_says_so_and_it_may_come_back(
    saved: Path, study: Path, snapshot: Snapshot, tmp_path: Path
) -> None:
    away = study.rename(tmp_path / "away")
    again = reopen(saved)
    (remark,) = again.remarks
    assert "\n" not in remark
    assert remark.startswith(str(study))
    assert "no DICOM segmentation (SEG) can be saved" in remark
    assert result_files(tmp_path, SEG, Saveable(case=again.case, mask=blob(again.case))) == []
    second = save(plain(snapshot, again.case), saved.with_name("second.ddmd"), with_images=True)
    away.rename(study)
    assert origin_of(reopen(second).case) is not None


def test_another_study_in_its_place_is_not_taken_for_it(saved: Path, study: Path) -> None:
    shutil.rmtree(study)
    StudyWriter(study).four(dict.fromkeys(MODALITIES, flat(spacing=1)))
    again = reopen(saved)
    assert origin_of(again.case) is None
    assert again.remarks


def test_without_the_libraries_the_session_opens_all_the_same(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_ddmd.dicom import DicomError, headers

    def refuse() -> None:
        raise DicomError("install napari-ddmd[dicom]")

    monkeypatch.setattr(headers, "require_libraries", refuse)
    again = reopen(saved)
    assert origin_of(again.case) is None
    assert "install napari-ddmd[dicom]" in again.remarks[0]
