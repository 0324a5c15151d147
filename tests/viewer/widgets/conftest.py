from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QThreadPool

from napari_ddmd.case import Case
from napari_ddmd.run_history import Pace
from napari_ddmd.viewer.widgets import model_box
from napari_ddmd.viewer.widgets.model_box import Installed
from napari_ddmd.viewer.widgets.panel import SegmentationPanel
from tests.viewer.conftest import GatedSegment, add_case


@pytest.fixture(autouse=True)
def _no_thread_outlives_the_test() -> Iterator[None]:
    yield
    assert QThreadPool.globalInstance().waitForDone(20_000)


PACE = Pace(voxel_s=1e-8, slice_s=0.01, call_s=0.001, row_s=0.001)


@pytest.fixture
def pace(monkeypatch: pytest.MonkeyPatch) -> Pace:
    """A pace that is not measured, which would take a second in each window."""
    monkeypatch.setattr("napari_ddmd.cost.measure_pace", lambda *_: PACE)
    return PACE


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tiny_model_folder: Path, pace: Pace) -> Installed:
    """A computer with one tiny model and no GPU."""
    here = Installed((tiny_model_folder,), "tiny", ("cpu",), ("ddim", "dpm-solver++", "ddpm"))
    monkeypatch.setattr(model_box, "find_installed", lambda: here)
    return here


OpenPanel = Callable[..., tuple[Any, SegmentationPanel]]


@pytest.fixture
def open_panel(
    make_napari_viewer: Callable[..., Any],
    installed: Installed,
    gated: GatedSegment,
    qtbot: QtBot,
    request: pytest.FixtureRequest,
) -> OpenPanel:
    """Open a window with the panel and some cases, and wait for the model.

    It is drawn for tests that are marked with ``on_screen``; without a graphics card most of a test's time goes there.
    """
    is_shown = request.node.get_closest_marker("on_screen") is not None

    def open_(*cases: Case) -> tuple[Any, SegmentationPanel]:
        viewer = make_napari_viewer(show=is_shown)
        for case in cases:
            add_case(viewer, case)
        _dock, panel = viewer.window.add_plugin_dock_widget("napari-ddmd", "Find lesions")
        qtbot.waitUntil(lambda: panel.model_box.bundle is not None, timeout=20_000)
        return viewer, panel

    return open_


@pytest.fixture
def window(open_panel: OpenPanel, case: Case) -> tuple[Any, SegmentationPanel]:
    """A window with the panel and the case."""
    return open_panel(case)
