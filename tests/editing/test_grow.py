from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_ddmd.editing import grow_to_edge

SPACING = (2.0, 1.0, 1.0)


def scene(noise: float = 5.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A bright ball of radius 10 mm in grey brain."""
    s, h, w = np.indices((16, 50, 50))
    brain = ((s - 8) * 2) ** 2 + (h - 25) ** 2 + (w - 25) ** 2 < 22**2
    ball = ((s - 8) * 2) ** 2 + (h - 25) ** 2 + (w - 20) ** 2 < 100
    image = (100 + 100 * ball + np.random.default_rng(1).normal(0, noise, brain.shape)) * brain
    return image.astype(np.float32), brain, ball


def test_a_core_grows_to_the_edge_and_no_farther() -> None:
    image, brain, ball = scene()
    core = ndimage.binary_erosion(ball, iterations=2)
    grown = grow_to_edge(core, image, brain, SPACING)
    assert (grown & ball).sum() > 0.95 * ball.sum()
    assert (grown & ~ball).sum() < 0.02 * ball.sum()
    again = grow_to_edge(grown, image, brain, SPACING)
    assert (again ^ grown).sum() < 0.03 * ball.sum()


def test_it_never_grows_beyond_the_limit() -> None:
    image, brain, ball = scene()
    seed = np.zeros_like(ball)
    seed[8, 25, 20] = True
    grown = grow_to_edge(seed, image, brain, SPACING, limit_mm=3)
    distance = ndimage.distance_transform_edt(~seed, sampling=SPACING)
    assert grown.sum() > 1
    assert distance[grown].max() <= 3


def test_it_stays_inside_the_brain_even_beside_something_bright() -> None:
    image, brain, ball = scene()
    image[~brain] = 200
    core = ndimage.binary_erosion(ball, iterations=1)
    core &= brain
    assert not (grow_to_edge(core, image, brain, SPACING) & ~brain).any()


@pytest.mark.parametrize("level", [100.0, 60.0])
def test_what_is_no_brighter_than_the_brain_stays(level: float) -> None:
    image, brain, ball = scene()
    image[ball & brain] = level
    core = ndimage.binary_erosion(ball, iterations=3)
    np.testing.assert_array_equal(grow_to_edge(core, image, brain, SPACING), core)


def test_a_bridge_of_single_voxels_is_no_way_in() -> None:
    image, brain, _ball = scene(noise=0)
    image[brain] = 100
    two = np.zeros_like(brain)
    two[7:10, 15:25, 10:20] = two[7:10, 15:25, 23:33] = True
    image[two] = 200
    image[8, 20, 20:23] = 200
    core = np.zeros_like(brain)
    core[8, 18:22, 15:20] = True
    grown = grow_to_edge(core, image, brain, SPACING, limit_mm=20)
    assert not grown[:, :, 22:].any()


def test_one_slice_grows_by_itself_and_all_that_was_there_stays() -> None:
    image, brain, ball = scene()
    core = ndimage.binary_erosion(ball, iterations=2)[8:9]
    core[0, 2, 2] = True  # outside the brain: the reader's own business
    grown = grow_to_edge(core, image[8:9], brain[8:9], SPACING)
    assert (grown & core).sum() == core.sum()
    assert (grown & ball[8:9]).sum() > 0.95 * ball[8].sum()


def test_nothing_grows_from_nothing() -> None:
    image, brain, _ball = scene()
    assert not grow_to_edge(np.zeros_like(brain), image, brain, SPACING).any()
    assert not grow_to_edge(np.zeros_like(brain), image, np.zeros_like(brain), SPACING).any()
