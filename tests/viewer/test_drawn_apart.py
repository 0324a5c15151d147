"""A layer that is added, and the drawing of the canvas after it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot

from napari_ddmd.case import Case
from napari_ddmd.viewer.drawn_apart import drawn_apart
from napari_ddmd.viewer.result_layers import ResultLayers


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
    with pytest.raises(ValueError, match="by the test"), drawn_apart(viewer):
        raise ValueError("by the test")
    assert not canvas.updatesEnabled()
    qtbot.waitUntil(canvas.updatesEnabled)


@pytest.mark.on_screen
def test_what_was_held_back_is_drawn(make_napari_viewer: Callable[..., Any], qtbot: QtBot) -> None:
    viewer = make_napari_viewer(show=True)
    canvas = viewer.window._qt_viewer.canvas
    qtbot.waitExposed(canvas.native)
    qtbot.wait(100)
    drawn: list[bool] = []
    canvas._scene_canvas.events.draw.connect(lambda _event: drawn.append(canvas.native.updatesEnabled()))
    with drawn_apart(viewer):
        viewer.add_image(np.ones((4, 4)))
    qtbot.waitUntil(lambda: bool(drawn), timeout=10_000)
    assert all(drawn)


def test_a_viewer_that_was_closed_is_none(make_napari_viewer: Callable[..., Any]) -> None:
    viewer = make_napari_viewer()
    viewer.close()
    with drawn_apart(viewer):
        pass


def test_the_lesion_is_added_and_drawn_apart(make_napari_viewer: Callable[..., Any], case: Case, qtbot: QtBot) -> None:
    viewer = make_napari_viewer()
    canvas = viewer.window._qt_viewer.canvas
    results = ResultLayers(viewer, case)
    results.begin()
    assert not canvas.native.updatesEnabled()
    assert canvas._layer_overlay_to_visual[results.lesion.layer] == {}, "it is not painted on yet"
    qtbot.waitUntil(canvas.native.updatesEnabled)


def test_without_a_window_there_is_nothing_to_hold_back() -> None:
    viewer = ViewerModel()
    with drawn_apart(viewer):
        viewer.add_image(np.zeros((4, 4)))
    assert len(viewer.layers) == 1
