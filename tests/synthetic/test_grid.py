from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_ddmd.synthetic.grid import Grid, interpolate


def test_the_full_grid_is_that_of_brats() -> None:
    grid = Grid.covering((240, 240, 155))
    assert grid.spacing == 1
    np.testing.assert_array_equal(grid.affine, [[-1, 0, 0, 0], [0, -1, 0, 239], [0, 0, 1, 0], [0, 0, 0, 1]])


@pytest.mark.parametrize("shape", [(60, 60, 40), (64, 48, 40), (40, 40, 26), (120, 120, 78)])
def test_a_coarse_grid_starts_at_the_same_corner_and_covers_the_same_field(
    shape: tuple[int, int, int],
) -> None:
    grid = Grid.covering(shape)
    corner = grid.affine @ (-0.5, -0.5, -0.5, 1)
    np.testing.assert_allclose(corner[:3], [0.5, 239.5, -0.5])
    assert np.all(np.multiply(shape, grid.spacing) >= (240, 240, 155))


def test_a_grid_too_coarse_for_a_brain_is_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(39, 40, 26\): too coarse .* \(40, 40, 26\)"):
        Grid.covering((39, 40, 26))


def test_points_are_where_the_affine_says() -> None:
    grid = Grid.covering((60, 60, 40))
    np.testing.assert_allclose(grid.points()[:, 5, 7, 9], (grid.affine @ (5, 7, 9, 1))[:3])


def test_a_crop_keeps_each_voxel_in_its_place() -> None:
    grid = Grid.covering((60, 60, 40))
    box = (slice(3, 20), slice(5, 9), slice(0, 40))
    twice = grid.crop(box).crop((slice(1, 4), slice(1, 4), slice(1, 4)))
    np.testing.assert_array_equal(grid.crop(box).points(), grid.points()[:, *box])
    np.testing.assert_array_equal(twice.points(), grid.points()[:, 4:7, 6:9, 1:4])


def test_resampling_is_exact_for_what_is_linear_in_space() -> None:
    coarse, fine = (
        Grid.covering((60, 60, 40)),
        Grid.covering((120, 120, 78)).crop((slice(20, 90),) * 2 + (slice(9, 60),)),
    )
    weights = np.array([0.5, -1, 2], np.float32)
    linear = np.tensordot(weights, coarse.points(), 1)
    np.testing.assert_allclose(fine.resample(linear, coarse), np.tensordot(weights, fine.points(), 1), atol=1e-3)


def test_interpolation_agrees_with_scipy() -> None:
    rng = np.random.default_rng(0)
    field = rng.standard_normal((2, 5, 6, 7), dtype=np.float32)
    positions = (np.linspace(-1, 5, 9), np.linspace(0, 5, 4), np.linspace(0.3, 7, 8))
    expected = [
        ndimage.map_coordinates(f, np.meshgrid(*positions, indexing="ij"), order=1, mode="nearest") for f in field
    ]
    np.testing.assert_allclose(interpolate(field, positions), expected, atol=1e-6)
