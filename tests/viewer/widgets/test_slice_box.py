from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from napari_ddmd.case import Case
from napari_ddmd.viewer.run_settings import SliceChoice, SliceMode
from napari_ddmd.viewer.widgets.slice_box import SliceBox


@pytest.fixture
def box(qtbot: QtBot) -> SliceBox:
    box = SliceBox()
    qtbot.addWidget(box)
    box.show()
    return box


def test_the_whole_brain_comes_first(box: SliceBox) -> None:
    assert box.choice.mode is SliceMode.BRAIN
    assert not box.range_slider.isVisible()


def test_the_range_begins_with_the_brain(box: SliceBox, case: Case) -> None:
    images = case.images.copy()
    images[:, :2] = images[:, 6:] = 0
    box.set_case(dataclasses.replace(case, images=images))
    box.set_mode(SliceMode.RANGE)
    assert box.range_slider.isVisible()
    assert box.choice == SliceChoice(SliceMode.RANGE, 2, 5)
    assert (box.range_slider.minimum(), box.range_slider.maximum()) == (0, 7)


def test_a_case_without_brain_offers_all_slices(box: SliceBox, case: Case) -> None:
    box.set_case(dataclasses.replace(case, images=np.zeros_like(case.images)))
    box.set_mode(SliceMode.RANGE)
    assert box.choice == SliceChoice(SliceMode.RANGE, 0, 7)


def test_every_change_is_announced(box: SliceBox, case: Case, qtbot: QtBot) -> None:
    box.set_case(case)
    with qtbot.waitSignal(box.changed):
        box.set_mode(SliceMode.RANGE)
    with qtbot.waitSignal(box.changed):
        box.range_slider.setValue((3, 4))
    assert box.choice == SliceChoice(SliceMode.RANGE, 3, 4)
