"""A layer that is added, and the drawing of the canvas after it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot

from napari_ddmd.viewer.drawn_apart import drawn_apart


def test_the_canvas_waits_until_the_block_is_over_and_a_moment_longer(
    make_napari_viewer: Callable[..., Any], qtbot: QtBot
) -> None:
    viewer = make_napari_viewer()
    canvas = viewer.window._qt_viewer.canvas.native
    with drawn_apart(viewer):
        assert not canvas.updatesEnabled()
        viewer.add_image(np.zeros((4, 4)))
    assert not canvas.updatesEnabled()
    qtbot.waitUntil(canvas.updatesEnabled)


def test_a_block_that_follows_at_once_is_not_ended_by_the_one_before(
    make_napari_viewer: Callable[..., Any], qtbot: QtBot
) -> None:
    viewer = make_napari_viewer()
    canvas = viewer.window._qt_viewer.canvas.native
    with drawn_apart(viewer):
        pass
    with drawn_apart(viewer):
        qtbot.wait(50)
        assert not canvas.updatesEnabled()
    qtbot.waitUntil(canvas.updatesEnabled)


def test_the_canvas_is_drawn_again_after_a_failure(make_napari_viewer: Callable[..., Any], qtbot: QtBot) -> None:
    viewer = make_napari_viewer()
    canvas = viewer.window._qt_viewer.canvas.native
    try:
        with drawn_apart(viewer):
            raise ValueError
    except ValueError:
        qtbot.waitUntil(canvas.updatesEnabled)


def test_without_a_window_there_is_nothing_to_hold_back() -> None:
    viewer = ViewerModel()
    with drawn_apart(viewer):
        viewer.add_image(np.zeros((4, 4)))
    assert len(viewer.layers) == 1
