"""A folder that appears with all its files, or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from napari_ddmd.whole_files import (
    PREFIX,
    ExportError,
    one_line_errors,
    put_in_place,
    refuse_unwritable,
    settle,
    settle_names,
    sweep,
    workplace,
)


def free_folder(folder: str | os.PathLike[str]) -> Path:
    """Tell the absolute path of a folder that is to be made, its own if it is a link; an empty one may be there.

    Raises
    ------
    ExportError
        If it holds anything, or is no path that there can be.
    """
    with one_line_errors(Path(folder)):
        # The way to it is taken as it is given; what ".." means after a link the system alone knows.
        whole = os.path.realpath if os.pardir in Path(folder).parts else os.path.abspath
        target = Path(whole(folder))
        if target.is_symlink():
            target = Path(os.path.realpath(target))
        if target.is_symlink() or (target.exists() and not (target.is_dir() and _is_empty(target))):
            raise ExportError(f"{target}: there already and not an empty folder; choose another")
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
    refuse_unwritable(target, names)
    return target


@contextmanager
def new_folder(folder: str | os.PathLike[str]) -> Iterator[tuple[Path, Path]]:
    """Let a block write a folder's files beside its place, and move it there when the block has ended well.

    An empty folder that is there stays the one that it is, with its rights, and is filled when all is written: its
    files are moved one after another, and taken out again where one of them cannot be.

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
        is_there = target.exists()
        above = target if is_there else target.parent
        missing = [path for path in (above, *above.parents) if not path.exists()]
        try:
            above.mkdir(parents=True, exist_ok=True)
            if is_there:
                sweep(target)
            with workplace(above) as place:
                fresh = place / target.name
                fresh.mkdir()
                yield fresh, target
                if is_there:
                    _fill(target, fresh)
                else:
                    put_in_place(fresh, target)
        except BaseException:
            for path in missing:
                with suppress(OSError):
                    path.rmdir()
            raise


def _is_empty(folder: Path) -> bool:
    """Whether a folder holds nothing, but for what a command that was cut off may have left."""
    return all(entry.name.startswith(PREFIX) for entry in folder.iterdir())


def _fill(target: Path, fresh: Path) -> None:
    """Move all that is in one folder into another one, which is empty, or nothing of it."""
    settle(fresh)
    moved: list[Path] = []
    free_folder(target)  # somebody else may have written into it meanwhile
    try:
        for entry in sorted(fresh.iterdir()):
            if os.path.lexists(target / entry.name):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
            moved.append(entry.rename(target / entry.name))
    except BaseException:
        for path in moved:
            with suppress(OSError):
                path.rename(fresh / path.name)
        raise
    settle_names(target)
