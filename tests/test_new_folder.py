"""A folder that appears with all its files, or not at all."""

from __future__ import annotations

import errno
import os
import stat
import struct
import sys
from pathlib import Path

import pytest

from napari_ddmd.new_folder import free_folder, new_folder, refuse_new_folder
from napari_ddmd.whole_files import ExportError


def write(folder: Path) -> Path:
    with new_folder(folder) as (place, target):
        (place / "one").write_text("1")
        assert place.name == target.name
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
        assert content(tmp_path)["a"] == []
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("napari_ddmd.whole_files.settle", full)
    with pytest.raises(ExportError, match=r"a: cannot be written \(No space left"):
        write(tmp_path / "a")
    assert content(tmp_path) == {"a": []}


@pytest.mark.skipif(os.name != "posix", reason="Windows has other rights")
def test_who_may_look_into_an_empty_folder_may_look_into_the_new_one(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for mode in (0o2700, 0o750, 0o500):
        (tmp_path / f"{mode}").mkdir()
        (tmp_path / f"{mode}").chmod(mode)
        write(tmp_path / f"{mode}")
        assert stat.S_IMODE((tmp_path / f"{mode}").stat().st_mode) == mode


@pytest.mark.skipif(os.name != "posix", reason="Windows has other rights")
@pytest.mark.parametrize("may", [False, True])
def test_a_groups_rights_are_no_other_groups(may: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, given = tmp_path / "a", []
    target.mkdir()
    target.chmod(0o2770)
    stat_of = Path.stat

    def of_another_group(path: Path, **options: bool) -> os.stat_result:
        found = stat_of(path, **options)
        if path != target or given:
            return found
        return os.stat_result([*found[:5], found.st_gid + 1, *found[6:]])

    def chown(_path: Path, _owner: int, group: int) -> None:
        if group >= 0:
            given.append(group)
        if not may:
            raise PermissionError

    monkeypatch.setattr(Path, "stat", of_another_group)
    monkeypatch.setattr(os, "chown", chown)
    write(target)
    assert given == [stat_of(tmp_path).st_gid + 1]
    assert stat.S_IMODE(stat_of(target).st_mode) == (0o2770 if may else 0o700)


def test_python_of_windows_that_knows_no_mounts_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def is_mount(_self: Path) -> bool:
        raise NotImplementedError

    monkeypatch.setattr("pathlib.Path.is_mount", is_mount)
    assert write(tmp_path / "a") == tmp_path / "a"


@pytest.mark.skipif(sys.platform != "linux", reason="a disk that every Linux has")
def test_where_another_disk_begins_is_refused_before_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pathlib.Path.iterdir", lambda _self: iter(()))  # as if nothing were in it
    with pytest.raises(ExportError, match="/proc: is a disk of its own; choose a folder in it"):
        free_folder("/proc")


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


def test_the_folder_that_one_is_in_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ExportError, match="is the folder that this command runs in; choose one in it"):
        write(Path())
    assert write(Path("a")) == tmp_path / "a"


def test_a_name_that_is_too_long_is_told_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="cannot be written"):
        refuse_new_folder(tmp_path / "a", ["n" * 300])
    with pytest.raises(ExportError, match="cannot be written"):
        refuse_new_folder(tmp_path / ("n" * 300), ["a"])
    with pytest.raises(ExportError, match="cannot be written"):
        write(tmp_path / "new" / ("n" * 300) / "a")
    assert list(tmp_path.iterdir()) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="access lists of POSIX")
def test_who_is_on_the_list_of_a_folder_may_look_into_the_new_one(tmp_path: Path) -> None:
    target = tmp_path / "a"
    target.mkdir()
    entries = [(1, 7, -1), (2, 7, 12345), (4, 0, -1), (16, 7, -1), (32, 0, -1)]  # owner, a user, group, mask, others
    listed = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries)
    try:
        os.setxattr(target, "system.posix_acl_access", listed)
    except OSError:
        pytest.skip("this disk keeps no access lists")
    write(target)
    assert os.getxattr(target, "system.posix_acl_access") == listed
