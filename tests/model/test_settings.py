"""Settings survive JSON, and nothing else passes for them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from napari_ddmd.model.settings import DenoiserSettings, ModelSettings
from src_training.recipe import preset


@pytest.mark.parametrize("settings", [ModelSettings(), preset("compact").model, preset("paper").model])
def test_settings_survive_json(settings: ModelSettings) -> None:
    assert ModelSettings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"variant": "huge"}, "settings.variant must be one of mini, light, full"),
        ({"colour": 1}, "settings has unknown keys: colour"),
        ({"frame": {"size": 128, "extent_mm": 192.0}}, "settings.frame has missing keys: centre"),
        (
            {"frame": {"size": "128", "extent_mm": 192.0, "centre": "brain"}},
            "settings.frame.size must be int",
        ),
        ({"frame": 3}, "settings.frame must be an object"),
    ],
)
def test_wrong_settings_are_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ModelSettings.from_dict(ModelSettings().to_dict() | change)


def test_a_missing_group_is_named() -> None:
    data = ModelSettings().to_dict()
    del data["diffusion"]
    with pytest.raises(ValueError, match="settings has missing keys: diffusion"):
        ModelSettings.from_dict(data)


def test_true_is_no_number() -> None:
    data = ModelSettings().to_dict()
    data["denoiser"]["layers_per_block"] = True
    with pytest.raises(ValueError, match="layers_per_block must be int"):
        ModelSettings.from_dict(data)


def test_variants_choose_the_maps() -> None:
    assert [
        (ModelSettings(variant=v).uses_inter, ModelSettings(variant=v).uses_intra) for v in ("mini", "light", "full")
    ] == [
        (False, False),
        (True, False),
        (True, True),
    ]


def test_lists_become_tuples_again() -> None:
    data = json.loads(json.dumps(ModelSettings(denoiser=DenoiserSettings(channels=(8, 16))).to_dict()))
    assert ModelSettings.from_dict(data).denoiser.channels == (8, 16)
