"""A folder that appears with all its files, or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from napari_ddmd.whole_files import ExportError, one_line_errors, put_in_place, try_to_write, workplace


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
        if target.is_mount():
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

    An empty folder that is there is exchanged for it in one step, whose rights it gets.

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
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with workplace(target.parent) as place:
                fresh = place / target.name
                fresh.mkdir()
                yield fresh, target
                if target.exists():
                    _give_rights(target, fresh)
                    if os.name == "nt":
                        target.rmdir()  # Windows does not rename onto a folder, not even an empty one
                put_in_place(fresh, target)
        except BaseException:
            for path in missing:
                with suppress(OSError):
                    path.rmdir()
            raise


def _give_rights(old: Path, new: Path) -> None:
    """Let a folder belong to whom another does, and be as open as that one."""
    if os.name != "nt":
        there = old.stat()
        with suppress(PermissionError):  # of a group that this user is not in
            os.chown(new, there.st_uid, there.st_gid)
    shutil.copystat(old, new)
