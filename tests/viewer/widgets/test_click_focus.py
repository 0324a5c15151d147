from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QLineEdit, QPushButton, QWidget
from superqt import QLabeledDoubleSlider

from napari_ddmd.viewer.widgets.click_focus import leave_keys_when_clicked


@pytest.mark.parametrize("kind", [QPushButton, QCheckBox, QLabeledDoubleSlider])
def test_a_click_leaves_the_keyboard_where_it_is_and_tab_still_comes_by(kind: type[QWidget], qtbot: QtBot) -> None:
    window, part = QWidget(), QWidget()
    line, button = QLineEdit(), kind()
    inner = QHBoxLayout(part)
    inner.addWidget(button)
    layout = QHBoxLayout(window)
    layout.addWidget(line)
    layout.addWidget(part)
    qtbot.addWidget(window)
    window.show()
    leave_keys_when_clicked(window)
    line.setFocus()
    qtbot.mouseClick(getattr(button, "_slider", button), Qt.MouseButton.LeftButton)  # of superqt's, what is dragged
    assert window.focusWidget() is line
    qtbot.keyClick(line, Qt.Key.Key_Tab)
    assert window.focusWidget() in (button, *button.findChildren(QWidget))
