from __future__ import annotations

from collections.abc import Iterator

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
from napari_ddmd.viewer.viewer_links import ViewerLinks
from napari_ddmd.viewer.widgets.lesion_tab import LesionTab


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
