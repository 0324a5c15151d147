"""What stands in a header, as far as `tests/case/test_broken.py` does not try it through whole cases."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest

from napari_ddmd.case import CaseError
from napari_ddmd.case.header import LONGEST_HEADER, bytes_needed, read_header
from tests.case.broken.broken import LPS, SHAPE, nifti


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("endianness", ["<", ">"])
def test_a_sound_header_tells_shape_place_and_size(version: int, endianness: str) -> None:
    content = nifti("t1", version=version, endianness=endianness, extension=bytes(32))
    header, affine, remarks = read_header(content[:LONGEST_HEADER])
    assert header.get_data_shape() == SHAPE
    assert bytes_needed(header) == len(content)
    np.testing.assert_array_equal(affine, LPS)
    assert remarks == []
    assert len(header.extensions) == 0


def test_voxels_without_a_place_come_right_behind_the_header() -> None:
    header, _, remarks = read_header(nifti("t1", fields={"vox_offset": 0}))
    assert header.get_data_offset() == 352
    assert remarks == ["the header does not tell where the voxels begin; they are taken from right behind it"]


def test_each_oddity_is_a_remark_of_its_own() -> None:
    odd = {"sizeof_hdr": 0, "pixdim[2]": -1, "scl_slope": np.nan}
    _, _, remarks = read_header(nifti("t1", fields=odd))
    assert [remark.split(" is ")[0].split(" gives ")[0] for remark in remarks] == [
        "the header",
        "the header's voxel size",
        "the header's scale factor",
    ]


@pytest.mark.fault("Bad input")
def test_two_orientations_that_contradict_each_other_are_a_remark() -> None:
    turned = nibabel.Nifti1Header()
    turned.set_qform(np.diag([-1.0, 1.0, 1.0, 1.0]) @ LPS, 1)
    fields = {f"quatern_{part}": turned[f"quatern_{part}"] for part in "bcd"} | {"pixdim[0]": turned["pixdim"][0]}
    _, affine, remarks = read_header(nifti("t1", fields=fields))
    (remark,) = remarks
    assert remark.startswith("the header tells two orientations that contradict each other")
    np.testing.assert_array_equal(affine, LPS)


@pytest.mark.parametrize("length", [0, 3])
def test_a_few_bytes_are_no_header(length: int) -> None:
    with pytest.raises(CaseError, match="not a NIfTI file"):
        read_header(nifti("t1")[:length])


@pytest.mark.parametrize("length", [4, 100, 347])
def test_the_beginning_of_a_header_is_cut_short(length: int) -> None:
    with pytest.raises(CaseError, match="the file is cut short"):
        read_header(nifti("t1")[:length])
