from __future__ import annotations

import csv
import dataclasses
import threading
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from threading import Semaphore
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
from napari.utils.notifications import Notification
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt, QThreadPool, QTimer

from napari_ddmd.case import MODALITIES, Case, load_case
from napari_ddmd.cost import measure_pace
from napari_ddmd.model import Bundle
from napari_ddmd.segment import InferenceError, segment
from napari_ddmd.viewer.acceptance import acceptance_of
from napari_ddmd.viewer.autosave import read_edits
from napari_ddmd.viewer.four_panels import Arrangement
from napari_ddmd.viewer.layer_tag import Role, tag_of
from napari_ddmd.viewer.navigation import current_slice, current_voxel, go_to_slice, go_to_voxel
from napari_ddmd.viewer.planes import Plane
from napari_ddmd.viewer.run_settings import SliceChoice, SliceMode
from napari_ddmd.viewer.widgets import save_button
from napari_ddmd.viewer.widgets.panel import SegmentationPanel
from napari_ddmd.volumes import Volumes
from tests.conftest import CaseWriter
from tests.viewer.conftest import GatedSegment, add_case, add_plain_images
from tests.viewer.widgets.conftest import OpenPanel

Window = tuple[Any, SegmentationPanel]


def run_to_end(panel: SegmentationPanel, gated: GatedSegment, qtbot: QtBot) -> None:
    gated.allow(100)
    with qtbot.waitSignal(panel.controller.ended, timeout=10_000):
        panel.run_bar.button.click()


def come_in(panel: SegmentationPanel, qtbot: QtBot, count: int) -> None:
    qtbot.waitUntil(lambda: panel.results is not None and len(panel.results.done) == count, timeout=10_000)


def choose(panel: SegmentationPanel, first: int, last: int) -> None:
    panel.slice_box.set_mode(SliceMode.RANGE)
    panel.slice_box.range_slider.setValue((first, last))


@pytest.mark.on_screen
def test_a_case_and_a_model_are_all_it_takes(window: Window, gated: GatedSegment, qtbot: QtBot) -> None:
    viewer, panel = window
    assert panel.run_bar.button.isEnabled()
    assert panel.run_bar.button.text() == "Run"
    run_to_end(panel, gated, qtbot)
    names = [layer.name for layer in viewer.layers]
    assert names[:5] == ["t1", "t1ce", "t2", "flair", "expert mask"]
    assert names[5:] == [
        "inter discrepancy",
        "intra discrepancy",
        "uncertainty",
        "probability",
        "sample 1 of 5",
        "lesion",
        "agreement of the samples",
    ]
    case = panel.case_box.case()
    np.testing.assert_array_equal(viewer.layers["lesion"].data, case.mask > 0)
    assert panel.run_bar.status.text() == f"Done: {len(gated.requests[0]['slices'])} slices."


def test_the_real_pipeline_runs_in_the_window(window: Window, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot) -> None:
    viewer, panel = window
    # The pipeline itself, under the name that the gate had taken.
    module = import_module("napari_ddmd.segment")
    monkeypatch.undo()
    assert module.segment is segment
    choose(panel, 3, 4)
    panel.sampling_box.samples.setValue(2)
    with qtbot.waitSignal(panel.controller.ended, timeout=30_000):
        panel.run()
    case, bundle = panel.case_box.case(), panel.model_box.bundle
    assert bundle is not None
    expected = {result.index: result for result in segment(case, bundle, slices=[3, 4], samples=2)}
    for index, result in expected.items():
        np.testing.assert_array_equal(viewer.layers["probability"].data[index], result.probability)
        np.testing.assert_array_equal(viewer.layers["inter discrepancy"].data[index], result.inter)
    assert panel.results is not None
    assert panel.results.done == {3, 4}


@pytest.mark.on_screen
def test_results_show_while_the_rest_still_runs(window: Window, gated: GatedSegment, qtbot: QtBot) -> None:
    viewer, panel = window
    choose(panel, 2, 6)
    go_to_slice(viewer, panel.case_box.case(), 4)
    panel.run_bar.button.click()
    gated.allow(2)
    come_in(panel, qtbot, 2)
    assert gated.requests[0]["slices"] == (4, 3, 5, 2, 6)
    assert panel.controller.is_running
    assert viewer.layers["lesion"].data[4].any()
    assert viewer.layers["lesion"].data[3].any()
    qtbot.waitUntil(lambda: "2 of 5" in panel.run_bar.status.text())
    assert panel.run_bar.bar.isVisible()
    assert "1 min 05 s left" in panel.run_bar.bar.format()
    qtbot.waitUntil(lambda: panel.lesion_box.measurement is not None)
    assert panel.run_bar.button.text() == "Cancel"
    assert not panel.sampling_box.isEnabled()
    gated.allow(3)
    qtbot.waitSignal(panel.controller.ended, timeout=10_000).wait()
    assert panel.sampling_box.isEnabled()
    assert not panel.run_bar.bar.isVisible()


def test_the_window_lives_while_a_run_is_stuck(window: Window, qtbot: QtBot) -> None:
    _viewer, panel = window
    beats: list[float] = []
    heart = QTimer(panel)
    heart.timeout.connect(lambda: beats.append(time.perf_counter()))
    panel.run()
    heart.start(20)
    qtbot.wait(1000)
    heart.stop()
    assert panel.controller.is_running
    # Far fewer than fifty, since the machine may be busy; a window that waits for the run has none.
    assert len(beats) >= 5
    panel.cancel()
    qtbot.waitUntil(lambda: not panel.controller.is_running)


def test_cancel_keeps_what_is_done_and_run_goes_on(
    window: Window, gated: GatedSegment, qtbot: QtBot, notifications: list[Notification]
) -> None:
    viewer, panel = window
    choose(panel, 2, 6)
    go_to_slice(viewer, panel.case_box.case(), 2)
    panel.run_bar.button.click()
    gated.allow(2)
    come_in(panel, qtbot, 2)
    with qtbot.waitSignal(panel.controller.ended, timeout=10_000):
        panel.run_bar.button.click()
        assert panel.run_bar.button.text() == "Cancelling…"
        assert not panel.run_bar.button.isEnabled()
    assert panel.run_bar.status.text().startswith("Cancelled: 2 of 5 slices")
    assert panel.run_bar.button.text() == "Run"
    probability = viewer.layers["probability"].data
    assert [bool(probability[index].any()) for index in (2, 3, 4)] == [True, True, False]
    run_to_end(panel, gated, qtbot)
    assert gated.requests[1]["slices"] == (4, 5, 6)
    assert panel.run_bar.status.text() == "Done: 5 slices."
    assert notifications == []
    # What is done is not done again, but for other settings.
    panel.run()
    assert not panel.controller.is_running
    assert "done with these settings" in panel.run_bar.status.text()
    panel.sampling_box.seed.setValue(7)
    run_to_end(panel, gated, qtbot)
    assert gated.requests[2]["seed"] == 7
    assert set(gated.requests[2]["slices"]) == {2, 3, 4, 5, 6}


def test_results_that_make_way_are_told_of_and_come_back_by_undo_and_by_their_settings_without_computing(
    window: Window, gated: GatedSegment, qtbot: QtBot
) -> None:
    _viewer, panel = window
    choose(panel, 2, 4)
    run_to_end(panel, gated, qtbot)
    mask = panel.results.lesion.data.copy()
    panel.sampling_box.seed.setValue(7)
    choose(panel, 3, 3)
    run_to_end(panel, gated, qtbot)
    told = "Done: 1 slice. The 3 slices that were done with other settings made way; Undo brings them back."
    assert panel.run_bar.status.text() == told
    assert panel.results.done == {3}
    panel.sampling_box.seed.setValue(0)
    assert panel.run_part.prospect([2, 3, 4], panel.sampling_box.sampling) == (0, 0), "what that run has is there"
    panel.run()
    assert not panel.controller.is_running
    assert len(gated.requests) == 2
    assert panel.results.done == {2, 3, 4}
    np.testing.assert_array_equal(panel.results.lesion.data, mask)
    told = panel.run_bar.status.text()
    assert told.endswith("The 1 slice that was done with other settings made way; Undo brings them back.")
    panel.lesion_tab.correct_box.undo_button.click()
    assert panel.results.done == {3}
    assert panel.results.recipe.sampling.seed == panel.sampling_box.seed.value() == 7

    panel.sampling_box.seed.setValue(0)
    choose(panel, 3, 5)  # two of them are there, one is not
    run_to_end(panel, gated, qtbot)
    assert gated.requests[2]["slices"] == (5,)
    assert panel.results.done == {2, 3, 4, 5}
    assert panel.run_bar.status.text().startswith("Done: 3 slices.")


def test_results_that_make_way_for_earlier_ones_are_told_of_though_the_run_is_cancelled(
    window: Window, gated: GatedSegment, qtbot: QtBot
) -> None:
    _viewer, panel = window
    choose(panel, 2, 3)
    run_to_end(panel, gated, qtbot)
    panel.sampling_box.seed.setValue(7)
    choose(panel, 2, 5)
    run_to_end(panel, gated, qtbot)
    panel.sampling_box.seed.setValue(0)
    gated.gate = Semaphore(0)  # nothing passes
    panel.run_bar.button.click()
    with qtbot.waitSignal(panel.controller.ended, timeout=10_000):
        panel.run_bar.button.click()
    told = panel.run_bar.status.text()
    assert told.startswith("Cancelled: 2 of 4 slices are done.")
    assert told.endswith("The 4 slices that were done with other settings made way; Undo brings them back.")
    panel.lesion_tab.correct_box.undo_button.click()
    assert panel.results.done == {2, 3, 4, 5}


def test_before_the_first_slice_nothing_is_found_and_nothing_can_be_accepted(
    window: Window, gated: GatedSegment, qtbot: QtBot
) -> None:
    _viewer, panel = window
    bar = panel.summary_bar
    panel.run_bar.button.click()
    qtbot.waitUntil(lambda: bar.label.text() == "No slice is segmented yet", timeout=10_000)
    assert not bar.accept_button.isEnabled()
    bar.toggle_accepted()
    assert acceptance_of(panel.desk.mask) is None
    gated.allow(1)
    qtbot.waitUntil(bar.accept_button.isEnabled, timeout=10_000)
    gated.allow(100)
    qtbot.waitUntil(lambda: not panel.controller.is_running, timeout=10_000)
    panel.lesion_tab.correct_box.undo_button.click()
    qtbot.waitUntil(lambda: bar.label.text() == "No slice is segmented yet", timeout=10_000)
    assert not bar.accept_button.isEnabled()
    assert panel.run_bar.status.text().startswith("The run was taken back")
    panel.lesion_tab.correct_box.redo_button.click()
    qtbot.waitUntil(bar.accept_button.isEnabled, timeout=10_000)


def test_results_and_mask_stay_of_one_run_where_the_next_one_fails_at_its_first_slice(
    window: Window, gated: GatedSegment, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    _viewer, panel = window
    for seed, index in ((0, 3), (7, 4)):
        panel.sampling_box.seed.setValue(seed)
        choose(panel, index, index)
        run_to_end(panel, gated, qtbot)
    panel.sampling_box.seed.setValue(9)
    with monkeypatch.context() as broken:
        broken.setattr(Volumes, "__init__", lambda *_args, **_options: (_ for _ in ()).throw(MemoryError()))
        run_to_end(panel, gated, qtbot)
    assert "Failed" in panel.run_bar.status.text()
    box = panel.lesion_tab.correct_box
    for button, seed, index in ((box.undo_button, 0, 3), (box.redo_button, 7, 4), (box.undo_button, 0, 3)):
        button.click()
        assert panel.results.recipe.sampling.seed == seed
        for shown in (panel.results.lesion.data, panel.results.volumes.probability):
            assert np.flatnonzero(shown.any(axis=(1, 2))).tolist() == [index]
        assert panel.results.done == {index}


def test_nothing_that_was_accepted_stays_so_when_its_run_is_taken_back(
    window: Window, gated: GatedSegment, qtbot: QtBot
) -> None:
    _viewer, panel = window
    choose(panel, 0, 0)  # which holds no lesion
    run_to_end(panel, gated, qtbot)
    bar = panel.summary_bar
    qtbot.waitUntil(bar.accept_button.isEnabled, timeout=10_000)
    bar.toggle_accepted()
    assert acceptance_of(panel.desk.mask) is not None
    panel.lesion_tab.correct_box.undo_button.click()
    qtbot.waitUntil(lambda: not bar.accept_button.isEnabled(), timeout=10_000)
    assert acceptance_of(panel.desk.mask) is None


def test_what_was_accepted_ends_when_more_slices_are_segmented(
    window: Window, gated: GatedSegment, qtbot: QtBot
) -> None:
    _viewer, panel = window
    panel.desk.set_threshold(0.95)  # which nothing exceeds
    choose(panel, 3, 3)
    run_to_end(panel, gated, qtbot)
    bar = panel.summary_bar
    qtbot.waitUntil(bar.accept_button.isEnabled, timeout=10_000)
    bar.toggle_accepted()
    panel.run_bar.button.click()
    assert bar.accept_button.isChecked(), "the same slices were there before"
    choose(panel, 3, 4)
    run_to_end(panel, gated, qtbot)
    assert not panel.results.lesion.data.any()
    qtbot.waitUntil(lambda: bar.accept_button.text() == "Accept", timeout=10_000)
    assert acceptance_of(panel.desk.mask) is None


def test_undo_over_runs_brings_their_settings_and_says_whose_results_are_on_screen(
    window: Window, gated: GatedSegment, qtbot: QtBot
) -> None:
    _viewer, panel = window
    choose(panel, 2, 4)
    run_to_end(panel, gated, qtbot)
    panel.sampling_box.seed.setValue(7)
    run_to_end(panel, gated, qtbot)
    box = panel.lesion_tab.correct_box
    for button, seed in ((box.undo_button, 0), (box.redo_button, 7), (box.undo_button, 0)):
        button.click()
        assert panel.sampling_box.seed.value() == seed
        assert panel.run_bar.status.text() == f"On screen: 3 slices with seed {seed}."
    panel.results.lesion.layer.paint((3, 1, 1), 1)
    box.undo_button.click()
    assert panel.run_bar.status.text() == "On screen: 3 slices with seed 0.", "a stroke is no run"
    panel.sampling_box.steps.setValue(9)
    run_to_end(panel, gated, qtbot)
    for button, told in ((box.undo_button, "seed 0, 2 steps"), (box.redo_button, "seed 0, 9 steps")):
        button.click()
        assert panel.run_bar.status.text() == f"On screen: 3 slices with {told}."


def test_a_plane_opens_at_the_lesion(window: Window, gated: GatedSegment, qtbot: QtBot, case: Case) -> None:
    viewer, panel = window
    run_to_end(panel, gated, qtbot)
    assert panel.results is not None
    lesion = panel.results.lesion
    with lesion.editing("brush") as data:
        data[:] = 0
        data[3, 2:4, 5] = data[5, 12:15, 9] = 1
    qtbot.waitUntil(lambda: panel.desk.mask is lesion.layer)
    go_to_voxel(viewer, case, (3, 8, 1))
    panel.show_plane(Plane.CORONAL)
    assert current_voxel(viewer, case) == (3, 2, 1)  # that of the axial slice, not the larger one
    panel.desk.go_to(4)
    panel.show_plane(Plane.SAGITTAL)
    assert current_voxel(viewer, case) == (4, 2, 9)  # the largest, as the axial slice has none
    go_to_voxel(viewer, case, (4, 8, 1))
    panel.show_plane(Plane.CORONAL)
    assert current_voxel(viewer, case) == (4, 8, 1)  # it is where the reader left it


def test_a_run_that_goes_on_leaves_the_slice_in_view_and_empties_nothing_for_another_name_of_the_device(
    window: Window, gated: GatedSegment, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_ddmd.device.available_devices", lambda: ["cpu"])
    _viewer, panel = window
    choose(panel, 3, 4)
    run_to_end(panel, gated, qtbot)
    panel.desk.go_to(3)
    panel.sampling_box.device.setCurrentText("cpu")
    choose(panel, 3, 5)
    run_to_end(panel, gated, qtbot)
    assert [set(request["slices"]) for request in gated.requests] == [{3, 4}, {5}]
    assert panel.results is not None
    assert panel.results.done == {3, 4, 5}
    assert panel.desk.current_slice == 3  # done before, and looked at
    panel.desk.go_to(2)
    choose(panel, 6, 6)
    run_to_end(panel, gated, qtbot)
    assert panel.desk.current_slice == 6


def test_samples_are_browsed_devices_are_told_and_run_restores_a_removed_lesion_where_everything_is_done(
    window: Window, gated: GatedSegment, qtbot: QtBot
) -> None:
    viewer, panel = window
    assert not panel.result_box.sample.isEnabled()
    gated.devices = ["cuda", "cpu"]
    run_to_end(panel, gated, qtbot)
    panel.result_box.sample.setValue(5)
    assert "sample 5 of 5" in viewer.layers
    assert viewer.dims.ndim == 3
    content = panel.save_tab._saveable()
    assert content is not None
    assert content.settings["device"] == "cuda, cpu", "every device that computed"
    before = viewer.layers["lesion"].data.copy()
    assert before.any()
    viewer.layers.remove("lesion")
    panel.run()
    assert not panel.controller.is_running
    assert len(gated.requests) == 1
    np.testing.assert_array_equal(viewer.layers["lesion"].data, before)
    assert panel.lesion_box.layer is viewer.layers["lesion"]
    assert panel.save_button.isEnabled()


@pytest.mark.on_screen
@pytest.mark.fault("Viewer")
def test_a_removed_lesion_comes_back_with_its_edits(
    window: Window, gated: GatedSegment, qtbot: QtBot, autosave_folder: Path
) -> None:
    """Neither the slices that were corrected nor their autosave go with the layer."""
    viewer, panel = window
    panel.lesion_tab.autosave_box._rest.setInterval(50)
    choose(panel, 3, 5)
    run_to_end(panel, gated, qtbot)
    lesion = viewer.layers["lesion"]
    lesion.paint((4, 20, 20), 1)
    painted = lesion.data.copy()
    qtbot.waitUntil(lambda: len(list(autosave_folder.glob("*.npz"))) == 1, timeout=10_000)
    viewer.layers.remove(lesion)
    choose(panel, 2, 5)
    run_to_end(panel, gated, qtbot)
    assert viewer.layers["lesion"] is lesion
    np.testing.assert_array_equal(lesion.data[3:6], painted[3:6])
    assert lesion.data[2].any()
    lesion.paint((4, 21, 21), 1)
    qtbot.waitUntil(lambda: not panel.lesion_tab.autosave_box.keeper.is_due, timeout=10_000)
    qtbot.waitUntil(lambda: not panel.lesion_tab.autosave_box._saving, timeout=10_000)
    (path,) = autosave_folder.glob("*.npz")
    edits = read_edits(path, lesion.data.shape)
    assert edits.edited_slices == [4]
    np.testing.assert_array_equal(edits.mask, lesion.data)


def test_a_failing_run_says_why_exactly_once(
    window: Window,
    gated: GatedSegment,
    qtbot: QtBot,
    notifications: list[Notification],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from napari.utils.notifications import notification_manager

    # As in napari itself; the test fixture's viewer leaves it off.
    monkeypatch.setattr(notification_manager, "exit_on_error", False)
    monkeypatch.setattr(notification_manager, "catch_error", True)
    viewer, panel = window
    choose(panel, 3, 5)
    for seed, error in enumerate(
        (
            InferenceError("not enough memory on cuda"),
            torch.OutOfMemoryError("CUDA out of memory"),
            RuntimeError("mat1 and mat2"),
            TypeError("a bug"),
        )
    ):
        panel.sampling_box.seed.setValue(seed)
        gated.gate = Semaphore(0)
        notifications.clear()
        panel.run()
        gated.allow(1)
        qtbot.waitUntil(lambda seed=seed: _begun(panel, seed), timeout=10_000)
        with qtbot.waitSignal(panel.controller.ended, timeout=10_000):
            gated.fail(error)
        qtbot.wait(50)
        assert len(notifications) == 1
        assert str(error) in notifications[0].message
        assert notifications[0].severity == "error"
        assert str(error) in panel.run_bar.status.text()
        # What had come in stays, and the panel is ready for another try.
        assert viewer.layers["probability"].data.any()
        assert panel.results.done < {3, 4, 5}
        assert panel.run_bar.button.text() == "Run"
        run_to_end(panel, gated, qtbot)
        assert panel.results is not None
        assert panel.results.done == {3, 4, 5}
        assert panel.results.recipe.sampling.seed == seed

    # So is what is wrong with a value before the first slice.
    panel.sampling_box.seed.setValue(99)
    gated.gate = Semaphore(0)
    notifications.clear()
    with qtbot.waitSignal(panel.controller.ended, timeout=10_000):
        panel.run()
        gated.fail(ValueError("steps must be 1 to 1000, not 0"))
    assert [note.message for note in notifications] == ["steps must be 1 to 1000, not 0"]


def _begun(panel: SegmentationPanel, seed: int) -> bool:
    """Whether a first slice of a run has come in."""
    results = panel.results
    begun = None if results is None else results.recipe
    return begun is not None and begun.sampling.seed == seed and len(results.done) == 1


def test_the_viewer_moves_to_the_first_result_only_if_it_stands_outside(
    window: Window, gated: GatedSegment, qtbot: QtBot
) -> None:
    viewer, panel = window
    case = panel.case_box.case()
    choose(panel, 3, 5)
    go_to_slice(viewer, case, 5)
    row = viewer.dims.point[1]
    run_to_end(panel, gated, qtbot)
    assert current_slice(viewer, case) == 5
    panel.sampling_box.seed.setValue(1)
    go_to_slice(viewer, case, 0)
    run_to_end(panel, gated, qtbot)
    assert current_slice(viewer, case) == 3
    assert viewer.dims.point[1] == row


def test_hand_edits_survive_a_second_run(window: Window, gated: GatedSegment, qtbot: QtBot) -> None:
    viewer, panel = window
    choose(panel, 3, 5)
    run_to_end(panel, gated, qtbot)
    edited = viewer.layers["lesion"]
    edited.paint((4, 20, 20), 1)
    painted = edited.data.copy()
    panel.sampling_box.seed.setValue(1)
    run_to_end(panel, gated, qtbot)
    np.testing.assert_array_equal(edited.data[4], painted[4])
    assert panel.results is not None
    assert panel.results.lesion.edited_slices == [4]
    assert panel.lesion_box.layer is viewer.layers["lesion"]


def test_a_part_does_not_pass_for_the_whole_and_the_threshold_acts_after_the_run(
    window: Window, gated: GatedSegment, qtbot: QtBot
) -> None:
    viewer, panel = window
    choose(panel, 3, 4)
    run_to_end(panel, gated, qtbot)
    brain = int(panel.case_box.case().brain.any(axis=(1, 2)).sum())
    qtbot.waitUntil(lambda: panel.lesion_box.total.text().endswith(f"in 2 of {brain} slices"))
    panel.slice_box.set_mode(SliceMode.BRAIN)
    run_to_end(panel, gated, qtbot)
    qtbot.waitUntil(lambda: panel.lesion_box.total.text().endswith("mL</b>"))
    assert viewer.layers["lesion"].data.any()
    # The probability of the lesion is 0.7 with five samples.
    panel.result_box.threshold.setValue(0.8)
    qtbot.waitUntil(lambda: not viewer.layers["lesion"].data.any())
    assert len(gated.requests) == 2


def test_the_threshold_begins_at_the_models_own(
    window: Window, gated: GatedSegment, tiny_bundle: Bundle, qtbot: QtBot
) -> None:
    viewer, panel = window
    settings = tiny_bundle.settings
    own = dataclasses.replace(settings.sampling, threshold=0.8)
    panel.model_box.bundle = dataclasses.replace(tiny_bundle, settings=dataclasses.replace(settings, sampling=own))
    panel.model_box.changed.emit()
    run_to_end(panel, gated, qtbot)
    # With five samples the probability of the lesion is 0.7.
    assert not viewer.layers["lesion"].data.any()


def test_a_drawn_lesion_keeps_its_number_when_the_threshold_is_moved_before_any_run(
    window: Window, qtbot: QtBot
) -> None:
    _viewer, panel = window

    def sizes() -> list[tuple[int, float]]:
        found = panel.lesion_box.measurement
        return [] if found is None else [(lesion.label, lesion.volume_ml) for lesion in found.lesions]

    results = panel.desk.results_of(panel.desk.case)
    results.begin()
    layer = results.lesion.layer
    layer.paint((3, 4, 4), 1)
    qtbot.waitUntil(lambda: len(sizes()) == 1, timeout=10_000)
    layer.data[6, 12:20, 12:20] = 1
    layer.events.paint(value=[])
    layer.refresh()
    qtbot.waitUntil(lambda: len(sizes()) == 2, timeout=10_000)
    before = sizes()
    panel.desk.set_threshold(0.4)
    qtbot.wait(500)

    assert dict(before)[1] < dict(before)[2]
    assert sizes() == before


def choose_model(panel: SegmentationPanel, bundle: Bundle, threshold: float, min_peak: float = 0.0) -> None:
    """Let the bundle be one that cuts elsewhere."""
    own = dataclasses.replace(bundle.settings.sampling, threshold=threshold, min_peak=min_peak)
    panel.model_box.bundle = dataclasses.replace(bundle, settings=dataclasses.replace(bundle.settings, sampling=own))
    panel.model_box.changed.emit()


def test_another_models_run_is_cut_where_that_model_says(
    window: Window, gated: GatedSegment, tiny_bundle: Bundle, qtbot: QtBot
) -> None:
    viewer, panel = window
    desk, slider = panel.desk, panel.result_box.threshold
    choose_model(panel, tiny_bundle, 0.3, min_peak=0.4)
    run_to_end(panel, gated, qtbot)
    found = viewer.layers["lesion"].data.copy()
    assert found.any()
    choose_model(panel, tiny_bundle, 0.8)
    assert desk.results is not None
    assert desk.results.threshold == slider.value() == 0.3, "what is on screen is of the model before"
    assert desk.threshold == 0.8, "for cases to come"
    run_to_end(panel, gated, qtbot)
    assert desk.results.threshold == slider.value() == 0.8
    assert not viewer.layers["lesion"].data.any()
    desk.results.lesion.undo()
    assert desk.results.threshold == slider.value() == 0.3
    np.testing.assert_array_equal(viewer.layers["lesion"].data, found)
    assert desk.threshold == 0.8, "nobody has moved it: cases to come are cut where the model says"
    desk.results.lesion.redo()
    assert desk.results.threshold == slider.value() == 0.8
    choose_model(panel, tiny_bundle, 0.3, min_peak=0.4)
    panel.run()  # whose results are there already
    qtbot.waitUntil(lambda: slider.value() == 0.3, timeout=10_000)
    assert desk.results.threshold == 0.3
    np.testing.assert_array_equal(viewer.layers["lesion"].data, found)
    choose_model(panel, tiny_bundle, 0.8)
    desk.set_threshold(0.4)
    assert desk.threshold == 0.4
    desk.set_threshold(0.3)
    assert desk.threshold == 0.8, "what was moved and moved back is not moved"


def test_an_own_threshold_that_is_no_hundredth_is_moved_back_to(
    window: Window, gated: GatedSegment, tiny_bundle: Bundle, qtbot: QtBot
) -> None:
    _viewer, panel = window
    choose_model(panel, tiny_bundle, 0.303)
    run_to_end(panel, gated, qtbot)
    for shown, value in ((0.4, 0.4), (0.3, 0.303)):
        panel.result_box.threshold.setValue(shown)
        qtbot.waitUntil(lambda value=value: panel.desk.threshold == value, timeout=5000)
    assert panel.desk.wanted_threshold.moved is None


def test_where_memory_is_short_the_slider_goes_back(
    window: Window, gated: GatedSegment, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    _viewer, panel = window
    run_to_end(panel, gated, qtbot)
    slider, desk = panel.result_box.threshold, panel.desk
    own = desk.threshold

    def fail(*_arguments: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Volumes, "mask", fail)
    with qtbot.capture_exceptions() as told:
        slider.setValue(0.35)
        assert slider.value() == 0.35
        qtbot.waitUntil(lambda: bool(told), timeout=5000)
    assert [kind for kind, *_rest in told] == [MemoryError]
    assert desk.results is not None
    assert desk.results.threshold == desk.threshold == slider.value() == own


def test_what_was_begun_without_a_run_follows_the_model_that_is_chosen_meanwhile(
    open_panel: OpenPanel, case: Case, write_small_case: CaseWriter, tmp_path: Path, tiny_bundle: Bundle
) -> None:
    other = load_case(write_small_case(tmp_path / "Small_007"))
    _viewer, panel = open_panel(case, other)
    panel.case_box.choose(case)
    results = panel.desk.results_of(case)
    results.lesion.ensure(results.threshold)
    panel.case_box.choose(other)
    choose_model(panel, tiny_bundle, 0.3)
    assert results.threshold == panel.desk.threshold == 0.3


def test_a_threshold_that_the_reader_has_moved_stays_with_another_model(
    window: Window, gated: GatedSegment, tiny_bundle: Bundle, qtbot: QtBot
) -> None:
    _viewer, panel = window
    choose_model(panel, tiny_bundle, 0.3)
    run_to_end(panel, gated, qtbot)
    panel.result_box.threshold.setValue(0.35)
    qtbot.waitUntil(lambda: panel.desk.threshold == 0.35)
    choose_model(panel, tiny_bundle, 0.8)
    run_to_end(panel, gated, qtbot)
    assert panel.desk.results is not None
    assert panel.desk.results.threshold == panel.desk.threshold == panel.result_box.threshold.value() == 0.35


@pytest.mark.on_screen
def test_a_lesion_in_the_table_is_gone_to_and_keys_act_while_its_row_is_chosen(
    window: Window, gated: GatedSegment, qtbot: QtBot
) -> None:
    viewer, panel = window
    case = panel.case_box.case()
    go_to_slice(viewer, case, 0)
    choose(panel, 0, 7)
    run_to_end(panel, gated, qtbot)
    qtbot.waitUntil(lambda: panel.lesion_box.table.rowCount() == 1)
    measurement = panel.lesion_box.measurement
    assert measurement is not None
    assert measurement.total_ml == pytest.approx(np.count_nonzero(case.mask) * 12 / 1000)
    assert current_slice(viewer, case) == 0
    panel.lesion_box.table.setCurrentCell(0, 0)
    seen = round(measurement.lesions[0].centroid[0])
    assert current_slice(viewer, case) == seen
    voxel = (seen, *np.argwhere(case.mask[seen])[0])
    place = tuple(t + v * s for t, v, s in zip(case.grid.translate, voxel, case.spacing, strict=True))
    told = panel.lesion_box.layer.get_status(place, dims_displayed=[1, 2], view_direction=None, world=True)
    assert f"slice {seen} · lesion 1 · T1 " in told["coordinates"]
    go_to_slice(viewer, case, 0)
    panel.lesion_box.table.setFocus()
    qtbot.keyClick(panel.lesion_box.table, Qt.Key.Key_Period)
    assert current_slice(viewer, case) == np.flatnonzero(case.mask.any(axis=(1, 2)))[0]
    qtbot.keyClick(panel.lesion_box.table, Qt.Key.Key_H)
    assert not panel.lesion_box.layer.visible


def test_slices_that_a_run_would_empty_are_told_before_it(window: Window, gated: GatedSegment, qtbot: QtBot) -> None:
    viewer, panel = window
    choose(panel, 2, 5)
    run_to_end(panel, gated, qtbot)
    cost = panel.sampling_box.cost
    choose(panel, 4, 6)
    qtbot.waitUntil(lambda: "for 1 slice" in cost.text(), timeout=20_000)
    assert "for 1 slice" in panel.run_bar.button.toolTip()
    assert "Empties" not in cost.text(), "the same settings leave them"
    panel.sampling_box.seed.setValue(7)
    qtbot.waitUntil(lambda: "Empties 2 slices that are done with other settings" in cost.text(), timeout=20_000)
    choose(panel, 2, 5)
    qtbot.waitUntil(lambda: "Empties" not in cost.text(), timeout=20_000)
    panel.slice_box.set_mode(SliceMode.CURRENT)
    go_to_slice(viewer, panel.case_box.case(), 3)
    qtbot.waitUntil(lambda: "Empties 3 slices" in cost.text(), timeout=20_000)
    go_to_slice(viewer, panel.case_box.case(), 6)
    qtbot.waitUntil(lambda: "Empties 4 slices" in cost.text(), timeout=20_000)
    assert panel.results is not None
    with panel.results.lesion.editing("a stroke") as mask:
        mask[5, 2:4, 2:4] = 1
    qtbot.waitUntil(lambda: "Empties 3 slices" in cost.text(), timeout=20_000)
    assert panel.result_box.edited.text().startswith("The slice that was edited")
    panel.results.lesion.undo()
    qtbot.waitUntil(lambda: "Empties 4 slices" in cost.text(), timeout=20_000)
    assert panel.result_box.edited.isHidden()


def test_any_layer_may_be_removed_in_mid_run(
    window: Window, gated: GatedSegment, qtbot: QtBot, notifications: list[Notification]
) -> None:
    """One after the other in one run, with a slice that comes in after each of them; the lesion last."""
    viewer, panel = window
    choose(panel, 0, 7)
    panel.run()
    gated.allow(1)
    qtbot.waitUntil(lambda: "agreement of the samples" in viewer.layers, timeout=10_000)
    gone = ["probability", "sample 1 of 5", "inter discrepancy", "lesion"]
    for count, name in enumerate(gone, 2):
        viewer.layers.remove(name)
        gated.allow(1)
        come_in(panel, qtbot, count)
        assert name not in viewer.layers
        assert panel.controller.is_running
    gated.allow(10)
    qtbot.waitUntil(lambda: not panel.controller.is_running, timeout=10_000)
    qtbot.wait(200)
    assert not set(gone) & {layer.name for layer in viewer.layers}
    assert notifications == []


def test_an_image_may_be_removed_in_mid_run(
    window: Window, gated: GatedSegment, qtbot: QtBot, notifications: list[Notification]
) -> None:
    viewer, panel = window
    choose(panel, 2, 6)
    panel.run()
    gated.allow(1)
    qtbot.waitUntil(lambda: "agreement of the samples" in viewer.layers, timeout=10_000)
    viewer.layers.remove("t1")
    gated.allow(10)
    qtbot.waitUntil(lambda: not panel.controller.is_running, timeout=10_000)
    qtbot.wait(200)
    assert "t1" not in viewer.layers
    assert notifications == []


def test_all_layers_may_be_removed_in_mid_run(
    window: Window, gated: GatedSegment, qtbot: QtBot, notifications: list[Notification]
) -> None:
    viewer, panel = window
    panel.run()
    gated.allow(1)
    come_in(panel, qtbot, 1)
    viewer.layers.clear()
    gated.allow(10)
    qtbot.waitUntil(lambda: not panel.controller.is_running, timeout=10_000)
    assert len(viewer.layers) == 0
    assert not panel.run_bar.button.isEnabled()
    assert "Open a case" in panel.run_bar.status.text()
    assert notifications == []


@pytest.mark.on_screen
def test_the_window_may_be_closed_in_mid_run(window: Window, gated: GatedSegment, qtbot: QtBot) -> None:
    viewer, panel = window
    panel.run()
    gated.allow(1)
    come_in(panel, qtbot, 1)
    viewer.close()
    assert gated.stopped.wait(5)


@pytest.mark.on_screen
def test_the_panel_may_be_closed_in_mid_run(window: Window, gated: GatedSegment, qtbot: QtBot) -> None:
    viewer, panel = window
    panel.run()
    gated.allow(1)
    come_in(panel, qtbot, 1)
    deleted: list[bool] = []
    panel.destroyed.connect(lambda *_: deleted.append(True))
    panel.parent().destroyOnClose()
    qtbot.waitUntil(gated.stopped.is_set, timeout=5000)
    qtbot.waitUntil(lambda: bool(deleted), timeout=5000)
    assert QThreadPool.globalInstance().waitForDone(5000)
    # The viewer goes on without the panel: its events reach no dead widget.
    viewer.layers.remove("t1")
    viewer.layers["lesion"].paint((4, 20, 20), 1)
    qtbot.wait(50)


@pytest.mark.on_screen
@pytest.mark.fault("Viewer")
def test_a_panel_that_is_opened_again_goes_on_with_what_is_there(
    window: Window, gated: GatedSegment, qtbot: QtBot, autosave_folder: Path
) -> None:
    """Closed by mistake, in mid-run: the run stops, and nothing else is lost."""
    viewer, panel = window
    choose(panel, 2, 6)
    panel.run()
    gated.allow(2)
    come_in(panel, qtbot, 2)
    results, lesion = panel.results, viewer.layers["lesion"]
    assert results is not None
    done = set(results.done)
    deleted: list[bool] = []
    panel.destroyed.connect(lambda *_: deleted.append(True))
    panel.parent().destroyOnClose()
    qtbot.waitUntil(lambda: bool(deleted), timeout=5000)
    assert QThreadPool.globalInstance().waitForDone(5000)
    assert not results.awaits_layers
    assert not results.lesion.is_in_run
    lesion.paint((0, 20, 20), 1)  # while there is no panel

    gated.gate = type(gated.gate)(0)
    _dock, panel = viewer.window.add_plugin_dock_widget("napari-ddmd", "Find lesions")
    panel.lesion_tab.autosave_box._rest.setInterval(50)
    qtbot.waitUntil(lambda: panel.model_box.bundle is not None, timeout=20_000)
    assert panel.results is results
    assert results.done == done
    assert panel.desk.mask is lesion
    content = panel.save_tab._saveable()
    assert content is not None
    assert content.is_models
    assert content.edited_slices == (0,)
    lesion.paint((0, 10, 10), 1)
    qtbot.waitUntil(lambda: len(list(autosave_folder.glob("*.npz"))) == 1, timeout=10_000)
    assert panel.lesion_tab.autosave_box.isHidden(), "what is on screen is not offered"
    panel.desk.set_threshold(0.85)
    assert not lesion.data[2:7].any()
    panel.lesion_tab.correct_box.undo()
    assert panel.desk.threshold == panel.result_box.threshold.value() == 0.5
    choose(panel, 2, 6)
    run_to_end(panel, gated, qtbot)
    assert results.done == {2, 3, 4, 5, 6}
    assert set(gated.requests[-1]["slices"]) == {2, 3, 4, 5, 6} - done
    assert [layer.name for layer in viewer.layers if layer.name.startswith("lesion")] == ["lesion"]


@pytest.mark.on_screen
def test_the_canvas_is_divided_by_a_button_and_a_panel_that_is_closed_puts_the_layers_back(
    window: Window, gated: GatedSegment, qtbot: QtBot
) -> None:
    viewer, panel = window
    buttons = panel.view_box.buttons
    assert not buttons[Arrangement.EXPLAIN].isEnabled()
    run_to_end(panel, gated, qtbot)
    buttons[Arrangement.EXPLAIN].click()
    assert viewer.canvas.grid.enabled
    assert viewer.canvas.grid.actual_shape(viewer.layers) == (2, 2)
    buttons[Arrangement.SINGLE].click()
    assert not viewer.canvas.grid.enabled
    viewer.layers["t2"].visible = True
    viewer.layers["flair"].visible = False
    before = {layer: layer.visible for layer in viewer.layers}
    panel.view_box.buttons[Arrangement.MODALITIES].click()
    assert len([layer for layer in viewer.layers if (tag := tag_of(layer)) and tag.role == Role.MIRROR]) == 3
    deleted: list[bool] = []
    panel.destroyed.connect(lambda *_: deleted.append(True))
    panel.parent().destroyOnClose()
    qtbot.waitUntil(lambda: bool(deleted), timeout=5000)
    assert {layer: layer.visible for layer in viewer.layers} == before
    assert not viewer.canvas.grid.enabled
    assert not any(layer.name_overlay.visible for layer in viewer.layers)


def test_nothing_can_run_without_a_case(open_panel: OpenPanel, case: Case) -> None:
    viewer, panel = open_panel()
    assert not panel.run_bar.button.isEnabled()
    assert "Open a case" in panel.run_bar.status.text()
    panel.run()
    assert not panel.controller.is_running
    add_case(viewer, case)
    assert panel.run_bar.button.isEnabled()
    assert panel.run_bar.status.text() == ""
    viewer.layers.remove("t2")
    assert not panel.run_bar.button.isEnabled()
    assert "No T2 image" in panel.run_bar.status.text()


def test_layers_of_other_plugins_are_warned_of(
    open_panel: OpenPanel, case: Case, notifications: list[Notification]
) -> None:
    viewer, panel = open_panel()
    add_plain_images(viewer, case)
    assert panel.run_bar.button.isEnabled()
    assert [note.severity for note in notifications] == ["warning"]
    assert "orientation is assumed" in notifications[0].message


def test_a_layer_that_is_missing_for_a_moment_takes_nothing_with_it(
    open_panel: OpenPanel, case: Case, gated: GatedSegment, qtbot: QtBot
) -> None:
    viewer, panel = open_panel()
    add_plain_images(viewer, case)
    choose(panel, 3, 4)
    run_to_end(panel, gated, qtbot)
    results, t2 = panel.results, panel.case_box.modalities["t2"]
    chosen = t2.value
    t2.value = None
    assert panel.results is None
    t2.value = chosen
    assert panel.results is results
    assert results is not None
    assert results.done == {3, 4}
    assert panel.slice_box.choice == SliceChoice(SliceMode.RANGE, 3, 4)


def test_two_cases_keep_their_own_results(open_panel: OpenPanel, case: Case, gated: GatedSegment, qtbot: QtBot) -> None:
    other = dataclasses.replace(case, name="Other", images=case.images * 2)
    viewer, panel = open_panel(case, other)
    assert panel.case_box.case() is other
    choose(panel, 3, 4)
    run_to_end(panel, gated, qtbot)
    first = panel.lesion_box.layer
    panel.case_box.case_list.setCurrentIndex(0)
    assert panel.case_box.case() is case
    assert panel.results is None
    assert panel.lesion_box.layer is None
    run_to_end(panel, gated, qtbot)
    assert panel.lesion_box.layer is not first
    panel.case_box.case_list.setCurrentIndex(1)
    assert panel.lesion_box.layer is first
    viewer.layers.clear()
    assert panel.results is None


def test_the_canvas_shows_the_case_that_the_panel_works_on(open_panel: OpenPanel, case: Case) -> None:
    viewer, panel = open_panel(case)
    panel.arrange(Arrangement.MODALITIES)
    other = dataclasses.replace(case, name="Other", images=case.images * 2)
    add_case(viewer, other)
    assert panel.desk.case is other
    assert panel.four_panels.arrangement is Arrangement.MODALITIES
    cells = [panel.four_panels.image_in((row, column)) for row in range(2) for column in range(2)]
    assert cells == [panel.case_box.modalities[modality].value for modality in MODALITIES]
    panel.arrange(Arrangement.SINGLE)
    for number, shown in ((0, case), (1, other)):
        panel.case_box.case_list.setCurrentIndex(number)
        assert panel.desk.case is shown
        assert {tag.case for layer in viewer.layers if layer.visible and (tag := tag_of(layer))} == {shown}
    while panel.case_box.tagged_case is other:
        viewer.layers.remove(next(layer for layer in viewer.layers if (tag := tag_of(layer)) and tag.case is other))
    assert panel.desk.case is case
    assert viewer.layers["flair"].visible


def test_mask_and_probability_are_saved(
    window: Window, gated: GatedSegment, qtbot: QtBot, tmp_path: Path, notifications: list[Notification]
) -> None:
    viewer, panel = window
    assert not panel.save_button.isEnabled()
    run_to_end(panel, gated, qtbot)
    case = panel.case_box.case()
    viewer.layers["lesion"].data[1, 2, 3] = 1
    qtbot.waitUntil(panel.save_button.isEnabled)
    panel.save_button.save(tmp_path)
    qtbot.waitUntil(lambda: bool(notifications), timeout=10_000)
    saved = case.grid.to_axial(np.asarray(nibabel.load(tmp_path / "Small_001_mask.nii.gz").dataobj))
    np.testing.assert_array_equal(saved, viewer.layers["lesion"].data)
    probability = np.asarray(nibabel.load(tmp_path / "Small_001_probability.nii.gz").dataobj)
    np.testing.assert_array_equal(case.grid.to_axial(probability), viewer.layers["probability"].data)
    assert "Saved Small_001_mask.nii.gz" in notifications[0].message


def test_what_is_saved_has_the_numbers_of_the_table(
    window: Window, gated: GatedSegment, qtbot: QtBot, tmp_path: Path, notifications: list[Notification]
) -> None:
    viewer, panel = window
    table = panel.lesion_tab.lesion_box.table
    run_to_end(panel, gated, qtbot)
    layer = viewer.layers["lesion"]
    mask = np.zeros_like(layer.data)
    mask[2, 2:8, 2:8] = mask[5, 2:5, 2:5] = 1
    layer.data = mask
    qtbot.waitUntil(lambda: table.rowCount() == 2, timeout=10_000)
    edited = mask.copy()
    edited[2], edited[6, 10:20, 10:20] = 0, 1  # the first one is deleted, and a larger one is drawn
    layer.data = edited
    qtbot.waitUntil(lambda: {"3"} <= {table.item(row, 0).text() for row in range(table.rowCount())}, timeout=10_000)
    shown = {table.item(row, 0).text() for row in range(table.rowCount())}
    panel.save_button.save(tmp_path, ("lesions",))
    qtbot.waitUntil(lambda: bool(notifications), timeout=10_000)
    with (tmp_path / "Small_001_lesions.csv").open(newline="") as text:
        assert {row["lesion"] for row in csv.DictReader(text)} == shown


def test_a_save_is_waited_for_whatever_is_measured_meanwhile(
    window: Window,
    gated: GatedSegment,
    qtbot: QtBot,
    tmp_path: Path,
    notifications: list[Notification],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _viewer, panel = window
    run_to_end(panel, gated, qtbot)
    gate = threading.Event()

    def fail(*_: object) -> None:
        gate.wait(10)
        raise OSError("the disk is full")

    monkeypatch.setattr(save_button, "save_results", fail)
    panel.save_button.save(tmp_path)
    panel.lesion_box.measured.emit()
    assert not panel.save_button.isEnabled()
    gate.set()
    qtbot.waitUntil(panel.save_button.isEnabled, timeout=10_000)
    assert [note.message for note in notifications] == ["the disk is full"]


def test_the_panel_starts_by_itself_when_it_is_told_to(
    make_napari_viewer: Callable[..., Any],
    installed: object,
    case: Case,
    gated: GatedSegment,
    qtbot: QtBot,
) -> None:
    viewer = make_napari_viewer()
    add_case(viewer, case)
    panel = SegmentationPanel(viewer)
    viewer.window.add_dock_widget(panel)
    panel.run_when_ready()
    gated.allow(100)
    with qtbot.waitSignal(panel.controller.ended, timeout=20_000):
        pass
    assert "lesion" in viewer.layers


@pytest.mark.on_screen
def test_the_panel_fits_its_width(window: Window, qtbot: QtBot) -> None:
    viewer, panel = window
    panel.slice_box.set_mode(SliceMode.RANGE)
    tabs = {
        0: (panel.view_box, panel.case_box, panel.model_box, panel.slice_box, panel.run_bar),
        1: (panel.result_box,),
        2: (panel.lesion_box,),
        3: (panel.save_button,),
    }
    assert len(tabs) == panel.tabs.count()
    for theme in ("dark", "light"):
        viewer.theme = theme
        qtbot.wait(50)
        assert panel.width() <= 420
        for number, boxes in tabs.items():
            panel.tabs.setCurrentIndex(number)
            qtbot.wait(50)
            for box in boxes:
                assert box.mapTo(panel, box.rect().topRight()).x() <= panel.width()


def test_a_case_without_brain_says_so(open_panel: OpenPanel, case: Case) -> None:
    _viewer, panel = open_panel(dataclasses.replace(case, images=np.zeros_like(case.images)))
    panel.run()
    assert not panel.controller.is_running
    assert "No slice holds brain" in panel.run_bar.status.text()


@pytest.mark.on_screen
def test_a_run_without_one_image_is_a_choice_of_the_user(window: Window, gated: GatedSegment, qtbot: QtBot) -> None:
    _viewer, panel = window
    box = panel.case_box
    assert not box.missing_box.isVisible()
    box.modalities["t1ce"].value = None
    assert box.missing_box.isVisible()
    assert not panel.run_bar.button.isEnabled()
    box.missing_box.click()
    assert panel.run_bar.button.isEnabled()
    assert not panel.desk.case.images[MODALITIES.index("t1ce")].any()
    run_to_end(panel, gated, qtbot)
    # The layers of the results do not bring the image back.
    assert box.modalities["t1ce"].value is None
    assert panel.run_bar.status.text().startswith("Done: ")
    assert "T1ce is missing" in panel.run_bar.status.text()


def test_what_a_run_looks_at_before_is_foretold_when_the_images_are_known(
    open_panel: OpenPanel, case: Case, gated: GatedSegment, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    _viewer, panel = open_panel(case)
    assert gated is not None
    monkeypatch.setattr("napari_ddmd.evened.looks_before", lambda _case, _bundle: 40)
    with qtbot.waitSignal(panel.caution_bar.looked, timeout=20_000):
        panel.caution_bar._look()
    assert panel.sampling_box.cost._looks == 40


def test_the_cost_follows_the_choice_of_slices(
    open_panel: OpenPanel, case: Case, gated: GatedSegment, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_ddmd.cost.measure_pace", measure_pace)  # the measurement itself
    _viewer, panel = open_panel(case)
    cost = panel.sampling_box.cost
    qtbot.waitUntil(lambda: "for 6 slices" in cost.text() or "for 7 slices" in cost.text(), timeout=30_000)
    choose(panel, 3, 4)
    qtbot.waitUntil(lambda: "for 2 slices" in cost.text(), timeout=30_000)
    run_to_end(panel, gated, qtbot)
    qtbot.waitUntil(lambda: "slice" not in cost.text(), timeout=30_000)  # nothing is left to do
    choose(panel, 3, 6)
    qtbot.waitUntil(lambda: "for 2 slices" in cost.text(), timeout=30_000)
    panel.sampling_box.seed.setValue(9)
    qtbot.waitUntil(lambda: "for 4 slices" in cost.text(), timeout=30_000)
