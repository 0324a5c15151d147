from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_ddmd.viewer.widgets.scroll import RemarkScroll, VerticalScroll, column


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


def test_on_a_narrow_screen_it_scrolls_sideways(qtbot: QtBot) -> None:
    wide = QLabel("wide")
    scroll = VerticalScroll(column(("One", (wide,))))
    qtbot.addWidget(scroll)
    screen = scroll.screen()
    assert screen is not None
    room = screen.availableGeometry().width() - scroll.beside_px
    scroll.show()
    for width, policy in ((room + 50, "ScrollBarAsNeeded"), (room - 50, "ScrollBarAlwaysOff")):
        wide.setMinimumWidth(width)
        qtbot.waitUntil(lambda policy=policy: scroll.horizontalScrollBarPolicy().name == policy, timeout=5000)
        assert scroll.minimumWidth() <= room


@pytest.mark.parametrize("border", [0, 2])
def test_a_remark_is_as_high_as_its_text_and_scrolls_where_it_cannot_be(qtbot: QtBot, border: int) -> None:
    text = QLabel("")
    text.setWordWrap(True)
    text.hide()
    root = QWidget()
    qtbot.addWidget(root)
    layout = QVBoxLayout(root)
    scroll, rest = RemarkScroll(text), QWidget()
    rest.setMinimumHeight(200)
    for widget in (scroll, rest):
        layout.addWidget(widget)
    root.resize(200, 600)
    root.setStyleSheet(f"QScrollArea {{ border: {border}px solid black; }}")  # as napari's theme does
    root.show()
    assert not scroll.isVisible()
    text.setText("many words " * 20)
    text.show()
    bar = scroll.verticalScrollBar()
    assert bar is not None

    def is_whole() -> bool:
        needed = text.heightForWidth(scroll.width() - 2 * border) + 2 * border
        return scroll.isVisible() and scroll.height() == needed and not bar.isVisible()

    qtbot.waitUntil(is_whole, timeout=5000)
    assert bar.maximum() == 0
    assert scroll.focusPolicy() == Qt.FocusPolicy.NoFocus
    root.resize(200, 280)
    qtbot.waitUntil(lambda: scroll.height() < text.heightForWidth(scroll.width()), timeout=5000)
    assert bar.maximum() > 0
    assert scroll.focusPolicy() == Qt.FocusPolicy.StrongFocus
    text.hide()
    qtbot.waitUntil(lambda: not scroll.isVisible(), timeout=5000)


def test_sections_stand_below_their_titles(qtbot: QtBot) -> None:
    first, second = QLabel("first"), QLabel("second")
    content = column(("One", (first,)), ("Two", (second,)))
    qtbot.addWidget(content)
    layout = content.layout()
    assert layout is not None
    items = [layout.itemAt(index) for index in range(layout.count())]
    texts = [widget.text() for item in items if item and isinstance(widget := item.widget(), QLabel)]
    assert texts == ["<b>One</b>", "first", "<b>Two</b>", "second"]
