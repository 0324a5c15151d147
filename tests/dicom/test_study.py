from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom import Dataset, dcmread

from napari_ddmd.dicom import DicomError, Series, find_study
from napari_ddmd.dicom.study import group_slices
from tests.dicom.studies import StudyWriter, flat


def only(folder: Path) -> Series:
    (series,) = find_study(folder).series
    return series


def test_slices_are_sorted_by_place_whatever_their_names(writer: StudyWriter) -> None:
    image = flat()
    image.SetOrigin((3, 4, -50))
    place = writer.series(image, shuffled=True)
    series = only(writer.folder)

    assert [header.position[2] for header in series.slices] == [-50 + 2 * number for number in range(12)]
    assert [header.file.name for header in series.slices] != sorted(file.name for file in place.iterdir())
    assert series.problem is None
    assert (series.size, series.spacing, series.plane) == ((12, 14, 12), (2, 2, 2), "axial")


@pytest.mark.parametrize(
    ("direction", "plane"),
    [((0, 0, 1, 1, 0, 0, 0, 1, 0), "sagittal"), ((1, 0, 0, 0, 0, 1, 0, -1, 0), "coronal")],
)
def test_the_affine_is_that_of_the_image(writer: StudyWriter, direction: tuple[int, ...], plane: str) -> None:
    image = flat((6, 8, 4))
    image.SetSpacing((1, 2, 3))
    image.SetDirection(direction)
    image.SetOrigin((10, -20, 30))
    writer.series(image)
    series = only(writer.folder)

    assert series.plane == plane
    for voxel in ((0, 0, 0), (5, 7, 3)):
        np.testing.assert_allclose((series.affine @ (*voxel, 1))[:3], image.TransformIndexToPhysicalPoint(voxel))


def test_series_and_studies_are_told_apart(writer: StudyWriter) -> None:
    writer.series(flat(), "first")
    writer.series(flat(), "second")
    StudyWriter(writer.folder / "other").series(flat(), "third")
    study = find_study(writer.folder)

    assert {series.facts.description for series in study.series} == {"first", "second", "third"}
    assert len({series.facts.study_uid for series in study.series}) == 2


def test_copies_count_once(writer: StudyWriter) -> None:
    place = writer.series(flat())
    shutil.copytree(place, writer.folder / "copy")
    shutil.copy(place / "IM0000", place / "again")
    series = only(writer.folder)
    assert (len(series.slices), series.problem) == (12, None)


def test_echoes_and_directions_of_one_series_are_told_apart(writer: StudyWriter) -> None:
    uid = "1.2.3.4"
    writer.series(flat(), SeriesInstanceUID=uid, SeriesNumber=1, EchoTime=20)
    writer.series(flat(), SeriesInstanceUID=uid, SeriesNumber=1, EchoTime=90)
    turned = flat()
    turned.SetDirection((0, 0, 1, 1, 0, 0, 0, 1, 0))
    writer.series(turned, SeriesInstanceUID=uid, SeriesNumber=1, EchoTime=20)
    found = find_study(writer.folder).series
    told_apart = {(series.facts.echo_time, series.plane) for series in found}
    assert told_apart == {(20, "axial"), (90, "axial"), (20, "sagittal")}
    assert [series.problem for series in found] == [None] * 3


def edit(place: Path, change: Callable[[Dataset, int], None]) -> None:
    """Change the headers of a series' slices, by their numbers from 0."""
    for number, file in enumerate(sorted(place.iterdir())):
        dataset = dcmread(file)
        change(dataset, number)
        dataset.save_as(file)


def alternating_echo(dataset: Dataset, number: int) -> None:
    dataset.EchoTime = 9 + 0.01 * (number % 2)


def jittering_echo(dataset: Dataset, number: int) -> None:
    dataset.EchoTime = 100 + (0, 1.3, 0.4, 2.6)[number % 4]


def other_type_half_way(dataset: Dataset, number: int) -> None:
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", *(["NORM"] if number > 6 else [])]


def other_type_at_first(dataset: Dataset, number: int) -> None:
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", *(["NORM"] if number == 0 else [])]


def rounded_spacing(dataset: Dataset, number: int) -> None:
    dataset.PixelSpacing = [2 + 1e-9 * (number % 2), 2]


@pytest.mark.parametrize(
    "change", [alternating_echo, jittering_echo, other_type_half_way, other_type_at_first, rounded_spacing]
)
def test_headers_that_vary_from_slice_to_slice_split_no_series(
    writer: StudyWriter, change: Callable[[Dataset, int], None]
) -> None:
    edit(writer.series(flat()), change)
    assert (len(only(writer.folder).slices), only(writer.folder).problem) == (12, None)
    assert find_study(writer.folder).remarks == ()


def test_a_series_whose_echo_time_varies_says_which_slice_it_lacks(writer: StudyWriter) -> None:
    edit(writer.series(flat(), left_out=(5,)), alternating_echo)
    assert "lacks 1 slice (after slice 5 of 11)" in str(only(writer.folder).problem)


def test_echoes_near_each_other_and_magnitude_and_phase_stay_apart(writer: StudyWriter) -> None:
    for tags in ({"EchoTime": 2.0}, {"EchoTime": 2.8}, {"EchoTime": 2.0, "ImageType": ["ORIGINAL", "PRIMARY", "P"]}):
        writer.series(flat(), SeriesInstanceUID="1.2.3", SeriesNumber=1, **tags)
    study = find_study(writer.folder)
    assert [(len(series.slices), series.problem) for series in study.series] == [(12, None)] * 3
    assert study.remarks == ()


def of_another_patient(dataset: Dataset, number: int) -> None:
    if number > 6:
        dataset.PatientID = "other"


def in_another_frame(dataset: Dataset, number: int) -> None:
    if number > 6:
        dataset.FrameOfReferenceUID = "1.2.3.4"


def of_other_pixels(dataset: Dataset, number: int) -> None:
    if number > 6:
        dataset.PixelSpacing = [1.9, 1.9]


def of_another_echo(dataset: Dataset, number: int) -> None:
    dataset.EchoTime = 20 if number > 6 else 90


@pytest.mark.parametrize("change", [of_another_patient, in_another_frame, of_other_pixels, of_another_echo])
def test_slices_that_do_not_belong_together_are_no_series_and_are_told(
    writer: StudyWriter, change: Callable[[Dataset, int], None]
) -> None:
    edit(writer.series(flat()), change)
    study = find_study(writer.folder)
    assert sorted(len(series.slices) for series in study.series) == [5, 7]
    assert all("is part of a series whose headers differ" in str(series.problem) for series in study.series)
    told = "series 1 is in parts whose headers differ: the largest has 7 slices, others 5 at other places"
    assert study.remarks == (told,)


def test_a_part_that_lacks_little_is_a_series_and_the_rest_is_told(writer: StudyWriter) -> None:
    image = flat((6, 6, 30))
    edit(writer.series(image), lambda dataset, number: setattr(dataset, "EchoTime", 20 if number == 29 else 90))
    study = find_study(writer.folder)
    assert {len(series.slices): series.problem for series in study.series} == {29: None, 1: "holds a single slice"}
    (told,) = study.remarks
    assert told.endswith("the largest has 29 slices, others 1 at other places")


@pytest.mark.parametrize(("count", "is_whole"), [(6, True), (8, False)])
def test_a_whole_stack_may_have_some_other_images_beside_it(writer: StudyWriter, count: int, is_whole: bool) -> None:
    writer.series(flat((6, 6, 30)), SeriesInstanceUID="1.2.3", SeriesNumber=1)
    other = flat((8, 8, count))
    other.SetOrigin((0, 0, 1))
    writer.series(other, SeriesInstanceUID="1.2.3", SeriesNumber=1)
    largest = max(find_study(writer.folder).series, key=lambda series: len(series.slices))
    assert (largest.problem is None) == is_whole
    assert largest.elsewhere == count


@pytest.mark.parametrize(
    ("pixels", "size", "start", "is_whole"), [(6, 2, 60, False), (8, 2, 60, True), (6, 1, 60, True), (6, 2, 80, True)]
)
def test_a_stack_is_cut_where_others_of_its_pixels_go_on_from_its_end(
    writer: StudyWriter, pixels: int, size: float, start: float, is_whole: bool
) -> None:
    writer.series(flat((6, 6, 30)), SeriesInstanceUID="1.2.3", SeriesNumber=1)
    other = flat((pixels, pixels, 6))
    other.SetSpacing((size, size, 2))
    other.SetOrigin((0, 0, start))
    writer.series(other, SeriesInstanceUID="1.2.3", SeriesNumber=1, FrameOfReferenceUID="1.2.4")
    largest = max(find_study(writer.folder).series, key=lambda series: len(series.slices))
    assert (largest.elsewhere, largest.problem is None) == (6, is_whole)


@pytest.mark.parametrize(("lacks", "is_usable"), [(3, True), (4, False)])
@pytest.mark.parametrize("at_the_start", [False, True])
def test_an_echo_that_another_continues_beyond_its_end_is_cut(
    writer: StudyWriter, lacks: int, is_usable: bool, at_the_start: bool
) -> None:
    for echo in (20, 95):
        cut = range(lacks) if at_the_start else range(34 - lacks, 34)
        tags = {"SeriesInstanceUID": "1.2.3", "SeriesNumber": 9, "EchoTime": echo}
        writer.series(flat((6, 6, 34)), left_out=cut if echo == 95 else (), **tags)
    study = find_study(writer.folder)
    whole, part = study.series
    assert (len(whole.slices), whole.problem) == (34, None)
    assert (part.elsewhere, part.problem is None) == (lacks, is_usable)
    told = "series 9 is in parts whose headers differ: one that can be used has 31 slices, others 3 at other places"
    assert study.remarks == ((told,) if is_usable else ())


def test_thin_slices_beside_thick_ones_are_counted_apart(writer: StudyWriter) -> None:
    header = slices_at(writer, [(0, 0, 0), (0, 0, 2)]).slices[0]
    thick = [replace(header, uid=f"a.{number}", position=(0.0, 0.0, 6.0 * number)) for number in range(20)]
    thin = [
        replace(header, uid=f"b.{number}", shape=(8, 8), position=(0.0, 0.0, 120 + 0.5 * number))
        for number in range(200)
    ]
    assert [(len(part.slices), part.elsewhere) for part in group_slices(thick + thin)] == [(200, 20), (20, 200)]


def test_one_slice_sent_twice_does_not_thin_a_series_whose_echo_time_varies(writer: StudyWriter) -> None:
    folder = writer.series(flat())
    edit(folder, alternating_echo)
    again = dcmread(sorted(folder.iterdir())[4])
    again.SOPInstanceUID = "1.2.3.4.5"
    again.file_meta.MediaStorageSOPInstanceUID = again.SOPInstanceUID
    again.save_as(folder / "again.dcm")
    assert all(series.problem is not None for series in find_study(writer.folder).series)


def test_an_anonymisers_frame_of_reference_for_each_file_tells_nothing(writer: StudyWriter) -> None:
    # Two of them have one all the same.
    edit(writer.series(flat()), lambda dataset, number: setattr(dataset, "FrameOfReferenceUID", f"1.2.{number or 1}"))
    series = only(writer.folder)
    assert (len(series.slices), series.problem) == (12, None)
    assert {header.facts.frame_of_reference for header in series.slices} == {""}


def test_parts_of_a_series_that_lie_between_each_other_are_counted(writer: StudyWriter) -> None:
    header = slices_at(writer, [(0, 0, 0), (0, 0, 2)]).slices[0]
    many = [
        replace(header, uid=f"{part}.{number}", shape=(6, 6 + part), position=(0.0, 0.0, number + part / 2))
        for part in range(2)
        for number in range(2000)
    ]
    assert [series.elsewhere for series in group_slices(many)] == [2000, 2000]


@pytest.mark.parametrize(
    ("left_out", "problem"),
    [
        ((5,), r"lacks 1 slice \(after slice 5 of 11\); copy the whole series again"),
        ((5, 6, 9), r"lacks 3 slices \(after slice 5 of 9\)"),
    ],
)
def test_missing_slices_are_told(writer: StudyWriter, left_out: tuple[int, ...], problem: str) -> None:
    writer.series(flat(), left_out=left_out)
    assert only(writer.folder).label == 'series 1 "t1_se_tra"'
    with pytest.raises(AssertionError, match=problem):
        raise AssertionError(only(writer.folder).problem)


def slices_at(writer: StudyWriter, places: list[tuple[float, float, float]]) -> Series:
    for number, place in enumerate(places):
        image = flat((6, 6, 1))
        image.SetOrigin(place)
        writer.series(image, SeriesInstanceUID="1.2.3", SeriesNumber=1, InstanceNumber=number)
    return only(writer.folder)


def test_uneven_slices_are_told(writer: StudyWriter) -> None:
    series = slices_at(writer, [(0, 0, 0), (0, 0, 2), (0, 0, 4), (0, 0, 6.9), (0, 0, 8.9)])
    assert series.problem == "has slices at uneven distances (2.00 to 2.90 mm, after slice 3 of 5)"


def test_rounded_places_are_even(writer: StudyWriter) -> None:
    assert slices_at(writer, [(0, 0, 0), (0, 0, 2.01), (0, 0, 3.99), (0.02, 0, 6)]).problem is None


def test_what_headers_round_does_not_add_up_over_a_stack(writer: StudyWriter) -> None:
    image = flat((6, 6, 41))
    image.SetSpacing((1, 1, 1.25))
    place = writer.series(image)
    for file in place.iterdir():
        dataset = dcmread(file)
        dataset.ImagePositionPatient = [round(float(x), 1) for x in dataset.ImagePositionPatient]
        dataset.ImageOrientationPatient = [0.87, 0.48, 0, -0.48, 0.87, 0]
        dataset.save_as(file)
    series = only(writer.folder)

    assert series.problem is None
    assert series.spacing[2] == pytest.approx(1.25)
    last = series.affine @ (0, 0, 40, 1)
    np.testing.assert_allclose(last[:3], series.slices[-1].position, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(series.affine[:3, :2], axis=0), 1)


@pytest.mark.parametrize("places", [(0, 2, 2, 4), (0, 0, 2, 2, 4, 4), (0, 0, 0)])
def test_several_images_at_one_place_are_told(writer: StudyWriter, places: tuple[int, ...]) -> None:
    series = slices_at(writer, [(0, 0, place) for place in places])
    assert series.problem == "holds several images at one place (time points or echoes)"


def test_a_tilted_gantry_is_told(writer: StudyWriter) -> None:
    series = slices_at(writer, [(0, 0, 0), (0, 1, 2), (0, 2, 4), (0, 3, 6)])
    assert "shifted against each other" in str(series.problem)


def test_a_single_slice_is_no_volume(writer: StudyWriter) -> None:
    series = slices_at(writer, [(0, 0, 0)])
    assert (series.problem, series.spacing[2]) == ("holds a single slice", 0)


@pytest.mark.fault("Bad input")
def test_a_series_that_is_too_much_is_told(writer: StudyWriter) -> None:
    far = slices_at(writer, [(0, 0, 0), (0, 0, 9000), (0, 0, 18000)])
    assert far.problem is not None
    assert far.problem.endswith("×27000 mm, more than a head")
    fine = replace(far.slices[0], shape=(4000, 4000), spacing=(0.05, 0.05))
    large = Series(tuple(replace(fine, position=(0.0, 0.0, float(z))) for z in range(9)))
    assert str(large.problem).startswith("holds 4000×4000×9 voxels, more than can be used")


def test_a_fine_series_and_one_of_many_times_are_not_too_much(writer: StudyWriter) -> None:
    (header, *_) = slices_at(writer, [(0, 0, float(z)) for z in range(3)]).slices

    def stack(rows: int, slices: int, step: float) -> Series:
        fine = replace(header, shape=(rows, rows), spacing=(250 / rows, 250 / rows))
        return Series(tuple(replace(fine, position=(0.0, 0.0, step * z)) for z in range(slices)))

    assert stack(512, 312, 0.6).problem is None
    assert stack(560, 320, 0.56).problem is None
    assert "images at one place" in str(stack(256, 4160, 0.0).problem)


def test_folders_without_a_study_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DicomError, match="no such folder"):
        find_study(tmp_path / "nowhere")
    with pytest.raises(DicomError, match="holds no DICOM images; choose"):
        find_study(tmp_path)
    (tmp_path / "image.dcm").write_text("")
    with pytest.raises(DicomError, match=r"holds no DICOM images \(image.dcm cannot be read\)"):
        find_study(tmp_path)


def test_unreadable_files_are_remarked_without_their_names(writer: StudyWriter) -> None:
    writer.series(flat())
    for name in ("a", "b", "c", "d"):
        (writer.folder / f"{name}.dcm").write_text("")
    study = find_study(writer.folder)
    assert study.remarks == ("4 files could not be read and are left out",)


def test_thousands_of_files_beside_it_do_no_harm(writer: StudyWriter) -> None:
    writer.series(sitk.Extract(flat(), (12, 14, 3)))
    for number in range(1000):
        (writer.folder / f"{number}.txt").write_text("x" * 200)
    assert len(find_study(writer.folder).series) == 1
