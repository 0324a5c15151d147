"""What a crash leaves to read, and perhaps to send to somebody, holds nothing of the images."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from napari.utils._tracebacks import get_tb_formatter
from napari.utils.notifications import ErrorNotification, Notification
from pytestqt.qtbot import QtBot

from napari_ddmd.case import Case
from napari_ddmd.viewer.widgets.panel import SegmentationPanel

VALUE = 31337
"""In every voxel."""


def crash(case: Case, *_rest: Any, **_more: Any) -> Iterator[Any]:
    """What no error of ours is, with parts of the images at hand."""
    part = case.images[:, 2] * 0 + VALUE
    few = part[0, :2, :2].tolist()
    raise KeyError(len(few) + part.ndim)
    yield


def test_what_napari_makes_of_an_error_would_show_voxels(case: Case) -> None:
    try:
        next(crash(case))
    except KeyError:
        assert str(VALUE) in get_tb_formatter()(sys.exc_info(), False, "NoColor")


@pytest.mark.fault("Privacy")
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
    monkeypatch.setattr(import_module("napari_ddmd.segment"), "segment", crash)
    np.copyto(case.images, VALUE)
    _viewer, panel = window
    panel.run_bar.button.click()
    qtbot.waitUntil(lambda: bool(notifications), timeout=10_000)

    (told,) = notifications
    assert isinstance(told, ErrorNotification)
    for text in (told.as_html(), told.as_text(), str(told), repr(told), panel.run_bar.status.text()):
        assert str(VALUE) not in text
    assert "crash" in told.as_text()
