"""Intensities on a common scale: percentiles of the brain become 0 and 1."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_ddmd.case.normalise import normalise

SHAPE = (4, 10, 10)
Images = NDArray[np.float32]


def head() -> NDArray[np.bool_]:
    brain = np.zeros(SHAPE, bool)
    brain[:, 1:9, 2:9] = True
    return brain


def some_images(seed: int = 0) -> Images:
    """Modalities of different levels and contrasts, zero outside the brain."""
    noise = np.random.default_rng(seed).gamma(4, 1, (4, *SHAPE))
    levels = np.array([100, 3000, 0.5, 40])[:, None, None, None]
    return ((1 + noise) * levels * head()).astype(np.float32)


def test_percentiles_of_the_brain_become_zero_and_one() -> None:
    images, brain = some_images(), head()
    scaled = normalise(images, brain, lower=5, upper=95)

    assert scaled.dtype == np.float32
    assert scaled.shape == images.shape
    for image, own in zip(images, scaled, strict=True):
        low, high = np.percentile(image[brain], (5, 95))
        np.testing.assert_allclose(own[brain], np.clip((image[brain] - low) / (high - low), 0, 1), atol=2e-5)
        assert np.mean(own[brain] == 0) == pytest.approx(0.05, abs=0.01)
        assert np.mean(own[brain] == 1) == pytest.approx(0.05, abs=0.01)


def test_the_whole_range_is_kept_when_asked_for() -> None:
    images, brain = some_images(), head()
    scaled = normalise(images, brain, lower=0, upper=100)

    for image, own in zip(images, scaled, strict=True):
        assert own[brain].argmin() == image[brain].argmin()
        assert own[brain].argmax() == image[brain].argmax()
        assert (own[brain].min(), own[brain].max()) == pytest.approx((0, 1), abs=1e-6)


@settings(deadline=None, max_examples=30)
@given(gain=st.floats(0.01, 1000), offset=st.floats(0, 1000), seed=st.integers(0, 1000))
def test_the_scanners_own_scale_does_not_matter(gain: float, offset: float, seed: int) -> None:
    brain = head()
    images = some_images(seed)[:1].repeat(2, axis=0)
    images[1] = (images[1] * gain + offset * gain) * brain

    one, other = normalise(images, brain, lower=0.5, upper=99.5)
    np.testing.assert_allclose(one, other, atol=2e-3)


def test_outside_the_brain_all_is_zero() -> None:
    brain = head()
    images = some_images() + np.float32(50)  # a background that is not zero
    scaled = normalise(images, brain, lower=0.5, upper=99.5)

    assert not scaled[:, ~brain].any()
    assert scaled[:, brain].any()


def test_outliers_do_not_flatten_the_rest() -> None:
    images, brain = some_images(), head()
    bright = images.copy()
    bright[:, 0, 1, 2] *= 1000
    before, after = (normalise(entry, brain, lower=2, upper=98) for entry in (images, bright))

    np.testing.assert_allclose(after[:, 1:], before[:, 1:], atol=0.1)
    assert (after[:, 0, 1, 2] == 1).all()


def test_a_modality_that_covers_a_part_keeps_its_contrast() -> None:
    images, brain = some_images(), head()
    images[2, :2] = 0
    partial = normalise(images, brain, lower=0.5, upper=99.5)
    alone = normalise(images[:, 2:], brain[2:], lower=0.5, upper=99.5)

    np.testing.assert_array_equal(partial[2, 2:], alone[2])
    assert not partial[2, :2].any()


def test_modalities_do_not_disturb_each_other() -> None:
    images, brain = some_images(), head()
    together = normalise(images, brain, lower=0.5, upper=99.5)

    for channel in range(4):
        alone = normalise(images[channel : channel + 1], brain, lower=0.5, upper=99.5)
        np.testing.assert_array_equal(alone[0], together[channel])


@pytest.mark.parametrize("value", [0.0, 7.0, -3.0])
def test_a_flat_modality_has_nothing_to_show(value: float) -> None:
    brain = head()
    scaled = normalise(np.full((1, *SHAPE), value, np.float32) * brain, brain, lower=0.5, upper=99.5)

    assert not scaled.any()


def test_contrast_that_is_hardly_there_gives_finite_numbers() -> None:
    images, brain = np.full((1, *SHAPE), 1e30, np.float32) * head(), head()
    images[0, 0, 1, 2] = 3e38
    images[0, 0, 1, 3] = np.nextafter(np.float32(1e30), np.float32(np.inf))
    scaled = normalise(images, brain, lower=0.5, upper=99.5)

    assert np.isfinite(scaled).all()
    assert ((scaled >= 0) & (scaled <= 1)).all()


def test_no_brain_at_all() -> None:
    assert not normalise(some_images(), np.zeros(SHAPE, bool), lower=0.5, upper=99.5).any()


def test_the_images_are_not_changed() -> None:
    images = some_images()
    before = images.copy()
    normalise(images, head(), lower=0.5, upper=99.5)

    np.testing.assert_array_equal(images, before)
