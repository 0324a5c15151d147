"""Read NIfTI files: the header first, the voxels later, and one clear line for each way a file can fail."""

from __future__ import annotations

import gzip
import logging
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from napari_ddmd.case.errors import CaseError
from napari_ddmd.case.grid import AxialGrid

# Deflate cannot shrink data further than this, so a shorter file cannot be whole.
_DEFLATE_LIMIT = 1032
_LABELS = range(5)


@dataclass(frozen=True, eq=False)
class NiftiFile:
    """A file whose header has been read and checked, and whose voxels have not been touched.

    Parameters
    ----------
    path : Path
        The file.
    image : nibabel.Nifti1Image
        Header and affine, with the voxels still on disk.
    """

    path: Path
    image: nibabel.Nifti1Image

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the file's array."""
        return tuple(int(length) for length in self.image.shape)

    @property
    def affine(self) -> NDArray[np.float64]:
        """From voxel indices to RAS millimetres."""
        return np.asarray(self.image.affine, dtype=np.float64)

    @property
    def has_orientation(self) -> bool:
        """Whether the header says how the patient lay."""
        return bool(self.image.header["sform_code"] > 0 or self.image.header["qform_code"] > 0)

    def grid(self) -> AxialGrid:
        """Make the axial grid of the file; raises `CaseError` when it is oblique."""
        try:
            return AxialGrid.from_affine(self.affine, self.shape)
        except CaseError as error:
            raise CaseError(f"{self.path}: {error}") from error

    def read_image(self) -> NDArray[np.float32]:
        """Read the intensities as float32, in the file's order.

        Raises
        ------
        CaseError
            If the data is cut short or damaged, not finite, or zero throughout.
        """
        with np.errstate(over="ignore"):
            voxels = self._read(np.float32)
        refuse_unusable(voxels, str(self.path), again="export the image again")
        return voxels

    def read_labels(self) -> NDArray[np.uint8]:
        """Read the labels of a mask as uint8, in the file's order.

        Raises
        ------
        CaseError
            If the data is cut short or damaged, or a value is not one of the labels 0 to 4.
        """
        voxels = self._read(None)
        labels = voxels
        if voxels.dtype.kind == "f":
            with np.errstate(invalid="ignore"):
                labels = np.rint(voxels)
                error = np.abs(labels - voxels).max()
            # Whole numbers that went through a scale factor come back with a rounding error.
            if not error <= 1e-3:
                raise CaseError(f"{self.path}: holds values that are no labels; give whole numbers 0 to 4")
        for label in (int(labels.min()), int(labels.max())):
            if label not in _LABELS:
                raise CaseError(f"{self.path}: holds label {label}; give a mask with labels 0 to 4")
        return labels.astype(np.uint8)

    def _read(self, dtype: type[np.float32] | None) -> NDArray[Any]:
        with _one_line_errors(self.path):
            image = self.image
            if _is_compressed(self.path):
                # At one go: nibabel stops before the checksum, and would pass damaged voxels on.
                image = type(image).from_bytes(gzip.decompress(self.path.read_bytes()))
            return np.asanyarray(image.dataobj, dtype=dtype)


def refuse_unusable(voxels: NDArray[np.float32], where: str, *, again: str) -> None:
    """Refuse intensities in which no lesion could be found.

    Parameters
    ----------
    voxels : ndarray of float32
        One modality.
    where : str
        What the error names: the file, or case and modality.
    again : str
        What the user is to do.

    Raises
    ------
    CaseError
        If they are not finite, or zero throughout.
    """
    if not np.isfinite(voxels).all():
        raise CaseError(f"{where}: holds NaN or infinite values; replace them and {again}")
    if not voxels.any():
        raise CaseError(f"{where}: all voxels are zero; {again}")


def open_nifti(path: Path) -> NiftiFile:
    """Read and check the header of a file; no voxel is read.

    Raises
    ------
    CaseError
        If the file is missing, empty, cut short, not NIfTI, not 3-D, or holds no plain numbers.
    """
    with _one_line_errors(path):
        size = path.stat().st_size
        if size == 0:
            raise CaseError(f"{path}: the file is empty; copy or download it again")
        with _silent_nibabel():
            image = _open_image(path)
    shape = image.shape
    if len(shape) != 3:
        raise CaseError(f"{path}: the image is {len(shape)}-D; give one 3-D volume for each modality")
    if min(shape) < 1:
        raise CaseError(f"{path}: the image has no voxels; export it again")
    dtype = image.get_data_dtype()
    if dtype.kind not in "iuf":
        raise CaseError(f"{path}: holds colours or complex numbers; save plain intensities")
    needed = int(np.prod(shape, dtype=object)) * dtype.itemsize
    if size * (_DEFLATE_LIMIT if _is_compressed(path) else 1) < needed:
        raise _cut_short(path)
    return NiftiFile(path, image)


def _is_compressed(path: Path) -> bool:
    return path.suffix.lower() == ".gz"


def _open_image(path: Path) -> nibabel.Nifti1Image:
    """Read the header by what the file holds: `nibabel.load` goes by the name, and trips over mixed case."""
    with gzip.open(path) if _is_compressed(path) else path.open("rb") as stream:
        start = stream.read(nibabel.Nifti2Header.sizeof_hdr)
    for kind in (nibabel.Nifti1Image, nibabel.Nifti2Image):
        if kind.header_class.may_contain_header(start):
            image: nibabel.Nifti1Image = kind.from_file_map({"image": nibabel.FileHolder(str(path))})
            return image
    raise _not_nifti(path)


@contextmanager
def _one_line_errors(path: Path) -> Iterator[None]:
    """Turn what nibabel, gzip and the file system raise into a `CaseError` that names the file."""
    try:
        yield
    except CaseError:
        raise
    except EOFError as error:
        raise _cut_short(path) from error
    except MemoryError as error:
        raise CaseError(f"{path}: does not fit into memory; close other programs or crop it") from error
    except FileNotFoundError as error:
        raise CaseError(f"{path}: no such file; check the path") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise CaseError(f"{path}: the compressed data is damaged; copy or download it again") from error
    except (ImageFileError, HeaderDataError, ValueError) as error:
        raise _not_nifti(path) from error
    except OSError as error:
        # nibabel has no error of its own for data that ends early.
        if "Expected" in str(error):
            raise _cut_short(path) from error
        raise CaseError(f"{path}: cannot be read ({error.strerror or error}); check the file") from error


@contextmanager
def _silent_nibabel() -> Iterator[None]:
    """Keep nibabel's remarks on headers off standard error, where one line has to tell everything."""

    def reject(record: logging.LogRecord) -> bool:
        return False

    logger = logging.getLogger("nibabel.global")
    logger.addFilter(reject)
    try:
        yield
    finally:
        logger.removeFilter(reject)


def _cut_short(path: Path) -> CaseError:
    return CaseError(f"{path}: the file is cut short; copy or download it again")


def _not_nifti(path: Path) -> CaseError:
    return CaseError(f"{path}: not a NIfTI file, whatever its name says; convert it to NIfTI")
