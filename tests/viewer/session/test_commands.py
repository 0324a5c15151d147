from __future__ import annotations

from pathlib import Path
from typing import Any

import napari
import pytest

from napari_ddmd.cli import AT_FAULT, main
from napari_ddmd.viewer.session.archive import SessionError
from napari_ddmd.viewer.session.commands import get_session_reader, open_session, save_session
from napari_ddmd.viewer.widgets.panel import SegmentationPanel
from napari_ddmd.viewer.widgets.session_box import SessionBox


@pytest.mark.parametrize("path", ["a.nii.gz", ["a.ddmd", "b.ddmd"], [], "ddmd"])
def test_other_paths_are_left_to_others(path: Any) -> None:
    assert get_session_reader(path) is None


def test_without_a_window_the_reader_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(napari, "current_viewer", lambda: None)
    reader = get_session_reader([str(tmp_path / "s.ddmd")])
    assert reader is not None
    with pytest.raises(SessionError, match=r"s\.ddmd: a session opens in a window of napari"):
        reader(str(tmp_path / "s.ddmd"))


def test_the_menu_asks_the_panel(window: tuple[Any, SegmentationPanel], monkeypatch: pytest.MonkeyPatch) -> None:
    viewer, panel = window
    monkeypatch.setattr(napari, "current_viewer", lambda: viewer)
    asked: list[str] = []
    monkeypatch.setattr(SessionBox, "ask_for_file", lambda self: asked.append("open"))
    monkeypatch.setattr(SessionBox, "ask_for_place", lambda self: asked.append("save"))
    open_session()
    save_session()
    assert asked == ["open", "save"]
    viewer.layers.clear()
    assert panel.desk.case is None
    with pytest.raises(SessionError, match="no case to save"):
        save_session()


def test_the_command_line_refuses_what_is_no_session(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.ddmd").write_bytes(b"PK")
    assert main(["view", str(tmp_path / "bad.ddmd")]) == AT_FAULT
    error = capsys.readouterr().err
    assert error.startswith(f"napari-ddmd: {tmp_path / 'bad.ddmd'}: is damaged or no session")
    assert error.count("\n") == 1
