from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot

from napari_ddmd.case import Case
from napari_ddmd.viewer.desk import Desk
from napari_ddmd.viewer.layer_tag import Role, tag_of
from napari_ddmd.viewer.lesion_layer import LesionLayer
from napari_ddmd.viewer.mask_tools import Sheet
from napari_ddmd.viewer.navigation import go_to_slice, go_to_voxel
from napari_ddmd.viewer.planes import Plane
from napari_ddmd.viewer.widgets import correct_box
from napari_ddmd.viewer.widgets.correct_box import CorrectBox


@pytest.fixture
def desk(desk: Desk, viewer: ViewerModel) -> Desk:
    # What the tab does: the newest lesion is the mask in hand.
    def take(event: Any) -> None:
        tag = tag_of(event.value)
        if tag is not None and tag.role == Role.LESION:
            desk.set_mask(event.value)

    viewer.layers.events.inserted.connect(take)
    return desk


@pytest.fixture
def box(desk: Desk, qtbot: QtBot) -> CorrectBox:
    box = CorrectBox(desk)
    qtbot.addWidget(box)
    return box


@pytest.fixture
def lesion(desk: Desk, case: Case, box: CorrectBox) -> LesionLayer:
    lesion = desk.results_of(case).lesion
    lesion.ensure(0.5)
    return lesion


def paint(lesion: LesionLayer, index: int, half: int = 4) -> None:
    with lesion.editing("brush") as data:
        data[index, 14 - half : 14 + half, 12 - half : 12 + half] = 1


def wait_for(box: CorrectBox, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: not box.is_working, timeout=10_000)


def test_without_a_mask_the_brush_begins_one(desk: Desk, box: CorrectBox, viewer: ViewerModel) -> None:
    assert [mode for mode, button in box.modes.items() if button.isEnabled()] == ["paint"]
    assert not any(button.isEnabled() for button in (*box.tools.values(), box.undo_button, box.redo_button))
    box.modes["paint"].click()
    layer = viewer.layers["lesion"]
    assert desk.mask is layer
    assert layer.mode == "paint"
    assert viewer.layers.selection.active is layer
    assert box.modes["paint"].isChecked()


def test_without_a_case_nothing_can_be_done(viewer: ViewerModel, qtbot: QtBot) -> None:
    box = CorrectBox(Desk(viewer))
    qtbot.addWidget(box)
    assert not any(button.isEnabled() for button in (*box.modes.values(), *box.tools.values()))


def test_the_buttons_follow_naparis_own_modes(box: CorrectBox, lesion: LesionLayer, viewer: ViewerModel) -> None:
    layer = viewer.layers["lesion"]
    layer.visible = False
    box.modes["erase"].click()
    assert (layer.mode, layer.visible) == ("erase", True)
    box.modes["fill"].click()
    assert [mode for mode, button in box.modes.items() if button.isChecked()] == ["fill"]
    layer.mode = "paint"
    assert [mode for mode, button in box.modes.items() if button.isChecked()] == ["paint"]
    box.modes["paint"].click()
    assert layer.mode == "pan_zoom"
    assert not any(button.isChecked() for button in box.modes.values())


def test_tools_and_strokes_are_taken_back_in_turn_and_the_buttons_say_what(
    box: CorrectBox, lesion: LesionLayer, viewer: ViewerModel, case: Case, qtbot: QtBot
) -> None:
    go_to_slice(viewer, case, 4)
    assert not box.undo_button.isEnabled()
    paint(lesion, 4)
    with lesion.editing("brush") as data:
        data[4, 13, 12] = 0
    painted = lesion.data.copy()
    box.use("fill")
    wait_for(box, qtbot)
    assert lesion.data[4, 13, 12] == 1
    assert box.message.text() == "Fill holes: +0.01 mL"
    assert box.undo_button.toolTip() == "Undo fill holes"
    box.undo_button.click()
    np.testing.assert_array_equal(lesion.data, painted)
    assert box.undo_button.toolTip() == "Undo brush"
    assert box.redo_button.toolTip() == "Redo fill holes"
    box.redo_button.click()
    assert lesion.data[4, 13, 12] == 1
    viewer.layers["lesion"].undo()
    np.testing.assert_array_equal(lesion.data, painted)
    assert box.redo_button.isEnabled()


def test_a_tool_works_on_this_slice_or_on_all(
    box: CorrectBox, lesion: LesionLayer, viewer: ViewerModel, case: Case, qtbot: QtBot
) -> None:
    for index in (2, 4):
        paint(lesion, index)
        lesion.data[index, 13, 12] = 0
    go_to_slice(viewer, case, 4)
    box.use("fill")
    wait_for(box, qtbot)
    assert lesion.data[[2, 4], 13, 12].tolist() == [0, 1]
    box.scope.setCurrentIndex(1)
    box.use("fill")
    wait_for(box, qtbot)
    assert lesion.data[[2, 4], 13, 12].tolist() == [1, 1]
    box.use("fill")
    wait_for(box, qtbot)
    assert box.message.text() == "Fill holes: nothing to change"


def test_a_slice_is_cleared_in_the_plane_that_is_in_sight(
    desk: Desk, box: CorrectBox, lesion: LesionLayer, viewer: ViewerModel, case: Case, qtbot: QtBot
) -> None:
    go_to_slice(viewer, case, 4)
    for index in (2, 4):
        paint(lesion, index)
    expected = lesion.data.copy()
    expected[:, 13] = 0
    desk.show_plane(Plane.CORONAL)
    go_to_voxel(viewer, case, (4, 13, 12))
    box.use("remove")
    wait_for(box, qtbot)
    np.testing.assert_array_equal(lesion.data, expected)
    viewer.layers["lesion"].contour = 0  # napari warns of contours in a volume
    viewer.dims.ndisplay = 3
    for key in ("remove", "smooth"):
        box.use(key)
        assert not box.is_working
        assert box.message.text() == "No slice is in sight here: choose a plane above."
    box.delete(lesion.data > 0, 1)  # which has to do with no slice
    wait_for(box, qtbot)
    assert not lesion.data.any()
    box.scope.setCurrentIndex(1)
    box.use("fill")
    wait_for(box, qtbot)
    assert box.message.text() == "Fill holes: nothing to change"


def test_interpolation_starts_from_what_was_drawn_not_from_what_it_made(
    box: CorrectBox, lesion: LesionLayer, viewer: ViewerModel, case: Case, qtbot: QtBot
) -> None:
    go_to_slice(viewer, case, 3)
    paint(lesion, 1)
    box.use("interpolate")
    wait_for(box, qtbot)
    assert "two slices" in box.message.text()
    paint(lesion, 5)
    box.use("interpolate")
    wait_for(box, qtbot)
    assert lesion.edited_slices == [1, 2, 3, 4, 5]
    before = lesion.data[3].sum()
    paint(lesion, 5, half=8)
    box.use("interpolate")
    wait_for(box, qtbot)
    assert lesion.data[3].sum() > before


def test_another_lesion_that_was_drawn_stays_however_often_slices_are_filled(
    box: CorrectBox, lesion: LesionLayer, viewer: ViewerModel, case: Case, qtbot: QtBot
) -> None:
    go_to_slice(viewer, case, 3)
    with lesion.editing("brush") as data:
        data[1:7, :4, :4] = data[4, :4, 4:6] = 1
    other = lesion.data.copy()
    for half in (3, 4):
        for index in (1, 6):
            paint(lesion, index, half)
        box.use("interpolate")
        wait_for(box, qtbot)
        assert lesion.data[:, 11:17, 9:15].any(axis=(1, 2)).tolist() == [False, *[True] * 6, False]
        np.testing.assert_array_equal(lesion.data[:, :6], other[:, :6])


def test_a_stroke_while_a_tool_works_is_kept(
    box: CorrectBox, lesion: LesionLayer, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()

    def slow(sheet: Sheet) -> np.ndarray:
        gate.wait(5)
        return np.zeros_like(sheet.mask)

    monkeypatch.setitem(correct_box._TOOLS, "smooth", ("Smooth", slow, ""))
    paint(lesion, 4)
    box.use("smooth")
    assert not box.tools["grow"].isEnabled()
    paint(lesion, 4, half=6)
    stroke = lesion.data.copy()
    gate.set()
    wait_for(box, qtbot)
    np.testing.assert_array_equal(lesion.data, stroke)
    assert "changed meanwhile" in box.message.text()
    assert box.tools["grow"].isEnabled()


def test_a_tool_that_fails_says_so_and_changes_nothing(
    box: CorrectBox, lesion: LesionLayer, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_sheet: Sheet) -> np.ndarray:
        raise MemoryError("no memory left")

    monkeypatch.setitem(correct_box._TOOLS, "smooth", ("Smooth", fail, ""))
    paint(lesion, 4)
    box.use("smooth")
    wait_for(box, qtbot)
    assert box.message.text() == "Smooth failed, nothing was changed: no memory left"
    assert lesion.next_undo == "brush"


def test_a_lesion_is_deleted_and_comes_back(box: CorrectBox, lesion: LesionLayer, qtbot: QtBot) -> None:
    paint(lesion, 4)
    with lesion.editing("brush") as data:
        data[6, 2:4, 2:4] = 1
    place = np.zeros(lesion.data.shape, bool)
    place[6, 2, 2] = True
    box.delete(place, 2)
    wait_for(box, qtbot)
    assert not lesion.data[6].any()
    assert lesion.data[4].any()
    assert box.undo_button.toolTip() == "Undo delete lesion 2"
    box.undo()
    assert lesion.data[6].sum() == 4


def test_the_experts_mask_is_not_corrected(desk: Desk, box: CorrectBox, viewer: ViewerModel) -> None:
    desk.set_mask(viewer.layers["expert mask"])
    before = viewer.layers["expert mask"].data.copy()
    assert not any(button.isEnabled() for button in (*box.modes.values(), *box.tools.values(), box.undo_button))
    assert "not corrected" in box.message.text()
    box.use("remove")
    assert not box.is_working
    np.testing.assert_array_equal(viewer.layers["expert mask"].data, before)
    desk.set_mask(None)
    assert box.message.text() == ""
