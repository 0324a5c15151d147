"""A folder that appears with all its files, or not at all."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest

from napari_ddmd import new_folder as new_folder_module
from napari_ddmd.new_folder import free_folder, new_folder, refuse_new_folder
from napari_ddmd.whole_files import PREFIX, ExportError


def write(folder: Path, *names: str, meanwhile: str = "") -> Path:
    with new_folder(folder) as (place, target):
        for name in names or ("one",):
            (place / name).write_text("1")
        assert place.name == target.name
        if meanwhile:
            (target / meanwhile).write_text("another's")
    return target


def content(folder: Path) -> dict[str, list[str]]:
    return {entry.name: sorted(os.listdir(entry)) for entry in folder.iterdir() if entry.is_dir()}  # noqa: PTH208


def test_it_is_there_with_its_files(tmp_path: Path) -> None:
    assert write(tmp_path / "a" / "b") == tmp_path / "a" / "b"
    (tmp_path / "empty").mkdir()
    assert write(tmp_path / "empty") == tmp_path / "empty"
    assert content(tmp_path) == {"a": ["b"], "empty": ["one"]}


@pytest.mark.parametrize("folder", ["a", "a/b/c", "empty", "empty/b"])
def test_a_block_that_fails_leaves_all_as_it_was(folder: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    def fail() -> None:
        with new_folder(tmp_path / folder) as (place, _):
            (place / "one").write_text("1")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert content(tmp_path) == {"empty": []}


def test_an_empty_folder_is_there_until_all_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()

    def full(_path: Path) -> None:
        assert [name for name in content(tmp_path)["a"] if not name.startswith(PREFIX)] == []
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("napari_ddmd.new_folder.settle", full)
    with pytest.raises(ExportError, match=r"a: cannot be written \(No space left"):
        write(tmp_path / "a")
    assert content(tmp_path) == {"a": []}


def test_an_empty_folder_stays_the_one_that_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir(mode=0o700)
    before = (tmp_path / "a").stat()
    monkeypatch.chdir(tmp_path / "a")
    assert write(Path()) == tmp_path / "a"
    after = (tmp_path / "a").stat()
    assert (after.st_ino, after.st_mode, after.st_uid, after.st_gid) == (
        before.st_ino,
        before.st_mode,
        before.st_uid,
        before.st_gid,
    )
    assert os.listdir() == ["one"]  # noqa: PTH208 - of the folder that the process runs in


def test_what_a_command_that_was_cut_off_left_in_it_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "a" / ".saving-left").mkdir(parents=True)
    assert free_folder(tmp_path / "a") == tmp_path / "a"
    write(tmp_path / "a")
    assert content(tmp_path) == {"a": ["one"]}


def test_what_somebody_else_wrote_into_it_meanwhile_stays(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(ExportError, match="a: there already and not an empty folder"):
        write(tmp_path / "a", meanwhile="one")
    assert (tmp_path / "a" / "one").read_text() == "another's"
    assert content(tmp_path) == {"a": ["one"]}


def test_a_file_that_comes_at_the_last_moment_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()
    free = new_folder_module.free_folder

    def late(folder: Path) -> Path:
        found = free(folder)
        if any((tmp_path / "a").iterdir()):
            (tmp_path / "a" / "two").write_text("another's")
        return found

    monkeypatch.setattr(new_folder_module, "free_folder", late)
    with pytest.raises(ExportError, match="a: cannot be written"):
        write(tmp_path / "a", "one", "two")
    assert content(tmp_path) == {"a": ["two"]}
    assert (tmp_path / "a" / "two").read_text() == "another's"


def test_a_file_that_cannot_be_moved_takes_the_others_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()
    rename = Path.rename

    def fail(path: Path, target: Path) -> Path:
        if path.name == "two" and target.parent == tmp_path / "a":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(ExportError, match="a: cannot be written"):
        write(tmp_path / "a", "one", "two")
    assert content(tmp_path) == {"a": []}


@pytest.mark.skipif(os.name != "posix", reason="links need rights on Windows")
def test_up_from_a_link_is_what_the_system_means(tmp_path: Path) -> None:
    (tmp_path / "far" / "deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "far" / "deep")
    assert write(tmp_path / "link" / ".." / "a") == tmp_path / "far" / "a"
    assert write(tmp_path / "link" / "b") == tmp_path / "link" / "b", "the way to it is taken as it is given"
    assert content(tmp_path / "far") == {"a": ["one"], "deep": ["b"]}


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere one cannot be in a folder that is gone")
def test_a_folder_that_one_is_in_and_that_is_gone_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(ExportError, match=r"a: cannot be written \(No such file"):
        free_folder("a")


def test_what_the_system_says_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"a: cannot be written \(No such file"), new_folder(tmp_path / "a") as made:
        (made[0] / "none" / "one").write_text("1")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="links need rights on Windows")
@pytest.mark.parametrize("is_there", [True, False])
def test_a_link_stays_and_what_it_points_at_is_made(is_there: bool, tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    link.symlink_to(real)
    if is_there:
        real.mkdir()
    assert refuse_new_folder(link, ["one"]) == real
    assert write(link) == real
    assert link.is_symlink()
    assert sorted(path.name for path in link.iterdir()) == ["one"]


@pytest.mark.skipif(os.name != "posix", reason="links need rights on Windows")
def test_a_link_to_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("link")
    with pytest.raises(ExportError, match=r"link: [^\n]*; choose"):
        free_folder(tmp_path / "link")


def test_a_way_through_what_is_not_there_is_the_folder_that_it_means(tmp_path: Path) -> None:
    assert write(tmp_path / "none" / ".." / "a") == tmp_path / "a"
    assert content(tmp_path) == {"a": ["one"]}


def test_a_name_that_is_too_long_is_told_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="cannot be written"):
        refuse_new_folder(tmp_path / "a", ["n" * 300])
    with pytest.raises(ExportError, match="cannot be written"):
        refuse_new_folder(tmp_path / ("n" * 300), ["a"])
    with pytest.raises(ExportError, match="cannot be written"):
        write(tmp_path / "new" / ("n" * 300) / "a")
    assert list(tmp_path.iterdir()) == []
