from __future__ import annotations

import numpy as np
from scipy import ndimage

from napari_ddmd.synthetic.acquisition import acquire
from napari_ddmd.synthetic.grid import Grid

GRID = Grid.covering((80, 80, 52))
BRAIN = np.zeros(GRID.shape, bool)
BRAIN[10:70, 10:70, 8:44] = True


def shot(seed: int, value: float = 1.0) -> np.ndarray:
    return acquire(np.full(GRID.shape, value, np.float32), BRAIN, GRID, np.random.default_rng(seed))


def test_voxels_are_integers_inside_the_brain_and_nothing_outside() -> None:
    for value in (1.0, 0.0):
        stored = shot(0, value)
        assert stored.dtype == np.int16
        np.testing.assert_array_equal(stored > 0, BRAIN)


def test_levels_are_those_of_a_scanner() -> None:
    levels = [np.median(shot(seed)[BRAIN]) for seed in range(6)]
    assert min(levels) > 250
    assert max(levels) < 1500
    assert max(levels) > 1.2 * min(levels)


def test_noise_is_a_few_per_cent_and_sensitivity_varies_slowly() -> None:
    stored = shot(2).astype(float)
    smooth = ndimage.gaussian_filter(stored, 3)
    inner = ndimage.binary_erosion(BRAIN, iterations=9)
    assert 0.005 < ((stored - smooth)[inner] / smooth[inner]).std() < 0.06
    assert 0.002 < smooth[inner].std() / smooth[inner].mean() < 0.2


def test_noise_is_rician() -> None:
    # Where there is no signal the magnitude has a Rayleigh mean, sigma * sqrt(pi / 2), far above zero.
    dark, bright = shot(3, 0.0)[BRAIN].mean(), shot(3, 1.0)[BRAIN].mean()
    assert 0.025 < dark / bright / np.sqrt(np.pi / 2) < 0.05


def test_a_scan_follows_its_seed() -> None:
    np.testing.assert_array_equal(shot(4), shot(4))
    assert (shot(4) != shot(5)).any()


def test_what_is_too_bright_is_clipped() -> None:
    assert shot(0, 1e6).max() == np.iinfo(np.int16).max
