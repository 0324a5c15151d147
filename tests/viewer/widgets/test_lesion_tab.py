from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels, Layer
from napari.layers._layer_actions import _duplicate_layer
from napari.layers._source import layer_source
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QApplication

from napari_ddmd.case import Case
from napari_ddmd.viewer.acceptance import accept, acceptance_of
from napari_ddmd.viewer.case_layers import case_layers
from napari_ddmd.viewer.desk import Desk
from napari_ddmd.viewer.layer_tag import Role, grid_arguments
from napari_ddmd.viewer.run_settings import SliceMode
from napari_ddmd.viewer.viewer_links import ViewerLinks
from napari_ddmd.viewer.widgets.lesion_tab import LesionTab
from napari_ddmd.viewer.widgets.panel import SegmentationPanel
from tests.viewer.conftest import GatedSegment, add_case
from tests.viewer.widgets.conftest import OpenPanel


@pytest.fixture
def tab(desk: Desk, qtbot: QtBot) -> Iterator[LesionTab]:
    links = ViewerLinks()
    tab = LesionTab(desk, links)
    qtbot.addWidget(tab)
    yield tab
    links.disconnect()


def test_a_mask_whose_edits_are_not_saved_by_themselves_says_so(tab: LesionTab, desk: Desk, case: Case) -> None:
    assert tab.not_kept.isHidden()
    lesion = desk.results_of(case).lesion
    lesion.ensure(0.5)
    assert desk.mask is lesion.layer
    assert tab.not_kept.isHidden()
    opened = desk.viewer.add_labels(np.ones(case.grid.shape, np.uint8), name="of yesterday")
    names = tab.lesion_box.mask_list
    names.setCurrentIndex(names.findText("of yesterday"))
    assert desk.mask is opened
    assert not tab.not_kept.isHidden()
    names.setCurrentIndex(names.findText("expert mask"))
    assert tab.not_kept.isHidden(), "nobody edits it"


def test_an_empty_layer_that_somebody_added_is_no_finding(tab: LesionTab, desk: Desk, case: Case, qtbot: QtBot) -> None:
    said: list[str] = []
    tab.summary_changed.connect(said.append)
    drawn = desk.viewer.add_labels(np.zeros(case.grid.shape, np.uint8), name="of mine")
    qtbot.waitUntil(lambda: said[-1:] == ["Nothing is drawn in this mask"], timeout=10_000)
    assert desk.mask is drawn
    assert not desk.says_something
    drawn.paint((3, 15, 15), 1)
    qtbot.waitUntil(lambda: said[-1].startswith("1 lesion"), timeout=10_000)
    assert desk.says_something


def duplicate(desk: Desk, layer: Labels) -> Labels:
    desk.viewer.layers.selection.active = layer
    _duplicate_layer(desk.viewer.layers)
    copy = desk.viewer.layers[f"{layer.name} copy"]
    assert isinstance(copy, Labels)
    return copy


def test_runs_say_nothing_more_of_a_copy(desk: Desk, case: Case) -> None:
    lesion = desk.results_of(case).lesion
    lesion.ensure(0.5)
    assert lesion.layer is not None
    lesion.write(4, np.ones(case.grid.shape[1:], np.uint8))
    copy = duplicate(desk, lesion.layer)
    mark = accept(copy)
    lesion.write(5, np.zeros(case.grid.shape[1:], np.uint8))
    assert acceptance_of(copy) == mark


def test_the_expert_mask_cannot_be_painted_on_and_a_copy_of_it_can(
    viewer: ViewerModel, case: Case, qapp: QApplication
) -> None:
    expert = viewer.layers["expert mask"]
    expert.mode = "paint"
    desk = Desk(viewer)
    assert not expert.editable
    assert expert.mode == "pan_zoom"
    assert duplicate(desk, expert).editable
    viewer.layers.remove(expert)
    opened = Layer.create(*case_layers(case)[-1])
    viewer.layers.append(opened)
    assert not opened.editable


def test_a_copy_of_an_unsegmented_lesion_says_as_little(desk: Desk, case: Case) -> None:
    lesion = desk.results_of(case).lesion
    lesion.ensure(0.5)
    assert lesion.layer is not None
    copy = duplicate(desk, lesion.layer)
    for layer in (lesion.layer, copy):
        desk.set_mask(layer)
        assert not desk.says_something
    with layer_source(path="empty.tif"):
        opened = Labels(np.zeros(case.grid.shape, np.uint8))
    desk.viewer.layers.append(opened)
    desk.set_mask(opened)
    assert desk.says_something, "whoever wrote that file"


def test_an_empty_mask_of_a_file_is_a_finding(desk: Desk, case: Case) -> None:
    layer = Labels(np.zeros(case.grid.shape, np.uint8), **grid_arguments(case, Role.LESION))
    desk.set_mask(layer)
    assert desk.says_something


def with_lesions(case: Case) -> Case:
    """A case in which a run finds three lesions: the largest on slice 6, then on 4 and 2."""
    mask = np.zeros(case.grid.shape, np.uint8)
    for index, edge in ((6, 8), (4, 6), (2, 5)):
        mask[index, 10 : 10 + edge, 8 : 8 + edge] = 1
    return dataclasses.replace(case, mask=mask, images=case.images + 1)


def run(panel: SegmentationPanel, gated: GatedSegment, qtbot: QtBot, first: int = 0, last: int = 7) -> None:
    panel.slice_box.set_mode(SliceMode.RANGE)
    panel.slice_box.range_slider.setValue((first, last))
    gated.allow(100)
    with qtbot.waitSignal(panel.controller.ended, timeout=10_000):
        panel.run()


def numbers(panel: SegmentationPanel, qtbot: QtBot) -> dict[int, int]:
    """The number of the lesion on each slice, once the mask as it stands is measured."""
    box, measuring = panel.lesion_box, panel.lesion_box.measuring
    qtbot.waitUntil(lambda: not (measuring.is_under_way or measuring.clock.isActive()), timeout=10_000)
    return {} if box.measurement is None else {one.slices[0]: one.label for one in box.measurement.lesions}


def delete(panel: SegmentationPanel, qtbot: QtBot, index: int) -> None:
    """Choose the lesion on a slice, and delete it."""
    box, layer = panel.lesion_box, panel.lesion_box.layer
    assert layer is not None
    choose(panel, index)
    box.delete_button.click()
    qtbot.waitUntil(lambda: not layer.data[index].any(), timeout=10_000)


def numbers_without(panel: SegmentationPanel, qtbot: QtBot, index: int) -> dict[int, int]:
    """The number of the lesion on each slice, once there is none on one of them."""
    qtbot.waitUntil(lambda: index not in numbers(panel, qtbot), timeout=10_000)
    return numbers(panel, qtbot)


def choose(panel: SegmentationPanel, index: int) -> None:
    table = panel.lesion_box.table
    for row in range(table.rowCount()):
        table.setCurrentCell(row, 0)
        if table.lesion is not None and table.lesion.slices[0] == index:
            return
    raise AssertionError(f"no lesion on slice {index}")


def look_at_expert_and_back(_viewer: Any, panel: SegmentationPanel, qtbot: QtBot) -> SegmentationPanel:
    masks, before = panel.lesion_box.mask_list, panel.lesion_box.mask_list.currentIndex()
    masks.setCurrentIndex(next(row for row in range(masks.count()) if masks.itemText(row).startswith("expert")))
    assert numbers(panel, qtbot) == {6: 1, 4: 2, 2: 3}
    masks.setCurrentIndex(before)
    return panel


def look_at_other_case_and_back(_viewer: Any, panel: SegmentationPanel, qtbot: QtBot) -> SegmentationPanel:
    panel.case_box.case_list.setCurrentIndex(0)
    assert numbers(panel, qtbot) == {}
    panel.case_box.case_list.setCurrentIndex(1)
    return panel


def run_with_nothing_left(_viewer: Any, panel: SegmentationPanel, _qtbot: QtBot) -> SegmentationPanel:
    panel.run()
    assert panel.run_bar.status.text().startswith("These slices are done")
    return panel


def close_panel_and_open_it(viewer: Any, panel: SegmentationPanel, qtbot: QtBot) -> SegmentationPanel:
    with qtbot.waitSignal(panel.destroyed, timeout=10_000):
        panel.parent().destroyOnClose()
    _dock, opened = viewer.window.add_plugin_dock_widget("napari-ddmd", "Find lesions")
    qtbot.waitUntil(lambda: opened.model_box.bundle is not None, timeout=20_000)
    assert isinstance(opened, SegmentationPanel)
    return opened


@pytest.mark.parametrize(
    "turn",
    [
        look_at_expert_and_back,
        close_panel_and_open_it,
        pytest.param(look_at_other_case_and_back, marks=pytest.mark.torture),
        pytest.param(run_with_nothing_left, marks=pytest.mark.torture),
    ],
)
def test_lesions_keep_their_numbers_whatever_is_looked_at_meanwhile(
    open_panel: OpenPanel,
    case: Case,
    gated: GatedSegment,
    qtbot: QtBot,
    turn: Callable[[Any, SegmentationPanel, QtBot], SegmentationPanel],
) -> None:
    viewer, panel = open_panel(case, with_lesions(case))
    run(panel, gated, qtbot)
    assert numbers(panel, qtbot) == {6: 1, 4: 2, 2: 3}
    delete(panel, qtbot, 6)
    assert numbers(panel, qtbot) == {4: 2, 2: 3}
    panel = turn(viewer, panel, qtbot)
    assert numbers(panel, qtbot) == {4: 2, 2: 3}
    panel.lesion_tab.correct_box.undo()
    assert numbers(panel, qtbot) == {6: 1, 4: 2, 2: 3}


def test_a_run_and_another_threshold_number_lesions_by_size_whichever_mask_is_in_hand(
    open_panel: OpenPanel, case: Case, gated: GatedSegment, qtbot: QtBot
) -> None:
    _viewer, panel = open_panel(with_lesions(case))
    masks = panel.lesion_box.mask_list
    run(panel, gated, qtbot, 0, 4)
    assert numbers(panel, qtbot) == {4: 1, 2: 2}
    masks.setCurrentText("expert mask")
    run(panel, gated, qtbot)
    masks.setCurrentText("lesion")
    assert numbers(panel, qtbot) == {6: 1, 4: 2, 2: 3}
    delete(panel, qtbot, 6)
    masks.setCurrentText("expert mask")
    panel.desk.set_threshold(0.6)
    masks.setCurrentText("lesion")
    assert numbers(panel, qtbot) == {4: 1, 2: 2}


def test_a_run_numbers_no_other_mask_anew(open_panel: OpenPanel, case: Case, gated: GatedSegment, qtbot: QtBot) -> None:
    viewer, panel = open_panel(with_lesions(case))
    run(panel, gated, qtbot, 0, 6)
    copy = duplicate(panel.desk, viewer.layers["lesion"])
    panel.lesion_box.mask_list.setCurrentText(copy.name)
    assert numbers(panel, qtbot) == {6: 1, 4: 2, 2: 3}
    delete(panel, qtbot, 6)
    run(panel, gated, qtbot)
    assert panel.lesion_box.layer is copy
    assert numbers(panel, qtbot) == {4: 2, 2: 3}


def chosen_slice(panel: SegmentationPanel) -> int | None:
    lesion = panel.lesion_box.table.lesion
    return None if lesion is None else lesion.slices[0]


def test_the_lesion_that_was_chosen_stays_so_when_a_run_numbers_lesions_anew(
    open_panel: OpenPanel, case: Case, gated: GatedSegment, qtbot: QtBot
) -> None:
    _viewer, panel = open_panel(with_lesions(case))
    run(panel, gated, qtbot, 0, 4)
    assert numbers(panel, qtbot) == {4: 1, 2: 2}
    choose(panel, 4)
    run(panel, gated, qtbot)
    assert numbers(panel, qtbot) == {6: 1, 4: 2, 2: 3}
    assert chosen_slice(panel) == 4
    panel.lesion_box.delete_button.click()
    assert numbers_without(panel, qtbot, 4) == {6: 1, 2: 3}


def test_a_run_with_nothing_left_to_do_lets_no_other_lesion_be_deleted(
    open_panel: OpenPanel, case: Case, gated: GatedSegment, qtbot: QtBot
) -> None:
    _viewer, panel = open_panel(with_lesions(case))
    run(panel, gated, qtbot)
    numbers(panel, qtbot)
    delete(panel, qtbot, 6)
    numbers(panel, qtbot)
    choose(panel, 4)
    panel.run()
    numbers(panel, qtbot)
    assert chosen_slice(panel) == 4
    panel.lesion_box.delete_button.click()
    assert numbers_without(panel, qtbot, 4) == {2: 3}


def test_another_run_never_moves_the_choice_to_another_lesion(
    open_panel: OpenPanel, case: Case, gated: GatedSegment, qtbot: QtBot
) -> None:
    case = with_lesions(case)
    _viewer, panel = open_panel(case)
    run(panel, gated, qtbot)
    numbers(panel, qtbot)
    choose(panel, 4)
    assert case.mask is not None
    case.mask[2, 10:17, 8:15] = 1
    panel.sampling_box.seed.setValue(3)
    run(panel, gated, qtbot)
    assert numbers(panel, qtbot) == {6: 1, 2: 2, 4: 3}
    assert chosen_slice(panel) in (4, None)  # none where the mask was measured before that slice had come in


def test_another_mask_does_not_take_the_choice_over(
    open_panel: OpenPanel, case: Case, gated: GatedSegment, qtbot: QtBot
) -> None:
    _viewer, panel = open_panel(with_lesions(case))
    run(panel, gated, qtbot)
    numbers(panel, qtbot)
    choose(panel, 4)
    panel.lesion_box.mask_list.setCurrentText("expert mask")
    assert numbers(panel, qtbot) == {6: 1, 4: 2, 2: 3}
    assert chosen_slice(panel) is None


def test_what_was_drawn_for_one_patient_is_not_taken_in_hand_for_the_next(
    open_panel: OpenPanel, case: Case, qtbot: QtBot
) -> None:
    viewer, panel = open_panel(case)
    drawn = viewer.add_labels(np.zeros(case.grid.shape, np.uint8), name="drawn")
    drawn.paint((3, 15, 15), 1)
    assert numbers(panel, qtbot) == {3: 1}
    add_case(viewer, with_lesions(case))
    assert panel.desk.case is not case
    assert panel.desk.mask is None
    assert panel.lesion_box.mask_list.findText("drawn") < 0
    assert numbers(panel, qtbot) == {}
    assert panel.save_tab._saveable() is None
    assert not panel.summary_bar.accept_button.isEnabled()
    panel.case_box.case_list.setCurrentIndex(0)
    assert panel.desk.case is case
    assert panel.desk.mask is drawn
    assert numbers(panel, qtbot) == {3: 1}
