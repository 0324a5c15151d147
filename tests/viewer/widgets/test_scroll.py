from __future__ import annotations

from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_ddmd.viewer.widgets.scroll import VerticalScroll, column


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


def test_sections_stand_below_their_titles(qtbot: QtBot) -> None:
    first, second = QLabel("first"), QLabel("second")
    content = column(("One", (first,)), ("Two", (second,)))
    qtbot.addWidget(content)
    layout = content.layout()
    assert layout is not None
    items = [layout.itemAt(index) for index in range(layout.count())]
    texts = [widget.text() for item in items if item and isinstance(widget := item.widget(), QLabel)]
    assert texts == ["<b>One</b>", "first", "<b>Two</b>", "second"]
