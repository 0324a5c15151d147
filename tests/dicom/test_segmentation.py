from __future__ import annotations

import copy
import dataclasses
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom import Dataset, config, dcmread

import napari_ddmd
from napari_ddmd.case import MODALITIES, Case
from napari_ddmd.dicom import DicomError, accepted, find_study, propose
from napari_ddmd.dicom.hushed import hushed
from napari_ddmd.dicom.load import load_study
from napari_ddmd.dicom.origin import origin_of
from napari_ddmd.dicom.segmentation import lesions_lost, on_series, write_segmentation
from napari_ddmd.saveable import Saveable
from napari_ddmd.viewer.saving import KINDS, remarks_on, save_results
from napari_ddmd.whole_files import ExportError
from tests.dicom.studies import DESCRIPTIONS, PATIENT, SEQUENCES, StudyWriter, flat
from tests.dicom.test_volume import enhanced


def load(folder: Path) -> Case:
    return load_study(accepted(propose(find_study(folder))))


@pytest.fixture
def case(writer: StudyWriter) -> Case:
    """A case on the study's own slices, 12 of 14×12 voxels."""
    writer.four(dict.fromkeys(MODALITIES, flat(spacing=1)), shuffled=True)
    return load(writer.folder)


def scattered(shape: tuple[int, ...]) -> NDArray[np.bool_]:
    mask = np.random.default_rng(0).random(shape) < 0.1
    mask[[0, 5]] = False  # slices without lesion are left out
    return mask


def read_back(file: Path, case: Case) -> NDArray[np.bool_]:
    """The mask of a segmentation ``(S, H, W)``, from the places that its frames give, with pydicom alone."""
    dataset = dcmread(file)
    origin = origin_of(case)
    assert origin is not None
    series = origin.reference_series
    pixels = dataset.pixel_array.reshape(-1, *series.size[1::-1])
    mask = np.zeros(series.size[::-1], dtype=bool)
    places = [header.position for header in series.slices]
    for frame, group in zip(pixels, dataset.PerFrameFunctionalGroupsSequence, strict=True):
        place = [float(x) for x in group.PlanePositionSequence[0].ImagePositionPatient]
        mask[int(np.linalg.norm(np.subtract(places, place), axis=1).argmin())] = frame > 0
    return mask


def test_the_mask_comes_back_exactly(case: Case, tmp_path: Path) -> None:
    mask = scattered(case.grid.shape)
    file = write_segmentation(tmp_path / "mask.dcm", mask, case)
    np.testing.assert_array_equal(read_back(file, case), mask)

    segmentation = hd.seg.segread(file)
    assert segmentation.NumberOfFrames == 10
    volume = segmentation.get_volume(combine_segments=True)  # from the first slice with lesion on
    upwards = volume.array if volume.affine[2, 0] > 0 else volume.array[::-1]
    np.testing.assert_array_equal(upwards, mask[1:])


def placed(image: sitk.Image) -> NDArray[np.float64]:
    """Where the voxels above 0 lie, in millimetres, in a fixed order."""
    indices = np.argwhere(sitk.GetArrayFromImage(image) > 0)[:, ::-1]
    places = np.round([image.TransformIndexToPhysicalPoint(index.tolist()) for index in indices], 3)
    return places[np.lexsort(places.T)]


@pytest.mark.parametrize(
    "direction",
    [(1, 0, 0, 0, 1, 0, 0, 0, 1), (0, 0, 1, 1, 0, 0, 0, 1, 0), (-1, 0, 0, 0, 0, -1, 0, -1, 0)],
    ids=["axial", "sagittal", "coronal"],
)
def test_the_reader_of_3d_slicer_puts_every_voxel_where_it_lies(
    writer: StudyWriter, tmp_path: Path, direction: tuple[int, ...]
) -> None:
    """Its extension QuantitativeReporting opens segmentations with this program."""
    dcmqi = pytest.importorskip("dcmqi", reason="dcmqi has no wheel for this system", exc_type=ModuleNotFoundError)
    image = flat(spacing=1)
    image.SetDirection(direction)
    writer.four(dict.fromkeys(MODALITIES, image))
    case = load(writer.folder)
    mask = scattered(case.grid.shape)
    file = write_segmentation(tmp_path / "mask.dcm", mask, case)
    wanted = sitk.GetImageFromArray(case.grid.to_source(mask).transpose(2, 1, 0).astype(np.uint8))
    wanted.CopyInformation(image)

    program = Path(dcmqi.__file__).parent / "bin" / "segimage2itkimage"
    order = [str(program), "--inputDICOM", str(file), "--outputDirectory", str(tmp_path), "--outputType", "nrrd"]
    told = subprocess.run(order, capture_output=True, text=True, check=True, timeout=60)
    assert "E: " not in told.stderr
    np.testing.assert_array_equal(placed(sitk.ReadImage(tmp_path / "1.nrrd")), placed(wanted))
    segment = json.loads((tmp_path / "meta.json").read_text(encoding="utf-8"))["segmentAttributes"][0][0]
    assert segment["SegmentLabel"] == "Lesion"
    assert segment["recommendedDisplayRGBValue"] == pytest.approx([255, 210, 63], abs=2)


@pytest.mark.parametrize("direction", [(0, 0, 1, 1, 0, 0, 0, 1, 0), (-1, 0, 0, 0, 0, -1, 0, -1, 0)])
def test_the_mask_comes_back_from_other_planes(writer: StudyWriter, tmp_path: Path, direction: tuple[int, ...]) -> None:
    image = flat(spacing=1)
    image.SetDirection(direction)
    writer.four(dict.fromkeys(MODALITIES, image))
    case = load(writer.folder)
    mask = np.random.default_rng(0).random(case.grid.shape) < 0.1
    file = write_segmentation(tmp_path / "mask.dcm", mask, case)
    # (column, row, slice) of the series is the source order of the case's grid.
    np.testing.assert_array_equal(case.grid.to_axial(read_back(file, case).transpose(2, 1, 0)), mask)


def test_it_says_what_it_is(case: Case, tmp_path: Path) -> None:
    mask = scattered(case.grid.shape)
    for made in ("MANUAL", "AUTOMATIC", "SEMIAUTOMATIC"):
        segmentation = hd.seg.segread(write_segmentation(tmp_path / "mask.dcm", mask, case, made=made))
        (about,) = segmentation.SegmentSequence
        assert about.SegmentAlgorithmType == made
        assert ("SegmentationAlgorithmIdentificationSequence" in about) == (made != "MANUAL")
    assert about.SegmentLabel == "Lesion"
    assert about.SegmentedPropertyTypeCodeSequence[0].CodeValue == "52988006"
    assert about.SegmentedPropertyCategoryCodeSequence[0].CodeValue == "49755003"
    assert about.AnatomicRegionSequence[0].CodeValue == "12738006"
    (algorithm,) = about.SegmentationAlgorithmIdentificationSequence
    assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == ("napari-ddmd", napari_ddmd.__version__)
    origin = origin_of(case)
    assert origin is not None
    source = dcmread(origin.reference_series.slices[0].file)
    for name in ("StudyInstanceUID", "FrameOfReferenceUID", "PatientID", "PatientName", "StudyDate"):
        assert segmentation[name].value == source[name].value
    assert segmentation.SeriesInstanceUID != source.SeriesInstanceUID
    assert segmentation.PatientName == PATIENT
    referenced = {item.ReferencedSOPInstanceUID for item in segmentation.ReferencedSeriesSequence[0][(0x8, 0x114A)]}
    assert referenced <= {header.uid for header in origin.reference_series.slices}


def test_a_mask_of_a_resampled_case_goes_back_to_the_slices(
    mixed_case: Case, mixed_images: dict[str, sitk.Image], tmp_path: Path
) -> None:
    """A ball that is known in space must be the same ball on the oblique slices of the reference."""
    case = mixed_case
    reference = mixed_images["t1ce"]
    centre = np.array(reference.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in reference.GetSize()]))
    centre += (11, -14, 6)

    def ball(affine: NDArray[np.float64], shape: tuple[int, ...], middle: NDArray[np.float64]) -> NDArray[np.bool_]:
        points = np.stack(np.indices(shape), axis=-1) @ affine[:3, :3].T + affine[:3, 3]
        return np.asarray(np.linalg.norm(points - middle, axis=-1) < 14)

    mask = ball(case.grid.axial_affine, case.grid.shape, centre * (-1, -1, 1))
    file = write_segmentation(tmp_path / "mask.dcm", mask, case)
    found = read_back(file, case)
    origin = origin_of(case)
    assert origin is not None
    series = origin.reference_series
    expected = ball(series.affine, series.size, centre).transpose(2, 1, 0)
    assert 2 * (found & expected).sum() / (found.sum() + expected.sum()) > 0.95
    np.testing.assert_array_equal(found, on_series(mask, case, series))
    volume = mask.sum() / 1000
    assert found.sum() * np.prod(series.spacing) / 1000 == pytest.approx(volume, rel=0.1)


def test_a_multi_frame_source_is_referred_to(writer: StudyWriter, tmp_path: Path) -> None:
    (tmp_path / "multi").mkdir()
    for modality in MODALITIES:
        place = writer.series(flat(spacing=1), DESCRIPTIONS[modality], shuffled=True, **SEQUENCES[modality])
        enhanced(place, tmp_path / "multi" / modality)
    # Series converted alike have one number; the words still tell them apart.
    case = load(tmp_path / "multi")
    mask = scattered(case.grid.shape)
    file = write_segmentation(tmp_path / "mask.dcm", mask, case)
    np.testing.assert_array_equal(read_back(file, case), mask)
    # The header of such a file names other classes, but the voxels are those of the series.
    assert hd.seg.segread(file).NumberOfFrames == 10


def with_second_echo(file: Path) -> None:
    """Have each frame of a file come twice, the second time at another echo time."""
    dataset = dcmread(file)
    frames, pixels = list(dataset.PerFrameFunctionalGroupsSequence), dataset.pixel_array
    shared = dataset.SharedFunctionalGroupsSequence[0]
    for name in ("MREchoSequence", "UnassignedSharedConvertedAttributesSequence"):
        if name in shared:
            del shared[name]
    doubled = [copy.deepcopy(frame) for frame in frames for _echo in range(2)]
    for number, frame in enumerate(doubled):
        item = Dataset()
        item.EffectiveEchoTime = 9.0 + 100 * (number % 2)
        frame.MREchoSequence = [item]
    dataset.PerFrameFunctionalGroupsSequence = doubled
    dataset.PixelData = np.repeat(pixels, 2, axis=0).tobytes()
    dataset.NumberOfFrames = len(doubled)
    dataset.save_as(file)


@pytest.mark.parametrize("echo", [0, 1])
def test_one_echo_of_a_multi_frame_file_is_referred_to(writer: StudyWriter, tmp_path: Path, echo: int) -> None:
    (tmp_path / "multi").mkdir()
    chosen = {}
    for modality in MODALITIES:
        place = writer.series(flat(spacing=1), DESCRIPTIONS[modality], shuffled=True, **SEQUENCES[modality])
        source = tmp_path / "multi" / modality
        enhanced(place, source)
        with_second_echo(source)
    for series in find_study(tmp_path / "multi").series:
        if series.slices[0].frame is not None and series.slices[0].frame % 2 == echo:
            chosen[series.slices[0].file.name] = series
    case = load_study(chosen)
    mask = scattered(case.grid.shape)
    file = write_segmentation(tmp_path / "mask.dcm", mask, case)
    np.testing.assert_array_equal(read_back(file, case), mask)

    origin = origin_of(case)
    assert origin is not None
    frames = dcmread(origin.reference_series.slices[0].file).PerFrameFunctionalGroupsSequence
    for group in dcmread(file).PerFrameFunctionalGroupsSequence:
        number = group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber
        assert (number - 1) % 2 == echo
        here, there = (item.PlanePositionSequence[0] for item in (group, frames[number - 1]))
        assert here.ImagePositionPatient == there.ImagePositionPatient


def test_anonymised_studies_that_lack_attributes_are_taken(writer: StudyWriter, tmp_path: Path) -> None:
    without = dict.fromkeys(("PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyTime"))
    writer.four(dict.fromkeys(MODALITIES, flat(spacing=1)), **without)
    case = load(writer.folder)
    file = write_segmentation(tmp_path / "mask.dcm", scattered(case.grid.shape), case)
    assert not hd.seg.segread(file).PatientSex


UNUSUAL = {
    "a year": {"PatientBirthDate": "1970"},
    "dashes": {"PatientBirthDate": "1970-01-02", "StudyDate": "2020-03-04"},
    "colons": {"StudyTime": "05:06:07"},
    "a word": {"PatientSex": "Female"},
    "no set": {"SpecificCharacterSet": ""},
    "two sets": {"SpecificCharacterSet": ["ISO_IR 100", "ISO 2022 IR 87"]},
    "another and UTF-8": {"SpecificCharacterSet": ["ISO_IR 100", "ISO_IR 192"], "PatientName": "Müller^Jörg"},
    "plain and UTF-8": {"SpecificCharacterSet": ["", "ISO_IR 192"]},
    "plain by name and UTF-8": {"SpecificCharacterSet": ["ISO 2022 IR 6", "ISO_IR 192"]},
    "UTF-8 and another": {"SpecificCharacterSet": ["ISO_IR 192", "ISO_IR 100"], "PatientName": "Müller^Jörg"},
    "Japanese": {"SpecificCharacterSet": ["", "ISO 2022 IR 87"], "PatientName": "Yamada^Tarou=山田^太郎"},
    "Korean": {"SpecificCharacterSet": ["", "ISO 2022 IR 149"], "PatientName": "Hong^Gildong=洪^吉洞=홍^길동"},
    "Chinese": {"SpecificCharacterSet": ["", "ISO 2022 IR 58"], "PatientName": "Wang^XiaoDong=王^小东"},
    "Chinese, alone": {"SpecificCharacterSet": "GB18030", "PatientName": "Wang^XiaoDong=王^小东"},
    "one that is for several": {"SpecificCharacterSet": "ISO 2022 IR 100", "PatientName": "Müller^Jörg"},
    "plain, by name": {"SpecificCharacterSet": "ISO 2022 IR 6"},
    "none that there is": {"SpecificCharacterSet": ["", "LATIN1"]},
}


@pytest.mark.parametrize("tags", UNUSUAL.values(), ids=UNUSUAL.keys())
def test_headers_that_the_standard_does_not_know_are_taken(
    writer: StudyWriter, tmp_path: Path, tags: dict[str, Any]
) -> None:
    with hushed(), config.disable_value_validation():
        writer.four(dict.fromkeys(MODALITIES, flat(spacing=1)), **tags)
    case = load(writer.folder)
    mask = scattered(case.grid.shape)
    file = write_segmentation(tmp_path / "mask.dcm", mask, case)

    np.testing.assert_array_equal(read_back(file, case), mask)
    written = dcmread(file)
    assert not any(written.get(name) for name in tags if name.startswith(("PatientB", "PatientS", "Study")))
    with hushed():
        name = str(dcmread(next(writer.folder.rglob("IM0001"))).PatientName)
    assert str(written.PatientName) == name


def test_a_broken_header_that_nobody_needs_is_passed_over(writer: StudyWriter, tmp_path: Path) -> None:
    writer.four(
        dict.fromkeys(MODALITIES, flat(spacing=1)), SpecificCharacterSet="ISO_IR 100", PatientName="Müller^Jörg"
    )
    for file in writer.folder.rglob("IM*"):
        dataset = dcmread(file)
        dataset.private_block(0x0019, "OURS", create=True).add_new(0x12, "UN", b"abcd")
        dataset.save_as(file)
        content = file.read_bytes()
        place = content.index(b"\x19\x00\x12\x10UN")  # four bytes are no whole number of doubles
        file.write_bytes(content[:place] + b"\x19\x00\x12\x10FD\x04\x00abcd" + content[place + 16 :])
    case = load(writer.folder)
    mask = scattered(case.grid.shape)
    file = write_segmentation(tmp_path / "m.dcm", mask, case)
    np.testing.assert_array_equal(read_back(file, case), mask)
    assert str(dcmread(file).PatientName) == "Müller^Jörg"


def test_slices_that_differ_in_the_last_digit_are_taken(writer: StudyWriter, tmp_path: Path) -> None:
    writer.four(dict.fromkeys(MODALITIES, flat(spacing=1)))
    for file in sorted(writer.folder.rglob("IM0003")):
        dataset = dcmread(file)
        dataset.ImageOrientationPatient = [1, 1e-6, 0, 0, 1, 0]
        dataset.save_as(file)
    case = load(writer.folder)
    mask = scattered(case.grid.shape)
    np.testing.assert_array_equal(read_back(write_segmentation(tmp_path / "m.dcm", mask, case), case), mask)


@pytest.mark.parametrize("uid", [None, ""])
def test_without_a_frame_of_reference_it_is_refused_and_not_offered(
    writer: StudyWriter, tmp_path: Path, uid: str | None
) -> None:
    writer.four(dict.fromkeys(MODALITIES, flat(spacing=1)), FrameOfReferenceUID=uid)
    case = load(writer.folder)
    mask = scattered(case.grid.shape)
    with pytest.raises(DicomError, match=r"names no frame of reference, .*; save the mask as NIfTI instead$"):
        write_segmentation(tmp_path / "mask.dcm", mask, case)
    assert KINDS["segmentation"].names(Saveable(case=case, mask=mask.astype(np.uint8))) == []
    assert list(tmp_path.glob("*.dcm")) == []


def test_what_highdicom_does_not_take_is_one_line_without_its_words(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> None:
        raise ValueError(f"Unable to convert {PATIENT}")

    monkeypatch.setattr(hd.seg, "Segmentation", refuse)
    with pytest.raises(DicomError, match=r"headers of series 2 .* are not what the standard wants; save") as told:
        write_segmentation(tmp_path / "mask.dcm", scattered(case.grid.shape), case)
    assert PATIENT not in str(told.value)


def test_a_multi_frame_file_that_was_changed_is_refused(writer: StudyWriter, tmp_path: Path) -> None:
    (tmp_path / "multi").mkdir()
    for modality in MODALITIES:
        place = writer.series(flat(spacing=1), DESCRIPTIONS[modality], **SEQUENCES[modality])
        enhanced(place, tmp_path / "multi" / modality)
    case = load(tmp_path / "multi")
    shutil.copy(tmp_path / "multi" / "t2", tmp_path / "multi" / "t1ce")
    with pytest.raises(DicomError, match="have changed since they were read"):
        write_segmentation(tmp_path / "mask.dcm", scattered(case.grid.shape), case)


def test_what_cannot_be_written_is_refused(case: Case, small_case: Case, tmp_path: Path) -> None:
    file = tmp_path / "mask.dcm"
    with pytest.raises(DicomError, match=r"mask.dcm: the mask holds no lesion"):
        write_segmentation(file, np.zeros(case.grid.shape, np.uint8), case)
    with pytest.raises(DicomError, match="Small_001 was not opened from DICOM"):
        write_segmentation(file, np.ones(small_case.grid.shape), small_case)
    with pytest.raises(ValueError, match="the mask is"):
        write_segmentation(file, np.ones((3, 3, 3)), case)
    with pytest.raises(ExportError, match="cannot be written"):
        write_segmentation(tmp_path / "nowhere" / "mask.dcm", scattered(case.grid.shape), case)
    origin = origin_of(case)
    assert origin is not None
    place = origin.reference_series.slices[0].file
    shutil.copy(origin.reference_series.slices[1].file, place)
    with pytest.raises(DicomError, match="have changed since they were read"):
        write_segmentation(file, scattered(case.grid.shape), case)
    place.unlink()
    with pytest.raises(DicomError, match="cannot be read again"):
        write_segmentation(file, scattered(case.grid.shape), case)
    assert list(tmp_path.glob("*.dcm")) == []
    assert list(tmp_path.glob(".saving-*")) == []


def test_other_images_of_the_layers_keep_the_origin(case: Case, tmp_path: Path) -> None:
    copied = dataclasses.replace(case, images=case.images.copy())
    assert write_segmentation(tmp_path / "m.dcm", scattered(case.grid.shape), copied).is_file()


@pytest.fixture
def thick_case(writer: StudyWriter) -> Case:
    """A case on slices of 1 mm whose study has 12 of 5.5 mm."""
    image = flat((20, 20, 12))
    image.SetSpacing((1, 1, 5.5))
    writer.four(dict.fromkeys(MODALITIES, image))
    return load(writer.folder)


def test_lesions_that_fall_between_the_slices_are_told(thick_case: Case) -> None:
    mask = np.zeros(thick_case.grid.shape, np.uint8)
    mask[20:36, 4:16, 4:16] = 1
    assert lesions_lost(mask, thick_case) == ""
    origin = origin_of(thick_case)
    assert origin is not None
    places = range(40, 60)

    def lost(place: int) -> NDArray[np.uint8]:
        more = mask.copy()
        more[place : place + 4, 4:10, 4:10] = 1
        return more

    holds = [on_series(lost(place) > mask, thick_case, origin.reference_series).any() for place in places]
    assert set(holds) == {True, False}
    for place, is_held in zip(places, holds, strict=True):
        told = lesions_lost(lost(place), thick_case)
        assert bool(told) != is_held
    content = Saveable(case=thick_case, mask=lost(places[holds.index(False)]))
    assert remarks_on(["mask"], content) == []
    (told,) = remarks_on(["mask", "segmentation"], content)
    assert told == (
        "of 2 lesions (2.45 mL) the DICOM segmentation on slices of 5.5 mm holds 1 (2.38 mL): "
        "the others lie between the slices"
    )


def test_a_case_of_files_loses_none(small_case: Case) -> None:
    assert lesions_lost(np.ones(small_case.grid.shape), small_case) == ""


def test_save_offers_it_for_a_case_of_a_study_alone(mixed_case: Case, small_case: Case, tmp_path: Path) -> None:
    kind = KINDS["segmentation"]
    mask = np.zeros(mixed_case.grid.shape, np.uint8)
    assert kind.names(Saveable(case=mixed_case, mask=mask)) == []
    s, h, w = (length // 2 for length in mask.shape)
    mask[s - 5 : s + 5, h - 5 : h + 5, w - 5 : w + 5] = 1
    assert kind.names(Saveable(case=small_case, mask=np.ones(small_case.grid.shape, np.uint8))) == []
    (file,) = save_results(tmp_path, ["segmentation"], Saveable(case=mixed_case, mask=mask))
    assert file.name == f"{mixed_case.name}_seg.dcm"
    assert file.stat().st_size > 0
