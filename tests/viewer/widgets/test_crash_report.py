"""What a crash leaves to read, and perhaps to send to somebody, holds nothing of the images."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from napari.utils._tracebacks import get_tb_formatter
from napari.utils.notifications import ErrorNotification, Notification
from pytestqt.qtbot import QtBot

from napari_ddmd.case import Case
from napari_ddmd.viewer.result_layers import ResultLayers
from napari_ddmd.viewer.widgets.panel import SegmentationPanel
from tests.viewer.conftest import GatedSegment

VALUE = 31337
"""In every voxel."""


def crash(case: Case, *_rest: Any, **_more: Any) -> Iterator[Any]:
    """What no error of ours is, with parts of the images at hand."""
    part = case.images[:, 2] * 0 + VALUE
    few = part[0, :2, :2].tolist()
    try:
        raise ValueError(f"bad {part[0]}")
    except ValueError as error:
        raise KeyError(len(few) + part.ndim) from error
    yield


def crash_and_say(case: Case, *_rest: Any, **_more: Any) -> Iterator[Any]:
    """The like, whose own words are of the images."""
    raise ValueError(f"bad {case.images[0, 2]}")
    yield


def refuse(case: Case, *_rest: Any, **_more: Any) -> Iterator[Any]:
    """What is taken for a refusal of the settings."""
    raise ValueError(f"bad {case.images[0, 2]}")


def test_what_napari_makes_of_an_error_would_show_voxels(case: Case) -> None:
    try:
        next(crash(case))
    except KeyError:
        assert str(VALUE) in get_tb_formatter()(sys.exc_info(), False, "NoColor")


@pytest.mark.fault("Privacy", count=3)
def test_a_crash_of_a_run_shows_no_voxel(
    window: tuple[Any, SegmentationPanel],
    case: Case,
    qtbot: QtBot,
    notifications: list[Notification],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from napari.utils.notifications import notification_manager

    monkeypatch.setattr(notification_manager, "exit_on_error", False)
    monkeypatch.setattr(notification_manager, "catch_error", True)
    np.copyto(case.images, VALUE)
    _viewer, panel = window
    faults: tuple[Callable[..., Iterator[Any]], ...] = (crash, crash_and_say, refuse)
    for fault in faults:
        monkeypatch.setattr(import_module("napari_ddmd.segment"), "segment", fault)
        notifications.clear()
        panel.run_bar.button.click()
        qtbot.waitUntil(lambda: bool(notifications) and not panel.controller.is_running, timeout=10_000)

        (told,) = notifications
        texts = [str(told), repr(told), told.message, panel.run_bar.status.text()]
        if fault is not refuse:
            assert isinstance(told, ErrorNotification)
            texts += [told.as_html(), told.as_text()]
            assert fault.__name__ in told.as_text()
        for text in texts:
            assert str(VALUE) not in text
        assert "bad" in " ".join(texts)


@pytest.mark.fault("Privacy")
def test_a_fault_while_the_panel_goes_shows_no_voxel(
    window: tuple[Any, SegmentationPanel],
    case: Case,
    gated: GatedSegment,
    qtbot: QtBot,
    notifications: list[Notification],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from napari.utils.notifications import notification_manager

    monkeypatch.setattr(notification_manager, "exit_on_error", False)
    monkeypatch.setattr(notification_manager, "catch_error", True)
    np.copyto(case.images, VALUE)
    _viewer, panel = window
    panel.run_bar.button.click()
    qtbot.waitUntil(lambda: bool(gated.requests), timeout=10_000)
    monkeypatch.setattr(ResultLayers, "settle", lambda self: next(crash(case)))
    panel.run_part.leave()
    qtbot.waitUntil(lambda: not panel.run_part.controller.is_running, timeout=10_000)

    (told,) = notifications
    assert isinstance(told, ErrorNotification)
    for text in (told.as_html(), told.as_text(), str(told)):
        assert str(VALUE) not in text
