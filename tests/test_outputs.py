"""Outputs are whole or absent, wherever a write is cut off: by a kill, a disk that is full, read-only or gone."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import pytest

from napari_ddmd.whole_files import PREFIX, sweep
from tests.file_faults import watching
from tests.writers import WRITERS, Write, contents, make_writer

PART = "Output whole or absent"
ROOT = Path(__file__).parents[1]
# A child that needs no torch starts soon.
LIGHT = ("text", "volume", "autosave", "history", "imported_case")
HEAVY = tuple(name for name in WRITERS if name not in LIGHT)
GROUPS = [pytest.param(LIGHT, id="light"), pytest.param(HEAVY, id="heavy", marks=pytest.mark.torture)]
Record = Callable[[str, object], None]
Files = dict[str, bytes]

posix = pytest.mark.skipif(os.name != "posix", reason="needs what POSIX has of processes and limits")


def check(folder: Path, before: Files, after: Files) -> None:
    """Each file is the old one or the new one; those that are new may be missing."""
    now = contents(folder)
    assert set(now) <= set(before) | set(after)
    for name, content in now.items():
        assert content in (before.get(name), after.get(name)), f"{folder}: {name} is neither the old nor the new one"
    # What says that all files belong together goes first and comes last.
    seals = [name for name in {**before, **after} if name.endswith(("summary.json", "model.json"))]
    assert set(before) - set(seals) <= set(now)
    if set(seals) & set(now):
        assert now in (before, after)


def left_in(folder: Path) -> list[Path]:
    return list(folder.rglob(f"{PREFIX}*"))


def start_again(folder: Path, write: Write, after: Files) -> None:
    """The next start says what it found and removes it, and the same once more ends as if nothing had been."""
    was_left, before = bool(left_in(folder)), contents(folder)
    line = sweep(folder, deep=True)
    assert bool(line) == was_left
    assert "\n" not in line
    assert left_in(folder) == []
    assert contents(folder) == before
    write(folder, 1)
    now = contents(folder)
    for files in (now, after):
        files.pop("state.previous.pt", None)  # of the write before, whichever that was
    assert now == after


@posix
@pytest.mark.fault(PART)
@pytest.mark.parametrize("names", GROUPS)
def test_a_kill_before_any_operation(names: tuple[str, ...], tmp_path: Path, record_property: Record) -> None:
    subprocess.run([sys.executable, "-m", "tests.killed", str(tmp_path), *names], cwd=ROOT, check=True, timeout=500)
    kills = 0
    for name in names:
        write = make_writer(name)
        before, after, alone = (contents(tmp_path / name / state) for state in ("before", "after", "alone"))
        assert before
        assert before != after
        left = 0
        for place in (tmp_path / name).glob("*-*"):
            is_over = place.name.startswith("over")
            check(place, before if is_over else {}, after)
            left += bool(left_in(place))
            start_again(place, write, dict(after if is_over else alone))
            kills += 1
        assert left >= 2, name
    record_property("faults", kills)


FAULTS = {
    "full disk": OSError(errno.ENOSPC, "No space left on device"),
    "read-only disk": OSError(errno.EROFS, "Read-only file system"),
    "disk that fails": OSError(errno.EIO, "Input/output error"),
}
OURS = ("ExportError", "AutosaveError", "SessionError", "RecipeError")
# The first says nothing; the others' callers word what the system says.
PLAIN = ("history", "bundle", "card")
QUICK = ("text", "autosave", "checkpoint", "report", "imported_case")
NAMES = [pytest.param(name, marks=[] if name in QUICK else pytest.mark.torture) for name in WRITERS]


class Versions:
    """A writer, and what it leaves: of the version before, of the next one over it, and of that one alone."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.write, self.folder = name, make_writer(name), folder
        for place, version in (("before", 0), ("alone", 1)):
            (folder / place).mkdir(parents=True)
            self.write(folder / place, version)
        shutil.copytree(folder / "before", folder / "after")
        self.write(folder / "after", 1)
        self.before, self.after, self.alone = (contents(folder / place) for place in ("before", "after", "alone"))
        self.largest = max(map(len, self.after.values()))

    def starts(self, where: Path | None = None) -> Iterator[tuple[Path, Files, Files]]:
        """A folder with the version before and an empty one, each with what is in it and what shall be in the end."""
        for start, end in ((self.before, self.after), ({}, self.alone)):
            place = (where or self.folder) / "place"
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            for name, content in start.items():
                (place / name).parent.mkdir(parents=True, exist_ok=True)
                (place / name).write_bytes(content)
            yield place, start, dict(end)

    def is_refused(self, place: Path) -> bool:
        """Write the second version; whether that failed, which must be told in one line."""
        try:
            self.write(place, 1)
        except Exception as error:
            told = error
        else:
            return False
        assert type(told).__name__ in OURS or (self.name in PLAIN and isinstance(told, OSError)), repr(told)
        assert "\n" not in str(told)
        return True


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Versions]:
    made: dict[str, Versions] = {}

    def of(name: str) -> Versions:
        if name not in made:
            made[name] = Versions(name, tmp_path_factory.mktemp("versions") / name)
        return made[name]

    return of


@pytest.mark.fault(PART)
@pytest.mark.parametrize(
    "fault", [pytest.param(name, marks=[] if name == "full disk" else pytest.mark.torture) for name in FAULTS]
)
@pytest.mark.parametrize("name", NAMES)
def test_an_operation_that_fails(
    name: str, fault: str, versions: Callable[[str], Versions], record_property: Record
) -> None:
    """Once, as when there is space again; or from then on, what clears up included."""
    files, faults, number, is_reached = versions(name), 0, 1, True
    while is_reached:
        is_reached = False
        for lasts in (False, True):
            for place, before, end in files.starts():
                with failing(place, FAULTS[fault], number, lasts=lasts) as hits:
                    files.is_refused(place)
                check(place, before, files.after)
                start_again(place, files.write, end)
                is_reached |= bool(hits)
                faults += bool(hits)
        number += 1
    assert faults > 10
    record_property("faults", faults)


@contextmanager
def failing(place: Path, error: OSError, number: int, *, lasts: bool) -> Iterator[list[int]]:
    """Let an operation fail, and those after it; gives the numbers of those that did."""
    hits: list[int] = []

    def act(count: int) -> None:
        if count == number or (lasts and count > number):
            hits.append(count)
            raise error

    with watching(place, act):
        yield hits


@posix
@pytest.mark.fault(PART)
@pytest.mark.parametrize("name", NAMES)
def test_a_disk_that_is_full_at_any_byte(
    name: str, versions: Callable[[str], Versions], record_property: Record
) -> None:
    """By the system's limit on the size of a file."""
    import resource

    files, faults = versions(name), 0
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    for limit in range(0, files.largest + 1, max(files.largest // 20, 1)):
        for place, before, end in files.starts():
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
            try:
                is_refused = files.is_refused(place)
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
            if is_refused:
                faults += 1
                check(place, before, files.after)
                assert left_in(place) == []
            start_again(place, files.write, end)
    assert faults >= 20
    record_property("faults", faults)


@pytest.mark.fault(PART)
@pytest.mark.parametrize("name", NAMES)
def test_a_folder_that_is_gone_at_any_operation(
    name: str, versions: Callable[[str], Versions], record_property: Record
) -> None:
    files, faults, number, is_reached = versions(name), 0, 1, True
    while is_reached:
        is_reached = False
        for place, before, end in files.starts():
            gone = place.with_name("gone")
            shutil.rmtree(gone, ignore_errors=True)

            def go(count: int, number: int = number, place: Path = place, gone: Path = gone) -> None:
                if count == number and not gone.exists():
                    place.rename(gone)

            with watching(place, go):
                files.is_refused(place)
            if not gone.exists():
                continue
            is_reached = True
            faults += 1
            check(gone, before, files.after)
            start_again(gone, files.write, end)
        number += 1
    assert faults >= 8
    record_property("faults", faults)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Makes disks in memory of so many bytes; skips where this user may not."""
    made: list[Path] = []

    def make(size: int) -> Path:
        place = tmp_path / f"disk-{len(made)}"
        place.mkdir()
        _mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place))
        made.append(place)
        return place

    yield make
    for place in made:
        subprocess.run(["umount", "-l", str(place)], capture_output=True, check=False)


def _mount(*words: str) -> None:
    if shutil.which("mount") is None or subprocess.run(["mount", *words], capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount a disk in memory")


@posix
@pytest.mark.fault(PART)
@pytest.mark.parametrize("name", NAMES)
def test_a_real_disk_that_is_full_at_any_page(
    name: str, versions: Callable[[str], Versions], small_disk: Callable[..., Path], record_property: Record
) -> None:
    files, faults = versions(name), 0
    room = small_disk(8 * sum(map(len, files.after.values())) + 2**20)
    page = os.statvfs(room).f_bsize
    for place, before, end in files.starts(room):
        free, is_refused = 0, True
        while is_refused:
            filler = room / "filler"
            with filler.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, (os.statvfs(room).f_bavail - free) * page)
            is_refused = files.is_refused(place)
            filler.unlink()
            check(place, before, files.after)
            if is_refused:
                faults += 1
                assert left_in(place) == []
                free += 1 + files.largest // page // 20
        start_again(place, files.write, end)
    assert faults >= 2
    record_property("faults", faults)


@posix
@pytest.mark.fault(PART, count=2)
@pytest.mark.parametrize("name", NAMES)
def test_a_real_disk_that_is_read_only(
    name: str, versions: Callable[[str], Versions], small_disk: Callable[..., Path]
) -> None:
    files = versions(name)
    room = small_disk(8 * sum(map(len, files.after.values())) + 2**20)
    for place, before, end in files.starts(room):
        _mount("-o", "remount,ro", str(room))
        assert files.is_refused(place)
        assert contents(place) == before
        assert sweep(place) == ""
        _mount("-o", "remount,rw", str(room))
        start_again(place, files.write, end)


@posix
@pytest.mark.fault(PART)
@pytest.mark.parametrize("name", NAMES)
def test_a_real_disk_that_is_gone_at_any_operation(
    name: str, versions: Callable[[str], Versions], small_disk: Callable[..., Path], record_property: Record
) -> None:
    files, faults, number, is_reached = versions(name), 0, 1, True
    while is_reached:
        is_reached = False
        for start in range(2):
            room = small_disk(8 * sum(map(len, files.after.values())) + 2**20)
            place, before, end = next(islice(files.starts(room), start, None))
            disk = os.open(room, os.O_RDONLY)

            def go(count: int, number: int = number, room: Path = room) -> None:
                if count == number:
                    subprocess.run(["umount", "-l", str(room)], check=True)

            with watching(place, go):
                files.is_refused(place)
            if not os.path.ismount(room):
                is_reached = True
                faults += 1
                kept = Path(f"/proc/self/fd/{disk}/place")
                check(kept, before, files.after)
                start_again(kept, files.write, end)
            os.close(disk)
        number += 1
    assert faults >= 8
    record_property("faults", faults)
