from __future__ import annotations

import dataclasses

import pytest
from pytestqt.qtbot import QtBot

from napari_ddmd.model import Bundle
from napari_ddmd.model.settings import SamplingSettings
from napari_ddmd.viewer.run_settings import Sampling
from napari_ddmd.viewer.widgets import sampling_box
from napari_ddmd.viewer.widgets.sampling_box import SamplingBox


@pytest.fixture
def box(qtbot: QtBot) -> SamplingBox:
    box = SamplingBox()
    qtbot.addWidget(box)
    box.set_choices(("ddim", "dpm-solver++", "ddpm"), ("cpu",))
    return box


def test_a_models_own_values_are_the_defaults(box: SamplingBox, tiny_bundle: Bundle) -> None:
    own = SamplingSettings(sampler="dpm-solver++", steps=4, samples=3)
    box.set_bundle(dataclasses.replace(tiny_bundle, settings=dataclasses.replace(tiny_bundle.settings, sampling=own)))
    assert box.sampling == Sampling(samples=3, steps=4, sampler="dpm-solver++", seed=0, device="auto")
    assert box.steps.maximum() == tiny_bundle.settings.diffusion.timesteps


def test_values_set_by_hand_outlast_the_same_model(box: SamplingBox, tiny_bundle: Bundle) -> None:
    box.set_bundle(tiny_bundle)
    box.samples.setValue(9)
    box.set_bundle(tiny_bundle)
    assert box.sampling.samples == 9


def test_the_memory_is_told_before_the_run(box: SamplingBox, tiny_bundle: Bundle, qtbot: QtBot) -> None:
    assert box.memory.text() == ""
    box.set_bundle(tiny_bundle)
    qtbot.waitUntil(lambda: box.memory.text().startswith("Memory: about"), timeout=20_000)
    assert "cpu" in box.memory.text()
    box.set_bundle(None)
    qtbot.waitUntil(lambda: box.memory.text() == "", timeout=5000)


def test_the_estimate_follows_the_values(
    box: SamplingBox, tiny_bundle: Bundle, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def estimate(_bundle: Bundle, samples: int, device: str) -> str:
        return f"{samples} on {device}"

    monkeypatch.setattr(sampling_box, "_estimate", estimate)
    box.set_bundle(tiny_bundle)
    box.samples.setValue(12)
    box.device.setCurrentText("cpu")
    qtbot.waitUntil(lambda: box.memory.text() == "Memory: 12 on cpu", timeout=5000)


def test_an_estimate_that_fails_is_no_obstacle(
    box: SamplingBox, tiny_bundle: Bundle, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> str:
        raise RuntimeError("no driver")

    monkeypatch.setattr(sampling_box, "_estimate", refuse)
    box.set_bundle(tiny_bundle)
    qtbot.waitUntil(lambda: box.memory.text() == "Memory: unknown (no driver)", timeout=5000)
