"""The session file: a zip of ``session.json`` and one ``.npy`` for each array.

A file may come from anybody. Nothing in it is unpacked to disk or unpickled, and no memory is taken before the sizes
that it claims have been compared with what its own ``session.json`` implies.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

import numpy as np
import psutil
from numpy.lib import format as npy
from numpy.typing import NDArray
from pydantic import ValidationError
from pydantic_core import from_json

from napari_ddmd.one_line import one_line
from napari_ddmd.viewer.session.stored import FORMAT, SESSION, VERSION, ArrayKind, Session, arrays_of, unsaid
from napari_ddmd.whole_files import put_in_place, unwritable, workplace

SUFFIX = ".ddmd"

_DOCUMENT = "session.json"
_LARGEST_DOCUMENT = 8 * 2**20
_LARGEST_NPY_HEADER = 1024
_LONGEST_VERSION = 40
# Deflate cannot shrink data further than this.
_DEFLATE_LIMIT = 1032
_ENCRYPTED = 0x1
_CHUNK = 8 * 2**20
_DAMAGED = "is damaged or no session of napari-ddmd; copy it again, or open another file"
# What zipfile, zlib and numpy raise on files that are not what they seem.
_DAMAGES = (
    BadZipFile,
    EOFError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    ValueError,
    struct.error,
    zlib.error,
)


class SessionError(ValueError):
    """A session that cannot be saved or opened; the message is one line that names the file and says what to do."""


def is_session(path: Path) -> bool:
    """Tell whether a file is a session, by its name."""
    return path.name.lower().endswith(SUFFIX)


def write_session(
    path: Path,
    session: Session,
    arrays: Iterable[tuple[str, NDArray[Any]]],
    progress: Callable[[float], None] | None = None,
) -> Path:
    """Write a session, beside its place and then moved there: an earlier file is replaced as a whole or not at all.

    Parameters
    ----------
    path
        The file.
    session, arrays
        What it holds; the arrays are those of `arrays_of`, and are taken one by one.
    progress
        Called with the share that is written; may raise `SessionError` to give up.

    Raises
    ------
    SessionError
        If the file cannot be written.
    """
    kinds = arrays_of(session)
    total = sum(_count(kind) for kind in kinds.values())
    done = 0
    try:
        with workplace(path.parent) as place:
            fresh = place / path.name
            with ZipFile(fresh, "w", ZIP_DEFLATED) as archive:
                archive.writestr(_member(_DOCUMENT), SESSION.dump_json(session, indent=1, exclude=unsaid(session)))
                for name, array in arrays:
                    _refuse_other_kind(array, kinds.pop(name), name)
                    for share in _write_array(archive, name, array):
                        if progress is not None:
                            progress((done + share * array.size) / max(total, 1))
                    done += array.size
            if kinds:
                raise AssertionError(f"{sorted(kinds)} were not given")
            put_in_place(fresh, path)
    except OSError as error:
        raise SessionError(unwritable(path, error)) from error
    return path


def read_session(path: Path) -> Session:
    """Read all of a session but its arrays.

    Raises
    ------
    SessionError
        If the file is missing, damaged, no session, or of a later version.
    """
    with _opened(path) as archive:
        return _document(archive, path)


def read_arrays(
    path: Path, session: Session, progress: Callable[[float], None] | None = None
) -> dict[str, NDArray[Any]]:
    """Read the arrays of a session that was read before.

    Parameters
    ----------
    path, session
        The file, and what was read of it.
    progress
        Called with the share that is read; may raise `SessionError` to give up.

    Raises
    ------
    SessionError
        If the file is damaged, has changed meanwhile, or needs more memory than there is.
    """
    with _opened(path) as archive:
        if _document(archive, path) != session:
            raise SessionError(f"{path}: has changed while it was opened; open it again")
        kinds = arrays_of(session)
        members = _members(archive, kinds, path)
        needed = sum(info.file_size for info in members.values())
        refuse_too_large(path, needed)
        done = 0

        def tell(size: int) -> None:
            nonlocal done
            done += size
            if progress is not None:
                progress(min(done / max(needed, 1), 1.0))

        return {name: _read_array(archive, members[name], kind, tell) for name, kind in kinds.items()}


def refuse_too_large(path: Path, needed: int) -> None:
    """Refuse what would not fit into memory.

    Raises
    ------
    SessionError
        If there are fewer bytes free than needed.
    """
    free = psutil.virtual_memory().available
    if needed > free:
        gigabytes = f"{needed / 2**30:.1f} GB of memory, {free / 2**30:.1f} GB are free"
        raise SessionError(f"{path}: needs {gigabytes}; close other programs, or open it on a larger computer")


@contextmanager
def _opened(path: Path) -> Iterator[ZipFile]:
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for, for ever
            raise SessionError(f"{path}: is a folder, pipe or device; choose a file")
        with ZipFile(path) as archive:
            yield archive
    except SessionError:
        raise
    except FileNotFoundError as error:
        raise SessionError(f"{path}: no such file; check the path") from error
    except OSError as error:
        raise SessionError(f"{path}: {error.strerror or _DAMAGED}") from error
    except MemoryError as error:
        raise SessionError(f"{path}: needs more memory than is free; close other programs") from error
    except _DAMAGES as error:
        raise SessionError(f"{path}: {_DAMAGED}") from error


def _document(archive: ZipFile, path: Path) -> Session:
    names = archive.namelist()
    if names.count(_DOCUMENT) != 1:
        raise BadZipFile("no document, or two")
    info = archive.getinfo(_DOCUMENT)
    _refuse_odd(info, _LARGEST_DOCUMENT)
    text = archive.read(info)
    head = from_json(text)
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise ValueError("another format")
    version = head.get("version")
    if isinstance(version, int) and version > VERSION:
        package = one_line(head.get("package"))[:_LONGEST_VERSION]  # what stands there may come from anybody
        raise SessionError(f"{path}: was saved by a later version of napari-ddmd ({package}); update it")
    try:
        return SESSION.validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        said = f"{place}: {first['msg']}" if place else first["msg"]
        raise SessionError(f"{path}: {' '.join(said.split())[:300]}; the file {_DAMAGED}") from error


def _members(archive: ZipFile, kinds: dict[str, ArrayKind], path: Path) -> dict[str, ZipInfo]:
    """The members of the arrays, checked against what there must be."""
    names = archive.namelist()
    if sorted(names) != sorted([_DOCUMENT, *map(_file_name, kinds)]):
        raise BadZipFile("members are missing, twice, or strange")
    members = {name: archive.getinfo(_file_name(name)) for name in kinds}
    for name, kind in kinds.items():
        most = _count(kind) * max(np.dtype(dtype).itemsize for dtype in kind.dtypes)
        _refuse_odd(members[name], most + _LARGEST_NPY_HEADER)
    return members


def _refuse_odd(info: ZipInfo, most: int) -> None:
    if info.compress_type not in (ZIP_STORED, ZIP_DEFLATED) or info.flag_bits & _ENCRYPTED:
        raise BadZipFile("packed in another way")
    if info.file_size > most or info.file_size > _DEFLATE_LIMIT * (info.compress_size + 1):
        raise BadZipFile("too large for what it is")


def _read_array(archive: ZipFile, info: ZipInfo, kind: ArrayKind, tell: Callable[[int], None]) -> NDArray[Any]:
    """Read an array; `tell` is told of the bytes as they come."""
    with archive.open(info) as stream:
        dtype = _dtype_in_header(stream, kind)
        if not 0 <= info.file_size - _count(kind) * dtype.itemsize <= _LARGEST_NPY_HEADER:
            raise ValueError("another size")
        array = np.empty(kind.shape, dtype)
        _fill(array, stream, tell)
        if stream.read(1):
            raise ValueError("more than the array")
    return array


def _dtype_in_header(stream: IO[bytes], kind: ArrayKind) -> np.dtype[Any]:
    """Compare the header with those that there may be, since numpy would evaluate whatever stands in it."""
    if npy.read_magic(stream) != (1, 0):
        raise ValueError("another version of npy")
    text = stream.read(int.from_bytes(stream.read(2), "little")).decode("latin1")
    for dtype in map(np.dtype, kind.dtypes):
        descr = npy.dtype_to_descr(dtype)
        if text.rstrip() == f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {kind.shape!r}, }}":
            return dtype
    raise ValueError("another array")


def _fill(array: NDArray[Any], stream: IO[bytes], tell: Callable[[int], None]) -> None:
    if not array.size:
        return
    left = array.data.cast("B")
    while left:
        part = stream.read(min(len(left), _CHUNK))
        if not part:
            raise EOFError("cut short")
        left[: len(part)] = part
        left = left[len(part) :]
        tell(len(part))


def _write_array(archive: ZipFile, name: str, array: NDArray[Any]) -> Iterator[float]:
    """Write an array in parts; yields the share of it that is written."""
    contiguous = np.ascontiguousarray(array)
    header = {"descr": npy.dtype_to_descr(array.dtype), "fortran_order": False, "shape": array.shape}
    with archive.open(_member(_file_name(name)), "w", force_zip64=array.nbytes >= 2**31) as stream:
        npy.write_array_header_1_0(stream, header)
        if array.size:
            content = contiguous.data.cast("B")
            for start in range(0, len(content), _CHUNK):
                stream.write(content[start : start + _CHUNK])
                yield min(start + _CHUNK, len(content)) / len(content)


def _member(name: str) -> ZipInfo:
    info = ZipInfo(name)
    info.compress_type = ZIP_DEFLATED
    return info


def _file_name(array: str) -> str:
    return f"{array.replace(' ', '_')}.npy"


def _count(kind: ArrayKind) -> int:
    return int(np.prod(kind.shape, dtype=np.int64))


def _refuse_other_kind(array: NDArray[Any], kind: ArrayKind, name: str) -> None:
    if array.shape != kind.shape or array.dtype.name not in kind.dtypes:
        raise AssertionError(f"{name} is {array.dtype} {array.shape}, not {kind}")
