"""Tests of widgets that Qt deletes, and not Python's garbage collector before it."""

from __future__ import annotations

import gc
import weakref
from functools import partial

from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_ddmd.case import Case
from napari_ddmd.viewer.widgets.deleted_by_qt import delete_by_qt
from tests.viewer.widgets.conftest import OpenPanel


def test_a_widget_outlives_a_collection_and_goes_with_the_events_of_qt(qtbot: QtBot) -> None:
    told: list[str] = []
    parent, widget = QWidget(), QWidget()
    qtbot.addWidget(parent)
    QVBoxLayout(parent).addWidget(widget)
    setattr(widget, "round", widget)  # noqa: B010 - as the parts of a panel hold each other
    widget.destroyed.connect(partial(told.append, "destroyed"))
    alive = weakref.ref(widget)
    widget.setParent(None)
    delete_by_qt(widget)
    del widget
    gc.collect()
    assert alive() is not None
    assert told == []
    qtbot.waitUntil(lambda: told == ["destroyed"])
    gc.collect()
    assert alive() is None


def test_a_collection_right_after_the_panel_is_closed_leaves_it_to_qt(
    open_panel: OpenPanel, case: Case, qtbot: QtBot
) -> None:
    viewer, panel = open_panel(case)
    alive = weakref.ref(panel)
    viewer.window.remove_dock_widget(panel)
    del panel
    gc.collect()
    assert alive() is not None
    qtbot.waitUntil(lambda: gc.collect() >= 0 and alive() is None)
