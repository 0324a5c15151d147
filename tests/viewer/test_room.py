from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QRect, Qt
from qtpy.QtWidgets import QDockWidget, QMainWindow

from napari_ddmd.viewer import room
from napari_ddmd.viewer.room import make_room


class Screen:
    """Stands in for one of another size."""

    def __init__(self, width: int, height: int) -> None:
        self._size = width, height

    def availableGeometry(self) -> QRect:  # noqa: N802
        return QRect(0, 0, *self._size)


@pytest.mark.parametrize(
    ("size", "left"),
    [
        ((1280, 800), {"layer controls", "layer list", "panel"}),
        ((1024, 640), {"layer controls", "layer list", "panel"}),
        ((1024, 600), {"layer list", "panel"}),
        ((853, 533), {"panel"}),
        ((640, 400), {"panel"}),
    ],
)
def test_lists_of_layers_make_room(
    size: tuple[int, int], left: set[str], qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = QMainWindow()
    qtbot.addWidget(window)
    docks = [QDockWidget(name, window) for name in ("layer controls", "layer list", "panel")]
    for dock in docks:
        dock.setObjectName(dock.windowTitle())
        window.addDockWidget(Qt.DockWidgetArea.LeftDockWidgetArea, dock)
    monkeypatch.setattr(window, "screen", lambda: Screen(*size))
    said: list[str] = []
    monkeypatch.setattr(room, "show_info", said.append)
    make_room(window)
    assert {dock.objectName() for dock in docks if not dock.isHidden()} == left
    gone = " and ".join(dock.objectName() for dock in docks if dock.isHidden())
    assert said == ([f"Put away for want of room: {gone}. The menu Window brings them back."] if gone else [])
