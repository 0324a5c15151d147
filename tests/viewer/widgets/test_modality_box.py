from __future__ import annotations

from collections.abc import Iterator

import pytest
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot

from napari_ddmd.case import MODALITIES
from napari_ddmd.viewer.desk import Desk
from napari_ddmd.viewer.four_panels import FourPanels
from napari_ddmd.viewer.full_size import FullSize
from napari_ddmd.viewer.viewer_links import ViewerLinks
from napari_ddmd.viewer.widgets.modality_box import ModalityBox


@pytest.fixture
def box(desk: Desk, viewer: ViewerModel, qtbot: QtBot) -> Iterator[ModalityBox]:
    links = ViewerLinks()
    box = ModalityBox(desk, links, FullSize(viewer, FourPanels(viewer, links)))
    qtbot.addWidget(box)
    yield box
    links.disconnect()
    box._image_links.disconnect()


def pressed(box: ModalityBox) -> list[str]:
    return [modality for modality, button in box.buttons.items() if button.isChecked()]


def test_the_buttons_say_what_is_seen_and_ask_for_another(box: ModalityBox, viewer: ViewerModel, qtbot: QtBot) -> None:
    assert pressed(box) == ["flair"]
    with qtbot.waitSignal(box.modality_chosen) as signal:
        box.buttons["t1ce"].click()
    assert signal.args == ["t1ce"]
    assert pressed(box) == ["flair"], "nobody has answered"
    viewer.layers["t2"].visible, viewer.layers["flair"].visible = True, False
    assert pressed(box) == ["t2"]


def test_an_image_that_is_not_there_has_no_button_to_press(box: ModalityBox, desk: Desk, viewer: ViewerModel) -> None:
    viewer.layers.remove("t1")
    assert [modality for modality, button in box.buttons.items() if button.isEnabled()] == list(MODALITIES[1:])
    desk.set_case(None)
    assert not any(button.isEnabled() for button in box.buttons.values())
    assert pressed(box) == []
