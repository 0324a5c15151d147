"""The guards' own measures: sample, values, skull, size, alignment, spacing."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.wrong_uses import with_head
from napari_ddmd.case.guards import Kind
from napari_ddmd.case.guards.alignment import find_misaligned
from napari_ddmd.case.guards.sample import Sample
from napari_ddmd.case.guards.size import end_areas, find_size
from napari_ddmd.case.guards.skull import bone_contrast
from napari_ddmd.case.guards.spacing import find_spacing
from napari_ddmd.case.guards.values import find_normalised, flat_modalities
from tests.case.guards.conftest import SPACING, Images, by_name, check, sample_of


@pytest.mark.parametrize(
    ("shape", "spacing", "steps"),
    [
        ((155, 240, 240), (1.0, 1.0, 1.0), (3, 3, 3)),
        ((30, 240, 240), (5.0, 1.0, 1.0), (1, 3, 3)),
        ((512, 512, 512), (0.3, 0.3, 0.3), (10, 10, 10)),  # not 1 in 10: enough are left
        ((240, 240, 240), (5.0, 5.0, 5.0), (3, 3, 3)),  # the header is wrong, and the check as quick as ever
        ((8, 28, 24), (3.0, 2.0, 2.0), (1, 1, 1)),
        ((155, 240, 240), (0.05, 0.05, 0.05), (3, 5, 5)),
    ],
)
def test_the_sample_is_neither_too_coarse_nor_too_fine(
    shape: tuple[int, int, int], spacing: tuple[float, float, float], steps: tuple[int, int, int]
) -> None:
    image = np.broadcast_to(np.float32(1), shape)
    sample = Sample.of({"t1": image}, spacing)

    assert sample.spacing == pytest.approx([size * step for size, step in zip(spacing, steps, strict=True)])


def test_the_body_has_no_holes_and_no_specks(brain: Images) -> None:
    images = brain.copy()
    images[:, 15:18, 28:31, 28:31] = 0
    images[:, 1, 1, 1] = 5.0

    np.testing.assert_array_equal(sample_of(images).body, sample_of(brain).body)


def test_bone_is_told_from_cortex(brain: Images) -> None:
    assert bone_contrast(sample_of(brain)) < 0.05
    for seed in range(5):
        head = with_head(brain, SPACING, np.random.default_rng(seed))

        assert bone_contrast(sample_of(head)) > 0.3


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.9, 0.9, 1.2), (1.3, 1.0, 1.0)])
def test_spacings_near_1_mm_are_fine(spacing: tuple[float, float, float]) -> None:
    assert find_spacing(spacing) == []


@pytest.mark.fault("Wrong use", count=5)
@pytest.mark.parametrize(
    "spacing", [(5.0, 1.0, 1.0), (0.3, 0.3, 0.3), (4.0, 4.0, 4.0), (1.0, 0.5, 0.5), (1.3, 0.8, 0.8)]
)
def test_spacings_far_from_1_mm_are_not(spacing: tuple[float, float, float]) -> None:
    (found,) = find_spacing(spacing)

    assert found.kind is Kind.SPACING
    assert "×".join(f"{size:g}" for size in spacing) in found.text


@pytest.mark.parametrize(("scale", "word"), [(0.75, "too small"), (1.0, ""), (1.25, "too large")])
def test_brains_of_no_human_size(scale: float, word: str, brain: Images) -> None:
    size = 4.0 * scale
    said = " ".join(found.text for found in find_size(sample_of(brain, (size, size, size))))

    assert (word in said) if word else not said


def test_a_brains_ends_are_small(brain: Images) -> None:
    assert max(max(end_areas(sample_of(brain), axis)) for axis in range(3)) < 0.2


def test_a_few_voxels_below_0_are_fine(brain: Images) -> None:
    images = brain.copy()
    images[0][np.random.default_rng(0).random(images[0].shape) < 0.01] *= -0.1

    assert find_normalised(sample_of(images)) == []


def test_a_grey_image_of_few_bits_is_no_mask(brain: Images) -> None:
    coarse = np.ceil(brain / brain.max(axis=(1, 2, 3), keepdims=True) * 40)

    assert flat_modalities(sample_of(coarse)) == []


@pytest.mark.parametrize("place", range(4))
def test_the_modality_that_lies_elsewhere_is_named_and_no_other(place: int, brain: Images) -> None:
    images = brain.copy()
    images[place] = np.roll(images[place], 2, axis=1)
    (found,) = find_misaligned(sample_of(images))

    assert found.text.startswith(f"{('T1', 'T1ce', 'T2', 'FLAIR')[place]} is not where the other images are")


def test_masks_of_their_own_are_fine(brain: Images) -> None:
    """A voxel more or less at the rim, as four runs of a stripping tool leave it."""
    images = brain.copy()
    rim = sample_of(brain).depth <= 4.0
    images[2][rim & (np.random.default_rng(0).random(rim.shape) < 0.3)] = 0

    assert {found.kind for found in check(images)} == {Kind.SPACING}


@pytest.mark.fault("Wrong use", count=4)
def test_nothing_fails_on_what_is_hardly_an_image(brain: Images) -> None:
    for images in (
        np.zeros_like(brain),
        np.ones_like(brain),
        np.random.default_rng(0).normal(size=brain.shape).astype(np.float32),
        np.eye(4, dtype=np.float32).reshape(4, 1, 4, 1),
    ):
        assert check(images)
    assert set(by_name(brain))


@pytest.mark.fault("Wrong use")
def test_a_part_of_the_air_that_is_not_0_is_enough(brain: Images) -> None:
    images = brain.copy()
    images[2, :, :4] = images[2].max() / 10

    assert Kind.BACKGROUND in {found.kind for found in check(images)}


def test_a_few_specks_in_the_air_are_fine(brain: Images) -> None:
    images = brain.copy()
    images[2, ::10, 1, ::10] = images[2].max() / 10

    assert {found.kind for found in check(images)} == {Kind.SPACING}
