from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from highdicom.legacy import LegacyConvertedEnhancedMRImage
from pydicom import Dataset, dcmread
from pydicom.uid import generate_uid

from napari_ddmd.dicom import DicomError, Series, find_study, volume
from napari_ddmd.dicom.volume import affine_of, read_volume
from tests.dicom.studies import SEQUENCES, StudyWriter, flat


def noisy() -> sitk.Image:
    voxels = np.random.default_rng(0).integers(-50, 3000, (11, 9, 7)).astype(np.float32)
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing((0.9, 1.1, 4))
    cosine, sine = 0.9659258, 0.2588190
    image.SetDirection((1, 0, 0, 0, cosine, -sine, 0, sine, cosine))
    image.SetOrigin((-80, -100, 33))
    return image


def only(folder: Path) -> Series:
    (series,) = find_study(folder).series
    return series


def enhanced(place: Path, file: Path) -> None:
    """Turn a series of single images into one multi-frame file."""
    sources = [dcmread(single) for single in sorted(place.iterdir())]
    LegacyConvertedEnhancedMRImage(
        sources,
        series_instance_uid=generate_uid(),
        series_number=7,
        sop_instance_uid=generate_uid(),
        instance_number=1,
    ).save_as(file)


@pytest.mark.parametrize("shuffled", [False, True])
def test_voxels_and_geometry_come_back(writer: StudyWriter, shuffled: bool) -> None:
    image = noisy()
    writer.series(image, shuffled=shuffled)
    series = only(writer.folder)
    read = read_volume(series)

    np.testing.assert_array_equal(sitk.GetArrayFromImage(read), sitk.GetArrayFromImage(image))
    np.testing.assert_allclose(affine_of(read), affine_of(image), atol=1e-3)
    np.testing.assert_allclose(affine_of(read), series.affine)


def test_itk_writes_no_warning_of_its_own(writer: StudyWriter, capfd: pytest.CaptureFixture[str]) -> None:
    """Of slices whose places are rounded, which are even."""
    place = writer.series(flat())
    for name in ("IM0003", "IM0007"):
        dataset = dcmread(place / name)
        dataset.ImagePositionPatient = [0, 0, float(dataset.ImagePositionPatient[2]) + 0.1]
        dataset.save_as(place / name)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([str(header.file) for header in only(writer.folder).slices])
    reader.Execute()
    assert "WARNING" in capfd.readouterr().err, "ITK would write one"
    read_volume(only(writer.folder))
    assert capfd.readouterr().err == ""
    assert sitk.ProcessObject.GetGlobalWarningDisplay()


def test_the_rescale_of_each_slice_counts(writer: StudyWriter) -> None:
    place = writer.series(flat(value=10), RescaleSlope=1, RescaleIntercept=0)
    file = place / "IM0004"
    dataset = dcmread(file)
    dataset.RescaleSlope, dataset.RescaleIntercept = 2.5, 1
    dataset.save_as(file)
    values = sitk.GetArrayFromImage(read_volume(only(writer.folder)))[:, 0, 0]
    assert values.tolist() == [10, 11, 12, 13, 14 * 2.5 + 1, *range(15, 22)]


def test_a_series_that_is_no_volume_is_refused(writer: StudyWriter) -> None:
    writer.series(flat(), left_out=(4,))
    with pytest.raises(DicomError, match=r'^series 1 "t1_se_tra" lacks 1 slice'):
        read_volume(only(writer.folder))


@pytest.mark.parametrize("way", ["cut", "gone"])
def test_files_that_cannot_be_read_are_refused(writer: StudyWriter, way: str) -> None:
    place = writer.series(flat())
    series = only(writer.folder)
    file = place / "IM0004"
    if way == "gone":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:1200])
    with pytest.raises(DicomError, match="its images cannot be read; copy the study again"):
        read_volume(series)


def test_a_multi_frame_file_is_a_series(writer: StudyWriter, tmp_path: Path) -> None:
    image = noisy()
    place = writer.series(image, "t2_tse", shuffled=True, **SEQUENCES["t2"])
    (tmp_path / "multi").mkdir()
    enhanced(place, tmp_path / "multi" / "all.dcm")
    series = only(tmp_path / "multi")

    assert (len(series.slices), series.problem, series.facts.number) == (11, None, 7)
    assert series.facts.description.startswith("t2_tse")
    read = read_volume(series)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(read), sitk.GetArrayFromImage(image))
    np.testing.assert_allclose(affine_of(read), affine_of(image), atol=1e-3)


def scale_frames(file: Path, slopes: list[float], *, shared: bool = False) -> None:
    """Give each frame of a file a slope, and an intercept of 5 times that."""
    dataset = dcmread(file)
    groups = dataset.SharedFunctionalGroupsSequence[0]
    if "PixelValueTransformationSequence" in groups:
        del groups.PixelValueTransformationSequence
    frames = [groups] if shared else dataset.PerFrameFunctionalGroupsSequence
    for frame, slope in zip(frames, slopes, strict=False):
        item = Dataset()
        item.RescaleSlope, item.RescaleIntercept, item.RescaleType = f"{slope:g}", f"{5 * slope:g}", "US"
        frame.PixelValueTransformationSequence = [item]
    dataset.save_as(file)


def test_a_rescale_without_numbers_is_none(writer: StudyWriter, tmp_path: Path) -> None:
    image = noisy()
    (tmp_path / "multi").mkdir()
    file = tmp_path / "multi" / "all.dcm"
    enhanced(writer.series(image, shuffled=True), file)
    scale_frames(file, [1.0] * 11)
    dataset = dcmread(file)
    for frame in dataset.PerFrameFunctionalGroupsSequence:
        item = frame.PixelValueTransformationSequence[0]
        del item.RescaleSlope, item.RescaleIntercept
    dataset.save_as(file)
    read = read_volume(only(tmp_path / "multi"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(read), sitk.GetArrayFromImage(image))


@pytest.mark.parametrize(
    ("slopes", "shared"),
    [
        ([1 + 0.25 * frame for frame in range(11)], False),
        ([1.3333 + 0.0007 * frame for frame in range(11)], False),
        ([0.4321] * 11, False),
        ([2.5], True),
    ],
)
def test_the_rescale_of_each_frame_counts(
    writer: StudyWriter, tmp_path: Path, slopes: list[float], shared: bool
) -> None:
    (tmp_path / "multi").mkdir()
    file = tmp_path / "multi" / "all.dcm"
    enhanced(writer.series(noisy(), shuffled=True), file)
    stored = dcmread(file).pixel_array.astype(float)
    scale_frames(file, slopes, shared=shared)
    series = only(tmp_path / "multi")

    each = np.broadcast_to(slopes, 11)[:, None, None]
    expected = (stored * each + 5 * each)[[header.frame for header in series.slices]]
    np.testing.assert_allclose(sitk.GetArrayFromImage(read_volume(series)), expected, rtol=1e-5, atol=1e-3)


@pytest.mark.fault("Bad input")
@pytest.mark.parametrize("slope", ["0 ", "x "])
def test_frames_whose_rescale_makes_no_sense_are_refused(writer: StudyWriter, tmp_path: Path, slope: str) -> None:
    (tmp_path / "multi").mkdir()
    file = tmp_path / "multi" / "all.dcm"
    enhanced(writer.series(noisy()), file)
    scale_frames(file, [7.0, *[2.0] * 10])
    head = b"\x53\x10DS\x02\x00"
    content = file.read_bytes()
    assert head + b"7 " in content
    file.write_bytes(content.replace(head + b"7 ", head + slope.encode()))
    with pytest.raises(DicomError, match="its images cannot be read"):
        read_volume(only(tmp_path / "multi"))


def test_frames_whose_rescale_cannot_be_undone_are_refused(
    writer: StudyWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "multi").mkdir()
    enhanced(writer.series(noisy()), tmp_path / "multi" / "all.dcm")
    monkeypatch.setattr(volume, "_rescales", lambda _file: ((4.0, 0.5), [(3.0, 0.0)] * 11))
    with pytest.raises(DicomError, match="its frames are scaled each in its own way; export it as single images"):
        read_volume(only(tmp_path / "multi"))


@pytest.mark.fault("Bad input")
def test_a_multi_frame_file_that_promises_too_much_is_refused(writer: StudyWriter, tmp_path: Path) -> None:
    (tmp_path / "multi").mkdir()
    enhanced(writer.series(noisy()), tmp_path / "multi" / "all.dcm")
    series = only(tmp_path / "multi")
    dataset = dcmread(tmp_path / "multi" / "all.dcm")
    dataset.NumberOfFrames = 99_999_999
    dataset.save_as(tmp_path / "multi" / "all.dcm")
    with pytest.raises(DicomError, match="its multi-frame file holds more than can be used"):
        read_volume(series)
