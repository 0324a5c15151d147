"""A field that was put on is found and taken out; a lesion, air and what cannot be told are left alone."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_ddmd.case import MODALITIES, Case
from napari_ddmd.case.bias_field import ANATOMY, find_bias_field
from napari_ddmd.synthetic.case import make_small_case
from src_training.perturbations import biased

Images = NDArray[np.float32]


@pytest.fixture(scope="module")
def patient() -> Case:
    """A synthetic patient without a field, in voxels of 4 mm, with its lesion."""
    made = make_small_case(0, (60, 60, 40))
    return Case.from_arrays("brain", [made.images[name] for name in MODALITIES], made.affine, made.mask)


def with_field(patient: Case, strength: float, seed: int = 0) -> Case:
    return biased(patient, strength, np.random.default_rng(seed))


def unevenness(images: Images, true: Images) -> list[float]:
    """Standard deviation of the logarithm of what images are brighter than the true ones, for each modality."""
    found = []
    for image, other in zip(images, true, strict=True):
        there = (image > 0) & (other > 0)
        found.append(float(np.log(image[there] / other[there]).std()))
    return found


@pytest.mark.parametrize("strength", [0.2, 0.4])
@pytest.mark.parametrize(
    "seed", [0, pytest.param(1, marks=pytest.mark.torture), pytest.param(2, marks=pytest.mark.torture)]
)
def test_a_field_is_found_and_taken_out(patient: Case, strength: float, seed: int) -> None:
    case = with_field(patient, strength, seed)
    assert case.mask is not None
    field = find_bias_field(case.images, case.spacing, lesion=case.mask > 0)

    assert all(found > strength / 2 for found in field.strengths)
    assert field.strength == pytest.approx(np.sqrt(np.mean(np.square(field.strengths))))
    before = unevenness(case.images, patient.images)
    after = unevenness(field.taken_out(case.images), patient.images)
    assert max(after) < 0.75 * strength
    assert np.mean(after) < 0.6 * np.mean(before)


def test_images_without_a_field_stay_as_they_are(patient: Case) -> None:
    field = find_bias_field(patient.images, patient.spacing)
    even = field.taken_out(patient.images)

    assert field.strength < ANATOMY
    for channel, strength in enumerate(field.strengths):
        same = np.array_equal(even[channel], patient.images[channel])
        assert same == (strength <= ANATOMY)


def test_a_large_lesion_that_is_left_out_is_not_flattened(patient: Case) -> None:
    case = with_field(patient, 0.25)
    s, h, w = np.indices(case.brain.shape)
    centre = np.array(case.brain.shape) / 2 + (0, 4, 8)
    lesion = case.brain & (((np.stack([s, h, w], -1) - centre) ** 2).sum(-1) < 10**2)
    images = np.where(lesion, 3 * case.images, case.images).astype(np.float32)

    def contrast(lesion_left_out: NDArray[np.bool_] | None) -> float:
        even = find_bias_field(images, case.spacing, lesion=lesion_left_out).taken_out(images)
        inside = even / np.maximum(patient.images, 1e-6)
        return float(np.median(inside[:, lesion]) / np.median(inside[:, case.brain & ~lesion]))

    assert contrast(lesion) > 2.5
    assert contrast(None) < 0.9 * contrast(lesion)


def test_air_stays_air_and_tissue_tissue(patient: Case) -> None:
    case = with_field(patient, 0.4)
    before = case.images.copy()
    even = find_bias_field(case.images, case.spacing).taken_out(case.images)

    np.testing.assert_array_equal(even != 0, case.images != 0)
    np.testing.assert_array_equal(case.images, before)
    assert even.dtype == np.float32
    assert np.isfinite(even).all()


def test_the_field_is_the_same_with_any_number_of_threads(patient: Case) -> None:
    case = with_field(patient, 0.3)
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    found = []
    try:
        for threads in (1, 2, 5):
            sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
            found.append(find_bias_field(case.images, case.spacing).taken_out(case.images))
            assert sitk.ProcessObject.GetGlobalDefaultNumberOfThreads() == threads
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)

    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


def test_a_constant_image_makes_no_field_look_strong(patient: Case) -> None:
    images = patient.images.copy()
    images[2] = patient.brain * 100

    assert find_bias_field(images, patient.spacing).relative_strength < 1


@pytest.mark.parametrize("noise", [0, 1e-6])
def test_an_image_that_is_the_same_everywhere_has_no_field(patient: Case, noise: float) -> None:
    images = with_field(patient, 0.3).images.copy()
    drawn = np.random.default_rng(0).uniform(0, noise, patient.brain.shape)
    images[0] = np.float32(1000) * patient.brain * (1 + drawn)
    field = find_bias_field(images, patient.spacing)

    assert field.strengths[0] == 0
    assert min(field.strengths[1:]) > ANATOMY
    np.testing.assert_array_equal(field.taken_out(images)[0], images[0])


def test_the_largest_numbers_do_not_overflow(patient: Case) -> None:
    images = patient.images / patient.images.max() * np.float32(3e38)

    assert np.isfinite(find_bias_field(images, patient.spacing).strength)


def test_a_scanners_scale_does_not_matter(patient: Case) -> None:
    case = with_field(patient, 0.3)
    strengths = find_bias_field(case.images, case.spacing).strengths

    assert find_bias_field(case.images * 1000, case.spacing).strengths == pytest.approx(strengths, rel=1e-2)


def test_another_contrast_is_no_stronger_field(patient: Case) -> None:
    without, harder, field = (
        find_bias_field(images, patient.spacing)
        for images in (patient.images, patient.images**1.6, with_field(patient, 0.3).images)
    )

    assert harder.strength > 1.2 * without.strength
    assert harder.relative_strength < 1.1 * without.relative_strength
    assert field.relative_strength > 2 * without.relative_strength


def test_a_missing_image_has_no_field(patient: Case) -> None:
    images = with_field(patient, 0.3).images.copy()
    images[1] = 0
    field = find_bias_field(images, patient.spacing)

    assert field.strengths[1] == 0
    assert min(field.strengths[place] for place in (0, 2, 3)) > ANATOMY
    assert not field.taken_out(images)[1].any()


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 60, 60), (40, 2, 60), (6, 6, 6)])
@pytest.mark.parametrize("value", [0, 1, 1000])
def test_of_too_little_nothing_is_told(shape: tuple[int, int, int], value: float) -> None:
    images = np.full((4, *shape), value, np.float32)
    field = find_bias_field(images, (4.0, 4.0, 4.0))

    assert field.strength == field.relative_strength == 0
    np.testing.assert_array_equal(field.taken_out(images), images)


def test_all_of_the_brain_may_be_left_out(patient: Case) -> None:
    field = find_bias_field(patient.images, patient.spacing, lesion=patient.brain)

    assert field.strengths == (0, 0, 0, 0)


@settings(max_examples=6, deadline=None)
@given(
    shape=st.tuples(*[st.integers(20, 45)] * 3),
    spacing=st.tuples(*[st.sampled_from([0.9, 2.0, 4.0, 6.0])] * 3),
    seed=st.integers(0, 99),
    top=st.sampled_from([1e-3, 1.0, 1e4]),
)
def test_any_positive_images_give_finite_ones(
    shape: tuple[int, int, int], spacing: tuple[float, float, float], seed: int, top: float
) -> None:
    rng = np.random.default_rng(seed)
    images = rng.uniform(0.2 * top, top, (2, *shape)).astype(np.float32)
    images[:, : shape[0] // 4] = 0
    images *= np.linspace(1, 9, shape[2], dtype=np.float32)
    even = find_bias_field(images, spacing).taken_out(images, wholly=True)

    assert np.isfinite(even).all()
    assert (even >= 0).all()
    np.testing.assert_array_equal(even != 0, images != 0)
