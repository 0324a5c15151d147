from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Labels
from pytestqt.qtbot import QtBot

from napari_ddmd.viewer.acceptance import acceptance_of
from napari_ddmd.viewer.desk import Desk
from napari_ddmd.viewer.widgets.summary_bar import SummaryBar


@pytest.fixture
def bar(desk: Desk, qtbot: QtBot) -> SummaryBar:
    bar = SummaryBar(desk)
    qtbot.addWidget(bar)
    return bar


def test_without_anything_to_say_it_is_hidden(bar: SummaryBar) -> None:
    assert bar.isHidden()
    bar.say("2 lesions, 5.1 mL")
    assert not bar.isHidden()
    assert bar.label.text() == "2 lesions, 5.1 mL"
    bar.say("")
    assert bar.isHidden()


def test_the_mask_in_hand_is_accepted_until_it_is_edited(bar: SummaryBar, desk: Desk, qtbot: QtBot) -> None:
    bar.toggle_accepted()
    assert not bar.accept_button.isEnabled()
    mask = Labels(np.ones((4, 8, 8), np.uint8))
    desk.set_mask(mask)
    bar.accept_button.click()
    assert acceptance_of(mask) is not None
    assert bar.accept_button.isChecked()
    assert bar.accept_button.text() == "Accepted ✓"
    desk.mask_edited.emit()
    qtbot.wait(400)
    assert bar.accept_button.isChecked()
    mask.paint((1, 4, 4), 0)
    desk.mask_edited.emit()
    qtbot.waitUntil(lambda: not bar.accept_button.isChecked(), timeout=3000)
    assert bar.accept_button.text() == "Accept"


def test_it_is_taken_back_with_the_same_key(bar: SummaryBar, desk: Desk) -> None:
    mask = Labels(np.ones((4, 8, 8), np.uint8))
    desk.set_mask(mask)
    bar.toggle_accepted()
    bar.toggle_accepted()
    assert acceptance_of(mask) is None
    assert not bar.accept_button.isChecked()


def test_another_mask_is_accepted_for_itself(bar: SummaryBar, desk: Desk) -> None:
    desk.set_mask(Labels(np.ones((4, 8, 8), np.uint8)))
    bar.toggle_accepted()
    desk.set_mask(Labels(np.ones((4, 8, 8), np.uint8)))
    assert not bar.accept_button.isChecked()
