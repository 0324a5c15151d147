"""An exception in the run's thread, at each of its stages: one line, what came in stays, the next run works."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from napari.utils.notifications import Notification
from pytestqt.qtbot import QtBot

from napari_ddmd.case import Case
from napari_ddmd.model import Bundle, BundleError
from napari_ddmd.segment import InferenceError
from napari_ddmd.viewer.widgets import case_opener, model_box, save_button
from tests.viewer.conftest import GatedSegment
from tests.viewer.faults.conftest import (
    SLICES,
    Window,
    another_seed,
    assert_consistent,
    assert_idle,
    assert_next_run_works,
    begin,
    choose,
    wait_for_end,
)

FAULTS: list[Exception] = [
    torch.OutOfMemoryError("CUDA out of memory"),
    RuntimeError("wrapped C/C++ object has been deleted"),
    MemoryError("Unable to allocate 3.5 GiB"),
    InferenceError("Small_001: untrained failed on cpu"),
    ValueError("shapes\ndiffer"),
    KeyError("a bug"),
    OSError("the disk is gone"),
    StopIteration(),
]
STAGES = {"first slice": 0, "middle": 2, "last slice": len(SLICES) - 1}


@pytest.mark.torture
@pytest.mark.fault("Viewer", count=len(FAULTS) * len(STAGES))
def test_an_exception_at_any_slice(
    window: Window, gated: GatedSegment, qtbot: QtBot, notifications: list[Notification]
) -> None:
    _viewer, panel = window
    for fault in FAULTS:
        for stage, slices in STAGES.items():
            choose(panel)
            another_seed(panel)
            begin(panel, gated, qtbot, slices=slices)
            done = set(gated.requests[-1]["slices"][:slices])
            notifications.clear()
            gated.fail(fault)
            wait_for_end(panel, qtbot)
            qtbot.wait(20)
            assert [note.severity for note in notifications] == ["error"], (fault, stage)
            assert panel.run_bar.status.text().startswith("Failed: ")
            assert_idle(panel)
            if done:
                assert_consistent(panel, done)
        assert_next_run_works(panel, gated, qtbot)


@pytest.mark.torture
@pytest.mark.fault("Viewer", count=3)
def test_an_exception_while_images_are_prepared(
    window: Window,
    real_pipeline: None,
    gated: GatedSegment,
    qtbot: QtBot,
    notifications: list[Notification],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _viewer, panel = window
    choose(panel)
    raised: list[Exception] = []
    for fault in (MemoryError(), RuntimeError("a\nbug"), KeyError("x")):

        def fail(*_: Any, error: Exception = fault, **_more: Any) -> None:
            raised.append(error)
            raise error

        with monkeypatch.context() as patch:
            patch.setattr("napari_ddmd.case_sampler.CaseWindow", fail)
            notifications.clear()
            panel.run_bar.button.click()
            wait_for_end(panel, qtbot)
        assert raised.pop() is fault
        assert len(notifications) == 1
        assert panel.run_bar.status.text().startswith("Failed: ")
        assert_idle(panel)
    monkeypatch.setattr(import_module("napari_ddmd.segment"), "segment", gated)
    assert_next_run_works(panel, gated, qtbot)


@pytest.mark.torture
@pytest.mark.fault("Viewer", count=3)
def test_an_exception_while_a_model_is_loaded(
    window: Window, gated: GatedSegment, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tiny_model_folder: Path
) -> None:
    _viewer, panel = window
    for fault in (BundleError("model.json: is damaged; copy it again"), MemoryError("no\nroom"), RuntimeError("x")):

        def fail(_folder: Path, error: Exception = fault) -> Bundle:
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(model_box, "_load", fail)
            panel.model_box.choose_folder(tiny_model_folder)
            qtbot.waitUntil(lambda: panel.model_box.about.text() != "Loading the model…", timeout=10_000)
        assert panel.model_box.about.text() == " ".join(str(fault).split())
        assert panel.run_bar.status.text() == "Choose a model."
        assert not panel.run_bar.button.isEnabled()
        assert_idle(panel)
    panel.model_box.choose_folder(tiny_model_folder)
    qtbot.waitUntil(panel.run_bar.button.isEnabled, timeout=10_000)
    assert_next_run_works(panel, gated, qtbot)


@pytest.mark.torture
@pytest.mark.fault("Viewer", count=3)
def test_an_exception_while_a_case_is_read_leaves_the_one_that_is_open(
    window: Window,
    gated: GatedSegment,
    qtbot: QtBot,
    notifications: list[Notification],
    monkeypatch: pytest.MonkeyPatch,
    small_case_folder: Path,
    case: Case,
) -> None:
    _viewer, panel = window
    for fault in (OSError("the disk\nis gone"), MemoryError("no room"), KeyError("a bug")):

        def fail(_path: Path, error: Exception = fault) -> list[Any]:
            raise error

        notifications.clear()
        with monkeypatch.context() as patch:
            patch.setattr(case_opener, "_read", fail)
            panel.case_box.open_case(small_case_folder)
            qtbot.waitUntil(panel.case_box.open_button.isEnabled, timeout=10_000)
        assert [note.message for note in notifications] == [" ".join(str(fault).split())]
        assert panel.desk.case is case
    assert_next_run_works(panel, gated, qtbot)


@pytest.mark.torture
@pytest.mark.fault("Viewer", count=3)
def test_an_exception_while_results_are_saved(
    window: Window,
    gated: GatedSegment,
    qtbot: QtBot,
    notifications: list[Notification],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    _viewer, panel = window
    assert_next_run_works(panel, gated, qtbot)
    qtbot.waitUntil(panel.save_button.isEnabled, timeout=10_000)
    for fault in (OSError("No space left on device"), MemoryError("no room"), RuntimeError("a\nbug")):

        def fail(*_: Any, error: Exception = fault) -> None:
            raise error

        notifications.clear()
        with monkeypatch.context() as patch:
            patch.setattr(save_button, "save_results", fail)
            panel.save_button.save(tmp_path)
            qtbot.waitUntil(panel.save_button.isEnabled, timeout=10_000)
        assert [note.message for note in notifications] == [" ".join(str(fault).split())]
        assert_consistent(panel, SLICES)
    panel.save_button.save(tmp_path, ["mask"])
    qtbot.waitUntil(lambda: (tmp_path / "Small_001_mask.nii.gz").exists(), timeout=10_000)
    assert_next_run_works(panel, gated, qtbot)
