"""What goes wrong with images: in the strength that is said, in the brain alone, and the same for the same seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_ddmd.case import MODALITIES, Case, load_case
from src_training.perturbations import PERTURBATIONS

from .conftest import PATIENTS


@pytest.fixture(scope="module")
def case(cohort: Path) -> Case:
    return load_case(cohort / PATIENTS[0])


def changed(case: Case, name: str, strength: float, seed: int = 0) -> Case:
    return PERTURBATIONS[name].apply(case, strength, np.random.default_rng(seed))


@pytest.mark.parametrize("name", [name for name in PERTURBATIONS if name != "thickness"])
def test_the_brain_and_the_mask_stay(name: str, case: Case) -> None:
    for strength in PERTURBATIONS[name].strengths:
        worse = changed(case, name, strength)

        assert worse.images.dtype == np.float32
        assert np.isfinite(worse.images).all()
        assert np.array_equal(worse.brain, case.brain)
        assert worse.mask is case.mask
        assert not np.array_equal(worse.images, case.images)
        assert np.array_equal(worse.images, changed(case, name, strength).images)


def test_scaling_is_a_factor_for_each_modality(case: Case) -> None:
    ratio = changed(case, "scale", 10.0).images[:, case.brain] / case.images[:, case.brain]

    np.testing.assert_allclose(ratio, ratio[:, :1].repeat(ratio.shape[1], axis=1), rtol=1e-5)
    assert (ratio > 0.0999).all()
    assert (ratio < 10.001).all()
    assert len(np.unique(ratio[:, 0])) == len(MODALITIES)


@pytest.mark.parametrize("exponent", [0.6, 1.6])
def test_gamma_keeps_the_order_and_the_bright_end(exponent: float, case: Case) -> None:
    before, after = case.images[3][case.brain], changed(case, "gamma", exponent).images[3][case.brain]
    top = np.percentile(before, 99.5)

    assert (np.diff(after[np.argsort(before)]) >= 0).all()
    np.testing.assert_allclose(after / top, (before / top) ** exponent, rtol=1e-4)


def test_blur_smooths_and_leaves_what_is_flat(case: Case) -> None:
    flat = Case(
        case.name, np.where(case.brain, np.float32(7), 0)[None].repeat(4, 0), case.grid, case.files, case.header
    )
    np.testing.assert_allclose(changed(flat, "blur", 4.0).images, flat.images, rtol=1e-3)
    noisy = changed(case, "noise", 0.12)
    assert changed(noisy, "blur", 6.0).images[0][case.brain].std() < noisy.images[0][case.brain].std()


def test_noise_has_the_strength_that_is_said(case: Case) -> None:
    for channel, image in enumerate(case.images):
        top = np.percentile(image[case.brain], 99.5)
        added = changed(case, "noise", 0.05).images[channel][case.brain] - image[case.brain]
        assert added.std() == pytest.approx(0.05 * top, rel=0.15)


def test_coil_sensitivity_is_smooth_and_of_the_strength_that_is_said(case: Case) -> None:
    field = np.log(changed(case, "bias", 0.2).images[1][case.brain] / case.images[1][case.brain])

    assert field.std() == pytest.approx(0.2, rel=0.01)
    assert abs(field.mean()) < 0.01
    whole = np.full(case.brain.shape, np.nan)
    whole[case.brain] = field
    assert np.nanmax(np.abs(np.diff(whole, axis=2))) < 0.2


def test_thick_slices_are_means_of_thin_ones(case: Case) -> None:
    assert case.mask is not None
    step = round(6.0 / case.spacing[0])
    worse = changed(case, "thickness", 6.0)
    assert worse.mask is not None

    assert step == 2
    assert worse.spacing == pytest.approx((6.0, *case.spacing[1:]))
    assert worse.images.shape[1] == case.images.shape[1] // step
    np.testing.assert_allclose(worse.images[:, 1], case.images[:, 2:4].mean(axis=1), rtol=1e-6)
    half = (case.mask[2:4] > 0).mean(axis=0) >= 0.5
    assert np.array_equal(worse.mask[1].astype(bool), half)


@pytest.mark.parametrize("modality", MODALITIES)
def test_a_modality_that_is_left_out_is_zero(modality: str, case: Case) -> None:
    worse = changed(case, f"no_{modality}", 1.0)

    for channel, name in enumerate(MODALITIES):
        assert np.array_equal(worse.images[channel], case.images[channel]) == (name != modality)
        assert worse.images[channel].any() == (name != modality)
