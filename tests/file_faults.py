"""Let operations on files fail, at any of them: the interpreter tells of each before it is carried out."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

_PLACES = {"os.mkdir": 0, "os.rename": 0, "os.remove": 0, "os.rmdir": 0, "os.link": 1, "os.truncate": 0}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT

Act = Callable[[], None]
_active: list[_Watch] = []


class _Watch:
    def __init__(self, folder: Path, act: Callable[[int], None]) -> None:
        self.folder, self.act, self.count, self._lock = str(folder), act, 0, Lock()

    def see(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            flags = arguments[2]
            if not isinstance(flags, int) or not flags & _WRITING:
                return
            path = arguments[0]
        elif event in _PLACES:
            path = arguments[_PLACES[event]]
        else:
            return
        if not isinstance(path, str | bytes | os.PathLike):
            return
        # `shutil.rmtree` names what is in a folder without the folder.
        place = os.fsdecode(path)
        if Path(place).is_absolute() and not place.startswith(self.folder):
            return
        with self._lock:
            self.count += 1
            count = self.count
        self.act(count)


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    for watch in _active:
        watch.see(event, arguments)


_is_installed: list[bool] = []


@contextmanager
def watching(folder: Path, act: Callable[[int], None]) -> Iterator[None]:
    """Call ``act`` with the number of each operation below a folder that makes, moves, removes or opens to write.

    What it raises takes the place of the operation.
    """
    if not _is_installed:
        sys.addaudithook(_hook)  # for good: there is no way to take one out again
        _is_installed.append(True)
    watch = _Watch(folder, act)
    _active.append(watch)
    try:
        yield
    finally:
        _active.remove(watch)
