"""What a broken case is, and the healthy one that it is made from."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from napari_ddmd.case import MODALITIES

KINDS = (*MODALITIES, "seg")
SHAPE = (6, 7, 5)
LPS = np.array([[-1.0, 0, 0, 0], [0, -1, 0, 6], [0, 0, 1, 0], [0, 0, 0, 1]])
NAME = "Broken_001"


@dataclass(frozen=True)
class Broken:
    """A case with a fault.

    Attributes
    ----------
    name
        What is wrong; names the test.
    write
        Writes the case into an empty folder, and gives what the command line is to be called with.
    refused
        Pattern of the one line that refuses it; without it the case is read as the healthy one is.
    warned
        Pattern of the warning that comes with the right result; without both there is nothing to say.
    """

    name: str
    write: Callable[[Path], Path]
    refused: str | None = None
    warned: str | None = None


def voxels(kind: str, shape: tuple[int, ...] = SHAPE) -> NDArray[np.int16]:
    """Intensities that tell the modality, so that a mix-up shows; the mask's are 0 to 2."""
    count = np.arange(np.prod(shape)).reshape(shape)
    if kind == "seg":
        return (count % 3).astype(np.int16)
    channel = MODALITIES.index(kind)
    return (count * (channel + 1) % 211 + 100 * (channel + 1)).astype(np.int16)


def nifti(
    kind: str,
    data: NDArray[Any] | None = None,
    affine: NDArray[Any] | None = LPS,
    *,
    fields: Mapping[str, Any] | None = None,
    endianness: str = "<",
    version: int = 1,
    extension: bytes = b"",
) -> bytes:
    """A file as bytes, made field by field: libraries refuse to write what is wrong.

    `fields` replaces header fields as they are; a name such as ``"dim[3]"`` replaces one element.
    """
    data = voxels(kind) if data is None else data
    header = (nibabel.Nifti1Header if version == 1 else nibabel.Nifti2Header)(endianness=endianness)
    header.set_data_dtype(data.dtype)
    header.set_data_shape(data.shape)
    if affine is not None:
        header.set_sform(affine, 1)
        header.set_qform(affine, 1)
    header["scl_slope"], header["scl_inter"] = 1, 0
    header["vox_offset"] = header.single_vox_offset + len(extension)
    stored = header.structarr
    for field, value in (fields or {}).items():
        name, _, index = field.rstrip("]").partition("[")
        with np.errstate(over="ignore"):
            if index:
                stored[name][int(index)] = value
            else:
                stored[name] = value
    follows = b"\1\0\0\0" if extension else bytes(4)
    numbers = data.astype(data.dtype.newbyteorder(endianness)).tobytes("F")
    return bytes(stored.tobytes()) + follows + extension + numbers


def packed(content: bytes) -> bytes:
    """Gzip without a date, so that the same bytes come out each time."""
    return gzip.compress(content, mtime=0)


def write_healthy(folder: Path, name: str = NAME, ending: str = ".nii.gz", but: Iterable[str] = ()) -> Path:
    """Write the healthy case into `folder/name`, all but some kinds of its files."""
    case = folder / name
    case.mkdir(parents=True)
    for kind in KINDS:
        if kind not in but:
            content = nifti(kind)
            (case / f"{name}_{kind}{ending}").write_bytes(packed(content) if ending.endswith(".gz") else content)
    return case


def with_file(kind: str, content: Callable[[], bytes], ending: str = ".nii.gz") -> Callable[[Path], Path]:
    """A writer of a healthy case, one file of which is replaced."""

    def write(folder: Path) -> Path:
        case = write_healthy(folder, but=(kind,))
        (case / f"{NAME}_{kind}{ending}").write_bytes(content())
        return case

    return write


def with_files(content: Callable[[str], bytes], ending: str = ".nii.gz") -> Callable[[Path], Path]:
    """A writer of a case, all files of which are made by `content`."""

    def write(folder: Path) -> Path:
        case = folder / NAME
        case.mkdir()
        for kind in KINDS:
            (case / f"{NAME}_{kind}{ending}").write_bytes(content(kind))
        return case

    return write


def in_turn(number: int) -> str:
    """A kind of file, another for each number: every fault need not be tried in every file."""
    return KINDS[number % len(KINDS)]


def edited(kind: str, ending: str, **options: Any) -> Callable[[Path], Path]:
    """A writer of a healthy case, one file of which `nifti` makes with other options."""
    return with_file(kind, lambda: _packed_for(ending, nifti(kind, **options)), ending)


def all_edited(ending: str = ".nii.gz", **options: Any) -> Callable[[Path], Path]:
    """A writer of a case, all files of which `nifti` makes with other options."""
    return with_files(lambda kind: _packed_for(ending, nifti(kind, **options)), ending)


def _packed_for(ending: str, content: bytes) -> bytes:
    return packed(content) if ending.lower().endswith(".gz") else content
