from __future__ import annotations

import dataclasses
import errno
import os
import stat
import subprocess
import sys
import time
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_ddmd.case import Case, load_case
from napari_ddmd.viewer.autosave import Autosave, AutosaveError, Edits, case_key, read_edits
from napari_ddmd.viewer.file_hold import is_held_here
from tests.conftest import CaseWriter

SHAPE = (4, 6, 5)
KEY = "0123456789abcdef01234567"


def edits(value: int = 1, shape: tuple[int, ...] = SHAPE) -> Edits:
    written = np.zeros(shape, np.uint8)
    mask = written.copy()
    mask[1:3] = value
    return Edits(mask, written, 0.4)


@pytest.fixture
def store(tmp_path: Path) -> Autosave:
    return Autosave(tmp_path / "autosave")


def size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # has just been moved into its place
        return 0


def age(path: Path, days: float) -> None:
    then = time.time() - days * 24 * 3600
    os.utime(path, (then, then))


def test_edits_come_back_as_they_were(store: Autosave) -> None:
    path = store.save(KEY, edits())
    back = read_edits(path, SHAPE)
    np.testing.assert_array_equal(back.mask, edits().mask)
    np.testing.assert_array_equal(back.written, edits().written)
    assert back.threshold == 0.4
    assert back.edited_slices == [1, 2]


def test_another_session_finds_them_and_ones_own_are_not_found(store: Autosave) -> None:
    path = store.save(KEY, edits())
    assert store.find(KEY, SHAPE) == (None, [])
    found, problems = Autosave(store.folder).find(KEY, SHAPE)
    assert problems == []
    assert found is not None
    assert found.path == path
    assert abs((datetime.now() - found.time).total_seconds()) < 60
    assert Autosave(store.folder).find("f" * 24, SHAPE) == (None, [])


def test_new_edits_do_not_replace_those_of_a_crash(store: Autosave) -> None:
    crashed = store.save(KEY, edits(1))
    age(crashed, 1)
    later = Autosave(store.folder)
    later.save(KEY, edits(2))
    np.testing.assert_array_equal(read_edits(crashed, SHAPE).mask, edits(1).mask)
    found, _ = Autosave(store.folder).find(KEY, SHAPE)
    assert found is not None
    assert found.edits.mask.max() == 2


def test_the_folder_is_private_and_names_tell_nothing(store: Autosave, case: Case) -> None:
    path = store.save(case_key(case), edits())
    assert case.name not in path.name
    if os.name == "posix":
        assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_case_is_known_again_wherever_it_lies(case: Case, tmp_path: Path, write_small_case: CaseWriter) -> None:
    elsewhere = load_case(write_small_case(tmp_path / "Other_name"))
    assert case_key(elsewhere) == case_key(case)
    brighter = dataclasses.replace(case, images=case.images + 1)
    assert case_key(brighter) != case_key(case)


@pytest.mark.parametrize("cut", [0, 20, -40])
def test_a_broken_file_is_told_of_once_and_ignored(store: Autosave, cut: int) -> None:
    path = store.save(KEY, edits())
    path.write_bytes(path.read_bytes()[:cut])
    found, problems = Autosave(store.folder).find(KEY, SHAPE)
    assert found is None
    assert len(problems) == 1
    assert "\n" not in problems[0]
    assert path.name in problems[0]
    assert Autosave(store.folder).find(KEY, SHAPE) == (None, [])


def encrypted(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[6] |= 1
    content[content.find(b"PK\1\2") + 8] |= 1
    path.write_bytes(content)


def unknown_method(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[8] = content[content.find(b"PK\1\2") + 10] = 99
    path.write_bytes(content)


def no_archive(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.zeros(3))


def three_thresholds(path: Path) -> None:
    np.savez(path, mask=np.zeros(SHAPE, np.uint8), written=np.zeros(SHAPE, np.uint8), threshold=np.zeros(3))


def threshold(value: object) -> Callable[[Path], None]:
    arrays = {"mask": np.zeros(SHAPE, np.uint8), "written": np.zeros(SHAPE, np.uint8)}
    return lambda path: np.savez(path, **arrays, threshold=np.asarray(value))


def no_array(path: Path) -> None:
    threshold(0.5)(path)
    with zipfile.ZipFile(path) as archive:
        kept = archive.read("threshold.npy")
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (("mask", b"\x93NUM"), ("written", b"\x93NUM"), ("threshold", kept)):
            archive.writestr(f"{name}.npy", content)


def header(text: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            words = f"{text:<117}\n".encode()
            archive.writestr("mask.npy", b"\x93NUMPY\1\0" + len(words).to_bytes(2, "little") + words)
            archive.writestr("written.npy", b"")
            archive.writestr("threshold.npy", b"")

    return write


DAMAGE: dict[str, Callable[[Path], None]] = {
    "encrypted": encrypted,
    "unknown method": unknown_method,
    "no archive": no_archive,
    "three thresholds": three_thresholds,
    "a threshold that is no number": threshold(np.nan),
    "a threshold that no probability exceeds": threshold(7.0),
    "a threshold in words": threshold("0.5"),
    "members that are no arrays": no_array,
    "torn header": header("{'descr': '|u1', 'fortran_order': False, 'shape': (3, "),
    "a petabyte": header("{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000000000,), }"),
}


@pytest.mark.fault("Viewer")
@pytest.mark.parametrize("damage", DAMAGE.values(), ids=list(DAMAGE))
def test_however_a_file_is_damaged_an_older_one_is_found(store: Autosave, damage: Callable[[Path], None]) -> None:
    older, damaged = Autosave(store.folder).save(KEY, edits()), store.save(KEY, edits())
    age(older, 1)
    damage(damaged)

    found, problems = Autosave(store.folder).find(KEY, SHAPE)
    assert found is not None
    assert found.path == older
    assert ["cannot be read" in problem for problem in problems] == [True]


@pytest.mark.fault("Viewer")
def test_no_memory_is_taken_for_what_is_larger_than_the_case(store: Autosave) -> None:
    store.folder.mkdir()
    path = store.folder / f"{KEY}-x.npz"
    np.savez_compressed(path, mask=np.zeros(2**26, np.uint8), written=edits().written, threshold=0.5)
    tracemalloc.start()
    with pytest.raises(AutosaveError, match="do not fit the case"):
        read_edits(path, SHAPE)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


JUST_NOW = {
    "memory": MemoryError(),
    "permission": PermissionError(errno.EACCES, "Permission denied"),
    "disk": OSError(errno.EIO, "Input/output error"),
    "files": OSError(errno.EMFILE, "Too many open files"),
}


@pytest.mark.fault("Viewer")
@pytest.mark.parametrize("place", ["opening", "reading"])
@pytest.mark.parametrize("error", JUST_NOW.values(), ids=list(JUST_NOW))
def test_edits_that_cannot_be_read_just_now_are_left_and_found_later(
    store: Autosave, error: Exception, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    older, path = Autosave(store.folder).save(KEY, edits()), store.save(KEY, edits())
    age(older, 1)
    whole = np.load if place == "opening" else np.lib.npyio.NpzFile.__getitem__

    def fail(file: Any, *arguments: Any, **options: Any) -> Any:
        stored = file if place == "opening" else file.zip.fp
        if path.name in stored.name:
            raise error
        return whole(file, *arguments, **options)

    owner, name = (np, "load") if place == "opening" else (np.lib.npyio.NpzFile, "__getitem__")
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, fail)
        found, problems = Autosave(store.folder).find(KEY, SHAPE)
    assert found is not None
    assert found.path == older, "an older one is offered meanwhile"
    assert ["cannot be read just now" in problem for problem in problems] == [True]
    found, problems = Autosave(store.folder).find(KEY, SHAPE)
    assert problems == []
    assert found is not None
    assert found.path == path


def test_a_seek_to_nowhere_is_damage(store: Autosave, monkeypatch: pytest.MonkeyPatch) -> None:
    path = store.save(KEY, edits())

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(np, "load", fail)
    Autosave(store.folder).find(KEY, SHAPE)
    assert not path.exists()


def test_edits_that_another_session_has_just_removed_are_not_told_of(
    store: Autosave, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = store.save(KEY, edits())
    monkeypatch.setattr(np, "load", lambda *_, **__: path.unlink() or path.open("rb"))
    assert Autosave(store.folder).find(KEY, SHAPE) == (None, [])


def test_an_older_whole_file_is_found_behind_a_broken_one(store: Autosave) -> None:
    whole, broken = Autosave(store.folder).save(KEY, edits()), store.save(KEY, edits())
    age(whole, 1)
    broken.write_bytes(b"PK no more")
    found, problems = Autosave(store.folder).find(KEY, SHAPE)
    assert found is not None
    assert found.path == whole
    assert len(problems) == 1


def test_a_pickle_is_never_loaded(store: Autosave) -> None:
    store.folder.mkdir()
    path = store.folder / f"{KEY}-x.npz"
    np.savez(path, mask=np.array([object()]), written=edits().written, threshold=0.5)
    with pytest.raises(AutosaveError):
        read_edits(path, SHAPE)


def test_edits_of_another_grid_are_not_offered(store: Autosave) -> None:
    store.save(KEY, edits(shape=(4, 6, 6)))
    found, problems = Autosave(store.folder).find(KEY, SHAPE)
    assert found is None
    assert "do not fit" in problems[0]


def test_old_files_are_swept_and_nothing_else(store: Autosave) -> None:
    kept = store.save(KEY, edits())
    old, part, fresh_part, foreign = (store.folder / name for name in ("a.npz", "b.part", "c.part", "notes.txt"))
    for path in (old, part, fresh_part, foreign):
        path.write_bytes(b"")
    age(old, 31)
    age(part, 2)
    age(foreign, 99)
    store.sweep()
    assert sorted(store.folder.iterdir()) == sorted([kept, fresh_part, foreign])


def test_a_folder_that_cannot_be_written_is_told_in_one_line(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(AutosaveError, match="cannot be saved") as caught:
        Autosave(blocked).save(KEY, edits())
    assert "\n" not in str(caught.value)


# Paints, and saves without rest; tells of each state that is saved as a whole.
_PAINTER = """
import sys
from pathlib import Path
import numpy as np
from napari_ddmd.viewer.autosave import Autosave, Edits

store = Autosave(Path(sys.argv[1]))
noise = np.random.default_rng(0).integers(2, 250, (40, 200, 200), dtype=np.uint8)  # slow to compress
for count in range(1, 10_000):
    noise[:] += 1
    noise[0] = count % 200
    store.save(sys.argv[2], Edits(noise, np.roll(noise, 1), count / 10_000))
    print(count, flush=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="sends SIGKILL")
@pytest.mark.parametrize("round_", range(3))
def test_a_kill_in_the_middle_of_a_save_leaves_the_last_whole_one(tmp_path: Path, round_: int) -> None:
    folder = tmp_path / "autosave"
    painter = subprocess.Popen([sys.executable, "-c", _PAINTER, str(folder), KEY], stdout=subprocess.PIPE, text=True)
    assert painter.stdout is not None
    for _ in range(2 + round_):
        told = int(painter.stdout.readline())
    # In the middle of the next save: its part file is there, and not empty any more.
    deadline = time.monotonic() + 30
    while not any(size_of(path) for path in folder.glob(".saving-*/*.npz")):
        assert time.monotonic() < deadline
    painter.kill()
    rest = painter.stdout.read().split()
    painter.wait()
    painter.stdout.close()
    told = int(rest[-1]) if rest else told
    assert list(folder.glob(".saving-*"))
    assert Autosave(folder).sweep() == ["A save of edits was cut off; what was saved before it is whole."]
    assert not list(folder.glob(".saving-*"))
    assert Autosave(folder).sweep() == []
    found, problems = Autosave(folder).find(KEY, (40, 200, 200))
    assert problems == []
    assert found is not None
    # Renamed, but killed before it could be told, is fine too.
    count = round(found.edits.threshold * 10_000)
    assert count in (told, told + 1)
    assert (found.edits.mask[0] == count % 200).all()
    np.testing.assert_array_equal(found.edits.written, np.roll(found.edits.mask, 1))


def test_edits_are_gone_when_their_file_is_and_not_when_the_disk_fails(
    store: Autosave, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = store.save(KEY, edits())
    found, _ = Autosave(store.folder).find(KEY, SHAPE)
    assert found is not None
    assert not found.is_gone

    def fail(_path: Path) -> bool:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "exists", fail)
        assert not found.is_gone
    path.unlink()
    assert found.is_gone
    assert abs((datetime.now() - found.time).total_seconds()) < 60


# Has a case open whose edits are saved, for as long as nothing is said to it.
_OWNER = """
import sys
from pathlib import Path
import numpy as np
from napari_ddmd.viewer.autosave import Autosave, Edits

store = Autosave(Path(sys.argv[1]))
store.open()
shape = tuple(map(int, sys.argv[3:]))
for slice in (1, 2):
    mask = np.zeros(shape, np.uint8)
    mask[slice, 1, 1] = 1
    store.save(sys.argv[2], Edits(mask, np.zeros(shape, np.uint8), 0.5))
print("saved", flush=True)
for line in sys.stdin:
    store.leave(is_pending=False)
    print("left", flush=True)
"""


@contextmanager
def owner(folder: Path, key: str, shape: tuple[int, ...]) -> Iterator[Callable[[], None]]:
    """Another process that has a case open, slice 2 of which is edited; gives what closes the case in it."""
    words = [str(folder), key, *map(str, shape)]
    with subprocess.Popen(
        [sys.executable, "-c", _OWNER, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "saved\n"

        def leave() -> None:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write("leave\n")
            process.stdin.flush()
            assert process.stdout.readline() == "left\n"

        yield leave
        process.kill()


@pytest.mark.fault("Viewer")
def test_edits_that_another_process_has_open_are_its_own_until_it_dies(store: Autosave) -> None:
    with owner(store.folder, KEY, SHAPE):
        (path,) = store.folder.iterdir()
        age(path, 40)
        assert store.sweep() == []
        assert store.find(KEY, SHAPE) == (None, [])
        assert path.exists(), "nor are they too old"
        age(path, 1)
    found, problems = store.find(KEY, SHAPE)
    assert problems == []
    assert found is not None
    assert found.path == path


def test_edits_of_a_case_that_another_process_has_closed_are_found(store: Autosave) -> None:
    with owner(store.folder, KEY, SHAPE) as leave:
        assert store.find(KEY, SHAPE) == (None, [])
        leave()
        found, _ = store.find(KEY, SHAPE)
        assert found is not None
        assert found.edits.edited_slices == [2]


def test_edits_that_are_saved_after_their_case_was_closed_are_left(store: Autosave) -> None:
    store.leave(is_pending=False)
    path = store.save(KEY, edits())
    assert not is_held_here(path)
    store.open()
    store.save(KEY, edits())
    assert is_held_here(path)
    store.discard(path)
    assert not is_held_here(path)


@pytest.mark.fault("Output whole or absent")
def test_a_file_whose_age_cannot_be_told_stays(store: Autosave, monkeypatch: pytest.MonkeyPatch) -> None:
    path = store.save(KEY, edits())
    look = Path.stat

    def stat(self: Path, **options: bool) -> os.stat_result:
        if self == path:
            raise OSError(errno.ESTALE, "Stale file handle")
        return look(self, **options)

    other = Autosave(store.folder)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "stat", stat)
        other.sweep()
    assert path.is_file()
