from __future__ import annotations

import errno
import gc
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from napari_ddmd.viewer import file_hold
from napari_ddmd.viewer.file_hold import Hold, is_held_elsewhere, is_held_here

posix = pytest.mark.skipif(sys.platform == "win32", reason="there are no such locks")

# Does to one file what it is told to, and tells what it finds.
_OTHER = """
import sys
from pathlib import Path
from napari_ddmd.viewer.file_hold import Hold, is_held_elsewhere

path, hold = Path(sys.argv[1]), Hold()
for line in sys.stdin:
    if line == "hold\\n":
        fresh = path.with_name("fresh")
        fresh.write_text("other")
        with hold.passing(fresh, path):
            fresh.replace(path)
    elif line == "end\\n":
        hold.end()
    print(is_held_elsewhere(path), flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "edits.npz"


@contextmanager
def other_process(path: Path) -> Iterator[Callable[[str], bool]]:
    """Takes one word after the other; the answer is whether it finds the file held by another than itself."""
    with subprocess.Popen(
        [sys.executable, "-c", _OTHER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:

        def tell(word: str) -> bool:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(f"{word}\n")
            process.stdin.flush()
            return process.stdout.readline() == "True\n"

        yield tell
        process.kill()


def put(hold: Hold, path: Path) -> None:
    fresh = path.with_name("fresh")
    fresh.write_text("new")
    with hold.passing(fresh, path):
        fresh.replace(path)


def test_what_another_process_holds_is_held_until_that_dies(path: Path) -> None:
    with other_process(path) as tell:
        assert not tell("hold"), "its own"
        assert is_held_elsewhere(path)
        assert not is_held_here(path)
        tell("hold")
        assert is_held_elsewhere(path), "the file that replaced it, too"
    assert not is_held_elsewhere(path)


def test_a_hold_ends_when_it_is_ended_or_nobody_has_it(path: Path) -> None:
    with other_process(path) as tell:
        hold = Hold()
        put(hold, path)
        assert hold.has(path)
        assert is_held_here(path)
        assert not is_held_elsewhere(path)
        assert tell("look")
        hold.end()
        assert not is_held_here(path)
        assert not tell("look")
        put(hold, path)
        put(hold, path)
        assert tell("look")
        del hold
        gc.collect()
        assert not is_held_here(path)
        assert not tell("look")


def test_a_move_that_fails_leaves_the_hold_on_the_file_before(path: Path) -> None:
    hold = Hold()
    put(hold, path)
    fresh = path.with_name("fresh")
    fresh.write_text("new")
    before = len(file_hold._HERE)
    with pytest.raises(OSError, match="full"), hold.passing(fresh, path):
        raise OSError(errno.ENOSPC, "full")
    assert hold.has(path)
    assert len(file_hold._HERE) == before


@posix
def test_a_file_that_is_replaced_while_one_looks_is_held(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text("old")
    flock = file_hold.fcntl.flock

    def late(handle: int, how: int) -> None:
        flock(handle, how)
        path.with_name("fresh").write_text("new")
        path.with_name("fresh").replace(path)

    monkeypatch.setattr(file_hold.fcntl, "flock", late)
    assert is_held_elsewhere(path)


@posix
def test_two_who_look_at_once_do_not_take_each_other_for_the_owner(path: Path) -> None:
    path.write_text("left")
    handle = os.open(path, os.O_RDONLY)
    file_hold.fcntl.flock(handle, file_hold.fcntl.LOCK_SH)
    assert not is_held_elsewhere(path)
    os.close(handle)


@posix
def test_where_the_disk_knows_no_locks_nothing_is_held(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(file_hold.fcntl, "flock", no_locks)
    hold = Hold()
    put(hold, path)
    assert path.read_text() == "new"
    assert not hold.has(path)
    assert not is_held_elsewhere(path)


def test_what_is_not_there_is_not_held(path: Path) -> None:
    assert not is_held_elsewhere(path)
