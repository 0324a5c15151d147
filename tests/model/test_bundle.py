"""A bundle is two files, whole and unchanged, or it is refused with one line."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from napari_ddmd.model import (
    BundleError,
    list_bundles,
    load_bundle,
    read_bundle,
    save_bundle,
    untrained_bundle,
)
from napari_ddmd.model.bundle import DdmdNetworks, new_bundle
from napari_ddmd.model.settings import ContextSettings, ModelSettings


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "model.json"
    description = json.loads(path.read_text())
    change(description)
    path.write_text(json.dumps(description))


def test_a_bundle_comes_back_as_it_was(tmp_path: Path) -> None:
    bundle = untrained_bundle("light", seed=3)
    read = read_bundle(save_bundle(tmp_path / "model", bundle))
    assert (read.settings, read.name, read.version, read.card, read.provenance, read.sha256) == (
        bundle.settings,
        bundle.name,
        bundle.version,
        bundle.card,
        bundle.provenance,
        bundle.sha256,
    )
    for (name, one), two in zip(bundle.networks.state_dict().items(), read.networks.state_dict().values(), strict=True):
        assert torch.equal(one, two), name
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == [
        "model.json",
        "weights.safetensors",
    ]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "weights.safetensors").unlink(), "copy the whole model folder again"),
        (lambda folder: (folder / "model.json").unlink(), "choose a folder with model.json"),
        (lambda folder: (folder / "model.json").write_text("{"), "is not JSON"),
        (lambda folder: (folder / "model.json").write_text("{}"), "is not a 'napari-ddmd bundle 1' file"),
        (lambda folder: edit(folder, lambda d: d.pop("settings_sha256")), "has no 'settings_sha256'"),
        (
            lambda folder: edit(folder, lambda d: d["settings"]["frame"].update(size=64)),
            "settings were changed",
        ),
        (lambda folder: edit(folder, lambda d: d["settings"].pop("frame")), "missing keys: frame"),
    ],
)
def test_damage_is_named(tmp_path: Path, damage: Callable[[Path], object], message: str) -> None:
    folder = save_bundle(tmp_path / "model", untrained_bundle())
    damage(folder)
    with pytest.raises(BundleError, match=message) as caught:
        read_bundle(folder)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


def test_a_model_from_before_neighbouring_slices_sees_none(tmp_path: Path) -> None:
    bundle = untrained_bundle()
    alone = replace(bundle.settings, context=ContextSettings(slices=0))
    made = new_bundle(alone, DdmdNetworks(alone), name="older", version="1", provenance={}, card="")
    folder = save_bundle(tmp_path, made)

    def make_older(description: dict[str, Any]) -> None:
        del description["settings"]["context"]
        text = json.dumps(description["settings"], sort_keys=True)
        description["settings_sha256"] = hashlib.sha256(text.encode()).hexdigest()

    edit(folder, make_older)

    assert read_bundle(folder).settings == alone


def test_a_model_from_before_shared_guesses_draws_as_it_did(tmp_path: Path) -> None:
    folder = save_bundle(tmp_path, untrained_bundle())

    def make_older(description: dict[str, Any]) -> None:
        for key in ("shared_guess", "healthy_below"):
            del description["settings"]["sampling"][key]
        text = json.dumps(description["settings"], sort_keys=True)
        description["settings_sha256"] = hashlib.sha256(text.encode()).hexdigest()

    edit(folder, make_older)
    sampling = read_bundle(folder).settings.sampling
    assert not sampling.shared_guess
    assert sampling.healthy_below == 0


def test_a_model_from_before_scaled_inputs_takes_them_as_they_are(tmp_path: Path) -> None:
    folder = save_bundle(tmp_path, untrained_bundle())

    def make_older(description: dict[str, Any]) -> None:
        del description["settings"]["diffusion"]["scaled_input"]
        text = json.dumps(description["settings"], sort_keys=True)
        description["settings_sha256"] = hashlib.sha256(text.encode()).hexdigest()

    edit(folder, make_older)
    assert not read_bundle(folder).settings.diffusion.scaled_input


def test_a_model_cannot_scale_its_input_and_tell_the_noise() -> None:
    settings = untrained_bundle().settings.to_dict()
    settings["diffusion"] |= {"scaled_input": True, "prediction": "epsilon"}
    with pytest.raises(ValueError, match="scaled_input goes with prediction x0 only, not epsilon"):
        ModelSettings.from_dict(settings)


@pytest.mark.parametrize("bound", [1.0, -0.1, float("nan")])
def test_an_impossible_bound_is_refused(bound: float) -> None:
    settings = untrained_bundle().settings.to_dict()
    settings["sampling"]["healthy_below"] = bound
    with pytest.raises(ValueError, match="healthy_below must be 0 to below 1"):
        ModelSettings.from_dict(settings)


def test_a_flipped_bit_in_the_weights_is_found(tmp_path: Path) -> None:
    path = save_bundle(tmp_path, untrained_bundle()) / "weights.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(BundleError, match="is damaged"):
        read_bundle(tmp_path)


@pytest.mark.fault("Output whole or absent")
def test_new_words_about_the_same_weights_never_cost_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = untrained_bundle()
    save_bundle(tmp_path, bundle)

    def fail(*_args: object) -> None:
        raise OSError("cut off")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", fail)
        with pytest.raises(OSError, match="cut off"):
            save_bundle(tmp_path, replace(bundle, card="Newer."))
    assert read_bundle(tmp_path).card == bundle.card
    save_bundle(tmp_path, replace(bundle, card="Newer."))
    assert read_bundle(tmp_path).card == "Newer."


def test_models_are_found_by_name_and_by_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = save_bundle(tmp_path / "mine", untrained_bundle(name="mine"))
    monkeypatch.setenv("NAPARI_DDMD_MODELS", str(tmp_path))
    assert folder in list_bundles()
    assert load_bundle("mine").name == load_bundle(folder).name == load_bundle(folder / "model.json").name == "mine"
    with pytest.raises(BundleError, match="no such model; name an installed one"):
        load_bundle("nobody")
    with pytest.raises(BundleError, match="name is empty"):
        load_bundle("")


@pytest.mark.parametrize("kind", [RuntimeError, OSError, ValueError, ImportError])
def test_a_library_that_cannot_be_loaded_is_not_blamed_on_the_model(
    kind: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_bundle(tmp_path / "model", untrained_bundle("mini"))

    class Broken(ModuleType):
        def __getattr__(self, name: str) -> object:
            raise AttributeError(name) if name.startswith("_") else kind(f"Failed to import {name}")

    monkeypatch.setitem(sys.modules, "diffusers", Broken("diffusers"))
    with pytest.raises(ImportError, match="Failed to import UNet2DModel"):
        read_bundle(tmp_path / "model")


def test_several_threads_of_a_fresh_process_load_models_at_once() -> None:
    program = """
from concurrent.futures import ThreadPoolExecutor
from napari_ddmd.model import load_bundle

with ThreadPoolExecutor(4) as pool:
    print(len({bundle.sha256 for bundle in pool.map(lambda _: load_bundle(), range(4))}))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout.strip()) == (0, "1"), done.stderr
