from __future__ import annotations

from pathlib import Path

import pytest

from napari_ddmd.case import MODALITIES
from napari_ddmd.dicom import assignment_problem, find_study, propose
from napari_ddmd.dicom.examinations import examination_titles, examinations_remark, names_differ
from tests.dicom.studies import StudyWriter, flat


def remark(folder: Path) -> str | None:
    study = find_study(folder)
    return examinations_remark(study, propose(study).assignment)


def test_of_one_examination_there_is_nothing_to_tell(writer: StudyWriter) -> None:
    writer.four(dict.fromkeys(MODALITIES, flat()))
    assert remark(writer.folder) is None
    assert examination_titles(find_study(writer.folder)) == {}


@pytest.mark.parametrize(
    ("date", "told"),
    [
        ("20210304", "2 examinations; one that is not the latest was taken"),
        ("20190304", "2 examinations; the latest was taken"),
        ("20200304", "2 examinations; one of them was taken"),
        ("", "2 examinations; one of them was taken"),
    ],
)
def test_which_examination_was_taken_is_told(writer: StudyWriter, date: str, told: str) -> None:
    writer.four(dict.fromkeys(MODALITIES, flat()))
    StudyWriter(writer.folder / "other").series(flat(), "t2_tse_tra", StudyDate=date)
    assert remark(writer.folder) == f"the folder holds {told}"


def test_series_of_several_are_told(writer: StudyWriter) -> None:
    writer.series(flat())
    StudyWriter(writer.folder / "other").series(flat())
    study = find_study(writer.folder)
    chosen = dict(zip(MODALITIES, study.series, strict=False))
    assert examinations_remark(study, chosen) == "the folder holds 2 examinations; the series are of 2 of them"


def test_patients_who_are_not_known_may_be_two(writer: StudyWriter) -> None:
    nobody = {"PatientID": "", "PatientName": ""}
    writer.four(dict.fromkeys(MODALITIES, flat()), **nobody)
    StudyWriter(writer.folder / "other").series(flat(), "t2_tse_tra", **nobody)
    assert str(remark(writer.folder)).startswith("the folder holds 2 examinations, perhaps of different patients; ")


def test_where_nothing_was_taken_nothing_is_said_of_it(writer: StudyWriter) -> None:
    for folder, date in ((writer.folder, "20200304"), (writer.folder / "other", "20210304")):
        StudyWriter(folder).series(flat(), "unknown", StudyDate=date)
    assert examinations_remark(find_study(writer.folder), {}) == "the folder holds 2 examinations"


def test_one_number_with_two_names_is_perhaps_of_two_patients(writer: StudyWriter) -> None:
    writer.series(flat(), PatientID="ANON", PatientName="Doe^Jane")
    writer.series(flat(), PatientID="ANON", PatientName="")
    writer.series(flat(), PatientID="ANON", PatientName="DOE^JANE^M")
    one = find_study(writer.folder)
    assert len({series.facts.patient for series in one.series}) == 1, "within an examination, a name may be corrected"
    assert not names_differ(one.series)
    StudyWriter(writer.folder / "other").series(flat(), PatientID="ANON", PatientName="Roe^Max")
    both = find_study(writer.folder)
    assert str(examinations_remark(both, {})) == "the folder holds 2 examinations, perhaps of different patients"
    chosen = dict(zip(MODALITIES, (*one.series, both.series[-1]), strict=True))
    chosen["flair"] = next(series for series in both.series if series.facts.study_uid != one.series[0].facts.study_uid)
    assert assignment_problem(chosen) == "the series are of different patients"
