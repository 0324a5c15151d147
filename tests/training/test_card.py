"""The model card says what was trained on what, and how well it does."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from napari_ddmd.model import Bundle, load_bundle
from napari_ddmd.model.library import list_bundles
from src_training.card import model_card, summary_line

from .conftest import PATIENTS


@pytest.fixture(scope="module")
def bundle(tiny_out: Path) -> Bundle:
    return load_bundle(tiny_out / "final" / "bundle")


def test_the_paragraph_has_the_result_of_the_cross_validation(bundle: Bundle, tiny_out: Path) -> None:
    dice = json.loads((tiny_out / "metrics.json").read_text())["systems"]["ddmd"]["dice_volume"]

    assert bundle.card == summary_line(bundle.provenance, bundle.settings.to_dict())
    assert "\n" not in bundle.card
    assert "DDMD full" in bundle.card
    assert "4 labelled patients (6 iterations at 16 pixels)" in bundle.card
    assert f"cross-validation: {dice['mean']:.3f} (sd {dice['std']:.3f} over 4 patients)" in bundle.card
    assert bundle.card.endswith("not a medical device.")


def test_the_page_lies_beside_the_weights(bundle: Bundle, tiny_out: Path) -> None:
    page = (tiny_out / "final" / "bundle" / "README.md").read_text()

    assert page == model_card(bundle)
    for text in (bundle.card, "## Do not use", "out of fold", "## ddmd", *PATIENTS):
        assert text in page


def test_nothing_is_claimed_without_evaluation(bundle: Bundle) -> None:
    provenance = bundle.provenance | {"cross_validation": {}}

    assert "cross-validation" not in summary_line(provenance, bundle.settings.to_dict())
    page = model_card(replace(bundle, provenance=provenance, card="A model."))
    assert "has not been evaluated on held-out patients" in page


def test_the_page_says_how_the_masks_begin_and_what_else_is_to_be_known(bundle: Bundle) -> None:
    settings, sampling = bundle.settings, bundle.settings.sampling
    assert "one first guess a slice (kept where it stays below 0.02)" in model_card(bundle)
    own = replace(bundle, settings=replace(settings, sampling=replace(sampling, shared_guess=False)))
    assert "first guess" not in model_card(own)
    assert "nowhere exceed" not in model_card(bundle)
    peak = replace(bundle, settings=replace(settings, sampling=replace(sampling, threshold=0.3, min_peak=0.7)))
    assert "so are parts that nowhere exceed 0.7" in model_card(peak)
    told = replace(bundle, provenance=bundle.provenance | {"remark": "Sampled in another way."})
    assert "## Results\n\nSampled in another way.\n" in model_card(told)


def test_synthetic_patients_are_owned_up_to(bundle: Bundle) -> None:
    recipe = bundle.provenance["recipe"]
    assert recipe["pretraining"]["patients"] == 0
    assert "synthetic" not in bundle.card
    assert "pre-training: none" in model_card(bundle)

    pretraining = recipe["pretraining"] | {"autoencoders": True, "patients": 80, "iterations": 3000, "share": 0.25}
    provenance = bundle.provenance | {"recipe": recipe | {"pretraining": pretraining}}
    assert "after and beside 80 synthetic ones" in summary_line(provenance, bundle.settings.to_dict())
    alone = bundle.provenance | {"recipe": recipe | {"pretraining": pretraining | {"share": 0.0}}}
    assert "after 80 synthetic ones" in summary_line(alone, bundle.settings.to_dict())
    page = model_card(replace(bundle, provenance=provenance))
    assert "3000 iterations on 80 synthetic patients, who fill 25 % of each later batch" in page
    assert "epochs, after and beside synthetic patients\n" in page
    assert "epochs, after synthetic patients\n" in model_card(replace(bundle, provenance=alone))
    assert "3000 iterations on 80 synthetic patients\n" in model_card(replace(bundle, provenance=alone))
    apart = {key: value for key, value in pretraining.items() if key != "autoencoders"}  # cards of earlier versions
    earlier = model_card(replace(bundle, provenance=provenance | {"recipe": recipe | {"pretraining": apart}}))
    assert "epochs\n- denoiser" in earlier
    real = bundle.provenance | {"recipe": recipe | {"pretraining": pretraining | {"anatomy": True}}}
    told = model_card(replace(bundle, provenance=real))
    assert "80 synthetic patients, every second of them with the anatomy of a real brain, who fill 25 %" in told


def test_nothing_is_said_of_the_patients_that_only_their_owner_knows(bundle: Bundle) -> None:
    page = model_card(bundle)
    for text in ("BRATS challenges", "so few", "none of which was"):
        assert text not in page
    assert "- data: 4 labelled patients\n" in page
    told = replace(bundle, provenance=bundle.provenance | {"source": "a hospital"})
    assert "- data: 4 labelled patients of a hospital\n" in model_card(told)


def test_the_shipped_models_have_the_cards_that_are_written_today() -> None:
    folders = list_bundles()
    assert folders
    for folder in folders:
        assert (folder / "README.md").read_text(encoding="utf-8") == model_card(load_bundle(folder))
    assert "15 labelled patients of the BRATS challenges" in model_card(load_bundle("compact"))
