"""Models that were written by the code of their time: each gives today what it gave then, or says why not.

``bundles/make.py`` made them, with the code of the commit that is named here.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_ddmd.model import BundleError, ModelSettings, read_bundle
from napari_ddmd.model.bundle import FORMAT
from napari_ddmd.model.settings import SamplingSettings
from tests.model.bundles.make import RUNS, float32, results, stored_case

BUNDLES = Path(__file__).parent / "bundles"

# The first commit that wrote models of this kind; all that are shipped now are of the last one.
READ = {
    "compact-1": "0aa1931",  # the slice alone, every voxel above the threshold
    "compact-3": "76ef75d",  # small parts are left out
    "compact-4": "e2ce90b",  # with neighbouring slices
    "compact-4.1": "be62cf3",  # a first guess is shared
    "compact-4.1-other": "be62cf3",  # the same code, and every setting that compact does not use
    "compact-6-turns": "24ec7c4",  # two denoisers take turns
    "compact-7-scaled": "2b0a8d2",  # the noisy mask enters scaled
    "compact-7.1": "eeb2c1f",  # uneven images are seen without their field
    "compact-7.2-peak": "365f161",  # parts that are sure nowhere are left out
}
REFUSED = {
    "compact-2": ("5cca8b2", "draws every second mask from the mirrored slice"),
    "mirror-image": ("4b1361b", "looks at the mirror image of each slice"),
    "turns": ("9e9ede2", "has the denoisers of several runs"),
}

# Sums are made in another order by other processors and versions of torch: 4e-7 was measured between the instruction
# sets of one processor, and up to 6e-7 from the code of then to that of today.
TOLERANCE = 2e-5


@pytest.fixture(autouse=True)
def as_when_they_were_made() -> Iterator[None]:
    """In single precision, whatever this processor multiplies."""
    with float32():
        yield


def test_every_stored_model_is_tested() -> None:
    assert {path.parent.name for path in BUNDLES.glob("*/model.json")} == {*READ, *REFUSED}


@pytest.mark.fault("Same result")
@pytest.mark.parametrize(
    "sampler", [pytest.param(name, marks=pytest.mark.torture if name != "ddim" else ()) for name in RUNS]
)
@pytest.mark.parametrize("name", READ)
def test_a_model_of_then_gives_the_masks_of_then(name: str, sampler: str) -> None:
    bundle = read_bundle(BUNDLES / name)
    found = results(stored_case(), bundle, sampler)
    with np.load(BUNDLES / name / "expected.npz", allow_pickle=False) as stored:
        expected = {key.split()[1]: stored[key] for key in stored.files if key.split()[0] == sampler}
    assert found.keys() == expected.keys()
    certain = abs(expected["probability"] - bundle.settings.sampling.threshold) > TOLERANCE
    np.testing.assert_array_equal(found.pop("mask")[certain], expected["mask"][certain])
    for kind, layer in found.items():
        np.testing.assert_allclose(layer, expected[kind], rtol=0, atol=TOLERANCE, err_msg=kind)


@pytest.mark.parametrize("name", READ)
def test_settings_are_named_as_the_model_names_them(name: str) -> None:
    """Whatever this version knows beside: results of the same model stay those of the same model."""
    told = json.loads((BUNDLES / name / "model.json").read_text())["settings_sha256"]
    assert read_bundle(BUNDLES / name).settings_sha256 == told


def test_settings_that_change_nothing_are_not_hashed() -> None:
    """Trainings that start from a model, and results of some earlier versions, name its settings by this hash."""
    then = "045f2e283e83618211aa294a863e29ddaf9df6ca86d16a9e3567ef4d2ad8d533"
    assert read_bundle(BUNDLES / "compact-7.1").full_settings_sha256 == then  # as the code of 9cb5f5a has it
    assert "min_peak" not in SamplingSettings().told()
    assert "min_peak" not in SamplingSettings(min_peak=0.5).told(), "no more than the threshold"
    assert SamplingSettings(min_peak=0.6).told()["min_peak"] == 0.6


@pytest.mark.fault("Same result")
@pytest.mark.parametrize("name", REFUSED)
def test_a_model_that_does_what_is_done_no_more_says_so(name: str) -> None:
    with pytest.raises(BundleError) as caught:
        read_bundle(BUNDLES / name)
    told = str(caught.value)
    assert "\n" not in told
    assert str(BUNDLES / name) in told
    assert REFUSED[name][1] in told
    assert told.endswith("train and publish it again, or choose another model")


def test_what_is_written_today_is_stored() -> None:
    """Who adds a setting stores a model without it first: it is what tells whether older ones are still read."""
    newest = json.loads((BUNDLES / "compact-7.2-peak" / "model.json").read_text())
    assert newest["format"] == FORMAT
    today = ModelSettings().to_dict()
    assert {group: sorted(entries) for group, entries in today.items() if isinstance(entries, dict)} == {
        group: sorted(entries) for group, entries in newest["settings"].items() if isinstance(entries, dict)
    }


def edited(tmp_path: Path, name: str, change: Callable[[dict[str, Any]], object]) -> Path:
    """A stored model with other settings, and the hash that belongs to them."""
    folder = tmp_path / name
    shutil.copytree(BUNDLES / name, folder)
    description = json.loads((folder / "model.json").read_text())
    change(description)
    text = json.dumps(description["settings"], sort_keys=True)
    description["settings_sha256"] = hashlib.sha256(text.encode()).hexdigest()
    (folder / "model.json").write_text(json.dumps(description))
    return folder


def test_a_model_that_did_not_use_what_is_done_no_more_is_read(tmp_path: Path) -> None:
    """Mirrored masks could be switched off: then they are those of the version before."""
    folder = edited(tmp_path, "compact-2", lambda d: d["settings"]["sampling"].update(mirror=False))
    bundle = read_bundle(folder)
    assert bundle.settings == read_bundle(BUNDLES / "compact-1").settings
    expected = results(stored_case(), read_bundle(BUNDLES / "compact-1"), "ddim")
    np.testing.assert_array_equal(results(stored_case(), bundle, "ddim")["mask"], expected["mask"])


@pytest.mark.fault("Same result")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(format="napari-ddmd bundle 2"), "is not a 'napari-ddmd bundle 1' file"),
        (lambda d: d.update(licence="?"), "has unknown keys: licence"),
        (lambda d: d["settings"].update(attention={}), "settings has unknown keys: attention"),
        (lambda d: d["settings"]["sampling"].update(guidance=2.0), "settings.sampling has unknown keys: guidance"),
    ],
)
def test_a_model_of_a_later_version_is_told_apart_from_a_damaged_one(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    with pytest.raises(BundleError, match=message) as caught:
        read_bundle(edited(tmp_path, "compact-4.1", change))
    assert str(caught.value).endswith("if a later version of napari-ddmd published the model, update napari-ddmd")
    assert "\n" not in str(caught.value)
