from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
import pytest
from napari.utils.notifications import Notification
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QThreadPool

from napari_ddmd.case import Case, CaseError
from napari_ddmd.run_history import Pace
from napari_ddmd.viewer import launch
from napari_ddmd.viewer.four_panels import Arrangement
from napari_ddmd.viewer.navigation import current_slice
from napari_ddmd.viewer.session.capture import capture, save
from napari_ddmd.viewer.widgets import model_box
from napari_ddmd.viewer.widgets.model_box import Installed
from tests.viewer.conftest import GatedSegment
from tests.viewer.widgets.conftest import pace

__all__ = ["pace"]


@pytest.fixture
def opened(
    make_napari_viewer: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    tiny_model_folder: Path,
    request: pytest.FixtureRequest,
    pace: Pace,
) -> list[Any]:
    """The viewers that were opened, drawn where the test asks for it; `napari.run` returns at once."""
    viewers: list[Any] = []
    is_shown = request.node.get_closest_marker("on_screen") is not None

    def open_viewer(*, show: bool, **arguments: Any) -> Any:
        viewers.append(make_napari_viewer(show=show and is_shown, **arguments))
        return viewers[-1]

    monkeypatch.setattr(napari, "Viewer", open_viewer)
    monkeypatch.setattr(napari, "run", lambda: None)
    here = Installed((tiny_model_folder,), "tiny", ("cpu",), ("ddim",))
    monkeypatch.setattr(model_box, "find_installed", lambda: here)
    return viewers


def panel_of(viewer: Any) -> Any:
    _dock, panel = viewer.window.add_plugin_dock_widget("napari-ddmd", "Find lesions")
    return panel


def settle(qtbot: QtBot) -> None:
    qtbot.wait(20)
    assert QThreadPool.globalInstance().waitForDone(20_000)


@pytest.mark.on_screen
def test_a_case_opens_with_the_panel(opened: list[Any], small_case_folder: Path, qtbot: QtBot) -> None:
    launch.view_window(small_case_folder)
    (viewer,) = opened
    assert [layer.name for layer in viewer.layers] == ["t1", "t1ce", "t2", "flair", "expert mask"]
    assert viewer.title == "Small_001 - napari-ddmd"
    assert viewer.window._qt_window.isVisible()
    assert panel_of(viewer).case_box.case().name == "Small_001"
    assert len(viewer.window.dock_widgets) == 1
    settle(qtbot)


def test_a_window_opens_without_a_case(opened: list[Any], qtbot: QtBot) -> None:
    launch.view_window(None)
    assert len(opened[0].layers) == 0
    settle(qtbot)


def test_a_session_opens_with_the_panel(opened: list[Any], case: Case, tmp_path: Path, qtbot: QtBot) -> None:
    _viewer, panel = launch.open_window(case)
    path = save(capture(panel), tmp_path / "s.ddmd", with_images=False)
    launch.view_window(path)
    qtbot.waitUntil(lambda: len(opened[1].layers) == 5, timeout=20_000)
    assert panel_of(opened[1]).desk.case.name == "Small_001"
    settle(qtbot)


def test_a_bad_case_opens_no_window(opened: list[Any], tmp_path: Path) -> None:
    with pytest.raises(CaseError):
        launch.view_window(tmp_path)
    assert opened == []


def test_remarks_on_the_case_are_shown(
    opened: list[Any], case: Case, notifications: list[Notification], qtbot: QtBot
) -> None:
    launch.open_window(dataclasses.replace(case, warnings=("the header is odd",)), show=False)
    assert [note.message for note in notifications] == ["the header is odd"]
    settle(qtbot)


def test_the_demo_segments_by_itself(opened: list[Any], case: Case, gated: GatedSegment, qtbot: QtBot) -> None:
    launch.demo_window(case)
    (viewer,) = opened
    panel = panel_of(viewer)
    assert current_slice(viewer, case) == launch.largest_slice(case)
    assert panel.four_panels.arrangement is Arrangement.MODALITIES
    qtbot.waitUntil(lambda: panel.controller.is_running, timeout=20_000)
    gated.allow(100)
    qtbot.waitUntil(lambda: not panel.controller.is_running, timeout=20_000)
    assert gated.requests[0]["slices"][0] == launch.largest_slice(case)
    settle(qtbot)


def test_the_largest_slice_needs_no_expert(case: Case) -> None:
    assert case.mask is not None
    sizes = (case.mask > 0).sum(axis=(1, 2))
    assert sizes[launch.largest_slice(case)] == sizes.max()
    assert launch.largest_slice(dataclasses.replace(case, mask=None)) == 4


def test_a_dicom_study_is_read_into_an_open_window(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    opened: list[Any] = []
    monkeypatch.setattr(launch, "is_study", lambda path: path == tmp_path)
    monkeypatch.setattr(launch, "open_window", lambda case: ("viewer", case))
    monkeypatch.setattr(launch, "open_in_window", lambda viewer, path: opened.append((viewer, path)))
    monkeypatch.setattr(launch.napari, "run", lambda: None)
    launch.view_window(tmp_path)
    assert opened == [("viewer", tmp_path)]
