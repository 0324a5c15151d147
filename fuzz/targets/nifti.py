"""A NIfTI file as an image and as a mask: plain, as a stream of gzip, or well packed."""

from __future__ import annotations

import gzip
import tempfile
import warnings
from pathlib import Path
from random import Random
from typing import Any, Literal

import nibabel
import numpy as np

from fuzz.expect import refusal
from fuzz.mutate import changed_header
from napari_ddmd.case import AxialGrid, CaseError, CaseWarning, load_mask
from napari_ddmd.case.nifti import open_nifti

LONGEST = 4096

_SHAPE = (4, 5, 3)
_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_GRID = AxialGrid.from_affine(_LPS, _SHAPE)
_PLAIN, _STREAM, _PACKED = range(3)
_FOLDER = tempfile.TemporaryDirectory(prefix="fuzz-")
_FILES = {kind: Path(_FOLDER.name) / f"x.nii{'' if kind == _PLAIN else '.gz'}" for kind in (_PLAIN, _STREAM, _PACKED)}


def seeds() -> list[bytes]:
    """Images of several number types, byte orders and versions, and in each packing."""
    images = [
        _image("int16"),
        _image("float32"),
        _image("uint8", scale=(2.0, 1.0)),
        _image("int16", endianness=">"),
        _image("float64", kind=nibabel.Nifti2Header),
        _image("int16", sform=0),
    ]
    contents = [bytes([_PLAIN]) + image for image in images]
    contents += [bytes([_PACKED]) + image for image in images[:2]]
    return [*contents, bytes([_STREAM]) + gzip.compress(images[0], mtime=0)]


def run(data: bytes) -> None:
    """Read an input in all ways in which files are read."""
    kind = data[0] % 3 if data else _PLAIN
    content = data[1:]
    file = _FILES[kind]
    file.write_bytes(gzip.compress(content, 1) if kind == _PACKED else content)
    with refusal(CaseError):
        image = open_nifti(file)
        image.grid()
        assert np.isfinite(image.read_image()).all()
    with refusal(CaseError):
        open_nifti(file).read_labels()
    with refusal(CaseError):
        warnings.simplefilter("ignore", CaseWarning)
        mask = load_mask(file, _GRID)
        assert mask.shape == _GRID.shape
        assert mask.max() <= 4


def mutate(data: bytes, random: Random) -> bytes:
    """Change header fields, or the packing."""
    if random.random() < 0.05:
        return bytes([random.randrange(3)]) + data[1:]
    return data[:1] + changed_header(data[1:], random)


def _image(
    dtype: str,
    *,
    kind: type[Any] = nibabel.Nifti1Header,
    endianness: Literal["<", ">"] = "<",
    scale: tuple[float, float] = (1, 0),
    sform: int = 1,
) -> bytes:
    header = kind(endianness=endianness)
    header.set_data_dtype(dtype)
    header.set_data_shape(_SHAPE)
    header.set_qform(_LPS, 1)
    header.set_sform(_LPS, sform)
    header["scl_slope"], header["scl_inter"] = scale
    header["vox_offset"] = header.single_vox_offset
    numbers = (np.arange(np.prod(_SHAPE)) % 3).astype(np.dtype(dtype).newbyteorder(endianness))
    return bytes(header.structarr.tobytes()) + bytes(4) + numbers.tobytes()
