"""Tells a file whose process still needs it from one that was left: by a lock on it, which ends with the process."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from weakref import finalize

if sys.platform != "win32":
    import fcntl

# Files that this process has open for no other reason than to hold them.
_HERE: dict[int, Path] = {}


class Hold:
    """Holds one file, for as long as this process lives and somebody has the object.

    Where the disk knows no locks, nothing is held. On Windows, a file that is open cannot be removed or renamed.
    """

    def __init__(self) -> None:
        self._handles: list[int] = []
        finalize(self, _close, self._handles)

    @contextmanager
    def passing(self, fresh: Path, target: Path) -> Iterator[None]:
        """Hold a file that is moved into its place meanwhile, at no time without a hold; then not the one before."""
        if sys.platform == "win32":
            self.end()  # what is open cannot be replaced there
            try:
                yield
            finally:
                self._begin(target, _open(target))
            return
        handle = _open(fresh)
        try:
            yield
        except BaseException:
            if handle is not None:
                os.close(handle)
            raise
        self._begin(target, handle)

    def has(self, path: Path) -> bool:
        """Whether this is the file that is held."""
        return any(_HERE.get(handle) == path for handle in list(self._handles))

    def begin(self, path: Path) -> None:
        """Hold a file that is there; none where that cannot be, or another process holds it."""
        self._begin(path, _open(path))

    def end(self) -> None:
        """Hold nothing any more."""
        _close(self._handles)

    def _begin(self, path: Path, handle: int | None) -> None:
        if handle is not None:
            _HERE[handle] = path
            self._handles.append(handle)
        _close(self._handles, but=handle)


def is_held_here(path: Path) -> bool:
    """Whether this process holds a file."""
    return path in list(_HERE.values())


def is_held_elsewhere(path: Path) -> bool:
    """Whether another process that lives holds a file."""
    if is_held_here(path):
        return False
    if sys.platform == "win32":
        try:
            path.rename(path)
        except OSError:
            return path.exists()
        return False
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: two who ask do not take each other for its owner
        return not os.path.samestat(os.fstat(handle), path.stat())  # replaced meanwhile, by one who lives
    except BlockingIOError:
        return True
    except OSError:  # no locks, or gone
        return False
    finally:
        os.close(handle)


def _open(path: Path) -> int | None:
    """Open and lock a file that nobody else knows of yet; None where that cannot be."""
    try:
        handle = os.open(path, os.O_RDWR)
    except OSError:
        return None
    if sys.platform != "win32":
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            return None
    return handle


def _close(handles: list[int], but: int | None = None) -> None:
    """Close all handles but one; another thread may be at it, too, and each is closed once."""
    for handle in list(handles):
        if handle == but:
            continue
        with suppress(ValueError):
            handles.remove(handle)
            _HERE.pop(handle, None)
            os.close(handle)
