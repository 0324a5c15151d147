"""Edits on disk that nobody asked for: what is left of them after a crash."""

from __future__ import annotations

import errno
import hashlib
import math
import os
import time
import uuid
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
import platformdirs
from numpy.lib.format import read_array_header_1_0, read_array_header_2_0, read_magic
from numpy.typing import NDArray

from napari_ddmd.viewer.file_hold import Hold, is_held_elsewhere, is_held_here
from napari_ddmd.whole_files import put_in_place, sweep, workplace

if TYPE_CHECKING:
    from zipfile import ZipFile, ZipInfo

    from napari_ddmd.case import Case

KEPT_DAYS = 30
_DAY = 24 * 3600.0
_PART = ".part"  # of earlier versions
_BROKEN = ".broken"
# Every so many voxels along each axis tell cases apart as well as all of them.
_STRIDE = 8
_LARGEST_HEADER = 1024
_ARRAYS = {"mask", "written", "threshold"}


class AutosaveError(Exception):
    """An autosave that cannot be written or read, in words for the user."""


class LaterEditsError(AutosaveError):
    """Edits that a later version saved, and that only it can give back whole."""


class UnreadableNowError(AutosaveError):
    """Edits that may be whole, though neither memory nor disk lets them be read just now."""


@dataclass(frozen=True)
class Edits:
    """What is saved of a lesion layer.

    Attributes
    ----------
    mask : (S, H, W) ndarray of uint8
        As it stands on screen.
    written : (S, H, W) ndarray of uint8
        What the model wrote; slices where the mask differs are edited by hand.
    threshold : float
        At which the lesion is cut.
    """

    mask: NDArray[np.uint8]
    written: NDArray[np.uint8]
    threshold: float

    @property
    def edited_slices(self) -> list[int]:
        """Slices that are edited by hand."""
        return [int(index) for index in np.flatnonzero((self.mask != self.written).any(axis=(1, 2)))]


@dataclass(frozen=True)
class Found:
    """Edits that an earlier session left.

    Attributes
    ----------
    path : Path
        Their file.
    edits : Edits
        What it holds.
    time : datetime
        When they were saved, local time.
    """

    path: Path
    edits: Edits = field(repr=False)
    time: datetime

    @property
    def is_gone(self) -> bool:
        """Whether another session has restored or discarded them; where the whole folder is away, it may come back."""
        try:
            self.path.stat()
        except FileNotFoundError:
            return self.path.parent.is_dir()
        except OSError:
            return False
        return False


def autosave_folder() -> Path:
    """The folder of the user's own data that edits are saved in."""
    return Path(platformdirs.user_data_dir("napari-ddmd", appauthor=False)) / "autosave"


def case_key(case: Case) -> str:
    """Name a case by what its images show: no name of a patient, and the same wherever the files lie."""
    grid = hashlib.sha256(repr((case.grid.shape, case.spacing, np.round(case.grid.affine, 4).tolist())).encode())
    grid.update(np.ascontiguousarray(case.images[:, ::_STRIDE, ::_STRIDE, ::_STRIDE]).data)
    return grid.hexdigest()[:24]


class Autosave:
    """Files of edits in one folder, one for each case.

    Each autosave writes files of its own, so that new edits never replace those of a crash before they are looked at.
    It holds the latest, so that no other process takes it for one that was left.

    Parameters
    ----------
    folder : Path
        Made, readable for the user alone, with the first file.

    Attributes
    ----------
    is_open : bool
        Whether its case is open in a panel, so that what it has saved is on screen.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.is_open = False
        self._is_left = False
        self._hold = Hold()
        self._latest: Path | None = None
        self._token = uuid.uuid4().hex[:8]

    def path(self, key: str) -> Path:
        """The file that this autosave writes of a case."""
        return self.folder / f"{key}-{self._token}.npz"

    def open(self) -> None:
        """Keep what is saved from other processes: the case is open in this one."""
        self.is_open, self._is_left = True, False
        if self._latest is not None and not self._hold.has(self._latest):
            self._hold.begin(self._latest)

    def leave(self, *, is_pending: bool) -> None:
        """Leave what is saved to whoever opens the case next, in whatever process: it is closed in this one.

        Parameters
        ----------
        is_pending : bool
            Whether later edits are still to be written: then those are left, once they are.
        """
        self.is_open, self._is_left = False, True
        if not is_pending:
            self._hold.end()

    def save(self, key: str, edits: Edits) -> Path:
        """Write edits beside and rename, so that a crash leaves the file before whole.

        Raises
        ------
        AutosaveError
            If the folder cannot be written to.
        """
        path = self.path(key)
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with workplace(self.folder) as place:
                fresh = place / path.name
                fresh.touch(mode=0o600)
                with fresh.open("wb") as file:
                    np.savez_compressed(
                        file, mask=edits.mask, written=edits.written, threshold=np.float64(edits.threshold)
                    )
                with self._hold.passing(fresh, path):
                    put_in_place(fresh, path)
                self._latest = path
            if self._is_left:
                self._hold.end()
        except OSError as error:
            reason = error.strerror or str(error)
            raise AutosaveError(f"{self.folder}: edits cannot be saved in between: {reason}; save the mask.") from error
        return path

    def find(self, key: str, shape: tuple[int, ...], in_use: Collection[Path] = ()) -> tuple[Found | None, list[str]]:
        """Find the newest edits of a case that were left when it was closed, or by a crash.

        Those that another process has open are its own.

        Parameters
        ----------
        key : str
            From `case_key`.
        shape : tuple of int
            Of the case's grid.
        in_use : collection of Path
            Files that hold what is on screen; this autosave's own is another.

        Returns
        -------
        found : Found or None
            None where there are none that are whole.
        problems : list of str
            A line for each file that cannot be read; one that is broken is put aside and not told of again.
        """
        problems: list[str] = []
        others = [path for path in self.folder.glob(f"{key}-*.npz") if path not in (self.path(key), *in_use)]
        for modified, path in sorted(((_modified(path), path) for path in others), reverse=True):
            if is_held_elsewhere(path):
                continue
            try:
                return Found(path, read_edits(path, shape), datetime.fromtimestamp(modified)), problems
            except AutosaveError as error:
                if isinstance(error.__cause__, FileNotFoundError):  # another session has just removed it
                    continue
                problems.append(str(error))
                if isinstance(error, LaterEditsError | UnreadableNowError):  # not broken: it can be read another time
                    continue
                with suppress(OSError):  # a disk that takes nothing any more: told of again next time
                    path.replace(path.with_suffix(_BROKEN))
        return None, problems

    def discard(self, path: Path) -> None:
        """Remove a file, where it is still there; one that cannot be removed is offered again."""
        if self._hold.has(path):
            self._hold.end()
        with suppress(OSError):
            path.unlink()

    def sweep(self) -> list[str]:
        """Remove what is too old, and what saves that were killed have left; a line where there was any of that."""
        was_cut_off = bool(sweep(self.folder))
        now = time.time()
        for path in self.folder.glob("*"):
            oldest = _DAY if path.suffix == _PART else KEPT_DAYS * _DAY
            with suppress(OSError):  # one whose age cannot be told stays
                age = now - path.stat().st_mtime
                if path.suffix in (".npz", _PART, _BROKEN) and age > oldest and not _is_held(path):
                    self.discard(path)
        return ["A save of edits was cut off; what was saved before it is whole."] if was_cut_off else []


_autosaves: WeakKeyDictionary[Case, Autosave] = WeakKeyDictionary()


def autosave_of(case: Case) -> Autosave:
    """Return the autosave of a case; one that is closed and opened again is another, with files of its own."""
    return _autosaves.setdefault(case, Autosave(autosave_folder()))


def files_in_use(key: str) -> list[Path]:
    """Return the files of edits of all cases that are open and have this key."""
    return [one.path(key) for one in _autosaves.values() if one.is_open]


def read_edits(path: Path, shape: tuple[int, ...]) -> Edits:
    """Read a file of edits.

    Raises
    ------
    AutosaveError
        If it is broken, of another grid, of a later version (`LaterEditsError`), or cannot be read just now
        (`UnreadableNowError`).
    """
    try:
        # Opened here: numpy leaves a file open that turns out to be broken.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            if set(stored.files) > _ARRAYS:
                raise LaterEditsError(
                    f"{path.name}: edits of a later version of napari-ddmd; update it to get them back."
                )
            # Before any memory is taken for what a file may inflate to.
            most = math.prod(shape) + _LARGEST_HEADER
            if stored.zip is None or any(member.file_size > most for member in stored.zip.infolist()):
                raise _other_case(path)
            for member in stored.zip.infolist():
                _refuse_lie(stored.zip, member)
            mask, written, threshold = arrays = [stored[name] for name in ("mask", "written", "threshold")]
            if not all(isinstance(array, np.ndarray) for array in arrays):
                raise ValueError("no array")  # but its bytes
            if threshold.shape != () or not 0 <= threshold < 1:
                raise ValueError("no threshold")
            edits = Edits(mask, written, float(threshold))
    except AutosaveError:
        raise
    except Exception as error:  # zip files, their headers and numpy's can be damaged in more ways than can be named
        reason = _reason_of_the_moment(error)
        if reason:
            raise UnreadableNowError(
                f"{path.name}: edits of an earlier session cannot be read just now ({reason}); they are kept, "
                "and offered when the case is opened again."
            ) from error
        raise AutosaveError(f"{path.name}: edits of an earlier session cannot be read; they are ignored.") from error
    for volume in (edits.mask, edits.written):
        if volume.shape != shape or volume.dtype != np.uint8:
            raise _other_case(path)
    return edits


def _refuse_lie(archive: ZipFile, member: ZipInfo) -> None:
    """Raise ValueError where a header promises more than its member holds, which looks like a lack of memory."""
    with archive.open(member) as file:
        read = read_array_header_1_0 if read_magic(file) == (1, 0) else read_array_header_2_0
        shape, _, dtype = read(file)
    if math.prod(shape) * dtype.itemsize > member.file_size:
        raise ValueError("no such array")


def _reason_of_the_moment(error: Exception) -> str:
    """What keeps a file from being read that may be whole; empty where it is the file itself."""
    if isinstance(error, MemoryError):
        return "not enough memory"
    # Where to read next stands in the file: a wrong place is an argument that the system refuses. A folder or a ring of
    # links in its place will be no file later on, either.
    if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL, errno.EISDIR, errno.ELOOP):
        return error.strerror or os.strerror(error.errno)
    return ""


def _other_case(path: Path) -> AutosaveError:
    return AutosaveError(f"{path.name}: edits of an earlier session do not fit the case; they are ignored.")


def _is_held(path: Path) -> bool:
    return is_held_here(path) or is_held_elsewhere(path)


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # another session has just removed it
        return 0.0
