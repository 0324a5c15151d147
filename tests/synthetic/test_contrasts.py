from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest

from napari_ddmd.synthetic.contrasts import LEVELS, render
from napari_ddmd.synthetic.grid import Field
from napari_ddmd.synthetic.tumour import ENHANCING, NECROSIS, OEDEMA
from napari_ddmd.synthetic.vessels import draw_vessels

from .conftest import Patient

Medians = dict[str, dict[str, float]]


@pytest.fixture(scope="module")
def images(patient: Patient) -> dict[str, Field]:
    rng = np.random.default_rng(1)
    vessels = draw_vessels(patient.anatomy, patient.grid, patient.points, patient.grid, rng)
    return render(patient.anatomy, patient.tumour, vessels, patient.grid, rng)


@pytest.fixture(scope="module")
def medians(patient: Patient, images: dict[str, Field]) -> Medians:
    """Median signal of each tissue, away from partial volumes."""
    anatomy, labels = patient.anatomy, patient.tumour.labels
    healthy = anatomy.brain & (labels == 0)
    regions = {
        "white": healthy & (anatomy.white > 0.95),
        "grey": healthy & (anatomy.grey > 0.95),
        "fluid": healthy & (anatomy.fluid > 0.95) & (anatomy.ventricles > 0.9),
        "necrosis": labels == NECROSIS,
        "oedema": (labels == OEDEMA) & (patient.tumour.depth > 0.5),
        "enhancing": labels == ENHANCING,
    }
    return {
        modality: {name: float(np.median(image[region])) for name, region in regions.items()}
        for modality, image in images.items()
    }


@pytest.mark.parametrize(
    ("modality", "darkest_first"),
    [
        ("t1", ("fluid", "necrosis", "oedema", "white")),
        ("t1", ("fluid", "grey", "white")),
        ("t1ce", ("fluid", "grey", "white", "enhancing")),
        ("t1ce", ("necrosis", "oedema", "white", "enhancing")),
        ("t2", ("white", "grey", "oedema", "necrosis")),
        ("t2", ("white", "grey", "enhancing", "fluid")),
        ("flair", ("fluid", "white", "grey", "necrosis", "oedema")),
        ("flair", ("fluid", "white", "grey", "enhancing")),
    ],
)
def test_tissues_are_in_the_order_of_the_modality(
    medians: Medians, modality: str, darkest_first: tuple[str, ...]
) -> None:
    signal = [medians[modality][tissue] for tissue in darkest_first]
    assert signal == sorted(signal)
    assert min(np.divide(signal[1:], signal[:-1])) > 1.03


def test_vessels_are_bright_on_t1ce_only(patient: Patient, images: dict[str, Field]) -> None:
    rng = np.random.default_rng(1)
    vessels = draw_vessels(patient.anatomy, patient.grid, patient.points, patient.grid, rng)
    inside = (vessels.blood > 0.9) & (patient.tumour.labels == 0) & patient.anatomy.brain
    assert np.median(images["t1ce"][inside]) > 1.5
    for modality in ("t1", "t2", "flair"):
        assert np.median(images[modality][inside]) < 1


def test_images_are_around_one_and_positive(images: dict[str, Field], patient: Patient) -> None:
    assert list(images) == ["t1", "t1ce", "t2", "flair"]
    for image in images.values():
        assert image.dtype == np.float32
        assert 0.8 < np.median(image[patient.anatomy.brain]) < 1.25
        assert np.mean(image[patient.anatomy.brain] < 0) < 1e-3


def test_scanners_differ_by_a_few_per_cent() -> None:
    for levels in LEVELS.values():
        varied = levels.varied(np.random.default_rng(0))
        assert varied != levels
        np.testing.assert_allclose(astuple(varied)[:2], astuple(levels)[:2], rtol=0.1)
