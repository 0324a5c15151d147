"""Cancel at every stage of a run: the panel is idle, what came in stays, Run goes on from there."""

from __future__ import annotations

from pathlib import Path
from threading import Event
from typing import Any

import pytest
from napari.utils.notifications import Notification
from pytestqt.qtbot import QtBot

from napari_ddmd.case_sampler import CaseSampler
from napari_ddmd.model import Bundle
from napari_ddmd.segment import SliceResult
from napari_ddmd.viewer.saving import save_results
from napari_ddmd.viewer.widgets import model_box, save_button
from napari_ddmd.window import CaseWindow
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
    outcome,
    run_to_end,
    wait_for_end,
)


@pytest.mark.torture
@pytest.mark.fault("Viewer", count=len(SLICES))
def test_cancel_after_any_number_of_slices(
    window: Window, gated: GatedSegment, qtbot: QtBot, notifications: list[Notification]
) -> None:
    _viewer, panel = window
    for slices in range(len(SLICES)):
        choose(panel)
        another_seed(panel)
        begin(panel, gated, qtbot, slices=slices)
        asked = gated.requests[-1]["slices"]
        panel.run_bar.button.click()
        panel.run_bar.button.click()  # in a hurry
        wait_for_end(panel, qtbot)
        text = f"Cancelled: {slices} of {len(SLICES)} slices are done. Run goes on from there."
        assert outcome(panel) == text
        assert_idle(panel)
        if slices:
            assert_consistent(panel, set(asked[:slices]))
        run_to_end(panel, gated, qtbot)
        assert gated.requests[-1]["slices"] == asked[slices:]
        assert_idle(panel)
        assert_consistent(panel, SLICES)
    assert notifications == []


@pytest.mark.torture
@pytest.mark.fault("Viewer", count=2)
def test_cancel_of_the_pipeline_itself_while_it_prepares_and_in_mid_batch(
    window: Window, real_pipeline: None, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    _viewer, panel = window
    choose(panel)
    panel.sampling_box.samples.setValue(1)
    there, go_on = Event(), Event()
    compute = CaseSampler.results

    def window_slowly(*arguments: Any, **more: Any) -> CaseWindow:
        there.set()
        assert go_on.wait(20)
        return CaseWindow(*arguments, **more)

    def results_slowly(run: CaseSampler, indices: list[int]) -> dict[int, SliceResult]:
        there.set()
        assert go_on.wait(20)
        return compute(run, indices)

    for place, slow in (("CaseWindow", window_slowly), ("CaseSampler.results", results_slowly)):
        there.clear()
        go_on.clear()
        with monkeypatch.context() as patch:
            patch.setattr(f"napari_ddmd.case_sampler.{place}", slow)
            panel.run_bar.button.click()
            qtbot.waitUntil(there.is_set, timeout=10_000)
            panel.run_bar.button.click()
            assert panel.run_bar.button.text() == "Cancelling…"
            assert not panel.run_bar.button.isEnabled()
            go_on.set()
            wait_for_end(panel, qtbot)
        assert panel.run_bar.status.text().startswith("Cancelled: 0 of 5 slices are done.")
        assert_idle(panel)
    panel.run_bar.button.click()
    wait_for_end(panel, qtbot)
    assert_consistent(panel, SLICES)


@pytest.mark.torture
@pytest.mark.fault("Viewer", count=2)
def test_a_run_that_waits_for_the_model_may_be_called_off_and_the_model_changed_meanwhile(
    window: Window, gated: GatedSegment, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tiny_model_folder: Path
) -> None:
    _viewer, panel = window
    go_on, load = Event(), model_box._load

    def slowly(folder: Path) -> Bundle:
        assert go_on.wait(20)
        return load(folder)

    monkeypatch.setattr(model_box, "_load", slowly)
    choose(panel)
    panel.model_box.choose_folder(tiny_model_folder)
    assert not panel.run_bar.button.isEnabled()
    panel.run_when_ready()
    panel.cancel()
    panel.model_box.choose_folder(tiny_model_folder)  # and once more: only the latest counts
    go_on.set()
    qtbot.waitUntil(panel.run_bar.button.isEnabled, timeout=10_000)
    qtbot.wait(50)
    assert gated.requests == []
    assert_next_run_works(panel, gated, qtbot)


@pytest.mark.torture
@pytest.mark.fault("Viewer")
def test_cancel_while_the_results_are_saved_leaves_the_save_alone(
    window: Window, gated: GatedSegment, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _viewer, panel = window
    choose(panel)
    run_to_end(panel, gated, qtbot)
    qtbot.waitUntil(panel.save_button.isEnabled, timeout=10_000)
    go_on = Event()

    def slowly(*arguments: Any) -> list[Path]:
        assert go_on.wait(20)
        return save_results(*arguments)

    monkeypatch.setattr(save_button, "save_results", slowly)
    panel.save_button.save(tmp_path, ["mask"])
    another_seed(panel)
    begin(panel, gated, qtbot, slices=2)
    panel.cancel()
    wait_for_end(panel, qtbot)
    assert_idle(panel)
    assert not panel.save_button.isEnabled()
    go_on.set()
    qtbot.waitUntil((tmp_path / "Small_001_mask.nii.gz").exists, timeout=10_000)
    qtbot.waitUntil(panel.save_button.isEnabled, timeout=10_000)
    assert_next_run_works(panel, gated, qtbot)
