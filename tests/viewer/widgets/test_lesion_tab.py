from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy

import numpy as np
import pytest
from napari.layers import Labels, Layer
from napari.layers._source import layer_source
from pytestqt.qtbot import QtBot

from napari_ddmd.case import Case
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


def test_a_copy_of_an_unsegmented_lesion_says_as_little(desk: Desk, case: Case) -> None:
    lesion = desk.results_of(case).lesion
    lesion.ensure(0.5)
    assert lesion.layer is not None
    copy = Layer.create(*deepcopy(lesion.layer.as_layer_data_tuple()))  # as napari duplicates it
    desk.viewer.layers.append(copy)
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
