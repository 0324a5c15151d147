from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from threading import Event
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils.notifications import Notification
from pytestqt.qtbot import QtBot

from napari_ddmd.case import Case
from napari_ddmd.case_sampler import CancelledError
from napari_ddmd.model import Bundle
from napari_ddmd.results import Denoising, Progress
from napari_ddmd.viewer.desk import Desk
from napari_ddmd.viewer.run_settings import Recipe, Sampling
from napari_ddmd.viewer.viewer_links import ViewerLinks
from napari_ddmd.viewer.widgets.denoising_box import DenoisingBox
from napari_ddmd.viewer.widgets.panel import SegmentationPanel
from tests.results import slice_result
from tests.viewer.widgets.conftest import OpenPanel

SAMPLING = Sampling(sampler="ddpm", seed=7, device="cpu")


class FakeSequence:
    """Stands in for `denoising_sequence`: ends when the test says so."""

    def __init__(self) -> None:
        self.gate = Event()
        self.requests: list[dict[str, Any]] = []
        self.error: Exception | None = None
        self.cancelled = Event()

    def __call__(
        self,
        case: Case,
        bundle: Bundle,
        index: int,
        *,
        steps: int,
        cancel: Event,
        progress: Callable[[Progress], object],
        **settings: Any,
    ) -> Denoising:
        self.requests.append({"index": index, "steps": steps, **settings})
        progress(Progress(1, 2, 1.0, 1.0, ""))
        while not self.gate.wait(0.01):
            if cancel.is_set():
                self.cancelled.set()
                raise CancelledError
        if self.error is not None:
            raise self.error
        shape = case.grid.shape[1:]
        noisy = np.stack([np.full(shape, step / 100, np.float32) for step in range(steps + 1)])
        return Denoising(tuple(range(steps))[::-1], noisy, noisy[1:])


@pytest.fixture
def sequence(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSequence]:
    fake = FakeSequence()
    monkeypatch.setattr(import_module("napari_ddmd.denoising"), "denoising_sequence", fake)
    yield fake
    fake.gate.set()


@pytest.fixture
def desk(desk: Desk, tiny_bundle: Bundle) -> Desk:
    desk.bundle = tiny_bundle
    desk.go_to(4)
    return desk


@pytest.fixture
def box(desk: Desk, sequence: FakeSequence, qtbot: QtBot) -> Iterator[DenoisingBox]:
    links = ViewerLinks()
    box = DenoisingBox(desk, links, lambda: SAMPLING)
    qtbot.addWidget(box)
    box.show()
    yield box
    links.disconnect()


def watch(box: DenoisingBox, sequence: FakeSequence, qtbot: QtBot) -> None:
    """To the end, standing at the first step."""
    sequence.gate.set()
    box.button.click()
    qtbot.waitUntil(lambda: box.shown is not None, timeout=10_000)
    box.play.setChecked(False)
    box.slider.setValue(0)


def test_the_slice_on_screen_is_watched_as_the_results_were_made(
    box: DenoisingBox, desk: Desk, case: Case, sequence: FakeSequence, qtbot: QtBot
) -> None:
    watch(box, sequence, qtbot)
    results = desk.results_of(case)
    results.add(Recipe(case, "sha", Sampling(samples=3, seed=2, device="cpu")), slice_result(case, 4))
    results.show_sample(1)
    desk.go_to(3)
    box.steps.setValue(25)
    watch(box, sequence, qtbot)
    assert sequence.requests == [
        {"index": 4, "steps": 10, "number": 0, "sampler": "ddpm", "seed": 7, "device": "cpu"},
        {"index": 3, "steps": 25, "number": 1, "sampler": "ddim", "seed": 2, "device": "cpu"},
    ]


def test_the_slider_scrubs_and_the_caption_tells_the_timestep(
    box: DenoisingBox, viewer: ViewerModel, sequence: FakeSequence, qtbot: QtBot
) -> None:
    watch(box, sequence, qtbot)
    layer = viewer.layers["denoising"]
    box.noisy.setChecked(True)
    for step in (0, 5, 10):
        box.slider.setValue(step)
        assert layer.data.mean() == pytest.approx(step / 100)
    assert box.caption.text().endswith("finished after 10 steps")
    box.slider.setValue(4)
    assert box.caption.text() == "Slice 4, noise 1: step 5 of 10, t = 6 of 1000"
    box.expected.setChecked(True)
    assert layer.data.mean() == pytest.approx(0.05)


@pytest.mark.parametrize("steps", [10, 1000])
def test_it_plays_to_the_end_and_stops(box: DenoisingBox, sequence: FakeSequence, qtbot: QtBot, steps: int) -> None:
    box.steps.setValue(steps)
    watch(box, sequence, qtbot)
    box._clock.setInterval(1)
    box.play.setChecked(True)
    qtbot.waitUntil(lambda: not box.play.isChecked(), timeout=10_000)
    assert box.slider.value() == steps
    box.play.setChecked(True)
    assert box.slider.value() == 0
    assert box.play.text() == "Pause"


def test_a_computation_shows_its_progress_and_can_be_cancelled(
    box: DenoisingBox, viewer: ViewerModel, sequence: FakeSequence, qtbot: QtBot
) -> None:
    before = list(viewer.layers)
    box.button.click()
    assert box.is_computing
    assert box.button.text() == "Cancel"
    assert "Computing 10 steps of slice 4" in box.caption.text()
    qtbot.waitUntil(lambda: box.progress.isVisible() and box.progress.value() == 50, timeout=10_000)
    box.button.click()
    assert not box.is_computing
    assert not box.progress.isVisible()
    assert box.button.text() == "Watch this slice"
    qtbot.waitUntil(sequence.cancelled.is_set, timeout=10_000)
    assert list(viewer.layers) == before


def test_closing_leaves_the_layers_as_they_were(
    box: DenoisingBox, viewer: ViewerModel, sequence: FakeSequence, qtbot: QtBot
) -> None:
    before = [(layer, layer.visible) for layer in viewer.layers]
    watch(box, sequence, qtbot)
    assert "denoising" in viewer.layers
    box.close_button.click()
    assert [(layer, layer.visible) for layer in viewer.layers] == before
    assert not box.slider.isVisible()
    assert not box.caption.isVisible()


def test_a_layer_that_the_user_removes_closes_it(
    box: DenoisingBox, viewer: ViewerModel, sequence: FakeSequence, qtbot: QtBot
) -> None:
    watch(box, sequence, qtbot)
    viewer.layers.remove(viewer.layers["denoising"])
    assert box.shown is None
    assert not box.slider.isVisible()


def test_another_case_closes_it(
    box: DenoisingBox, desk: Desk, viewer: ViewerModel, sequence: FakeSequence, qtbot: QtBot
) -> None:
    watch(box, sequence, qtbot)
    desk.set_case(None)
    assert "denoising" not in viewer.layers
    box.button.click()
    assert box.caption.text() == "Choose a case and a model first."


def test_what_cannot_be_watched_is_said(box: DenoisingBox, desk: Desk, case: Case, sequence: FakeSequence) -> None:
    desk.go_to(0)
    assert not case.brain[0].any()
    box.button.click()
    assert box.caption.text() == "Slice 0 holds no brain."
    desk.bundle = None
    box.button.click()
    assert box.caption.text() == "Choose a model first."
    assert sequence.requests == []


def test_a_failure_is_told_in_one_line(
    box: DenoisingBox, sequence: FakeSequence, qtbot: QtBot, notifications: list[Notification]
) -> None:
    sequence.error = RuntimeError("out of\nmemory")
    sequence.gate.set()
    box.button.click()
    qtbot.waitUntil(lambda: bool(notifications), timeout=10_000)
    assert notifications[0].message == "The denoising could not be computed: out of memory"
    assert not box.is_computing
    assert not box.caption.isVisible()


def test_a_run_has_the_networks_to_itself(box: DenoisingBox, sequence: FakeSequence, qtbot: QtBot) -> None:
    box.button.click()
    box.set_running(True)
    qtbot.waitUntil(sequence.cancelled.is_set, timeout=10_000)
    assert not box.button.isEnabled()
    box.set_running(False)
    assert box.button.isEnabled()


def test_it_goes_with_the_panel(open_panel: OpenPanel, case: Case, sequence: FakeSequence, qtbot: QtBot) -> None:
    viewer, panel = open_panel(case)
    assert isinstance(panel, SegmentationPanel)
    panel.desk.go_to(4)
    watch(panel.look_tab.denoising_box, sequence, qtbot)
    assert "denoising" in viewer.layers
    viewer.window.remove_dock_widget(panel)
    assert "denoising" not in viewer.layers
