"""Files that are whole or not there: written beside their place, and moved into it.

A process that is killed leaves the hidden folder that it wrote in. It held a lock on that folder which ends with it, so
that `sweep` can tell what nobody owns any more.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

if sys.platform != "win32":
    import fcntl

PREFIX = ".saving-"
_OWNER = ".owner"
_DAY = 24 * 3600.0
_MOST_NAMES = 3
_ELSEWHERE = "choose another folder"
_NO_FOLDER = "choose a folder that is there"
_NO_RIGHT = "choose a folder that you may write to"
_NO_SPACE = "choose another folder or free some space"
_REMEDIES = {
    errno.ENOENT: _NO_FOLDER,
    errno.ENOTDIR: _NO_FOLDER,
    errno.EACCES: _NO_RIGHT,
    errno.EPERM: _NO_RIGHT,
    errno.EROFS: _NO_RIGHT,
    errno.ENAMETOOLONG: "choose another folder or a shorter name",
    errno.ENOSPC: _NO_SPACE,
}
if sys.platform != "win32":
    _REMEDIES[errno.EDQUOT] = _NO_SPACE


class ExportError(ValueError):
    """Results that cannot be saved; the message is one line that names the path and says what to do."""


@contextmanager
def workplace(folder: Path) -> Iterator[Path]:
    """Make a hidden folder beside the results: on the same disk, moving out of it is one step."""
    place, owner = _new_place(folder)
    try:
        yield place
    finally:
        if sys.platform == "win32":
            os.close(owner)  # what is open cannot be removed there
            _clear(place)
        else:
            _clear(place)
            os.close(owner)


def put_in_place(fresh: Path, target: Path) -> Path:
    """Move a file or folder that is finished into its place, in one step; a file that is there is replaced."""
    settle(fresh)
    moved = fresh.replace(target)
    settle_names(target.parent)
    return moved


def settle(path: Path) -> None:
    """Have a file, or all in a folder, written to the disk itself.

    A name may reach the disk before what it names: without this, a power cut can leave an empty file.
    """
    if path.is_dir():
        for entry in path.iterdir():
            settle(entry)
        settle_names(path)
        return
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def settle_names(folder: Path) -> None:
    """Have the names in a folder written to the disk, where the system can; a name is the old one or the new one."""
    if sys.platform == "win32":
        return
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def refuse_unwritable(folder: Path, names: Iterable[str]) -> None:
    """See to it that files of these names can be written into a folder that may not be there yet, and leave nothing.

    Raises
    ------
    ExportError
        If they cannot: said before the work whose results they would hold.
    """
    target = Path(os.path.abspath(folder))  # noqa: PTH100 - a link keeps its name
    with one_line_errors(folder), workplace(nearest_folder(target)) as place:
        if any(one.exists() and not one.is_dir() for one in (target, *target.parents)):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        inside = place / (target.name or "root")
        inside.mkdir()
        (inside / max(names, key=len)).touch()


def nearest_folder(path: Path) -> Path:
    """Tell the folder that a path is or, while it is not there, the nearest one above it."""
    return next(place for place in (path, *path.absolute().parents) if place.is_dir())


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep others who ask the same out of a folder, where the system knows locks; they wait for their turn."""
    if sys.platform == "win32":
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def file_hash(path: Path) -> str:
    """SHA-256 of what a file holds."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sweep(folder: Path, *, deep: bool = False) -> str:
    """Remove what saves that were cut off have left in a folder; what a living process owns stays.

    Parameters
    ----------
    folder
        Where files are saved; need not be there.
    deep
        Whether its folders are searched, too, to any depth.

    Returns
    -------
    str
        One line on what was found; empty where there was nothing.
    """
    left: list[str] = []
    for place in sorted(folder.glob(f"**/{PREFIX}*" if deep else f"{PREFIX}*")):
        # Read before it is gone: names in it are those of the results.
        names = sorted(entry.name for entry in _entries(place) if not entry.name.startswith("."))
        if _remove_if_left(place):
            left += names or [place.name]
    if not left:
        return ""
    listed = ", ".join(left[:_MOST_NAMES]) + (f" and {len(left) - _MOST_NAMES} more" if len(left) > _MOST_NAMES else "")
    return f"{folder}: a save was cut off here; what was unfinished is removed ({listed}), earlier files are whole"


@contextmanager
def one_line_errors(path: Path) -> Iterator[None]:
    """Word what the operating system says for the user.

    Raises
    ------
    ExportError
        In place of an OSError.
    """
    try:
        yield
    except OSError as error:
        raise ExportError(unwritable(path, error)) from error


def unwritable(path: Path, error: OSError) -> str:
    """Say that something cannot be written, why, and what may help."""
    return f"{path}: cannot be written ({error.strerror or error}); {_REMEDIES.get(error.errno or 0, _ELSEWHERE)}"


def write_text(path: str | Path, text: str) -> Path:
    """Write a text file (UTF-8, line ends as they are); an existing one is replaced in one step.

    What a file name holds that is no text becomes a question mark.

    Raises
    ------
    ExportError
        If it cannot be written.
    """
    target = Path(path)
    with one_line_errors(target), workplace(target.parent) as place:
        fresh = place / target.name
        fresh.write_text(text, encoding="utf-8", errors="replace", newline="")
        return put_in_place(fresh, target)


def _new_place(folder: Path) -> tuple[Path, int]:
    """A new hidden folder, and the open file whose lock says that it is in use."""
    while True:
        place = Path(tempfile.mkdtemp(dir=folder, prefix=PREFIX))
        try:
            owner = os.open(place / _OWNER, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        except FileNotFoundError:
            if place.exists() or not folder.is_dir():
                raise
            continue  # swept by another process before it was owned
        except BaseException:
            _clear(place)
            raise
        # Another process, or thread, may have taken it for left before it was locked, and removed it.
        if _lock(owner) is not False and os.fstat(owner).st_nlink:
            return place, owner
        os.close(owner)


def _clear(place: Path) -> None:
    """Remove a hidden folder as far as the disk lets it.

    What says whose it is goes last: a folder that is half removed is still known for what it is. A disk that fails here
    must not hide what it failed at before.
    """
    for entry in _entries(place):
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        elif entry.name != _OWNER:
            with suppress(OSError):
                entry.unlink()
    with suppress(OSError):
        if [entry.name for entry in _entries(place)] == [_OWNER]:
            (place / _OWNER).unlink()
        place.rmdir()


def _lock(owner: int) -> bool | None:
    """Lock an open file until this process ends or closes it; None where the disk knows no locks."""
    if sys.platform == "win32":
        return True  # a file that is open cannot be removed there
    try:
        fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _remove_if_left(place: Path) -> bool:
    """Remove a hidden folder that no living process owns; tell whether it is gone."""
    if place.is_symlink() or not place.is_dir():
        return False
    try:
        owner = os.open(place / _OWNER, os.O_RDWR)
    except FileNotFoundError:
        with suppress(OSError):
            place.rmdir()  # whose process was killed before it owned it; one that holds anything is not ours
        return not place.exists()
    except OSError:
        return False
    try:
        held = _lock(owner)
        if held is False or (held is None and time.time() - place.stat().st_mtime <= _DAY):
            return False  # where the disk knows no locks, only its age tells
        if sys.platform != "win32":
            _clear(place)
    finally:
        os.close(owner)
    if sys.platform == "win32":
        with suppress(OSError):
            (place / _OWNER).unlink()
            shutil.rmtree(place)
    return not place.exists()


def _entries(place: Path) -> list[Path]:
    try:
        return list(place.iterdir())
    except OSError:
        return []
