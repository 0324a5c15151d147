from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from napari._app_model import get_app_model
from napari.layers import Labels
from napari.utils.action_manager import action_manager
from napari.utils.key_bindings import coerce_keybinding
from napari.utils.shortcuts import default_shortcuts
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QPoint, Qt
from qtpy.QtGui import QAction
from qtpy.QtTest import QTest

from napari_ddmd.case import Case
from napari_ddmd.viewer.desk import Desk
from napari_ddmd.viewer.four_panels import Arrangement
from napari_ddmd.viewer.layer_tag import Role, grid_arguments
from napari_ddmd.viewer.navigation import current_slice, go_to_slice
from napari_ddmd.viewer.planes import Plane
from napari_ddmd.viewer.viewer_links import ViewerLinks
from napari_ddmd.viewer.widgets.keys_box import KeysDialog
from napari_ddmd.viewer.widgets.layout_part import LayoutPart
from tests.viewer.conftest import add_case

Window = tuple[Any, LayoutPart, list[str]]


@pytest.fixture
def window(make_napari_viewer: Callable[..., Any], case: Case, qtbot: QtBot) -> Window:
    viewer = make_napari_viewer(show=True)
    add_case(viewer, case)
    desk = Desk(viewer)
    links = ViewerLinks()
    part = LayoutPart(desk, links)
    part.destroyed.connect(lambda: links.disconnect())
    desk.set_case(case)
    asked: list[str] = []
    part.bind_keys(
        lambda way: asked.append(f"lesion {way}"),
        *(partial(asked.append, what) for what in ("overlays", "ok", "undo", "redo", "run")),
    )
    viewer.window.add_dock_widget(part, name="layout")
    qtbot.waitExposed(viewer.window._qt_window)
    return viewer, part, asked


def press(viewer: Any, key: Any, modifiers: Any = Qt.KeyboardModifier.NoModifier) -> None:
    QTest.keyClick(viewer.window._qt_viewer.canvas.native, key, modifiers)


def test_the_keys_work_in_the_window_whatever_layer_is_active(window: Window, case: Case) -> None:
    viewer, part, asked = window
    keys = Qt.Key
    for layer in ("flair", "expert mask"):
        viewer.layers.selection.active = viewer.layers[layer]
        press(viewer, keys.Key_N)
        press(viewer, keys.Key_N, Qt.KeyboardModifier.ShiftModifier)
        press(viewer, keys.Key_H)
        press(viewer, keys.Key_Return, Qt.KeyboardModifier.ControlModifier)
        press(viewer, keys.Key_F8)
        assert asked == ["lesion 1", "lesion -1", "overlays", "ok", "run"]
        asked.clear()
        press(viewer, keys.Key_F2)
        assert part.four_panels.arrangement is Arrangement.MODALITIES
        press(viewer, keys.Key_F6)
        assert part.plane_box.buttons[Plane.CORONAL].isChecked()
        press(viewer, keys.Key_F5)
        press(viewer, keys.Key_F1)
        assert part.four_panels.arrangement is Arrangement.SINGLE
        assert part.plane_box.buttons[Plane.AXIAL].isChecked()
    # There are no maps to explain anything with.
    press(viewer, keys.Key_F3)
    assert part.four_panels.arrangement is Arrangement.SINGLE


def test_modalities_are_shown_at_full_size_by_key_and_button(window: Window) -> None:
    viewer, part, _asked = window
    press(viewer, Qt.Key.Key_Q)
    press(viewer, Qt.Key.Key_Q)
    press(viewer, Qt.Key.Key_Q, Qt.KeyboardModifier.ShiftModifier)
    assert [layer.name for layer in viewer.layers if layer.visible] == ["t1"]
    assert part.modality_box.buttons["t1"].isChecked()
    part.arrange(Arrangement.MODALITIES)
    assert not any(button.isChecked() for button in part.modality_box.buttons.values())
    part.modality_box.buttons["t2"].click()
    assert part.four_panels.arrangement is Arrangement.SINGLE
    assert [layer.name for layer in viewer.layers if layer.visible] == ["t2"]
    assert part.modality_box.buttons["t2"].isChecked()


def test_undo_is_for_when_an_image_is_active(window: Window) -> None:
    viewer, _part, asked = window
    both = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    for layer, told in (("flair", ["undo", "redo"]), ("expert mask", [])):
        viewer.layers.selection.active = viewer.layers[layer]
        press(viewer, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        press(viewer, Qt.Key.Key_Z, both)
        assert asked == told
        asked.clear()


def test_findings_are_stepped_through(window: Window, case: Case, lesion_slices: list[int]) -> None:
    viewer, part, _asked = window
    part._desk.set_mask(viewer.layers["expert mask"])
    go_to_slice(viewer, case, 0)
    press(viewer, Qt.Key.Key_Period)
    assert current_slice(viewer, case) == lesion_slices[0]
    go_to_slice(viewer, case, case.grid.shape[0] - 1)
    press(viewer, Qt.Key.Key_Comma)
    assert current_slice(viewer, case) == lesion_slices[-1]


def test_no_key_is_napari_s(window: Window) -> None:
    viewer, part, _asked = window
    assert part.keys is not None
    ours = {str(coerce_keybinding(key.name)) for key in part.keys.keys}
    assert len(ours) == 18
    # As napari comes, as this napari is set up, and what its layers and its window answer to besides.
    theirs = {str(binding) for bindings in default_shortcuts.values() for binding in bindings}
    theirs |= {str(binding) for bindings in action_manager._shortcuts.values() for binding in bindings}
    for kind in {mro for layer in viewer.layers for mro in type(layer).__mro__} | set(type(viewer).__mro__):
        theirs |= {str(binding) for binding in getattr(kind, "class_keymap", {})}
        assert kind is Labels or not ours.intersection(map(str, getattr(kind, "class_keymap", {})))
    for action in viewer.window._qt_window.findChildren(QAction):
        theirs |= {shortcut.toString() for shortcut in action.shortcuts()}
    theirs |= {str(rule.keybinding) for rule in get_app_model().keybindings}
    assert {"Ctrl+Z", "Ctrl+G", "Ctrl+O", "P"} <= theirs
    # Those mean the same on a layer of labels, and there they are napari's own.
    assert ours & theirs == {"Ctrl+Z", "Ctrl+Shift+Z"}


def test_the_keys_are_listed_and_can_be_tried(window: Window, qtbot: QtBot) -> None:
    _viewer, part, _asked = window
    part.plane_box.keys_button.click()
    (dialog,) = part.findChildren(KeysDialog)
    assert dialog.isVisible()
    assert not dialog.isModal()
    with qtbot.waitSignal(dialog.destroyed):
        dialog.close()


def test_a_right_drag_sets_the_window_and_leaves_the_camera_alone(window: Window, qtbot: QtBot) -> None:
    viewer, part, _asked = window
    flair, canvas = viewer.layers["flair"], viewer.window._qt_viewer.canvas.native
    viewer.layers.selection.active = flair
    qtbot.wait(200)
    before, zoom = tuple(flair.contrast_limits), viewer.scene.camera.zoom
    middle = QPoint(canvas.width() // 2, canvas.height() // 2)
    right = Qt.MouseButton.RightButton

    def drag() -> None:
        QTest.mousePress(canvas, right, pos=middle)
        for step in range(1, 6):
            QTest.mouseMove(canvas, middle + QPoint(10 * step, 6 * step))
            qtbot.wait(20)

    drag()
    assert part.canvas_text.note.visible
    assert part.canvas_text.note.text.startswith("FLAIR  W ")
    QTest.mouseRelease(canvas, right, pos=middle + QPoint(50, 30))
    qtbot.waitUntil(lambda: not part.canvas_text.note.visible)
    assert tuple(flair.contrast_limits) != before
    assert viewer.scene.camera.zoom == pytest.approx(zoom)
    QTest.mouseDClick(canvas, right, pos=middle)
    qtbot.waitUntil(lambda: tuple(flair.contrast_limits) == pytest.approx(before))
    assert viewer.scene.camera.zoom == pytest.approx(zoom)
    QTest.mouseRelease(canvas, right, pos=middle)
    # Without a case the right button zooms, as ever.
    viewer.layers.clear()
    viewer.add_points([[0, 0, 0], [9, 9, 9]])
    viewer.layers.selection.active = None
    qtbot.wait(100)
    zoom = viewer.scene.camera.zoom
    drag()
    QTest.mouseRelease(canvas, right, pos=middle)
    qtbot.waitUntil(lambda: viewer.scene.camera.zoom != pytest.approx(zoom), timeout=3000)


def test_with_the_brush_a_right_drag_sets_the_window_and_a_right_click_begins_an_outline(
    window: Window, case: Case, qtbot: QtBot
) -> None:
    viewer, part, _asked = window
    flair, canvas = viewer.layers["flair"], viewer.window._qt_viewer.canvas.native
    labels = viewer.add_labels(np.zeros(case.grid.shape, np.uint8), **grid_arguments(case, Role.LESION))
    labels.mode, labels.brush_size = "paint", 1
    part._desk.fit()
    qtbot.wait(200)
    middle, right = QPoint(canvas.width() // 2, canvas.height() // 2), Qt.MouseButton.RightButton

    def move(*steps: QPoint) -> None:
        for step in steps:
            QTest.mouseMove(canvas, middle + step)
            qtbot.wait(20)

    before = tuple(flair.contrast_limits)
    QTest.mousePress(canvas, right, pos=middle)
    move(QPoint(20, 20), QPoint(60, 60))
    QTest.mouseRelease(canvas, right, pos=middle + QPoint(60, 60))
    move(QPoint(80, 0), QPoint(0, 80))
    assert tuple(flair.contrast_limits) != before
    assert not labels.data.any(), "nothing is painted, neither while the button is down nor after"
    assert str(labels.mode) == "paint"

    within = tuple(flair.contrast_limits)
    QTest.mouseClick(canvas, right, pos=middle)
    move(QPoint(60, 0), QPoint(120, 60))
    drawn = labels.data.copy()
    assert drawn.any()
    QTest.mousePress(canvas, right, pos=middle + QPoint(120, 60))
    move(QPoint(90, 100))
    QTest.mouseRelease(canvas, right, pos=middle + QPoint(90, 100))
    assert str(labels.mode) == "paint", "an outline goes on until it closes"
    assert tuple(flair.contrast_limits) == within
    move(QPoint(60, 120), QPoint(0, 100), QPoint(-40, 40), QPoint(0, 0))
    assert labels.data.sum() > 2 * drawn.sum(), "closed, it is filled"

    filled, zoom = labels.data.copy(), viewer.scene.camera.zoom
    QTest.mouseClick(canvas, right, pos=middle + QPoint(150, 0))
    QTest.mouseDClick(canvas, right, pos=middle + QPoint(150, 0))
    qtbot.waitUntil(lambda: tuple(flair.contrast_limits) == pytest.approx(before))
    QTest.mouseRelease(canvas, right, pos=middle + QPoint(150, 0))
    move(QPoint(150, 90))
    assert (labels.data == filled).all(), "the first click of a double click has drawn nothing in the end"
    assert viewer.scene.camera.zoom == pytest.approx(zoom)


def test_buttons_follow_the_canvas(window: Window) -> None:
    viewer, part, _asked = window
    part.view_box.buttons[Arrangement.MODALITIES].click()
    assert viewer.canvas.grid.enabled
    viewer.canvas.grid.enabled = False
    assert part.view_box.buttons[Arrangement.SINGLE].isChecked()
    viewer.dims.order = (2, 0, 1)
    assert part.plane_box.buttons[Plane.SAGITTAL].isChecked()
    viewer.dims.ndisplay = 3
    assert not any(button.isChecked() for button in part.plane_box.buttons.values())
    viewer.layers.clear()
    assert not part.view_box.buttons[Arrangement.EXPLAIN].isEnabled()


def test_it_goes_without_a_trace(window: Window, qtbot: QtBot) -> None:
    viewer, part, _asked = window
    overlays = [name for name in viewer.canvas.overlays if not name.startswith("ddmd_")]
    with qtbot.waitSignal(part.destroyed):
        viewer.window.remove_dock_widget(part)
        part.deleteLater()
    assert list(viewer.canvas.overlays) == overlays
    assert not viewer.keymap
    assert [call.__name__ for call in viewer.mouse_double_click_callbacks] == ["double_click_to_zoom"]
    viewer.dims.order = (1, 0, 2)
    viewer.canvas.grid.enabled = True


def test_a_name_that_is_thrown_away_is_not_drawn_any_more(window: Window) -> None:
    """Whether Python has cleared it away already, or not yet."""
    viewer, part, _asked = window
    part.arrange(Arrangement.MODALITIES)
    canvas = viewer.window._qt_viewer.canvas
    names = [visual for visuals in canvas._layer_overlay_to_visual.values() for visual in visuals.values()]
    assert names
    part.arrange(Arrangement.SINGLE)
    assert [layer.name for layer in viewer.layers if layer.visible] == ["flair"]


def test_a_case_that_lacks_an_image_fills_the_canvas_though_it_is_not_read(window: Window, case: Case) -> None:
    viewer, part, _asked = window
    camera = viewer.scene.camera
    part._desk.fit()
    fitted = camera.zoom
    part._desk.set_case(None)
    part.follow(None)
    camera.zoom = fitted / 7
    part.follow(case)
    assert camera.zoom == pytest.approx(fitted)
    camera.zoom = fitted * 2
    part.follow(case)
    assert camera.zoom == fitted * 2, "it is opened once"
