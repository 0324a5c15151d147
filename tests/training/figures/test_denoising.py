"""Fig 5."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from src_training.figures.denoising import fig5_denoising, frames
from src_training.figures.trained import Patient
from src_training.run import Run


def test_states_are_evenly_spaced_from_noise_to_mask() -> None:
    assert frames(50, 6) == [0, 10, 20, 30, 40, 50]
    assert frames(2, 8) == [0, 1, 2]


def test_the_way_of_a_run(drawn_run: Run, patients: list[Patient]) -> None:
    _, drawing, numbers = fig5_denoising(drawn_run, patients, steps=4)
    found = json.loads(numbers.read_text())

    assert found["case"] == patients[0].name
    assert (found["sampler"], found["steps"], list(found["systems"])) == ("ddpm", 4, ["ddmd"])
    assert found["systems"]["ddmd"]["timesteps"] == [1000, 750, 500, 250]
    assert 0 <= found["systems"]["ddmd"]["dice"] <= 1
    said = drawing.read_text(encoding="utf-8")
    assert ">t = 750<" in said
    assert "the clean mask (x0)" in said


def test_without_a_diffusion_system_it_is_left_out(
    drawn_run: Run, patients: list[Patient], capsys: pytest.CaptureFixture[str]
) -> None:
    plain = [replace(patient, systems=("unet",)) for patient in patients]

    assert fig5_denoising(drawn_run, plain) == []
    assert "left out" in capsys.readouterr().err
