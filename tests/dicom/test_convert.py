from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from napari_ddmd.case import MODALITIES, load_case
from napari_ddmd.dicom import DicomError, accepted, find_study, propose
from napari_ddmd.dicom.convert import choose_by_number, listing, write_nifti_case
from napari_ddmd.dicom.load import load_study
from napari_ddmd.whole_files import ExportError
from tests.dicom.studies import PATIENT, StudyWriter, flat


@pytest.fixture
def study(writer: StudyWriter) -> StudyWriter:
    writer.four({name: flat(value=100 + 50 * place, spacing=1) for place, name in enumerate(MODALITIES)})
    writer.series(flat(), "localizer")
    return writer


def test_a_case_is_written_and_read_again(study: StudyWriter, tmp_path: Path) -> None:
    case = load_study(accepted(propose(find_study(study.folder))))
    folder = write_nifti_case(tmp_path / "Case_7", case)
    again = load_case(folder)

    assert sorted(file.name for file in folder.iterdir()) == sorted(f"Case_7_{m}.nii.gz" for m in MODALITIES)
    np.testing.assert_array_equal(again.images, case.images)
    assert (again.name, again.grid, again.warnings) == ("Case_7", case.grid, ())
    for file in folder.iterdir():
        voxels = gzip.decompress(file.read_bytes())
        for secret in (PATIENT, "Doe", "20200304", study.study_uid, str(study.folder)):
            assert secret.encode() not in voxels


def test_a_folder_in_use_is_left_alone(study: StudyWriter, tmp_path: Path) -> None:
    case = load_study(accepted(propose(find_study(study.folder))))
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ExportError, match="not an empty folder"):
        write_nifti_case(tmp_path, case)
    (tmp_path / "empty").mkdir()
    assert len(list(write_nifti_case(tmp_path / "empty", case).iterdir())) == 4


def test_guesses_are_corrected_by_number(study: StudyWriter) -> None:
    proposal = propose(find_study(study.folder))
    chosen = choose_by_number(proposal, {"t1": 2, "t1ce": 1})
    assert {m: series.facts.number for m, series in chosen.items()} == {"t1": 2, "t1ce": 1, "t2": 3, "flair": 4}
    with pytest.raises(DicomError, match=r"no series with number 9; list them with --list"):
        choose_by_number(proposal, {"t1": 9})
    study.series(flat(), "again", SeriesNumber=1)
    with pytest.raises(DicomError, match="2 series with number 1"):
        choose_by_number(propose(find_study(study.folder)), {"t1": 1})


def test_of_a_series_in_parts_the_one_that_can_be_used_has_its_number(study: StudyWriter) -> None:
    parted = {"SeriesInstanceUID": "1.2.3", "SeriesNumber": 9}
    study.series(flat(spacing=1), **parted)
    study.series(flat((9, 9, 2), spacing=1), **parted)
    proposal = propose(find_study(study.folder))
    assert sorted(len(one.slices) for one in proposal.study.series if one.facts.number == 9) == [2, 12]
    assert len(choose_by_number(proposal, {"t1": 9})["t1"].slices) == 12
    study.series(flat((7, 7, 12), spacing=1), **parted)
    with pytest.raises(DicomError, match="3 series with number 9"):
        choose_by_number(propose(find_study(study.folder)), {"t1": 9})


def test_the_rest_comes_from_the_examination_of_the_given_series(writer: StudyWriter) -> None:
    four = dict.fromkeys(MODALITIES, flat())
    writer.four(four)
    later = StudyWriter(writer.folder / "later", count=10)
    later.four(four, StudyDate="20210304")
    proposal = propose(find_study(writer.folder))

    for given, numbers in ((2, [1, 2, 3, 4]), (12, [11, 12, 13, 14])):
        chosen = choose_by_number(proposal, {"t1ce": given})
        assert [chosen[modality].facts.number for modality in MODALITIES] == numbers
    with pytest.raises(DicomError, match="the given series are of 2 examinations; give all four, or those of one"):
        choose_by_number(proposal, {"t1": 1, "t1ce": 12})
    mixed = {"t1": 1, "t1ce": 12, "t2": 3, "flair": 4}
    assert {m: series.facts.number for m, series in choose_by_number(proposal, mixed).items()} == mixed


def test_series_of_two_patients_are_no_parts_though_their_identifiers_are_equal(tmp_path: Path) -> None:
    for patient, left_out, start in (("Doe", (5,), 0), ("Roe", (), 10)):
        image = flat((12, 14, 30))
        image.SetOrigin((0, 0, start))
        writer = StudyWriter(tmp_path / patient, study_uid="1.2.3", patient=patient)
        writer.series(image, left_out=left_out, SeriesInstanceUID="1.2.3.1", SeriesNumber=1)
    study = find_study(tmp_path)
    assert sorted((len(series.slices), series.problem is None) for series in study.series) == [(29, False), (30, True)]
    with pytest.raises(DicomError, match="2 series with number 1"):
        choose_by_number(propose(study), {"t1": 1})


def test_a_number_that_two_examinations_have_is_refused(writer: StudyWriter) -> None:
    writer.four(dict.fromkeys(MODALITIES, flat()))
    StudyWriter(writer.folder / "later").series(flat())
    with pytest.raises(DicomError, match="2 series with number 1; list them with --list or choose the folder of one"):
        choose_by_number(propose(find_study(writer.folder)), {"t1": 1})


def test_the_list_tells_all_series(study: StudyWriter) -> None:
    lines = listing(propose(find_study(study.folder)))
    assert len(lines) == 5
    assert "T1ce" in lines[1]
    assert "t1_se_tra_KM" in lines[1]
    assert lines[4].split()[:2] == ["5", "-"]
    assert lines[4].endswith("localizer  (left out: scout)")
