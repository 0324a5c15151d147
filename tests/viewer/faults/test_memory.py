"""Memory that runs out under the eyes of the user: the panel says what it fell back to, or why it stopped."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch
from napari.utils.notifications import Notification
from pytestqt.qtbot import QtBot

from napari_ddmd.case_sampler import CaseSampler
from napari_ddmd.run_history import RunHistory
from napari_ddmd.segment import SliceResult, segment
from napari_ddmd.viewer.result_layers import ResultLayers
from napari_ddmd.volumes import Volumes
from tests.fake_gpu import GPU, FakeGpu
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


def press(panel: Any, qtbot: QtBot) -> None:
    panel.run_bar.button.click()
    wait_for_end(panel, qtbot)


@pytest.mark.torture
@pytest.mark.fault("Viewer", count=2)
def test_a_gpu_that_is_too_small_is_left_for_the_cpu_and_the_panel_says_so(
    window: Window, real_pipeline: None, qtbot: QtBot, fake_gpu: FakeGpu, notifications: list[Notification]
) -> None:
    _viewer, panel = window
    choose(panel)
    panel.sampling_box.samples.setValue(2)
    fake_gpu.most_slices = 0
    said: list[str] = []
    say = panel.run_bar.say
    panel.run_bar.say = lambda text: (said.append(text), say(text))  # type: ignore[method-assign]
    press(panel, qtbot)
    assert fake_gpu.batches[0][0] == GPU
    assert fake_gpu.batches[-1][0] == "cpu"
    fallback = "Memory was short: the mps GPU has too little for one slice, went on with the CPU, "
    assert said[-1].startswith(f"Done: {len(SLICES)} slices. {fallback}")
    assert any(re.match(r"\d of 5 slices done\. " + re.escape(fallback), text) for text in said), "while it still ran"
    assert notifications == []
    assert_idle(panel)
    assert_consistent(panel, SLICES)
    assert RunHistory().runs(panel.desk.bundle.sha256, "cpu") == [], "a run that fell back teaches nothing"

    another_seed(panel)
    fake_gpu.most_slices, fake_gpu.holds_networks = 100, True
    press(panel, qtbot)
    assert outcome(panel) == f"Done: {len(SLICES)} slices.", "the GPU is tried again"


@pytest.mark.torture
@pytest.mark.fault("Viewer", count=2)
def test_a_run_goes_on_with_smaller_batches_and_where_even_one_slice_does_not_fit_it_says_what_to_do(
    window: Window,
    real_pipeline: None,
    qtbot: QtBot,
    notifications: list[Notification],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _viewer, panel = window
    choose(panel)
    panel.sampling_box.samples.setValue(2)
    compute, most = CaseSampler.results, 1

    def little_memory(run: CaseSampler, indices: list[int]) -> dict[int, SliceResult]:
        if len(indices) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return compute(run, indices)

    monkeypatch.setattr(CaseSampler, "results", little_memory)
    press(panel, qtbot)
    text = panel.run_bar.status.text()
    assert text.startswith("Done: 5 slices. Memory was short: went on with 1 slice at a time")
    assert_consistent(panel, SLICES)
    assert notifications == []

    most = 0
    another_seed(panel)
    press(panel, qtbot)
    assert panel.run_bar.status.text().startswith("Failed: Small_001: not enough memory on cpu for one slice")
    assert len(notifications) == 1
    assert_idle(panel)

    most = 100
    press(panel, qtbot)
    assert outcome(panel) == "Done: 5 slices."
    case, bundle = panel.desk.case, panel.desk.bundle
    seed = panel.sampling_box.seed.value()
    for result in segment(case, bundle, slices=sorted(SLICES), samples=2, seed=seed):
        np.testing.assert_array_equal(panel.desk.volumes.probability[result.index], result.probability)


@pytest.mark.torture
@pytest.mark.fault("Viewer", count=3)
def test_no_memory_for_the_results_stops_the_run_with_one_line(
    window: Window,
    gated: GatedSegment,
    qtbot: QtBot,
    notifications: list[Notification],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _viewer, panel = window

    def fail(*_: Any, **__: Any) -> None:
        raise MemoryError("Unable to allocate 34.1 MiB")

    reason = "Small_001: not enough memory to show the results; close other cases, then run again"
    for place, name in ((Volumes, "for_results_like"), (ResultLayers, "refresh"), (ResultLayers, "settle")):
        choose(panel)
        another_seed(panel)
        notifications.clear()
        with monkeypatch.context() as patch:
            patch.setattr(place, name, fail)
            run_to_end(panel, gated, qtbot)
        assert outcome(panel) == f"Failed: {reason}", name
        assert [note.message for note in notifications] == [reason], name
        assert_idle(panel)
        # The same settings once more: nothing that was there before passes for results of these.
        choose(panel)
        panel.run_bar.button.click()
        gated.allow(100)
        wait_for_end(panel, qtbot)
        assert panel.results is not None
        assert panel.results.recipe is not None
        assert panel.results.recipe.sampling.seed == panel.sampling_box.seed.value()
        assert_consistent(panel, SLICES)
        assert_next_run_works(panel, gated, qtbot)


@pytest.mark.torture
@pytest.mark.fault("Viewer")
def test_no_memory_for_results_after_others_does_not_pass_the_others_off_as_them(
    window: Window, gated: GatedSegment, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    _viewer, panel = window
    choose(panel)
    run_to_end(panel, gated, qtbot)
    another_seed(panel)

    def fail(*_: Any, **__: Any) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(Volumes, "for_results_like", fail)
        run_to_end(panel, gated, qtbot)
    requests = len(gated.requests)
    begin(panel, gated, qtbot)
    assert len(gated.requests) == requests + 1
    assert set(gated.requests[-1]["slices"]) == SLICES
    gated.allow(100)
    wait_for_end(panel, qtbot)
    assert_consistent(panel, SLICES)
