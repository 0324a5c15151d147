from __future__ import annotations

from napari_ddmd.case import Case
from napari_ddmd.dicom import find_study
from napari_ddmd.dicom.origin import digest, find_series, folders_of, origin_of, pseudonym
from tests.dicom.studies import StudyWriter, flat


def test_only_cases_of_dicom_have_an_origin(small_case: Case, mixed_case: Case) -> None:
    assert origin_of(small_case) is None
    origin = origin_of(mixed_case)
    assert origin is not None
    assert origin.reference == "t1ce"
    assert origin.reference_series is origin.series["t1ce"]


def test_the_pseudonym_is_the_studys_and_says_nothing(writer: StudyWriter) -> None:
    for _ in range(2):
        writer.series(flat())
    StudyWriter(writer.folder / "other").series(flat())
    series = find_study(writer.folder).series
    by_study = {one.facts.study_uid: pseudonym(one) for one in series}
    assert len(set(by_study.values())) == 2
    assert {pseudonym(one) for one in series} == set(by_study.values())
    assert all(len(name) == len("Study_12345678") for name in by_study.values())


def test_a_series_is_found_again_by_its_digest_alone(writer: StudyWriter) -> None:
    for _ in range(2):
        writer.series(flat())
    first, second = find_study(writer.folder).series
    assert digest(first) != digest(second)
    assert folders_of(second) == [writer.folder / "S002"]
    found = find_series([writer.folder], digest(second))
    assert found is not None
    assert [header.file for header in found.slices] == [header.file for header in second.slices]
    assert find_series([writer.folder / "S001", writer.folder / "nowhere"], digest(second)) is None


def test_a_series_that_lost_a_slice_is_another_one(writer: StudyWriter) -> None:
    writer.series(flat())
    (series,) = find_study(writer.folder).series
    series.slices[0].file.unlink()
    assert find_series(folders_of(series), digest(series)) is None
