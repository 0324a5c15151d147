"""A NIfTI header that says how an image lies, and nothing of whom it shows."""

from __future__ import annotations

from typing import Final

import nibabel
import numpy as np

_KEPT: Final = (
    "dim_info",
    "dim",
    "datatype",
    "bitpix",
    "xyzt_units",
    "cal_min",
    "cal_max",
    "qform_code",
    "sform_code",
    "quatern_b",
    "quatern_c",
    "quatern_d",
    "qoffset_x",
    "qoffset_y",
    "qoffset_z",
    "srow_x",
    "srow_y",
    "srow_z",
)
# Nothing, or millimetres, beside nothing or any unit of time.
_UNITS: Final = frozenset(space + time for space in (0, 2) for time in range(0, 56, 8))


def plain_header(header: nibabel.Nifti1Header) -> nibabel.Nifti1Header:
    """Copy the geometry, number type and display range of a header into a new one.

    All else is left behind, whatever it is: descriptions, names, extensions, and the bytes that the format keeps for
    nothing.
    """
    # Of NIfTI-1, which nibabel would make of any other as it is saved, with a remark to standard error.
    plain = nibabel.Nifti1Header(endianness=header.endianness)
    with np.errstate(all="ignore"):  # a range of display that is beyond all numbers of NIfTI-1
        for name in _KEPT:
            plain[name] = header[name]
        plain["pixdim"][:4] = header["pixdim"][:4]
        if int(header["xyzt_units"]) not in _UNITS:
            plain.set_xyzt_units("mm")  # for which its numbers are taken
    return plain
