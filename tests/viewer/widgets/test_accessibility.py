from __future__ import annotations

import numpy as np
import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QLabel, QLineEdit, QPushButton, QScrollArea, QVBoxLayout, QWidget
from superqt import QLabeledSlider

from napari_ddmd.viewer.widgets.panel import SegmentationPanel
from tests.viewer.conftest import GatedSegment
from tests.viewer.widgets.conftest import OpenPanel
from tests.viewer.widgets.legibility import cut_off, nameless
from tests.viewer.widgets.small_screen import small_screen

pytestmark = pytest.mark.on_screen


@pytest.fixture
def panel(open_panel: OpenPanel, case: object, gated: GatedSegment, qtbot: QtBot) -> SegmentationPanel:
    """The panel after a run, in a window that fills a small screen."""
    viewer, panel = open_panel(case)
    size = small_screen()
    viewer.window.resize(size.width(), size.height())
    gated.allow(100)
    with qtbot.waitSignal(panel.controller.ended, timeout=10_000):
        panel.run_bar.button.click()
    qtbot.waitUntil(lambda: panel.lesion_box.measurement is not None)
    return panel


def settle(panel: SegmentationPanel, qtbot: QtBot) -> None:
    """Give the layout a moment, and where something does not fit yet, a few more."""
    for _ in range(10):
        qtbot.wait(300)
        if not cut_off(panel):
            return


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_every_word_of_the_panel_can_be_read(panel: SegmentationPanel, qtbot: QtBot, theme: str) -> None:
    panel.desk.viewer.theme = theme
    found: list[str] = []
    for tab in range(panel.tabs.count()):
        panel.tabs.setCurrentIndex(tab)
        settle(panel, qtbot)
        found += [f"{panel.tabs.tabText(tab)}: {text}" for text in cut_off(panel)]
    window = panel.window()
    assert window is not None
    assert not found, "\n".join(sorted(set(found)))
    assert window.size() == window.size().boundedTo(small_screen()), f"The window is {window.size()}"


def test_every_input_has_a_name_and_the_tab_key_walks_downwards(panel: SegmentationPanel, qtbot: QtBot) -> None:
    """From the layouts to the tabs, through the tab in front, to the Run button."""
    found: list[str] = []
    for tab in range(panel.tabs.count()):
        panel.tabs.setCurrentIndex(tab)
        qtbot.wait(100)
        found += [f"{panel.tabs.tabText(tab)}: {text}" for text in nameless(panel)]
    assert not found, "\n".join(sorted(set(found)))

    for tab in range(panel.tabs.count()):
        panel.tabs.setCurrentIndex(tab)
        qtbot.wait(50)
        order: list[QWidget] = []
        widget = panel.nextInFocusChain()
        while widget is not None and widget is not panel and len(order) < 500:
            takes_tab = bool(widget.focusPolicy().value & Qt.FocusPolicy.TabFocus.value)
            if panel.isAncestorOf(widget) and takes_tab and widget.isVisibleTo(panel) and widget.isEnabled():
                order.append(widget)
            widget = widget.nextInFocusChain()
        tops = [widget.mapTo(panel, widget.rect().center()).y() for widget in order]
        bar = panel.tabs.tabBar()
        assert bar is not None
        assert order[-1] is panel.run_bar.button
        parts = [
            0
            if panel.layout_part.isAncestorOf(widget)
            else 1
            if panel.summary_bar.isAncestorOf(widget)
            else 2
            if widget is bar
            else 3
            if panel.tabs.isAncestorOf(widget)
            else 4
            for widget in order
        ]
        assert parts == sorted(parts)
        assert np.ptp(tops) > 0


def test_a_cut_off_text_is_found(qtbot: QtBot) -> None:
    root = QWidget()
    qtbot.addWidget(root)
    layout = QVBoxLayout(root)
    label, combo, button = QLabel("a rather long text"), QComboBox(), QPushButton("another long text")
    combo.addItem("a rather long choice")
    for widget in (label, combo, button):
        layout.addWidget(widget)
        widget.setMinimumWidth(20)
    root.resize(root.sizeHint())
    root.show()
    assert cut_off(root) == []
    for widget in (label, combo, button):
        widget.setFixedWidth(40)
    qtbot.waitUntil(lambda: label.width() == 40)
    assert len(cut_off(root)) == 3
    combo.setToolTip("a rather long choice")
    assert len(cut_off(root)) == 2


def test_a_text_that_is_too_low_or_lies_outside_is_found(qtbot: QtBot) -> None:
    root = QWidget()
    qtbot.addWidget(root)
    area, content = QScrollArea(root), QWidget()
    inside, outside = QLabel("inside", content), QLabel("outside", root)
    inside.resize(inside.sizeHint())
    content.setFixedSize(200, 400)
    area.setWidget(content)
    area.setFixedSize(250, 100)
    root.resize(300, 200)
    root.show()
    assert cut_off(root) == []
    inside.resize(inside.width(), 5)
    assert ["px of height" in text for text in cut_off(root)] == [True]
    inside.resize(inside.sizeHint())
    outside.move(0, 195)
    assert ["sticks out" in text for text in cut_off(root)] == [True]
    outside.move(0, 0)
    # A column that is too wide can be scrolled into sight, unless that was taken away.
    content.setFixedSize(400, 400)
    assert cut_off(root) == []
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    assert ["sticks out" in text for text in cut_off(root)] == [True]


def test_an_input_without_a_name_is_found(qtbot: QtBot) -> None:
    root = QWidget()
    qtbot.addWidget(root)
    layout = QVBoxLayout(root)
    edit, slider, label = QLineEdit(), QLabeledSlider(Qt.Orientation.Horizontal), QLabel("Name")
    for widget in (label, edit, slider):
        layout.addWidget(widget)
    root.show()
    assert len(nameless(root)) >= 2
    label.setBuddy(edit)
    slider.setAccessibleName("Slider")
    assert nameless(root) == []
