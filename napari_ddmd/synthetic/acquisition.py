"""Acquisition: slice thickness, coil sensitivity, noise and the scale of a scanner's integers."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_ddmd.synthetic.grid import Field, Grid, Mask
from napari_ddmd.synthetic.noise import random_field


def acquire(
    image: Field,
    brain: Mask,
    grid: Grid,
    rng: np.random.Generator,
) -> NDArray[np.int16]:
    """Turn an ideal image into stored integers, as the challenges ship them.

    Parameters
    ----------
    image : ndarray, shape (I, J, K)
        Ideal signal; 1 is the median of the brain.
    brain : ndarray of bool, shape (I, J, K)
        What is left after skull stripping.
    grid : Grid
        Where the image lies.
    rng : numpy.random.Generator
        Source of chance, for the scanner's settings too.

    Returns
    -------
    ndarray, shape (I, J, K), int16
        At least 1 inside the brain, 0 outside.
    """
    blur = np.array([rng.uniform(0.35, 0.5), rng.uniform(0.35, 0.5), rng.uniform(0.4, 1.1)])
    seen = ndimage.gaussian_filter(image, blur / grid.spacing)
    seen *= np.exp(rng.uniform(0.03, 0.08) * random_field(rng, grid, 45.0))
    sigma = rng.uniform(0.025, 0.045)
    # Rician: the magnitude of a complex signal, each part with the same Gaussian noise
    real, imaginary = sigma * rng.standard_normal((2, *grid.shape), dtype=np.float32)
    seen = np.hypot(seen + real, imaginary)
    seen = ndimage.gaussian_filter(seen, 0.4 / grid.spacing)  # registration interpolates once more
    scale = math.exp(rng.uniform(math.log(350), math.log(1100)))
    stored = np.clip(np.rint(seen * scale), 1, np.iinfo(np.int16).max)
    return np.where(brain, stored, 0).astype(np.int16)
