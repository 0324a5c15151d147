from __future__ import annotations

from pathlib import Path

import pytest
import SimpleITK as sitk

from napari_ddmd.case import MODALITIES
from napari_ddmd.dicom import DicomError, Proposal, accepted, assignment_problem, find_study, propose
from tests.dicom.studies import DESCRIPTIONS, SEQUENCES, StudyWriter, flat

FOUR = dict.fromkeys(MODALITIES, flat())


def proposed(folder: Path) -> Proposal:
    return propose(find_study(folder))


def numbers(proposal: Proposal) -> dict[str, int | None]:
    return {modality: series.facts.number for modality, series in proposal.assignment.items()}


def image(size: tuple[int, int, int], spacing: tuple[float, float, float]) -> sitk.Image:
    made = flat(size)
    made.SetSpacing(spacing)
    return made


def test_four_series_are_found(writer: StudyWriter) -> None:
    writer.four(FOUR)
    proposal = proposed(writer.folder)
    assert list(proposal.assignment) == list(MODALITIES)
    assert numbers(proposal) == {"t1": 1, "t1ce": 2, "t2": 3, "flair": 4}
    assert accepted(proposal) == proposal.assignment
    assert assignment_problem(proposal.assignment) is None


def test_the_best_of_several_is_taken(writer: StudyWriter) -> None:
    writer.four(dict.fromkeys(MODALITIES, image((8, 8, 24), (1, 1, 6))))
    tags = SEQUENCES["flair"]
    sagittal = image((8, 8, 150), (1, 1, 1))
    sagittal.SetDirection((0, 0, 1, 1, 0, 0, 0, 1, 0))
    writer.series(sagittal, "3d flair sag", **{**tags, "MRAcquisitionType": "3D"})
    writer.series(image((8, 8, 12), (1, 1, 1)), "flair slab", **tags)
    proposal = proposed(writer.folder)

    assert numbers(proposal)["flair"] == 5
    reasons = {one.series.facts.number: one.reason for one in proposal.candidates if one.modality is None}
    assert reasons[4] == 'FLAIR by description; series 5 "3d flair sag" is preferred'
    assert set(reasons) == {4, 6}


def test_axial_is_preferred_to_coronal_of_the_same_voxels(writer: StudyWriter) -> None:
    coronal = image((8, 8, 20), (1, 1, 6))
    coronal.SetDirection((1, 0, 0, 0, 0, 1, 0, -1, 0))
    writer.series(image((8, 8, 20), (1, 1, 6)), "t2 tra", **SEQUENCES["t2"])
    writer.series(coronal, "t2 cor", **SEQUENCES["t2"])
    assert numbers(proposed(writer.folder)) == {"t2": 1}


def test_two_examinations_are_not_mixed(writer: StudyWriter) -> None:
    writer.four({modality: FOUR[modality] for modality in MODALITIES})
    other = StudyWriter(writer.folder / "earlier")
    other.series(image((8, 8, 150), (1, 1, 1)), "flair 3d", **SEQUENCES["flair"])
    proposal = proposed(writer.folder)
    assert {series.facts.study_uid for series in proposal.assignment.values()} == {writer.study_uid}
    assert not proposal.is_ambiguous
    (left,) = (one for one in proposal.candidates if one.modality is None)
    assert left.reason.endswith("of another examination")


def test_two_whole_examinations_are_refused(writer: StudyWriter) -> None:
    writer.four(FOUR)
    StudyWriter(writer.folder / "other").four(FOUR)
    proposal = proposed(writer.folder)
    assert proposal.is_ambiguous
    assert len(proposal.assignment) == 4
    with pytest.raises(DicomError, match="holds several examinations; choose the folder of one"):
        accepted(proposal)


def test_series_of_two_patients_under_one_study_are_not_mixed(writer: StudyWriter) -> None:
    writer.four({modality: FOUR[modality] for modality in ("t1", "t1ce", "t2")})
    other = StudyWriter(writer.folder / "other", study_uid=writer.study_uid, patient="Roe^Richard")
    other.series(flat(), DESCRIPTIONS["flair"], **SEQUENCES["flair"])
    assert set(proposed(writer.folder).assignment) == {"t1", "t1ce", "t2"}


def test_what_is_missing_is_named(writer: StudyWriter) -> None:
    writer.series(flat(), DESCRIPTIONS["t1"])
    writer.series(flat(), "localizer")
    with pytest.raises(DicomError, match="no series was recognised as T1ce or T2 or FLAIR"):
        accepted(proposed(writer.folder))


def test_assignments_that_make_no_case(writer: StudyWriter) -> None:
    writer.four(FOUR)
    writer.series(flat(), DESCRIPTIONS["t2"], left_out=(3,))
    StudyWriter(writer.folder / "other", patient="Roe^Richard").series(flat(), DESCRIPTIONS["t2"])
    study = find_study(writer.folder)
    by_number = {series.facts.number: series for series in study.series if series.facts.study_uid == writer.study_uid}
    good = {modality: by_number[number] for number, modality in enumerate(MODALITIES, start=1)}
    stranger = next(series for series in study.series if series.facts.study_uid != writer.study_uid)

    assert assignment_problem({"t1": good["t1"]}) == "no series is chosen for T1ce and T2 and FLAIR"
    assert assignment_problem({**good, "t2": good["t1"]}) == 'series 1 "t1_se_tra" is chosen for T1 and T2'
    assert "lacks 1 slice" in str(assignment_problem({**good, "t2": by_number[5]}))
    assert assignment_problem({**good, "t2": stranger}) == "the series are of different patients"
