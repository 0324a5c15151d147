from __future__ import annotations

from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_ddmd.viewer.widgets.scroll import VerticalScroll


def test_it_is_never_narrower_than_its_content(qtbot: QtBot) -> None:
    content = QWidget()
    layout = QVBoxLayout(content)
    layout.addWidget(QLabel("short"))
    scroll = VerticalScroll(content)
    qtbot.addWidget(scroll)
    scroll.show()
    before = scroll.minimumWidth()
    wide = QLabel("wide")
    wide.setMinimumWidth(300)
    layout.addWidget(wide)
    qtbot.waitUntil(lambda: scroll.minimumWidth() >= 300, timeout=5000)
    assert before < 300
