from __future__ import annotations

from pytestqt.qtbot import QtBot

from napari_ddmd.viewer.planes import Plane
from napari_ddmd.viewer.widgets.plane_box import PlaneBox


def test_a_button_chooses_a_plane(qtbot: QtBot) -> None:
    box = PlaneBox()
    qtbot.addWidget(box)
    with qtbot.waitSignal(box.plane_chosen) as signal:
        box.buttons[Plane.CORONAL].click()
    assert signal.args == [Plane.CORONAL]
    with qtbot.waitSignal(box.keys_wanted):
        box.keys_button.click()


def test_the_plane_on_screen_is_marked(qtbot: QtBot) -> None:
    box = PlaneBox()
    qtbot.addWidget(box)
    box.show_plane(Plane.SAGITTAL)
    assert [button.isChecked() for button in box.buttons.values()] == [False, False, True]
    box.show_plane(None)
    assert not any(button.isChecked() for button in box.buttons.values())
    box.buttons[Plane.AXIAL].click()
    assert box.buttons[Plane.AXIAL].isChecked()
