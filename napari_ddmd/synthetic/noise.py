"""Smooth random fields: the one source of individual variation in shape, texture and growth."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from napari_ddmd.synthetic.grid import Field, Grid, interpolate


def random_field(rng: np.random.Generator, grid: Grid, scale: float) -> Field:
    """Draw a stationary Gaussian random field of mean 0 and standard deviation 1.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of chance.
    grid : Grid
        Where to draw it.
    scale : float
        Standard deviation of the Gaussian that smooths white noise, mm; detail is about twice as large.

    Returns
    -------
    ndarray, shape grid.shape
    """
    # A field this smooth needs no more than three samples a standard deviation: draw few, interpolate.
    step = max(grid.spacing, scale / 3)
    extent = np.array(grid.shape) * grid.spacing
    i, j, k = (int(n) for n in np.ceil(extent / step) + 1)
    white = rng.standard_normal((i, j, k), dtype=np.float32)
    coarse: Field = ndimage.gaussian_filter(white, scale / step, mode="wrap", truncate=3.0)
    coarse /= coarse.std()
    if step == grid.spacing:
        return np.ascontiguousarray(coarse[: grid.shape[0], : grid.shape[1], : grid.shape[2]])
    ratio = grid.spacing / step
    across, along, up = (ratio * np.arange(n, dtype=np.float64) for n in grid.shape)
    return interpolate(coarse, (across, along, up))
