from __future__ import annotations

from pytestqt.qtbot import QtBot

from napari_ddmd.viewer.four_panels import Arrangement
from napari_ddmd.viewer.widgets.view_box import ViewBox


def test_a_button_chooses_an_arrangement(qtbot: QtBot) -> None:
    box = ViewBox()
    qtbot.addWidget(box)
    with qtbot.waitSignal(box.arrangement_chosen) as signal:
        box.buttons[Arrangement.MODALITIES].click()
    assert signal.args == [Arrangement.MODALITIES]
    assert not box.buttons[Arrangement.SINGLE].isChecked()


def test_only_what_is_available_can_be_chosen(qtbot: QtBot) -> None:
    box = ViewBox()
    qtbot.addWidget(box)
    box.set_available([Arrangement.SINGLE, Arrangement.MODALITIES], Arrangement.MODALITIES)
    assert not box.buttons[Arrangement.EXPLAIN].isEnabled()
    assert box.buttons[Arrangement.MODALITIES].isChecked()
