from __future__ import annotations

import io
import os
import pickle
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_ddmd.case import Case
from napari_ddmd.viewer.session import archive
from napari_ddmd.viewer.session.archive import SessionError, is_session, read_arrays, read_session, write_session
from napari_ddmd.viewer.session.capture import Snapshot, save
from napari_ddmd.viewer.session.stored import VERSION
from napari_ddmd.whole_files import sweep
from tests.file_faults import watching
from tests.viewer.session.conftest import DONE, Members, change_document, members_of, write_members


@pytest.fixture
def saved(snapshot: Snapshot, tmp_path: Path) -> Path:
    return save(snapshot, tmp_path / "s.ddmd", with_images=True)


def npy(array: Any, **settings: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, **settings)
    return stream.getvalue()


def read_all(path: Path) -> dict[str, Any]:
    return read_arrays(path, read_session(path))


def test_what_is_written_comes_back(saved: Path, snapshot: Snapshot, case: Case) -> None:
    arrays = read_all(saved)
    assert snapshot.volumes is not None
    for name in ("probability", "uncertainty", "inter", "intra"):
        np.testing.assert_array_equal(arrays[name], getattr(snapshot.volumes, name)[DONE])
        assert arrays[name].dtype == np.float32
    np.testing.assert_array_equal(arrays["samples"], snapshot.volumes.samples[:, DONE])
    for name, array in snapshot.copies.items():
        np.testing.assert_array_equal(arrays[name], array)
        assert arrays[name].dtype == array.dtype
    np.testing.assert_array_equal(arrays["images"], case.images)
    assert set(arrays) == {*snapshot.copies, "probability", "uncertainty", "inter", "intra", "samples", "images"}


def test_numpy_alone_can_read_the_arrays(saved: Path, snapshot: Snapshot) -> None:
    with np.load(saved, allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["lesion"], snapshot.copies["lesion"])


def test_names_tell_a_session() -> None:
    assert is_session(Path("a/B.DDMD"))
    assert not is_session(Path("a.ddmd/t1.nii.gz"))


def test_progress_rises_to_the_end(snapshot: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "_CHUNK", 1000)
    shares: list[float] = []
    save(snapshot, tmp_path / "s.ddmd", with_images=True, progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)
    assert len(shares) > 20


def test_a_session_replaces_another_and_leaves_nothing_beside_it(saved: Path, snapshot: Snapshot) -> None:
    save(snapshot, saved, with_images=False)
    assert [entry.name for entry in saved.parent.iterdir()] == ["s.ddmd"]
    assert read_session(saved).case.images


def test_any_name_will_do(snapshot: Snapshot, tmp_path: Path) -> None:
    folder = tmp_path / "Ärztin 脳 [1]"
    folder.mkdir()
    path = save(snapshot, folder / "Größe μ.ddmd", with_images=True)
    assert read_all(path)["lesion"].any()


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
def test_what_cannot_be_written_is_told(snapshot: Snapshot, tmp_path: Path) -> None:
    with pytest.raises(
        SessionError, match=r"nowhere.*cannot be written \(No such file[^\n]*; choose a folder that is there$"
    ):
        save(snapshot, tmp_path / "nowhere" / "s.ddmd", with_images=True)


def test_a_failing_write_leaves_the_file_before(saved: Path, snapshot: Snapshot) -> None:
    before = saved.read_bytes()

    def arrays() -> Any:
        yield "images", snapshot.case.images
        raise OSError(28, "No space left on device")

    with pytest.raises(SessionError, match=r"s\.ddmd: cannot be written \(No space left"):
        write_session(saved, read_session(saved), arrays())
    assert saved.read_bytes() == before
    assert [entry.name for entry in saved.parent.iterdir()] == ["s.ddmd"]


@pytest.mark.fault("Output whole or absent")
def test_an_operation_that_fails_anywhere_leaves_the_file_before(
    saved: Path, snapshot: Snapshot, record_property: Callable[[str, object], None]
) -> None:
    before, number, is_reached = saved.read_bytes(), 1, True
    while is_reached:
        hits: list[int] = []

        def act(count: int, number: int = number, hits: list[int] = hits) -> None:
            if count >= number:
                hits.append(count)
                raise OSError(28, "No space left on device")

        with watching(saved.parent, act), suppress(SessionError):
            save(snapshot, saved, with_images=False)
        is_reached = bool(hits)
        if saved.read_bytes() != before:  # what failed was the clearing up
            read_all(saved)
        line = sweep(saved.parent)
        assert not line or "a save was cut off here" in line
        assert [entry.name for entry in saved.parent.iterdir()] == ["s.ddmd"]
        number += 1
    assert number > 5
    record_property("faults", number - 1)


@pytest.mark.torture
@pytest.mark.skipif(os.name != "posix", reason="sends SIGKILL")
@pytest.mark.fault("Output whole or absent")
def test_a_kill_before_any_operation_leaves_the_file_before(
    saved: Path, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    root = tmp_path / "killed"
    words = [sys.executable, "-m", "tests.killed", str(root), f"session={saved}"]
    subprocess.run(words, cwd=Path(__file__).parents[3], check=True, timeout=300)
    versions = [(root / "session" / name / "s.ddmd").read_bytes() for name in ("before", "after")]
    places = list((root / "session").glob("*-*"))
    for place in places:
        path = place / "s.ddmd"
        assert path.read_bytes() in versions if path.exists() else place.name.startswith("fresh")
        assert bool(sweep(place)) == (place.name not in ("fresh-1", "over-1"))
        assert list(place.iterdir()) == ([path] if path.exists() else [])
    assert len(places) > 8
    record_property("faults", len(places))


def test_an_array_that_is_forgotten_is_noticed(saved: Path) -> None:
    with pytest.raises(AssertionError, match="images"):
        write_session(saved, read_session(saved), iter(()))


def test_a_kill_while_saving_leaves_the_file_before(saved: Path) -> None:
    before = saved.read_bytes()
    code = f"""
import time
from pathlib import Path
from napari_ddmd.viewer.session.archive import read_arrays, read_session, write_session
path = Path({str(saved)!r})
session = read_session(path)
arrays = read_arrays(path, session)
def slowly():
    for number, item in enumerate(arrays.items()):
        if number == 2:
            print("writing", flush=True)
            time.sleep(60)
        yield item
write_session(path, session, slowly())
"""
    writer = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    assert writer.stdout.readline() == "writing\n"
    writer.send_signal(signal.SIGKILL)
    writer.wait(timeout=20)
    writer.stdout.close()
    assert saved.read_bytes() == before
    assert read_all(saved)["lesion"].any()


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(SessionError, match=r"none\.ddmd: no such file; check the path"):
        read_session(tmp_path / "none.ddmd")
    with pytest.raises(SessionError, match=f"{tmp_path.name}: "):
        read_session(tmp_path)


def test_a_session_of_a_later_version_asks_for_an_update(saved: Path) -> None:
    later = change_document(
        members_of(saved), lambda document: document.update(version=VERSION + 1, package="9.1", new="x")
    )
    with pytest.raises(SessionError, match=r"s\.ddmd: was saved by a later version of napari-ddmd \(9\.1\); update it"):
        read_session(write_members(saved, later))


@pytest.mark.fault("Bad input")
@pytest.mark.parametrize("package", ["\n", "a\r\x1b[31mb", "9" * 5000], ids=["line", "colour", "long"])
def test_a_later_version_may_call_itself_anything(package: str, saved: Path) -> None:
    later = change_document(members_of(saved), lambda document: document.update(version=VERSION + 1, package=package))
    with pytest.raises(SessionError, match="later version") as caught:
        read_session(write_members(saved, later))
    said = str(caught.value)
    assert said.isprintable()
    assert len(said) < len(str(saved)) + 120


def test_what_is_wrong_with_the_document_is_told(saved: Path) -> None:
    wrong = change_document(members_of(saved), lambda document: document["results"].update(min_part=1.5))
    with pytest.raises(SessionError, match=r"s\.ddmd: results\.min_part: Input should be less than") as caught:
        read_session(write_members(saved, wrong))
    assert "\n" not in str(caught.value)


def refused(path: Path) -> None:
    """It ends with one line that names the file."""
    with pytest.raises(SessionError) as caught:
        read_all(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def read_or_refused(path: Path) -> dict[str, Any]:
    """What is in a file; nothing where it is refused as it should be."""
    try:
        return read_all(path)
    except SessionError:
        refused(path)
        return {}


class Bomb:
    """What a pickle would run."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.write_text, (Path("pickled"), "boom")


def _first(members: Members, name: str, content: bytes) -> Members:
    assert name in members
    return members | {name: content}


FORGERIES: dict[str, Callable[[Members, Case], Members]] = {
    "no document": lambda m, c: {name: content for name, content in m.items() if name != "session.json"},
    "another format": lambda m, c: change_document(m, lambda d: d.update(format="zip")),
    "no version": lambda m, c: change_document(m, lambda d: d.pop("version")),
    "a list": lambda m, c: m | {"session.json": b"[]"},
    "deep": lambda m, c: m | {"session.json": b"[" * 200_000},
    "no text": lambda m, c: m | {"session.json": b"\xff\xfe\x00"},
    "nan": lambda m, c: m | {"session.json": m["session.json"].replace(b'"zoom": 2.5', b'"zoom": NaN')},
    "strange key": lambda m, c: change_document(m, lambda d: d.update(command="rm")),
    "seed": lambda m, c: change_document(m, lambda d: d["settings"]["sampling"].update(seed=2**40)),
    "slices": lambda m, c: change_document(m, lambda d: d["results"].update(done=[3, 2, 5])),
    "too high": lambda m, c: change_document(m, lambda d: d["results"].update(done=[2, 3, 500])),
    "sample": lambda m, c: change_document(m, lambda d: d["results"].update(sample=3)),
    "scores": lambda m, c: change_document(m, lambda d: d["results"]["scores"][0].update(slice=4)),
    "oblique": lambda m, c: change_document(m, lambda d: d["case"]["affine"][0].__setitem__(1, 1.0)),
    "huge": lambda m, c: change_document(m, lambda d: d["case"].update(source_shape=[100_000] * 3)),
    "other shape": lambda m, c: change_document(m, lambda d: d["case"].update(source_shape=[24, 28, 9])),
    "header": lambda m, c: change_document(m, lambda d: d["case"].update(header="AAAA")),
    "order": lambda m, c: change_document(m, lambda d: d["view"].update(order=[0, 1, 1])),
    "missing array": lambda m, c: {name: content for name, content in m.items() if name != "lesion.npy"},
    "strange member": lambda m, c: m | {"../../evil.py": b"boom"},
    "absolute member": lambda m, c: m | {"/etc/evil": b"boom"},
    "wrong shape": lambda m, c: _first(m, "lesion.npy", npy(np.zeros((1, 2, 3), np.uint8))),
    "same size": lambda m, c: _first(m, "lesion.npy", npy(np.zeros(c.grid.shape[::-1], np.uint8))),
    "wrong dtype": lambda m, c: _first(m, "lesion.npy", npy(np.zeros(c.grid.shape, np.int8))),
    "wide dtype": lambda m, c: _first(m, "lesion.npy", npy(np.zeros(c.grid.shape, np.float64))),
    "byte order": lambda m, c: _first(m, "mask_0.npy", npy(np.zeros(c.grid.shape, ">i4"))),
    "fortran": lambda m, c: _first(m, "lesion.npy", npy(np.zeros(c.grid.shape, np.uint8, order="F"))),
    "pickle": lambda m, c: _first(m, "lesion.npy", npy(np.array([Bomb()]), allow_pickle=True)),
    "raw pickle": lambda m, c: _first(m, "lesion.npy", pickle.dumps(Bomb())),
    "cut short": lambda m, c: _first(m, "lesion.npy", m["lesion.npy"][:-1]),
    "too long": lambda m, c: _first(m, "lesion.npy", m["lesion.npy"] + b"\0"),
    "code": lambda m, c: _first(m, "lesion.npy", npy(np.zeros(c.grid.shape, np.uint8)).replace(b"{'", b"({")),
    "empty member": lambda m, c: _first(m, "lesion.npy", b""),
}


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES)
def test_forged_files_are_refused(
    saved: Path,
    case: Case,
    forgery: Callable[[Members, Case], Members],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    forged = forgery(members_of(saved), case)
    assert forged != members_of(saved)
    refused(write_members(saved, forged))
    assert [entry.name for entry in tmp_path.iterdir()] == ["s.ddmd"]


def test_duplicate_members_are_refused(saved: Path) -> None:
    content = members_of(saved)
    for name in ("lesion.npy", "session.json"):
        write_members(saved, content)
        with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(saved, "a") as archive_:
            archive_.writestr(name, content[name])
        refused(saved)


def test_other_packings_are_refused(saved: Path) -> None:
    content = members_of(saved)
    with zipfile.ZipFile(saved, "w", zipfile.ZIP_BZIP2) as archive_:
        for name, data in content.items():
            archive_.writestr(name, data)
    refused(saved)


def test_a_bomb_is_refused_before_it_is_unpacked(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = members_of(saved)
    content["lesion.npy"] += b"\0" * 50_000_000
    write_members(saved, content)
    opened: list[str] = []
    original = zipfile.ZipFile.open
    monkeypatch.setattr(
        zipfile.ZipFile,
        "open",
        lambda self, name, *a, **k: (opened.append(str(name)), original(self, name, *a, **k))[1],
    )
    refused(saved)
    assert not any("lesion" in name for name in opened)


def test_a_document_that_is_a_bomb_is_refused(saved: Path) -> None:
    refused(write_members(saved, members_of(saved) | {"session.json": b" " * (archive._LARGEST_DOCUMENT + 1)}))


def test_what_does_not_fit_into_memory_is_refused(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = read_session(saved)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Memory", (), {"available": 1000})())
    with pytest.raises(SessionError, match=r"s\.ddmd: needs .* GB of memory, 0\.0 GB are free"):
        read_arrays(saved, session)


def test_a_file_that_changes_while_it_is_opened_is_refused(saved: Path, snapshot: Snapshot) -> None:
    session = read_session(saved)
    time.sleep(0.01)
    save(snapshot, saved, with_images=False)
    with pytest.raises(SessionError, match=r"s\.ddmd: has changed while it was opened"):
        read_arrays(saved, session)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=st.data())
def test_a_file_cut_anywhere_is_refused(saved: Path, data: st.DataObject) -> None:
    content = saved.read_bytes()
    cut = saved.with_name("cut.ddmd")
    cut.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    refused(cut)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=st.data())
def test_changed_bytes_are_refused_or_change_nothing(saved: Path, snapshot: Snapshot, data: st.DataObject) -> None:
    content = bytearray(saved.read_bytes())
    # Half of them in the directory at the end, which is small and tells the most.
    low = data.draw(st.sampled_from([0, len(content) - 1500]))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(low, len(content) - 1))] = data.draw(st.integers(0, 255))
    changed = saved.with_name("changed.ddmd")
    changed.write_bytes(content)
    arrays = read_or_refused(changed)
    if arrays:
        np.testing.assert_array_equal(arrays["lesion"], snapshot.copies["lesion"])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=st.data())
def test_documents_with_strange_values_are_refused_or_read(saved: Path, data: st.DataObject) -> None:
    def change(node: Any) -> None:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        key = data.draw(st.sampled_from(keys))
        if isinstance(node[key], dict | list) and node[key] and data.draw(st.booleans()):
            change(node[key])
        else:
            node[key] = data.draw(JSON)

    forged = write_members(saved.with_name("forged.ddmd"), change_document(members_of(saved), change))
    read_or_refused(forged)


@pytest.mark.fault("Bad input")
@pytest.mark.skipif(os.name != "posix", reason="there are pipes on POSIX alone")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "case.ddmd")
    with pytest.raises(SessionError, match=r"case\.ddmd: is a folder, pipe or device; choose a file"):
        read_session(tmp_path / "case.ddmd")
