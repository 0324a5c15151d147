from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QHBoxLayout, QLineEdit, QPushButton, QWidget

from napari_ddmd.viewer.widgets.focus_ring import FocusRings, _Ring


@pytest.fixture
def panel(qtbot: QtBot) -> QWidget:
    panel = QWidget()
    qtbot.addWidget(panel)
    layout = QHBoxLayout(panel)
    for widget in (QPushButton("one"), QPushButton("two"), QLineEdit()):
        layout.addWidget(widget)
    panel.resize(300, 60)
    panel.show()
    qtbot.waitExposed(panel)
    panel.activateWindow()
    qtbot.waitUntil(lambda: QApplication.activeWindow() is panel, timeout=5000)
    return panel


def rings(panel: QWidget) -> list[_Ring]:
    return [ring for ring in panel.findChildren(_Ring) if ring.isVisible()]


def test_the_frame_walks_with_the_tab_key(panel: QWidget) -> None:
    focus = FocusRings(panel)
    one, two = panel.findChildren(QPushButton)
    for button in (two, one, two):
        button.setFocus(Qt.FocusReason.TabFocusReason)
        assert focus.framed is button
        (ring,) = rings(panel)
        assert ring.geometry().contains(button.geometry())
    panel.resize(500, 80)
    (ring,) = rings(panel)
    assert ring.geometry().contains(two.geometry())


def test_a_click_gets_no_frame(panel: QWidget, monkeypatch: pytest.MonkeyPatch) -> None:
    focus = FocusRings(panel)
    edit = panel.findChildren(QLineEdit)[0]
    # A button of the mouse is held while the focus comes by a click; the test's mouse does not hold any.
    monkeypatch.setattr(QApplication, "mouseButtons", staticmethod(lambda: Qt.MouseButton.LeftButton))
    edit.setFocus(Qt.FocusReason.MouseFocusReason)
    assert QApplication.focusWidget() is edit
    assert focus.framed is None
    assert rings(panel) == []


def test_only_the_panel_s_own_inputs_are_framed(panel: QWidget, qtbot: QtBot) -> None:
    other = QPushButton("elsewhere")
    qtbot.addWidget(other)
    other.show()
    focus = FocusRings(panel)
    other.setFocus(Qt.FocusReason.TabFocusReason)
    assert focus.framed is None


def test_an_input_may_go_while_it_is_framed(panel: QWidget, qtbot: QtBot) -> None:
    focus = FocusRings(panel)
    one, two = panel.findChildren(QPushButton)
    one.setFocus(Qt.FocusReason.TabFocusReason)
    with qtbot.waitSignal(one.destroyed):
        one.deleteLater()
    two.setFocus(Qt.FocusReason.TabFocusReason)
    assert focus.framed is two
    assert len(rings(panel)) == 1
