from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from napari_ddmd.case import Case
from napari_ddmd.model import Bundle
from napari_ddmd.viewer.run_settings import Recipe, RunRequest, Sampling, SliceChoice, SliceMode, told_apart

BRAIN = np.zeros((10, 2, 2), bool)
BRAIN[2:8, 0, 0] = True


@pytest.mark.parametrize(
    ("choice", "current", "expected"),
    [
        (SliceChoice(SliceMode.CURRENT), 9, [9]),
        (SliceChoice(SliceMode.RANGE, 3, 6), 5, [5, 4, 6, 3]),
        (SliceChoice(SliceMode.RANGE, 6, 3), 0, [3, 4, 5, 6]),
        (SliceChoice(SliceMode.RANGE, 8, 20), 0, [8, 9]),
        (SliceChoice(SliceMode.BRAIN), 7, [7, 6, 5, 4, 3, 2]),
        (SliceChoice(SliceMode.BRAIN), 3, [3, 2, 4, 5, 6, 7]),
    ],
)
def test_slices_come_nearest_first(choice: SliceChoice, current: int, expected: list[int]) -> None:
    assert choice.slices(BRAIN, current) == expected


def test_a_brain_without_voxels_has_no_slices() -> None:
    assert SliceChoice(SliceMode.BRAIN).slices(np.zeros_like(BRAIN), 3) == []


@pytest.mark.parametrize(
    ("others", "told"),
    [
        ([], "seed 3"),
        ([{}], "seed 3"),
        ([{"seed": 4}], "seed 3"),
        ([{"steps": 20}], "1 step"),
        ([{"samples": 9}, {"sampler": "ddpm", "seed": 4}], "seed 3, 5 samples, sampler ddim"),
        ([{"device": "cuda:99"}], "device auto"),
    ],
)
def test_a_run_is_named_by_what_tells_it_from_others(others: list[dict[str, Any]], told: str) -> None:
    own = Sampling(seed=3, steps=1)
    assert told_apart(own, [dataclasses.replace(own, **values) for values in others]) == told


def test_runs_on_one_device_are_not_told_apart_by_its_names() -> None:
    assert told_apart(Sampling(), [Sampling().on_device()]) == "seed 0"


def test_a_request_goes_on_where_another_stopped(case: Case, tiny_bundle: Bundle) -> None:
    request = RunRequest(case, tiny_bundle, Sampling(), (4, 3, 5, 2))
    assert request.without({3, 4}).slices == (5, 2)
    assert request.without({3}).recipe == request.recipe


@pytest.mark.parametrize("change", [{"shared_guess": False}, {"min_part": 0.2}, {"min_peak": 0.7}])
def test_results_of_one_models_weights_drawn_in_another_way_are_others(
    case: Case, tiny_bundle: Bundle, change: dict[str, Any]
) -> None:
    request = RunRequest(case, tiny_bundle, Sampling(), (2, 3))
    settings = tiny_bundle.settings
    own = dataclasses.replace(settings, sampling=dataclasses.replace(settings.sampling, **change))
    other = dataclasses.replace(request, bundle=dataclasses.replace(tiny_bundle, settings=own))
    assert other.bundle.sha256 == request.bundle.sha256
    assert other.recipe != request.recipe


@pytest.mark.parametrize("change", [{"samples": 4}, {"steps": 3}, {"sampler": "ddpm"}, {"seed": 1}])
def test_any_setting_makes_another_recipe(case: Case, tiny_bundle: Bundle, change: dict[str, object]) -> None:
    request = RunRequest(case, tiny_bundle, Sampling(), (4,))
    other = RunRequest(case, tiny_bundle, dataclasses.replace(Sampling(), **change), (4,))
    assert other.recipe != request.recipe
    assert not other.recipe.matches(request.recipe)


@pytest.mark.parametrize(
    ("devices", "name", "is_same"),
    [
        (["cpu"], "cpu", True),
        (["cpu"], "cuda", False),
        (["cpu"], "cpu:none", False),
        (["cuda", "cpu"], "cuda", True),
        (["cuda", "cpu"], "cpu", False),
    ],
)
def test_a_device_counts_by_what_it_comes_to(
    case: Case, monkeypatch: pytest.MonkeyPatch, devices: list[str], name: str, is_same: bool
) -> None:
    monkeypatch.setattr("napari_ddmd.device.available_devices", lambda: devices)
    recipe, other = Recipe(case, "sha", Sampling()), Recipe(case, "sha", Sampling(device=name))
    assert recipe.matches(recipe)
    assert not recipe.matches(None)
    assert recipe.matches(other) is other.matches(recipe) is is_same


def test_another_case_or_model_makes_another_recipe(case: Case, tiny_bundle: Bundle) -> None:
    recipe = RunRequest(case, tiny_bundle, Sampling(), (4,)).recipe
    other_case = dataclasses.replace(case)
    other_model = dataclasses.replace(tiny_bundle, sha256="0")
    assert RunRequest(other_case, tiny_bundle, Sampling(), (4,)).recipe != recipe
    assert RunRequest(case, other_model, Sampling(), (4,)).recipe != recipe
