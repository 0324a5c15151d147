"""Kill writers at every point: ``python -m tests.killed ROOT WRITER ...``; ``session=FILE`` writes a session again.

For each writer, ``ROOT/WRITER/before`` holds the first version, ``after`` the second one written over it, ``alone`` the
second one in an empty folder; ``fresh-1`` and so on what a kill before the first, second, … operation left in an empty
folder, and ``over-1`` and so on in one with the version before.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path

from tests.file_faults import watching
from tests.writers import Write, make_writer


def kill_everywhere(write: Write, root: Path) -> None:
    (root / "empty").mkdir(parents=True)
    write(_made(root / "before"), 0)
    shutil.copytree(root / "before", root / "after")
    write(root / "after", 1)
    write(_made(root / "alone"), 1)
    for start, name in ((root / "empty", "fresh"), (root / "before", "over")):
        number = 1
        while _is_killed(write, Path(shutil.copytree(start, root / f"{name}-{number}")), number):
            number += 1
        shutil.rmtree(root / f"{name}-{number}")


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def _is_killed(write: Write, folder: Path, number: int) -> bool:
    """Write in a process of its own that kills itself; whether it did, or there are not so many operations."""
    child = os.fork()
    if child == 0:
        status = 3
        try:
            with watching(folder, lambda count: os.kill(os.getpid(), signal.SIGKILL) if count == number else None):
                write(folder, 1)
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return True
    if status:
        raise SystemExit(f"{folder}: ended with {status}")
    return False


if __name__ == "__main__":
    for word in sys.argv[2:]:
        kill_everywhere(make_writer(word), Path(sys.argv[1]) / word.partition("=")[0])
