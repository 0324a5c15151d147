from __future__ import annotations

import dataclasses
import threading

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QLabel

from napari_ddmd.agreement import BOTH, ONLY_FIRST, ONLY_SECOND, Agreement
from napari_ddmd.case import Case
from napari_ddmd.viewer.desk import Desk
from napari_ddmd.viewer.lesion_layer import LesionLayer
from napari_ddmd.viewer.navigation import go_to_slice
from napari_ddmd.viewer.viewer_links import ViewerLinks
from napari_ddmd.viewer.widgets import compare_box
from napari_ddmd.viewer.widgets.compare_box import CompareBox
from napari_ddmd.viewer.widgets.overlay_box import OverlayBox
from napari_ddmd.volumes import Volumes

OVERLAY = "mask against expert"


@pytest.fixture
def box(desk: Desk, qtbot: QtBot) -> CompareBox:
    box = CompareBox(desk, ViewerLinks())
    qtbot.addWidget(box)
    return box


@pytest.fixture
def lesion(desk: Desk, case: Case, box: CompareBox) -> LesionLayer:
    assert case.mask is not None
    lesion = desk.results_of(case).lesion
    lesion.ensure(0.5)
    desk.set_mask(lesion.layer)
    with lesion.editing("brush") as data:
        data[:] = case.mask
    return lesion


def texts(box: CompareBox) -> list[str]:
    return [label.text() for label in box.values]


def test_nothing_of_the_experts_is_shown_before_it_is_asked_for(
    box: CompareBox, lesion: LesionLayer, viewer: ViewerModel, qtbot: QtBot
) -> None:
    qtbot.wait(600)
    assert box.tick.isEnabled()
    assert not box.tick.isChecked()
    assert set(texts(box)) == {"–"}
    assert OVERLAY not in viewer.layers


def test_figures_and_overlay_follow_edits(
    desk: Desk, box: CompareBox, lesion: LesionLayer, viewer: ViewerModel, case: Case, qtbot: QtBot
) -> None:
    assert case.mask is not None
    viewer.layers.selection.active = lesion.layer
    go_to_slice(viewer, case, 4)
    box.tick.setChecked(True)
    qtbot.waitUntil(lambda: texts(box)[:3] == ["1.000", "1.000", "0.0 mm"], timeout=10_000)
    assert viewer.layers.selection.active is lesion.layer
    overlay = viewer.layers[OVERLAY]
    assert set(np.unique(overlay.data)) == {0, BOTH}
    assert not overlay.editable
    with lesion.editing("brush") as data:
        data[4] = 0
        data[6, 2, 2] = 1
    qtbot.waitUntil(lambda: texts(box)[1] == "0.000", timeout=10_000)
    assert viewer.layers[OVERLAY] is overlay
    assert overlay.data[6, 2, 2] == ONLY_FIRST
    assert (overlay.data[4] == ONLY_SECOND).sum() == (case.mask[4] > 0).sum()
    go_to_slice(viewer, case, 0)
    assert texts(box)[1] == "–"
    lesion.undo()
    qtbot.waitUntil(lambda: texts(box)[0] == "1.000", timeout=10_000)


def test_what_the_colours_mean_stands_above_the_figures(box: CompareBox, lesion: LesionLayer, qtbot: QtBot) -> None:
    box.show()
    box.tick.setChecked(True)
    (legend,) = [label for label in box.findChildren(QLabel) if "only the expert" in label.text()]
    qtbot.waitUntil(lambda: 0 < box.overlay_tick.y() + 1 <= legend.y() < box.values[0].y(), timeout=10_000)


def test_slices_that_were_not_run_are_told_of(
    desk: Desk, box: CompareBox, lesion: LesionLayer, case: Case, qtbot: QtBot
) -> None:
    box.tick.click()
    qtbot.waitUntil(lambda: "–" not in texts(box)[0], timeout=10_000)
    assert box.partial.isHidden()  # nothing was run at all: the mask is the reader's
    volumes = Volumes(case, 2, intra=True, inter=True)
    volumes.done = set(case.brain_slices[:2])
    desk.results_of(case).volumes = volumes
    lesion._segmented.slices[sorted(volumes.done)] = True
    desk.mask_edited.emit()
    brain = len(case.brain_slices)
    edited = set(lesion.edited_slices) - volumes.done
    assert edited, "the expert's lesion was painted in"
    told = f"{brain - 2 - len(edited)} of {brain} slices have not been run; they count as without lesion."
    qtbot.waitUntil(lambda: box.partial.text() == told, timeout=10_000)
    assert not box.partial.isHidden()
    own = Labels(np.ones(case.grid.shape, np.uint8))
    desk.viewer.layers.append(own)
    desk.set_mask(own)  # the reader's own, which no run is to fill
    qtbot.waitUntil(box.partial.isHidden, timeout=10_000)


def test_the_overlay_can_go_alone_or_with_the_figures(
    box: CompareBox, lesion: LesionLayer, viewer: ViewerModel, qtbot: QtBot
) -> None:
    box.tick.setChecked(True)
    qtbot.waitUntil(lambda: OVERLAY in viewer.layers, timeout=10_000)
    box.overlay_tick.setChecked(False)
    assert OVERLAY not in viewer.layers
    box.overlay_tick.setChecked(True)
    assert OVERLAY in viewer.layers
    box.tick.setChecked(False)
    assert OVERLAY not in viewer.layers
    assert box.overlay is None


def test_what_was_hidden_for_a_moment_is_there_at_the_next_comparison(
    desk: Desk, box: CompareBox, lesion: LesionLayer, viewer: ViewerModel, qtbot: QtBot
) -> None:
    keys = OverlayBox(desk, ViewerLinks())  # of the key H
    qtbot.addWidget(keys)
    for _ in range(3):
        box.tick.setChecked(True)
        qtbot.waitUntil(lambda: OVERLAY in viewer.layers, timeout=10_000)
        keys.toggle_all()
        assert not box.overlay_tick.isChecked()
        box.tick.setChecked(False)
        assert box.overlay_tick.isChecked()
        keys.toggle_all()
    assert box._overlay_links._links == []


def test_the_tick_says_what_is_on_the_image_whoever_hides_it(
    desk: Desk, box: CompareBox, lesion: LesionLayer, viewer: ViewerModel, qtbot: QtBot
) -> None:
    keys = OverlayBox(desk, ViewerLinks())  # of the key H
    qtbot.addWidget(keys)
    box.tick.setChecked(True)
    qtbot.waitUntil(lambda: OVERLAY in viewer.layers, timeout=10_000)
    overlay, outline = viewer.layers[OVERLAY], lesion.layer
    for shown in (False, True, False):
        keys.toggle_all()
        assert (overlay.visible, box.overlay_tick.isChecked()) == (shown, shown)
    with lesion.editing("brush") as data:
        data[4] = 0
    qtbot.waitUntil(lambda: texts(box)[0] != "1.000", timeout=10_000)
    assert not overlay.visible
    assert outline is not None
    assert not outline.visible, "nothing comes back by itself"
    assert (overlay.data[4] == ONLY_SECOND).any()
    box.overlay_tick.click()
    assert viewer.layers[OVERLAY] is overlay
    assert overlay.visible
    keys.toggle_all()
    assert not box.overlay_tick.isChecked()


def test_outlines_are_hidden_while_the_overlay_is_shown(
    desk: Desk, box: CompareBox, lesion: LesionLayer, viewer: ViewerModel, qtbot: QtBot
) -> None:
    outline, expert = lesion.layer, viewer.layers["expert mask"]
    assert outline is not None
    expert.visible = True
    box.tick.setChecked(True)
    qtbot.waitUntil(lambda: OVERLAY in viewer.layers, timeout=10_000)
    assert not outline.visible
    assert not expert.visible
    assert outline in box.away
    with lesion.editing("brush") as data:
        data[4] = 0
    qtbot.waitUntil(lambda: texts(box)[0] != "1.000", timeout=10_000)
    box.overlay_tick.setChecked(False)
    assert outline.visible
    assert expert.visible
    expert.visible = False
    box.overlay_tick.setChecked(True)
    assert not outline.visible
    viewer.layers.remove(OVERLAY)
    assert outline.visible
    assert not expert.visible
    box.overlay_tick.setChecked(False)
    box.overlay_tick.setChecked(True)
    assert not outline.visible
    desk.set_case(None)
    assert outline.visible


def test_an_outline_that_the_user_shows_is_left_to_the_user(
    box: CompareBox, lesion: LesionLayer, viewer: ViewerModel, qtbot: QtBot
) -> None:
    outline = lesion.layer
    assert outline is not None
    box.tick.setChecked(True)
    qtbot.waitUntil(lambda: OVERLAY in viewer.layers, timeout=10_000)
    outline.visible = True
    with lesion.editing("brush") as data:
        data[4] = 0
    qtbot.waitUntil(lambda: texts(box)[0] != "1.000", timeout=10_000)
    assert outline.visible
    outline.visible = False
    box.tick.setChecked(False)
    assert not outline.visible


def test_an_overlay_that_is_deleted_stays_away(
    box: CompareBox, lesion: LesionLayer, viewer: ViewerModel, qtbot: QtBot
) -> None:
    box.tick.setChecked(True)
    qtbot.waitUntil(lambda: OVERLAY in viewer.layers, timeout=10_000)
    viewer.layers.remove(OVERLAY)
    assert lesion.layer is not None
    lesion.layer.paint((6, 2, 2), 1)
    qtbot.waitUntil(lambda: not box.overlay_tick.isChecked(), timeout=10_000)
    assert OVERLAY not in viewer.layers
    box.overlay_tick.setChecked(True)
    assert OVERLAY in viewer.layers


def test_there_must_be_two_masks(desk: Desk, box: CompareBox, viewer: ViewerModel, case: Case) -> None:
    assert "no mask in hand" in box.note.text()
    desk.set_mask(viewer.layers["expert mask"])
    assert not box.tick.isEnabled()
    desk.set_case(dataclasses.replace(case, mask=None))
    assert box.tick.isHidden()
    assert "No expert" in box.note.text()
    desk.set_case(None)
    assert box.note.text() == "No case."


def test_another_case_takes_the_overlay_away(
    desk: Desk, box: CompareBox, lesion: LesionLayer, viewer: ViewerModel, case: Case, qtbot: QtBot
) -> None:
    box.tick.setChecked(True)
    qtbot.waitUntil(lambda: OVERLAY in viewer.layers, timeout=10_000)
    desk.set_case(dataclasses.replace(case, name="other"))
    assert OVERLAY not in viewer.layers
    assert not box.tick.isChecked()


def test_an_answer_that_comes_too_late_is_dropped(
    desk: Desk,
    box: CompareBox,
    lesion: LesionLayer,
    viewer: ViewerModel,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate, begun = threading.Event(), threading.Event()
    true_compare = compare_box.compare

    def slow(*arguments: object) -> Agreement:
        begun.set()
        gate.wait(5)
        return true_compare(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(compare_box, "compare", slow)
    box.tick.setChecked(True)
    qtbot.waitUntil(begun.is_set, timeout=10_000)
    desk.set_mask(None)
    gate.set()
    qtbot.wait(500)
    assert OVERLAY not in viewer.layers


def test_figures_follow_a_run_though_the_outline_is_hidden(
    desk: Desk, box: CompareBox, lesion: LesionLayer, case: Case, qtbot: QtBot
) -> None:
    assert lesion.layer is not None
    go_to_slice(desk.viewer, case, 4)
    box.tick.setChecked(True)
    qtbot.waitUntil(lambda: texts(box)[1] == "1.000", timeout=10_000)
    assert not lesion.layer.visible
    lesion.layer.data[4] = 0  # as slices that come in, of which a hidden layer tells nothing
    desk.results_changed.emit()
    qtbot.waitUntil(lambda: texts(box)[1] == "0.000", timeout=10_000)
    assert not lesion.layer.visible


def test_another_mask_in_hand_gives_the_outline_of_the_one_before_back(
    desk: Desk, box: CompareBox, lesion: LesionLayer, case: Case, qtbot: QtBot
) -> None:
    assert lesion.layer is not None
    box.tick.setChecked(True)
    qtbot.waitUntil(lambda: not lesion.layer.visible, timeout=10_000)
    other = desk.viewer.add_labels(np.ones(case.grid.shape, np.uint8), name="drawn")
    desk.set_mask(other)
    qtbot.waitUntil(lambda: not other.visible and lesion.layer.visible, timeout=10_000)
