from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from napari_ddmd.case import MODALITIES
from napari_ddmd.case.guards.contrast import Tissue, find_contrast, recognise
from tests.case.guards.conftest import Images, check, sample_of


@pytest.mark.fault("Wrong use", count=23)
def test_whatever_the_order_each_image_is_recognised(brain: Images) -> None:
    tissue = Tissue.of(sample_of(brain))
    for order in permutations(MODALITIES):
        named = dict(zip(MODALITIES, order, strict=True))
        renamed = Tissue(
            {name: tissue.values[image] for name, image in named.items()},
            {name: tissue.ranks[image] for name, image in named.items()},
            {
                frozenset((a, b)): tissue.likeness[frozenset((named[a], named[b]))]
                for a in MODALITIES
                for b in MODALITIES
                if a != b
            },
        )

        assert recognise(renamed) == named
        assert bool(find_contrast(renamed)) == (order != MODALITIES)


def test_a_swap_is_put_into_words(brain: Images) -> None:
    (_, found) = check(brain[[2, 1, 0, 3]])

    assert found.text == "T1 and T2 look swapped; check which file is which modality"


def test_a_circle_is_put_into_words(brain: Images) -> None:
    (_, found) = check(brain[[2, 1, 3, 0]])

    assert found.text.startswith("T1 looks like T2, T2 looks like FLAIR, FLAIR looks like T1; check")


@pytest.mark.fault("Wrong use", count=2)
@pytest.mark.parametrize(("missing", "order"), [(0, [0, 1, 3, 2]), (3, [1, 0, 2, 3])])
def test_a_swap_within_a_pair_is_noticed_without_one_of_the_others(
    missing: int, order: list[int], brain: Images
) -> None:
    images = brain[order]
    images[missing] = 0

    assert "look swapped" in " ".join(found.text for found in check(images))


@pytest.mark.fault("Wrong use")
def test_t2_and_flair_are_not_told_apart_without_any_t1(brain: Images) -> None:
    images = brain.copy()
    images[:2] = images[:2] > 0

    assert any(found.text.startswith("T1 and T1ce") for found in check(images))


def test_without_contrast_agent_nothing_is_said_of_t1ce(brain: Images) -> None:
    images = brain.copy()
    noise = np.random.default_rng(0).standard_normal(images[0].shape, dtype=np.float32)
    images[1] = np.where(images[0] > 0, np.maximum(images[0] * (1 + 0.15 * noise), 1), 0)

    for order in ([0, 1, 2, 3], [1, 0, 2, 3]):
        assert "swapped" not in " ".join(found.text for found in check(images[order]))
