from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from napari_ddmd.case import CaseError
from napari_ddmd.case.nifti import open_nifti

from .conftest import LPS, SHAPE, WriteNifti, volume


@pytest.mark.parametrize("name", ["x.nii", "x.nii.gz", "X.NII", "X.NII.GZ", "x.Nii.Gz"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64])
def test_intensities_come_back_as_they_are(
    tmp_path: Path, write_nifti: WriteNifti, name: str, dtype: type[Any]
) -> None:
    data = volume("t1").clip(0, 255).astype(dtype)
    file = open_nifti(write_nifti(tmp_path / name, data))
    assert file.shape == SHAPE
    np.testing.assert_array_equal(file.affine, LPS)
    voxels = file.read_image()
    assert voxels.dtype == np.float32
    np.testing.assert_array_equal(voxels, data)


def test_nifti_2_is_read(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti2Image(volume("t1"), LPS), tmp_path / "x.nii")
    np.testing.assert_array_equal(open_nifti(tmp_path / "x.nii").read_image(), volume("t1"))


def test_a_scale_factor_is_applied(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(volume("t1"), LPS)
    image.header.set_slope_inter(0.5, 10)
    nibabel.save(image, tmp_path / "x.nii.gz")
    raw = nibabel.load(tmp_path / "x.nii.gz")
    assert raw.dataobj.slope != 1
    np.testing.assert_allclose(
        open_nifti(tmp_path / "x.nii.gz").read_image(), raw.get_fdata(dtype=np.float32), rtol=1e-6
    )


@pytest.mark.parametrize(
    ("shape", "what"), [((6, 7, 5, 2), "4-D"), ((6, 7, 5, 1, 2), "5-D"), ((6, 7), "2-D"), ((6,), "1-D")]
)
def test_only_volumes_are_taken(tmp_path: Path, write_nifti: WriteNifti, shape: tuple[int, ...], what: str) -> None:
    path = write_nifti(tmp_path / "x.nii.gz", np.ones(shape, np.int16))
    with pytest.raises(CaseError, match=rf"x\.nii\.gz: the image is {what}; give one 3-D volume"):
        open_nifti(path)


@pytest.mark.parametrize("axes", [1, 2, 4])
def test_one_volume_of_four_axes_and_more_is_a_volume(tmp_path: Path, write_nifti: WriteNifti, axes: int) -> None:
    path = write_nifti(tmp_path / "x.nii.gz", volume("t1").reshape(*SHAPE, *[1] * axes))
    np.testing.assert_array_equal(open_nifti(path).read_image(), volume("t1"))
    assert open_nifti(path).shape == SHAPE


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite(tmp_path: Path, write_nifti: WriteNifti, value: float) -> None:
    data = volume("t1").astype(np.float32)
    data[1, 2, 3] = value
    with pytest.raises(CaseError, match=r"x\.nii: holds NaN or infinite values; [^\n]+$"):
        open_nifti(write_nifti(tmp_path / "x.nii", data)).read_image()


def test_a_number_too_large_for_single_precision(tmp_path: Path, write_nifti: WriteNifti) -> None:
    data = np.full(SHAPE, 1e300)
    with pytest.raises(CaseError, match="NaN or infinite"):
        open_nifti(write_nifti(tmp_path / "x.nii", data)).read_image()


def test_an_image_of_zeros(tmp_path: Path, write_nifti: WriteNifti) -> None:
    with pytest.raises(CaseError, match=r"x\.nii\.gz: all voxels are zero"):
        open_nifti(write_nifti(tmp_path / "x.nii.gz", np.zeros(SHAPE, np.int16))).read_image()


def test_colours_are_refused(tmp_path: Path, write_nifti: WriteNifti) -> None:
    colours = np.zeros(SHAPE, dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    with pytest.raises(CaseError, match="holds colours or complex numbers"):
        open_nifti(write_nifti(tmp_path / "x.nii", colours))
    with pytest.raises(CaseError, match="holds colours or complex numbers"):
        open_nifti(write_nifti(tmp_path / "y.nii", np.ones(SHAPE, np.complex64)))


def test_a_plain_file_that_ends_early_is_seen_before_it_is_read(tmp_path: Path, write_nifti: WriteNifti) -> None:
    path = write_nifti(tmp_path / "x.nii", volume("t1"))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CaseError, match=r"x\.nii: the file is cut short; copy or download it again"):
        open_nifti(path).read_image()
    path.write_bytes(path.read_bytes()[:400])
    with pytest.raises(CaseError, match="cut short"):
        open_nifti(path)


def test_a_compressed_file_that_ends_early(tmp_path: Path, write_nifti: WriteNifti) -> None:
    rng = np.random.default_rng(0)
    path = write_nifti(tmp_path / "x.nii.gz", rng.integers(0, 9999, (40, 40, 40), dtype=np.int16))
    raw = path.read_bytes()
    for share in (0.99, 0.5, 0.1):
        path.write_bytes(raw[: int(share * len(raw))])
        with pytest.raises(CaseError, match=r"x\.nii\.gz: the file is cut short"):
            open_nifti(path).read_image()
    for length in (1, 5, 15, 40):
        path.write_bytes(raw[:length])
        with pytest.raises(CaseError, match=r"^[^\n]*x\.nii\.gz: [^\n]*$"):
            open_nifti(path)


def test_a_compressed_stub_is_seen_before_it_is_read(tmp_path: Path, write_nifti: WriteNifti) -> None:
    path = write_nifti(tmp_path / "x.nii.gz", np.ones((200, 200, 200), np.int16))
    whole = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(whole[:1000], mtime=0))
    with pytest.raises(CaseError, match="cut short"):
        open_nifti(path)


def test_a_stream_that_is_whole_but_holds_too_little(tmp_path: Path, write_nifti: WriteNifti) -> None:
    path = write_nifti(tmp_path / "x.nii.gz", volume("t1"))
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-10], mtime=0))
    with pytest.raises(CaseError, match="cut short"):
        open_nifti(path).read_image()


def test_a_flipped_bit_is_noticed(tmp_path: Path, write_nifti: WriteNifti) -> None:
    rng = np.random.default_rng(0)
    path = write_nifti(tmp_path / "x.nii.gz", rng.integers(0, 9999, (30, 30, 30), dtype=np.int16))
    raw = bytearray(path.read_bytes())
    for position in np.linspace(len(raw) // 2, len(raw) - 9, 10, dtype=int):
        damaged = raw.copy()
        damaged[position] ^= 4
        path.write_bytes(damaged)
        with pytest.raises(CaseError, match=r"x\.nii\.gz: (the compressed data is damaged|the file is cut)"):
            open_nifti(path).read_image()


@pytest.mark.parametrize("name", ["x.nii", "x.nii.gz"])
@pytest.mark.parametrize(
    "content",
    [b"hello", b"version https://git-lfs.github.com/spec/v1\n" * 20, bytes(400), gzip.compress(b"a" * 500)],
    ids=["short", "git-lfs pointer", "zeros", "gzip of text"],
)
def test_files_that_are_no_nifti(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CaseError, match=rf"{name}: (not a NIfTI file|the compressed data is damaged)") as caught:
        open_nifti(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_an_empty_and_an_absent_file(tmp_path: Path) -> None:
    (tmp_path / "x.nii").touch()
    with pytest.raises(CaseError, match=r"x\.nii: the file is empty"):
        open_nifti(tmp_path / "x.nii")
    with pytest.raises(CaseError, match=r"y\.nii: no such file"):
        open_nifti(tmp_path / "y.nii")
    (tmp_path / "z.nii").mkdir()
    with pytest.raises(CaseError, match=r"z\.nii: not a file that can be read \(a folder,"):
        open_nifti(tmp_path / "z.nii")


def test_a_damaged_header_is_told_in_one_line_only(
    tmp_path: Path, write_nifti: WriteNifti, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_nifti(tmp_path / "x.nii", volume("t1"))
    raw = bytearray(path.read_bytes())
    raw[70:72] = (999).to_bytes(2, "little")  # datatype: a code that does not exist
    path.write_bytes(raw)
    with pytest.raises(CaseError, match=r"x\.nii: the header is damaged \(data code 999 not recognized\); export"):
        open_nifti(path)
    assert caplog.records == []


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int16, np.uint16, np.int64, np.float32, np.float64])
def test_labels_of_any_number_type(tmp_path: Path, dtype: type[Any]) -> None:
    data = (np.arange(np.prod(SHAPE)).reshape(SHAPE) % 5).astype(dtype)
    nibabel.save(nibabel.Nifti1Image(data, LPS, dtype=dtype), tmp_path / "seg.nii.gz")
    labels = open_nifti(tmp_path / "seg.nii.gz").read_labels()
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, data)


def test_labels_that_went_through_a_scale_factor(tmp_path: Path) -> None:
    data = (np.arange(np.prod(SHAPE)).reshape(SHAPE) % 5).astype(np.float64)
    image = nibabel.Nifti1Image(data, LPS)
    image.set_data_dtype(np.int16)
    nibabel.save(image, tmp_path / "seg.nii")
    assert nibabel.load(tmp_path / "seg.nii").dataobj.slope != 1
    np.testing.assert_array_equal(open_nifti(tmp_path / "seg.nii").read_labels(), data)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (0.5, "values that are no labels"),
        (np.nan, "values that are no labels"),
        (np.inf, "values that are no labels"),
        (5, "label 5"),
        (-1, "label -1"),
        (255, "label 255"),
        (260, "label 260"),
    ],
)
def test_values_that_are_no_labels(tmp_path: Path, write_nifti: WriteNifti, value: float, message: str) -> None:
    data = np.ones(SHAPE, np.float32)
    data[2, 2, 2] = value
    with pytest.raises(CaseError, match=rf"seg\.nii: holds {message}; give .* 0 to 4"):
        open_nifti(write_nifti(tmp_path / "seg.nii", data)).read_labels()


def test_a_mask_without_a_lesion_is_a_mask(tmp_path: Path, write_nifti: WriteNifti) -> None:
    path = write_nifti(tmp_path / "seg.nii", np.zeros(SHAPE, np.uint8))
    assert not open_nifti(path).read_labels().any()


def test_an_oblique_file_is_named(tmp_path: Path, write_nifti: WriteNifti) -> None:
    tilted = LPS.copy()
    tilted[1, 2] = 0.3
    with pytest.raises(CaseError, match=r"x\.nii: the image is oblique"):
        open_nifti(write_nifti(tmp_path / "x.nii", volume("t1"), tilted)).grid()
