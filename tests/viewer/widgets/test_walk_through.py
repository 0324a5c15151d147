"""A reading from beginning to end, in a real window, with the mouse and the keys of the reader."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QPoint, Qt, QTimer
from qtpy.QtWidgets import QApplication, QFileDialog, QScrollArea

from napari_ddmd.case import Case, load_case
from napari_ddmd.viewer.four_panels import Arrangement
from napari_ddmd.viewer.navigation import current_slice
from napari_ddmd.viewer.planes import Plane
from napari_ddmd.viewer.widgets.lesion_table import LesionTable
from napari_ddmd.viewer.widgets.panel import SegmentationPanel
from napari_ddmd.viewer.widgets.save_dialog import SaveDialog
from tests.viewer.conftest import GatedSegment

LEFT = Qt.MouseButton.LeftButton
CTRL = Qt.KeyboardModifier.ControlModifier


def canvas_of(viewer: Any) -> Any:
    return viewer.window._qt_viewer.canvas


def on_canvas(viewer: Any, row: int, column: int) -> QPoint:
    """Where a pixel of the slice on screen lies on the canvas."""
    layer = viewer.layers["flair"]
    y, x = np.asarray(layer.translate)[1:] + np.array([row, column]) * np.asarray(layer.scale)[1:]
    view = canvas_of(viewer).view
    place = (view.transform * view.scene.transform).map([x, y, 0, 1])
    return QPoint(round(float(place[0] / place[3])), round(float(place[1] / place[3])))


def press(viewer: Any, qtbot: QtBot, key: Qt.Key, modifier: Any = Qt.KeyboardModifier.NoModifier) -> None:
    qtbot.keyClick(canvas_of(viewer).native, key, modifier)


def press_where_the_focus_is(viewer: Any, qtbot: QtBot, key: Qt.Key) -> None:
    qtbot.keyClick(viewer.window._qt_window.focusWidget(), key)


def click(qtbot: QtBot, button: Any) -> None:
    bring_into_sight(qtbot, button)
    assert button.isEnabled(), f"{button.text()} is disabled"
    qtbot.mouseClick(button, LEFT)


def click_row(qtbot: QtBot, table: LesionTable, row: int) -> None:
    """Click on the second cell of a row."""
    bring_into_sight(qtbot, table.viewport())
    item = table.item(row, 1)
    assert item is not None
    qtbot.mouseClick(table.viewport(), LEFT, pos=table.visualItemRect(item).center())


def bring_into_sight(qtbot: QtBot, widget: Any) -> None:
    """Scroll to a widget, as one does who wants to click on it."""
    area = widget.parent()
    while area is not None and not isinstance(area, QScrollArea):
        area = area.parent()

    def is_seen() -> bool:
        if area is not None:
            area.ensureWidgetVisible(widget)
        return bool(widget.visibleRegion().contains(widget.rect().center()))

    qtbot.waitUntil(is_seen, timeout=5000)


def drag_to(qtbot: QtBot, slider: Any, share: float) -> None:
    """Drag the handle of a slider to a place along it."""
    groove = slider._slider  # The part of superqt's slider that is no number.
    bring_into_sight(qtbot, groove)
    start = (groove.value() - groove.minimum()) / (groove.maximum() - groove.minimum())
    places = [QPoint(round(part * groove.width()), groove.height() // 2) for part in (start, share)]
    qtbot.mousePress(groove, LEFT, pos=places[0])
    qtbot.mouseMove(groove, places[1])
    qtbot.mouseRelease(groove, LEFT, pos=places[1])


def table_of(panel: SegmentationPanel) -> list[list[str]]:
    """The texts of the lesion table, row by row."""
    table = panel.lesion_box.table
    cells = [[table.item(row, column) for column in range(table.columnCount())] for row in range(table.rowCount())]
    return [["" if cell is None else cell.text() for cell in row] for row in cells]


def state_of(viewer: Any, panel: SegmentationPanel) -> dict[str, Any]:
    """What a reader sees of a case, and must find again."""
    case, results = panel.desk.case, panel.desk.results
    assert case is not None
    assert results is not None
    return {
        "layers": [(layer.name, type(layer).__name__, layer.visible) for layer in viewer.layers],
        "case": case.name,
        "edited": results.lesion.edited_slices,
        "edits listed": panel.lesion_tab.edited_box.label.text(),
        "done": sorted(results.done),
        "threshold": round(panel.desk.threshold, 6),
        "threshold shown": panel.result_box.threshold.value(),
        "slice": current_slice(viewer, case),
        "table": table_of(panel),
        "summary": panel.summary.text(),
    }


def paint(viewer: Any, qtbot: QtBot, row: int, column: int) -> None:
    """Press the left button on a pixel, move a little, and let go."""
    native, place = canvas_of(viewer).native, on_canvas(viewer, row, column)
    qtbot.mouseMove(native, place)
    qtbot.mousePress(native, LEFT, pos=place)
    qtbot.mouseMove(native, place + QPoint(2, 2))
    qtbot.mouseRelease(native, LEFT, pos=place + QPoint(2, 2))


def answer_save_dialog(folder: Path) -> None:
    """Type a folder into the dialog that comes up, and accept it."""
    dialog = QApplication.activeModalWidget()
    if dialog is None:
        QTimer.singleShot(100, lambda: answer_save_dialog(folder))
        return
    assert isinstance(dialog, SaveDialog)
    dialog.folder_line.setText(str(folder))
    dialog.accept()


@pytest.mark.on_screen
def test_a_reading_from_open_to_reopen(
    make_napari_viewer: Callable[..., Any],
    installed: object,
    gated: GatedSegment,
    small_case_folder: Path,
    tmp_path: Path,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    viewer = make_napari_viewer(show=True)
    _dock, panel = viewer.window.add_plugin_dock_widget("napari-ddmd", "Find lesions")
    assert isinstance(panel, SegmentationPanel)
    assert not panel.run_bar.button.isEnabled()

    # Open: as by dropping the folder on the window.
    viewer.open(str(small_case_folder), plugin="napari-ddmd")
    qtbot.waitUntil(panel.run_bar.button.isEnabled, timeout=20_000)
    assert [layer.name for layer in viewer.layers if layer.visible] == ["flair"]
    case = panel.desk.case
    assert case is not None

    # Run, see the first slice, cancel: what is done stays.
    click(qtbot, panel.run_bar.button)
    assert panel.run_bar.button.text() == "Cancel"
    gated.allow(1)
    qtbot.waitUntil(lambda: "lesion" in viewer.layers, timeout=10_000)
    with qtbot.waitSignal(panel.controller.ended, timeout=10_000):
        click(qtbot, panel.run_bar.button)
    wanted = len(gated.requests[0]["slices"])
    assert panel.run_bar.status.text().startswith(f"Cancelled: 1 of {wanted} slices are done")

    # Run again: the rest only.
    gated.allow(100)
    with qtbot.waitSignal(panel.controller.ended, timeout=10_000):
        click(qtbot, panel.run_bar.button)
    assert len(gated.requests[1]["slices"]) == wanted - 1
    qtbot.waitUntil(lambda: panel.summary.text().startswith("1 lesion"), timeout=10_000)
    lesion = viewer.layers["lesion"]
    found = lesion.data.copy()
    assert case.mask is not None
    np.testing.assert_array_equal(found, case.mask > 0)

    # Jump to it from the far end, by the key and by its row in the table.
    panel.desk.go_to(0)
    press(viewer, qtbot, Qt.Key.Key_N)
    middle = current_slice(viewer, case)
    assert found[middle].any()
    panel.tabs.setCurrentWidget(panel.lesion_tab)
    panel.desk.go_to(0)
    assert current_slice(viewer, case) == 0
    click_row(qtbot, panel.lesion_box.table, 0)
    assert current_slice(viewer, case) == middle
    # The keys go on working from the table, and after a click on a button of the panel.
    panel.desk.go_to(0)
    qtbot.keyClick(panel.lesion_box.table, Qt.Key.Key_N)
    assert current_slice(viewer, case) == middle
    assert viewer.window._qt_window.focusWidget() is panel.lesion_box.table
    press_where_the_focus_is(viewer, qtbot, Qt.Key.Key_Right)
    assert current_slice(viewer, case) == middle + 1
    canvas_of(viewer).native.setFocus()
    for button in (panel.layout_part.plane_box.buttons[Plane.AXIAL], panel.view_box.buttons[Arrangement.MODALITIES]):
        click(qtbot, button)
    press_where_the_focus_is(viewer, qtbot, Qt.Key.Key_Left)
    assert current_slice(viewer, case) == middle
    assert panel.layout_part.plane_box.buttons[Plane.AXIAL].isChecked()
    assert panel.four_panels.arrangement is Arrangement.MODALITIES
    click(qtbot, panel.view_box.buttons[Arrangement.SINGLE])

    # The run is taken back, and brought again, with the image in hand as it was opened.
    viewer.layers.selection.active = viewer.layers["flair"]
    press(viewer, qtbot, Qt.Key.Key_Z, CTRL)
    assert not np.array_equal(lesion.data, found)
    press(viewer, qtbot, Qt.Key.Key_Z, CTRL | Qt.KeyboardModifier.ShiftModifier)
    np.testing.assert_array_equal(lesion.data, found)

    # Edit with the brush: the summary follows. Ctrl+Z takes the stroke back, and then the run.
    before = panel.summary.text()
    viewer.layers.selection.active = viewer.layers["flair"]
    click(qtbot, panel.lesion_tab.correct_box.modes["paint"])
    assert viewer.layers.selection.active is lesion
    assert lesion.mode == "paint"
    row, column = np.argwhere(case.brain[middle] & (found[middle] == 0)).mean(axis=0).round().astype(int)
    paint(viewer, qtbot, int(row), int(column))
    edited = lesion.data.copy()
    assert (edited != found).any()
    assert panel.desk.results is not None
    assert panel.desk.results.lesion.edited_slices == [middle]
    qtbot.waitUntil(lambda: panel.summary.text() != before, timeout=10_000)
    press(viewer, qtbot, Qt.Key.Key_Z, CTRL)
    np.testing.assert_array_equal(lesion.data, found)
    press(viewer, qtbot, Qt.Key.Key_Z, CTRL)
    assert not np.array_equal(lesion.data, found)
    for _ in range(2):
        press(viewer, qtbot, Qt.Key.Key_Z, CTRL | Qt.KeyboardModifier.ShiftModifier)
    np.testing.assert_array_equal(lesion.data, edited)

    # Save by the dialog.
    panel.tabs.setCurrentWidget(panel.save_tab)
    QTimer.singleShot(300, lambda: answer_save_dialog(tmp_path))
    with qtbot.waitSignal(panel.save_button.mask_saved, timeout=20_000):
        click(qtbot, panel.save_button)
    saved = tmp_path / f"{case.name}_mask.nii.gz"
    source = nibabel.load(small_case_folder / f"{case.name}_flair.nii.gz")
    np.testing.assert_allclose(nibabel.load(saved).affine, source.affine)

    # Save the session with another threshold and another slice on screen.
    panel.tabs.setCurrentWidget(panel.look_tab)
    drag_to(qtbot, panel.result_box.threshold, 0.7)
    qtbot.waitUntil(lambda: panel.desk.threshold > 0.6, timeout=10_000)
    # The volume is said at once, the lesions are told apart a little later.
    qtbot.waitUntil(lambda: panel.summary.text().startswith("1 lesion"), timeout=10_000)
    panel.desk.go_to(middle + 1)
    session = tmp_path / "reading.ddmd"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_arguments: (str(session), ""))
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_arguments: (str(session), ""))
    panel.tabs.setCurrentWidget(panel.save_tab)
    click(qtbot, panel.save_tab.session_box.save_button)
    qtbot.waitUntil(lambda: not panel.save_tab.session_box.is_busy, timeout=20_000)
    as_left, mask = state_of(viewer, panel), lesion.data.copy()
    assert as_left["edited"] == [middle]
    assert as_left["slice"] == middle + 1
    assert len(as_left["table"]) == 1

    # Reopen it in a new window: all is as it was left.
    new = make_napari_viewer(show=True)
    _dock, new_panel = new.window.add_plugin_dock_widget("napari-ddmd", "Find lesions")
    new_panel.tabs.setCurrentWidget(new_panel.save_tab)
    click(qtbot, new_panel.save_tab.session_box.open_button)
    qtbot.waitUntil(lambda: not new_panel.save_tab.session_box.is_busy, timeout=20_000)
    qtbot.waitUntil(lambda: new_panel.summary.text().startswith("1 lesion"), timeout=10_000)

    def is_as_left() -> None:
        assert state_of(new, new_panel) == as_left

    qtbot.waitUntil(is_as_left, timeout=10_000)  # the lesions are measured again, for what the run has said of them
    np.testing.assert_array_equal(new.layers["lesion"].data, mask)

    # Reopen the saved mask in another window: it lies where it was painted.
    other = make_napari_viewer(show=True)
    other.open(str(small_case_folder), plugin="napari-ddmd")
    other.open(str(saved), plugin="napari-ddmd")
    np.testing.assert_array_equal(other.layers[-1].data, edited)
    again: Case = load_case(small_case_folder)
    np.testing.assert_allclose(other.layers[-1].translate, again.grid.translate)
