from __future__ import annotations

import numpy as np
import pytest

from napari_ddmd.synthetic.grid import Grid
from napari_ddmd.synthetic.noise import random_field

GRID = Grid.covering((80, 80, 52))


@pytest.mark.parametrize("scale", [1.0, 6.0, 20.0])
def test_a_field_is_standardised_and_follows_its_seed(scale: float) -> None:
    field = random_field(np.random.default_rng(3), GRID, scale)
    assert field.shape == GRID.shape
    assert field.dtype == np.float32
    assert abs(field.mean()) < 0.5
    assert 0.6 < field.std() < 1.2
    np.testing.assert_array_equal(field, random_field(np.random.default_rng(3), GRID, scale))
    assert not np.allclose(field, random_field(np.random.default_rng(4), GRID, scale))


def test_the_scale_is_in_millimetres() -> None:
    # A Gaussian-smoothed field has the correlation exp(-d^2 / 4 scale^2) at the distance d.
    scale, lag = 9.0, 4
    for grid in (GRID, Grid.covering((120, 120, 78))):
        field = random_field(np.random.default_rng(0), grid, scale)
        measured = np.corrcoef(field[:-lag].ravel(), field[lag:].ravel())[0, 1]
        assert measured == pytest.approx(np.exp(-((lag * grid.spacing) ** 2) / (4 * scale**2)), abs=0.12)
