"""A folder that appears with all its files, or not at all."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from napari_ddmd.whole_files import ExportError, one_line_errors, put_in_place, try_to_write, workplace

_ACCESS_LISTS: Final = ("system.posix_acl_access", "system.posix_acl_default")


def free_folder(folder: str | os.PathLike[str]) -> Path:
    """Tell the absolute path of a folder that is to be made, its own if it is a link; an empty one may be there.

    Raises
    ------
    ExportError
        If it holds anything, is the one that this process runs in, which would be gone, is where another disk begins,
        which cannot be exchanged, or is no path that there can be.
    """
    with one_line_errors(Path(folder)):
        # The way to it is taken as it is given; what ".." means after a link the system alone knows.
        whole = os.path.realpath if os.pardir in Path(folder).parts else os.path.abspath
        target = Path(whole(folder))
        if target.is_symlink():
            target = Path(os.path.realpath(target))
        if target.is_symlink() or (target.exists() and (not target.is_dir() or any(target.iterdir()))):
            raise ExportError(f"{target}: there already and not an empty folder; choose another")
        if target.exists() and target.samefile(os.curdir):
            raise ExportError(f"{target}: is the folder that this command runs in; choose one in it")
        if os.path.ismount(target):
            raise ExportError(f"{target}: is a disk of its own; choose a folder in it")
    return target


def refuse_new_folder(folder: str | os.PathLike[str], names: Iterable[str]) -> Path:
    """See to it that a folder with files of these names can be made, before the work; leave nothing.

    Returns
    -------
    Path
        What `free_folder` tells.

    Raises
    ------
    ExportError
        If it cannot.
    """
    target = free_folder(folder)
    with one_line_errors(target):
        try_to_write(target.parent, target.name, names)
    return target


@contextmanager
def new_folder(folder: str | os.PathLike[str]) -> Iterator[tuple[Path, Path]]:
    """Let a block write a folder's files beside its place, and move it there when the block has ended well.

    An empty folder that is there is exchanged for it in one step; it is as open as that one was.

    Yields
    ------
    place, target : Path
        Where the files are written, a folder of the same name, and what `free_folder` tells.

    Raises
    ------
    ExportError
        If the folder cannot be made, or the block cannot write.
    """
    target = free_folder(folder)
    with one_line_errors(target):
        missing = [path for path in (target.parent, *target.parent.parents) if not path.exists()]
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with workplace(target.parent) as place:
                fresh = place / target.name
                fresh.mkdir()
                yield fresh, target
                lists = _access_lists(target)
                mode = _keep_group(target, fresh) if target.exists() else None
                if mode is not None and sys.platform == "win32":
                    target.rmdir()  # Windows does not rename onto a folder, not even an empty one
                put_in_place(fresh, target)
                if mode is not None:
                    _open(target, mode, lists)  # not before: one that may not be written into could not be moved
        except BaseException:
            for path in missing:
                with suppress(OSError):
                    path.rmdir()
            raise


def _access_lists(folder: Path) -> dict[str, bytes]:
    """Who else may look into a folder, as far as the system keeps such lists; of one that is not there, nobody."""
    found: dict[str, bytes] = {}
    for name in _ACCESS_LISTS if sys.platform == "linux" else ():
        with suppress(OSError):
            found[name] = os.getxattr(folder, name)
    return found


def _open(folder: Path, mode: int, lists: dict[str, bytes]) -> None:
    """Open a folder to those who may look into it."""
    folder.chmod(mode if not lists else mode & ~stat.S_IRWXG)  # with a list these are no rights of the group
    for name, value in lists.items() if sys.platform == "linux" else ():
        with suppress(OSError):
            os.setxattr(folder, name, value)


def _keep_group(old: Path, new: Path) -> int:
    """Let a folder be of the group of another, and nobody's who may not look into that one meanwhile; return its mode.

    Where it cannot be of that group, the mode has none of the group's rights: they would be another's.
    """
    there = old.stat()
    mode = stat.S_IMODE(there.st_mode)
    new.chmod(stat.S_IRWXU)
    if sys.platform == "win32":
        return mode
    if new.stat().st_gid != there.st_gid:
        try:
            os.chown(new, -1, there.st_gid)
        except OSError:
            mode &= ~(stat.S_IRWXG | stat.S_ISGID)
    with suppress(OSError):  # an administrator alone may give it to its owner
        os.chown(new, there.st_uid, -1)
    return mode
