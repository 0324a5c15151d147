from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from napari_ddmd import whole_files
from napari_ddmd.whole_files import ExportError, sweep, unwritable, workplace, write_text


def test_a_text_is_written_as_it_is(tmp_path: Path) -> None:
    path = write_text(tmp_path / "a.csv", "one,ä\r\ntwo\n")
    assert path.read_bytes() == "one,ä\r\ntwo\n".encode()
    write_text(path, "new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_text_that_cannot_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_text(tmp_path / "a.html", "old")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(ExportError, match=r"a\.html: cannot be written \(No space left on device\); choose"):
        write_text(path, "new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        ExportError,
        match=r"nowhere/a\.txt: cannot be written [^\n]*; choose a folder that is there$",
    ):
        write_text(tmp_path / "nowhere" / "a.txt", "")


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.ENOSPC, "choose another folder or free some space"),
        (errno.ENOENT, "choose a folder that is there"),
        (errno.EACCES, "choose a folder that you may write to"),
        (errno.EROFS, "choose a folder that you may write to"),
        (errno.ENAMETOOLONG, "choose another folder or a shorter name"),
        (errno.EIO, "choose another folder"),
    ],
)
def test_the_advice_is_that_for_the_fault(number: int, told: str) -> None:
    assert unwritable(Path("a.txt"), OSError(number, "why")) == f"a.txt: cannot be written (why); {told}"
    assert unwritable(Path("a.txt"), OSError("why")) == "a.txt: cannot be written (why); choose another folder"


def test_what_a_living_process_owns_stays_and_goes_when_it_has_died(tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom napari_ddmd.whole_files import workplace\n"
        "with workplace(Path(sys.argv[1])) as place:\n"
        "    (place / 'Small_001').mkdir()\n    print('ready', flush=True)\n    time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "ready\n"
        assert sweep(tmp_path) == ""
        assert len(list(tmp_path.iterdir())) == 1
        owner.kill()
    assert sweep(tmp_path) == (
        f"{tmp_path}: a save was cut off here; what was unfinished is removed (Small_001), earlier files are whole"
    )
    assert list(tmp_path.iterdir()) == []
    assert sweep(tmp_path / "nowhere") == ""


def test_a_save_of_this_process_stays(tmp_path: Path) -> None:
    with workplace(tmp_path) as place:
        assert sweep(tmp_path) == ""
        assert place.is_dir()
    assert list(tmp_path.iterdir()) == []


def test_only_empty_folders_of_nobody_and_no_links_are_removed(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "notes.txt").write_text("mine")
    empty, full, link, file = (tmp_path / f".saving-{name}" for name in ("empty", "full", "link", "file"))
    for folder in (empty, full):
        folder.mkdir()
    (full / "notes.txt").write_text("mine")
    then = time.time() - 25 * 3600
    os.utime(full, (then, then))
    link.symlink_to(mine)
    file.write_text("no folder")
    assert "(.saving-empty)" in sweep(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([mine, full, link, file])
    assert (mine / "notes.txt").read_text() == (full / "notes.txt").read_text() == "mine"


def test_many_that_are_left_are_counted(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / "deep" / f".saving-{number}").mkdir(parents=True)
    assert sweep(tmp_path) == ""
    assert "(.saving-0, .saving-1, .saving-2 and 2 more)" in sweep(tmp_path, deep=True)
    assert list((tmp_path / "deep").iterdir()) == []


def test_a_folder_that_is_swept_before_it_is_owned_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, told = os.open, [""]

    def late(path: Path, *arguments: int, **options: int) -> int:
        if len(told) == 1:
            told.append("")
            told[1] = sweep(tmp_path)
        return opened(path, *arguments, **options)

    monkeypatch.setattr(os, "open", late)
    with workplace(tmp_path) as place:
        assert place.is_dir()
    assert ".saving-" in told[1]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="a file that is open cannot be removed there")
def test_a_folder_that_is_swept_before_it_is_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, places = whole_files._lock, []

    def late(owner: int) -> bool | None:
        if not places:
            places.extend(tmp_path.glob(".saving-*"))
            monkeypatch.setattr(whole_files, "_lock", lock)
            sweep(tmp_path)
        return lock(owner)

    monkeypatch.setattr(whole_files, "_lock", late)
    write_text(tmp_path / "a.txt", "whole")

    assert len(places) == 1
    assert not places[0].exists()
    assert (tmp_path / "a.txt").read_text() == "whole"


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such locks")
def test_where_the_disk_knows_no_locks_what_is_left_goes_after_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_arguments: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(whole_files.fcntl, "flock", no_locks)
    for name, age in ((".saving-new", 0), (".saving-old", 2 * 24 * 3600)):
        (tmp_path / name).mkdir()
        (tmp_path / name / ".owner").touch()
        (tmp_path / name / "mask.nii.gz").touch()
        os.utime(tmp_path / name, times=(time.time() - age,) * 2)

    assert "mask.nii.gz" in sweep(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == [".saving-new"]


def test_what_is_moved_into_place_is_on_the_disk_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power cut must not leave the new name with nothing in it."""
    steps: list[str] = []
    synced, replaced = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (steps.append("fsync"), synced(handle))[1])
    monkeypatch.setattr(Path, "replace", lambda path, target: (steps.append("move"), replaced(path, target))[1])
    write_text(tmp_path / "a.txt", "all")
    assert steps in (["fsync", "move", "fsync"], ["fsync", "move"])
