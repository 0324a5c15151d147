from __future__ import annotations

from pathlib import Path

import pytest

from napari_ddmd.whole_files import ExportError, write_text


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
    with pytest.raises(ExportError, match=r"nowhere/a\.txt: cannot be written"):
        write_text(tmp_path / "nowhere" / "a.txt", "")
