"""Read NIfTI files: the header first, the voxels later, and one clear line for each way a file can fail.

A file may come from anybody: no more is read, inflated or held in memory than a checked header promises, and nothing is
mapped into memory, where a file that shrinks or a drive that is pulled out would end the program.
"""

from __future__ import annotations

import gzip
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import IO, Any, cast

import nibabel
import numpy as np
from nibabel.arrayproxy import ArrayProxy
from numpy.typing import NDArray
from zlib_ng import gzip_ng, zlib_ng

from napari_ddmd.case.errors import CaseError, DamagedFileError
from napari_ddmd.case.grid import AxialGrid
from napari_ddmd.case.header import CUT_SHORT, LONGEST_HEADER, bytes_needed, read_header

_GZIP = b"\x1f\x8b"
# Deflate cannot shrink data further than this, so a shorter file cannot be whole.
_DEFLATE_LIMIT = 1032
# Bytes that may follow the voxels, at most; what inflates to more beside them is no image.
_SLACK = 2**20
_CHUNK = 2**18
# Far beyond any scanner's intensities, and far enough from the end of float32 for what is computed from them.
_LARGEST = 1e30
_MOST_LABEL = 4
# The stub of zlib-ng has an instance for its class.
_DAMAGED: tuple[type[Exception], ...] = (
    gzip.BadGzipFile,
    zlib.error,
    cast("type[Exception]", zlib_ng.error),
)


@dataclass(frozen=True, eq=False)
class NiftiFile:
    """A file whose header has been read and checked, and whose voxels have not been touched.

    Parameters
    ----------
    path : Path
        The file.
    header : nibabel.Nifti1Header
        Its header, without extensions.
    affine : (4, 4) ndarray of float64
        From voxel indices to RAS millimetres.
    remarks : tuple of str
        What the user should know about the file, one line each.
    """

    path: Path
    header: nibabel.Nifti1Header
    affine: NDArray[np.float64]
    remarks: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the file's array."""
        return tuple(int(length) for length in self.header.get_data_shape())

    @property
    def has_orientation(self) -> bool:
        """Whether the header says how the patient lay."""
        return bool(self.header["sform_code"] > 0 or self.header["qform_code"] > 0)

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
        voxels = self._read(np.float32)
        refuse_unusable(voxels, str(self.path), again="export the image again")
        return voxels

    def read_labels(self, most: int = _MOST_LABEL) -> NDArray[np.uint8]:
        """Read the labels of a mask as uint8, in the file's order.

        Parameters
        ----------
        most : int
            The highest label that there may be.

        Raises
        ------
        CaseError
            If the data is cut short or damaged, or a value is no such label.
        """
        return as_labels(self._read(None), str(self.path), most)

    def read_voxels(self) -> NDArray[Any]:
        """Read the numbers as they are, scaled, in the file's order.

        Raises
        ------
        CaseError
            If the data is cut short or damaged.
        """
        return self._read(None)

    def _read(self, dtype: type[np.float32] | None) -> NDArray[Any]:
        with _one_line_errors(self.path), _opened(self.path) as (stream, is_compressed):
            with np.errstate(all="ignore"):  # what becomes too large is refused where it is used
                voxels = np.asanyarray(ArrayProxy(stream, self.header, mmap=False), dtype=dtype)
            if is_compressed:
                # To the end, where the checksum is: nibabel stops before it, and would pass damaged voxels on.
                left = _slack(self.header)
                while left >= 0 and (read := len(stream.read(_CHUNK))):
                    left -= read
                if left < 0:
                    raise _holds_more(self.path)
            return voxels


def as_labels(voxels: NDArray[Any], where: str, most: int = _MOST_LABEL) -> NDArray[np.uint8]:
    """Take the numbers of a mask as labels.

    Parameters
    ----------
    voxels : ndarray of numbers
        The mask; at least one voxel.
    where : str
        What the error names: the file, or the case.
    most : int
        The highest label that there may be, 255 at most: an expert's mask has those of the challenge, up to 4.

    Raises
    ------
    CaseError
        If a value is no whole number from 0 to that label.
    """
    labels = voxels
    if voxels.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            labels = np.rint(voxels)
            error = np.abs(labels - voxels).max()
        # Whole numbers that went through a scale factor come back with a rounding error.
        if not error <= 1e-3:
            raise CaseError(f"{where}: holds values that are no labels; give whole numbers 0 to {most}")
    for label in (int(labels.min()), int(labels.max())):
        if not 0 <= label <= most:
            raise CaseError(f"{where}: holds label {label}; give a mask with labels 0 to {most}")
    return labels.astype(np.uint8)


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
    lowest, highest = float(voxels.min()), float(voxels.max())  # NaN where any is
    if not np.isfinite((lowest, highest)).all():
        raise CaseError(f"{where}: holds NaN or infinite values; replace them and {again}")
    if max(-lowest, highest) > _LARGEST:
        raise CaseError(f"{where}: holds values as large as {max(-lowest, highest):.0e}; {again}")
    if lowest == highest == 0:
        raise CaseError(f"{where}: all voxels are zero; {again}")


def open_nifti(path: Path) -> NiftiFile:
    """Read and check the header of a file; no voxel is read.

    Raises
    ------
    CaseError
        If the file is missing, empty, cut short, not NIfTI, not 3-D, or holds no plain numbers.
    """
    with _one_line_errors(path):
        about = path.stat()
        if stat.S_ISREG(about.st_mode) and about.st_size == 0:
            raise DamagedFileError(f"{path}: the file is empty; copy or download it again")
        with _opened_raw(path) as raw:
            start = raw.read(_CHUNK)
        is_compressed = start.startswith(_GZIP)
        if is_compressed:
            start = _inflated_start(start, LONGEST_HEADER)
    try:
        header, affine, remarks = read_header(start)
    except CaseError as error:
        raise type(error)(f"{path}: {error}") from error
    _check_size(path, about.st_size, header, is_compressed)
    if is_compressed != (path.suffix.lower() == ".gz"):
        remarks.append(f"{'is' if is_compressed else 'is not'} compressed, against its name")
    return NiftiFile(path, header, affine, tuple(f"{path}: {remark}" for remark in remarks))


def _check_size(path: Path, size: int, header: nibabel.Nifti1Header, is_compressed: bool) -> None:
    """Compare the file's size with what the header promises, before anything is read."""
    needed = bytes_needed(header)
    if size * (_DEFLATE_LIMIT if is_compressed else 1) < needed:
        raise _cut_short(path)
    # Deflate adds less than a tenth to what it cannot shrink.
    if size > (1.1 * needed + _SLACK if is_compressed else needed + _slack(header)):
        raise _holds_more(path)


def _slack(header: nibabel.Nifti1Header) -> int:
    """Bytes that may stand behind the voxels: fewer than a 4-D image leaves, or one of twice as long numbers."""
    voxels = bytes_needed(header) - int(header.get_data_offset())
    return min(_SLACK, max(voxels // 2, 16))


@contextmanager
def _opened(path: Path) -> Iterator[tuple[IO[bytes], bool]]:
    """Open a file by what it holds, and tell whether it is compressed."""
    with _opened_raw(path) as raw:
        if raw.peek(len(_GZIP)).startswith(_GZIP):
            # Inflates four times as fast as `gzip`.
            with gzip_ng.GzipNGFile(fileobj=raw) as stream:  # type: ignore[no-untyped-call]
                try:
                    yield cast("IO[bytes]", stream), True
                except OverflowError as error:  # a name or comment of more than 512 KiB
                    raise gzip.BadGzipFile(str(error)) from error
        else:
            yield raw, False


@contextmanager
def _opened_raw(path: Path) -> Iterator[BufferedReader]:
    # Before it is opened, which would wait for ever at a pipe.
    if not stat.S_ISREG(path.stat().st_mode):
        raise CaseError(f"{path}: not a file that can be read (a folder, pipe or device); give a NIfTI file")
    with path.open("rb") as raw:
        yield raw


def _inflated_start(packed: bytes, length: int) -> bytes:
    """Inflate the start of a file: not by `gzip`, which takes minutes over a field of its header that has no end."""
    start = b""
    while packed and len(start) < length:
        stream = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        start += stream.decompress(packed, length - len(start))
        if not stream.eof:
            break
        packed = stream.unused_data.lstrip(b"\0")
    if len(start) < length and not stream.eof:
        raise EOFError
    return start


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
    except _DAMAGED as error:
        raise DamagedFileError(f"{path}: the compressed data is damaged; copy or download it again") from error
    except OSError as error:
        # nibabel has no error of its own for data that ends early.
        if "Expected" in str(error):
            raise _cut_short(path) from error
        raise CaseError(f"{path}: cannot be read ({error.strerror or error}); check the file") from error


def _cut_short(path: Path) -> DamagedFileError:
    return DamagedFileError(f"{path}: {CUT_SHORT}")


def _holds_more(path: Path) -> CaseError:
    return CaseError(f"{path}: holds far more data than its header promises; export it again")
