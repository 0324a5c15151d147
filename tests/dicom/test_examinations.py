from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from napari_ddmd.case import MODALITIES
from napari_ddmd.dicom import DicomError, accepted, assignment_problem, find_study, propose
from napari_ddmd.dicom.examinations import examination_titles, examinations_remark, names_differ, names_remark
from tests.dicom.studies import DESCRIPTIONS, SEQUENCES, StudyWriter, flat


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


def write(folder: Path, whose: str, modalities: Sequence[str], **tags: str) -> None:
    writer = StudyWriter(folder, study_uid="1.2", count=len(list(folder.parent.iterdir())))
    for modality in modalities:
        writer.series(flat(), DESCRIPTIONS[modality], **{**SEQUENCES[modality], "PatientName": whose, **tags})


def test_without_an_identifier_of_the_study_names_tell_the_examinations_apart(tmp_path: Path) -> None:
    alike = {"StudyInstanceUID": "", "PatientID": "ANON"}
    write(tmp_path / "a", "Doe^Jane", ("t1", "t2"), **alike)
    write(tmp_path / "b", "Roe^Max", ("t1ce", "flair"), **alike)
    study = find_study(tmp_path)
    by_words = {series.facts.description: series for series in study.series}
    chosen = {modality: by_words[DESCRIPTIONS[modality]] for modality in MODALITIES}

    assert assignment_problem(chosen) == "the series are of different patients"
    with pytest.raises(DicomError, match="holds several examinations"):
        accepted(propose(study))
    assert str(examinations_remark(study, {})) == "the folder holds 2 examinations, perhaps of different patients"
    assert list(examination_titles(study).values()) == ["examination 1 (20200304)", "examination 2 (20200304)"]


def test_several_names_within_an_examination_are_told(tmp_path: Path) -> None:
    write(tmp_path / "a", "Doe^Jane", ("t1", "t2"), PatientID="7")
    write(tmp_path / "b", "", ("flair",), PatientID="7")
    assert names_remark(find_study(tmp_path).series) is None
    write(tmp_path / "c", "Roe^Jane", ("t1ce",), PatientID="7")
    study = find_study(tmp_path)
    assert examinations_remark(study, {}) is None
    assert str(names_remark(study.series)).startswith("the series that were taken bear 2 patients' names: ")
    (series,) = (one for one in study.series if one.facts.description == DESCRIPTIONS["t1"])
    mixed = replace(series.slices[0], facts=replace(series.facts, patient_name="another"))
    assert names_remark([replace(series, slices=(*series.slices, mixed))]) is not None


def test_patients_are_not_counted_where_one_number_has_several_names(tmp_path: Path) -> None:
    for uid, (number, name) in enumerate((("ANON", "Doe"), ("ANON", "Roe"), ("7", "Max"))):
        write(tmp_path / name, name, ("t1",), PatientID=number, StudyInstanceUID=f"1.{uid}")
    study = find_study(tmp_path)
    assert str(examinations_remark(study, {})) == "the folder holds 3 examinations, perhaps of different patients"
    assert not [title for title in examination_titles(study).values() if "patient" in title]


def test_a_name_that_was_corrected_within_an_examination_makes_no_other_patient(tmp_path: Path) -> None:
    write(tmp_path / "a", "Deo^Jane", ("t1",), PatientID="7", StudyInstanceUID="1.2")
    write(tmp_path / "b", "Doe^Jane", ("t2",), PatientID="7", StudyInstanceUID="1.2")
    write(tmp_path / "c", "Doe^Jane", ("t1ce", "flair"), PatientID="7", StudyInstanceUID="1.3")
    study = find_study(tmp_path)
    by_words = {series.facts.description: series for series in study.series}
    chosen = {modality: by_words[DESCRIPTIONS[modality]] for modality in ("t1", "t1ce", "flair")}
    assert assignment_problem(chosen, allow_missing=True) is None, "names are of whole examinations"
    assert names_remark(chosen.values()) is not None
