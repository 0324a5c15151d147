"""A case on a coarse grid, which is enough to see what is wrong with it, and quick."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.filters import threshold_triangle

Spacing = tuple[float, float, float]
Mask = NDArray[np.bool_]

_PITCH: Final = 3.0
"""Millimetres between the voxels that are looked at, where the header tells the truth."""
_FEWEST, _MOST = 48, 96
"""Voxels along an axis that are looked at whatever the header tells, where there are as many."""
_FLAT_AIR: Final = 0.6
"""Share of the outermost rows and columns that has one value where air was set to it."""
_MOST_TISSUE: Final = 0.5
"""Share of an image that a body takes at most; what is more is noise within the scanner's field of view."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Every n-th voxel of those modalities that a case has.

    Parameters
    ----------
    images : dict of str to (S, H, W) ndarray of float32
        By modality; those that are zero throughout are left out.
    spacing : tuple of float
        Millimetres between the voxels that were taken, along S, H and W, as the header has it.
    """

    images: dict[str, NDArray[np.float32]]
    spacing: Spacing

    @classmethod
    def of(cls, images: dict[str, NDArray[np.float32]], spacing: Spacing) -> Sample:
        """Take a sample of whole images ``(S, H, W)``."""
        shape = next(iter(images.values())).shape
        steps = [
            max(1, -(-length // _MOST), min(round(_PITCH / size), length // _FEWEST))
            for length, size in zip(shape, spacing, strict=True)
        ]
        chosen = tuple(slice(step // 2, None, step) for step in steps)
        taken = {name: image[chosen].astype(np.float32) for name, image in images.items()}
        s, h, w = (size * step for size, step in zip(spacing, steps, strict=True))
        return cls({name: image for name, image in taken.items() if image.any()}, (s, h, w))

    @property
    def voxel_ml(self) -> float:
        """Millilitres that one voxel of the sample stands for."""
        return float(np.prod(self.spacing)) / 1000

    @cached_property
    def air(self) -> dict[str, float]:
        """The most frequent value of the outermost rows and columns of each modality: 0 as it should be."""
        return {name: float(np.median(_border(image))) for name, image in self.images.items()}

    @cached_property
    def covers(self) -> dict[str, Mask]:
        """Where each modality shows anything but air."""
        return {name: _cover(image, self.air[name]) for name, image in self.images.items()}

    @cached_property
    def has_noisy_air(self) -> bool:
        """Whether it must be estimated where a modality shows anything but air."""
        return not all(_tells_air(image, self.air[name]) for name, image in self.images.items())

    @cached_property
    def body(self) -> Mask:
        """What stands out from the air in any modality, its holes filled: the brain, or the head."""
        found = np.logical_or.reduce(list(self.covers.values()))
        # Slice by slice: the scalp is open at the neck. What bone parts it from must not be lost.
        found = np.stack([ndimage.binary_fill_holes(section) for section in found])
        labels, count = ndimage.label(found)
        if count > 1:
            found = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
        filled: Mask = ndimage.binary_fill_holes(found)
        return filled

    @cached_property
    def depth(self) -> NDArray[np.float64]:
        """Millimetres from the surface of the body, 0 outside; what the image cuts off is no surface."""
        depth: NDArray[np.float64] = ndimage.distance_transform_edt(self.body, self.spacing)
        return depth


def _border(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """First and last rows and columns of all slices; the neck leaves an image through neither."""
    return np.concatenate([np.take(image, (0, -1), axis=axis).ravel() for axis in (1, 2)])


def _tells_air(image: NDArray[np.float32], air: float) -> bool:
    """Whether air was set to one value, so that all else is tissue."""
    return bool((_border(image) == air).mean() >= _FLAT_AIR and (image != air).mean() <= _MOST_TISSUE)


def _cover(image: NDArray[np.float32], air: float) -> Mask:
    there = np.asarray(image != air)
    if _tells_air(image, air):
        return there
    # Air with noise in it: tissue is what a smoothed image shows above it, and the image itself, as smoothing widens.
    above = np.abs(image - air)
    smooth = ndimage.gaussian_filter(above, 1.0)
    try:
        bound = threshold_triangle(smooth[there])
    except ValueError:  # values so alike that no histogram parts them
        return there
    return np.asarray((smooth > bound) & (above > bound))
