from __future__ import annotations

import dataclasses

import pytest
from pytestqt.qtbot import QtBot

from napari_ddmd.model import Bundle
from napari_ddmd.model.settings import SamplingSettings
from napari_ddmd.viewer.run_settings import Sampling
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


def test_the_cost_follows_the_values(box: SamplingBox, tiny_bundle: Bundle, qtbot: QtBot) -> None:
    assert box.cost.text() == ""
    box.set_bundle(tiny_bundle)
    box.cost.set_work(4, (8, 28, 24))
    qtbot.waitUntil(lambda: "for 4 slices" in box.cost.text(), timeout=20_000)


def test_nothing_is_worked_out_while_the_box_is_out_of_use(box: SamplingBox, monkeypatch: pytest.MonkeyPatch) -> None:
    paused: list[bool] = []
    monkeypatch.setattr(box.cost, "set_paused", paused.append)
    box.setEnabled(False)
    box.setEnabled(True)
    assert paused == [True, False]
