"""The header of a NIfTI file: what it promises, checked before anything is read for it, and what is odd about it."""

from __future__ import annotations

import logging
import math
from typing import Final

import nibabel
import numpy as np
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from napari_ddmd.case.errors import CaseError, DamagedFileError

LONGEST_HEADER: Final = int(nibabel.Nifti2Header.sizeof_hdr)
"""Bytes from the start of a file that `read_header` needs to see."""

MOST_VOXELS: Final = 2**26
"""Seven times a case of the challenge, and 512×512×256. The work on a case takes some tens of bytes a voxel."""
LONGEST_AXIS: Final = 4096
# Before the voxels stand extensions, such as a copy of the DICOM headers: some megabytes.
_FARTHEST: Final = 2**28
_AXES: Final = 3
_OTHER_UNITS: Final = {1: "metres", 3: "micrometres"}
_UNUSABLE: Final = 40  # nibabel's level of what it cannot mend by itself
_KINDS: Final[tuple[type[nibabel.Nifti1Header], ...]] = (nibabel.Nifti1Header, nibabel.Nifti2Header)
# All NIfTI files begin with the length of their header, in either byte order.
_BEGINNINGS: Final = {kind.sizeof_hdr.to_bytes(4, order) for kind in _KINDS for order in ("little", "big")}
CUT_SHORT: Final = "the file is cut short; copy or download it again"
_NOT_NIFTI: Final = "not a NIfTI file, whatever its name says; convert it to NIfTI"


def read_header(start: bytes) -> tuple[nibabel.Nifti1Header, NDArray[np.float64], list[str]]:
    """Read and check the header that a file starts with.

    Extensions are not read: nothing here needs them, they may hold the patient's data, and their own sizes can lie.

    Parameters
    ----------
    start : bytes
        The first `LONGEST_HEADER` bytes, or all that there are.

    Returns
    -------
    header : nibabel.Nifti1Header
        Of a 3-D volume of plain numbers; its data offset is where the voxels are.
    affine : (4, 4) ndarray of float64
        From voxel indices to RAS millimetres; not checked.
    remarks : list of str
        What the header has wrong although the voxels can be read.

    Raises
    ------
    CaseError
        If it is no header, damaged, or promises what is no volume of a head; the text does not name the file.
        `DamagedFileError` where the file ends too early or is no NIfTI file.
    """
    stored = _stored(start)
    if stored["dim"][0] > _AXES and (stored["dim"][_AXES + 1 : stored["dim"][0] + 1] == 1).all():
        stored["dim"][0] = _AXES  # one volume all the same
    header = stored.copy()
    if header["magic"].item() == header.pair_magic:
        raise CaseError("is the header of a pair of files (.hdr and .img); convert the pair to one NIfTI file")
    try:
        _place_voxels(header)
        header.check_fix(logger=_silent(), error_level=_UNUSABLE)
        if not 1 <= header["dim"][0] <= 7:
            raise HeaderDataError(f"it counts {int(header['dim'][0])} dimensions")
        header.get_slope_inter()
        _check_volume(stored)
        if header["sform_code"] == 0 and (stored["pixdim"][1:4] == 0).any():
            raise CaseError("the header tells no voxel size; save the image again with its spacing")
        with np.errstate(all="ignore"):
            affine = np.asarray(header.get_best_affine(), dtype=np.float64)
    except CaseError:
        raise
    except (HeaderDataError, ValueError) as error:
        raise CaseError(f"the header is damaged ({_plain(error)}); export the image again") from error
    return header, affine, _remarks(stored)


def bytes_needed(header: nibabel.Nifti1Header) -> int:
    """Tell how many bytes the file must hold, uncompressed."""
    voxels = math.prod(header.get_data_shape())
    return int(header.get_data_offset() + voxels * header.get_data_dtype().itemsize)


def _stored(start: bytes) -> nibabel.Nifti1Header:
    for kind in _KINDS:
        if kind.may_contain_header(start):
            header: nibabel.Nifti1Header = kind(start[: kind.sizeof_hdr], check=False)
            return header
    if len(start) < LONGEST_HEADER and start[:4] in _BEGINNINGS:
        raise DamagedFileError(CUT_SHORT)
    raise DamagedFileError(_NOT_NIFTI)


def _remarks(header: nibabel.Nifti1Header) -> list[str]:
    """Say what is wrong in a header that can be read, as it is stored."""
    remarks = []
    if header["sizeof_hdr"] != header.sizeof_hdr:
        remarks.append(f"the header gives its own size as {int(header['sizeof_hdr'])}, not {header.sizeof_hdr}")
    spacing = header["pixdim"][1:4]
    if not (spacing > 0).all():
        size = "×".join(f"{length:g}" for length in spacing)
        remarks.append(f"the header's voxel size is {size}; the size that its affine tells is taken")
    if not np.isfinite(header["scl_slope"]):
        remarks.append(f"the header's scale factor is {float(header['scl_slope']):g}; values are taken as stored")
    if _is_contradictory(header):
        remarks.append(
            "the header tells two orientations that contradict each other (sform and qform), so left and right may be "
            "swapped; the sform is taken: check it against another viewer"
        )
    unit = _OTHER_UNITS.get(int(header["xyzt_units"]) % 8)
    if unit is not None:
        remarks.append(f"the header measures voxels in {unit}; its numbers are taken for millimetres")
    if header["vox_offset"] == 0:
        remarks.append("the header does not tell where the voxels begin; they are taken from right behind it")
    return remarks


def _is_contradictory(header: nibabel.Nifti1Header) -> bool:
    """Whether the axes of sform and qform run in different directions."""
    if header["sform_code"] <= 0 or header["qform_code"] <= 0:
        return False
    try:
        with np.errstate(all="ignore"):
            sform, qform = header.get_sform(), header.get_qform()
            return bool(nibabel.aff2axcodes(sform) != nibabel.aff2axcodes(qform))
    except (HeaderDataError, ValueError, np.linalg.LinAlgError):
        return False  # one that is no rotation says nothing


def _place_voxels(header: nibabel.Nifti1Header) -> None:
    """See to it that the header tells where the voxels are."""
    offset = float(header["vox_offset"])
    if offset == 0:  # nibabel would take the header itself for voxels
        header.set_data_offset(header.single_vox_offset)
    elif not 0 < offset <= _FARTHEST or offset != int(offset):
        raise HeaderDataError(f"it puts the voxels at byte {offset:g}")


def _check_volume(header: nibabel.Nifti1Header) -> None:
    shape = header.get_data_shape()
    if len(shape) != 3:
        raise CaseError(f"the image is {len(shape)}-D; give one 3-D volume for each modality")
    if min(shape) < 1:
        raise CaseError("the image has no voxels; export it again")
    if max(shape) > LONGEST_AXIS or math.prod(shape) > MOST_VOXELS:
        size = "×".join(map(str, shape))
        raise CaseError(f"the header promises {size} voxels, more than can be used; crop or resample the image")
    dtype = header.get_data_dtype()
    if dtype.kind not in "iuf":
        raise CaseError("holds colours or complex numbers; save plain intensities")
    if header["bitpix"] != 8 * dtype.itemsize:
        # Either may be wrong, and with the wrong type all voxels are.
        raise HeaderDataError(f"it tells {int(header['bitpix'])} bits a voxel for numbers of type {dtype.name}")


def _silent() -> logging.Logger:
    """A logger of nobody: one line of ours has to tell everything."""
    logger = logging.Logger("header")
    logger.addHandler(logging.NullHandler())
    return logger


def _plain(error: Exception) -> str:
    return " ".join(str(error).split())[:120]
