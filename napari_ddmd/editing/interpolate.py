"""Slices between two that were drawn by hand."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]


def neighbours(slices: Sequence[int], index: int) -> tuple[int, int] | None:
    """Return the two nearest slices with a gap between them that an index lies in, or at whose end it lies.

    None where the index lies outside all gaps.
    """
    ordered = sorted(slices)
    gaps = [(low, high) for low, high in pairwise(ordered) if high - low > 1]
    return next((gap for gap in gaps if gap[0] <= index <= gap[1]), None)


def interpolate(mask: Mask, low: int, high: int, spacing: Sequence[float]) -> Mask:
    """Fill the slices between two with shapes that turn from one into the other.

    The signed distance to the outline is blended (Raya and Udupa, IEEE Trans Med Imaging 1990); shapes that do not
    overlap move along as they turn. Other lesions, which lie wholly between the two slices, stay.

    Parameters
    ----------
    mask : (S, H, W) ndarray of bool
        What is between is replaced.
    low, high : int
        The two slices. Where one is empty, nothing is done.
    spacing : sequence of float
        Voxel size in millimetres along S, H and W.
    """
    filled = mask.copy()
    first, last = mask[low], mask[high]
    if high - low < 2 or not first.any() or not last.any():
        return filled
    own, count = ndimage.label(mask[low : high + 1], structure=np.ones((3, 3, 3)))
    touching = np.union1d(own[0], own[-1])
    others = np.setdiff1d(np.arange(1, count + 1), touching)
    shift = np.zeros(2)
    if not (first & last).any():
        shift = np.subtract(ndimage.center_of_mass(last), ndimage.center_of_mass(first))
    window, margins = _window(first | last, shift)
    inside = tuple(slice(before, -after or None) for before, after in margins)
    start, end = (_signed_distance(np.pad(shape[window], margins), spacing[1:]) for shape in (first, last))
    for index in range(low + 1, high):
        share = (index - low) / (high - low)
        blend = (1 - share) * _moved(start, share * shift) + share * _moved(end, (share - 1) * shift)
        filled[index] = np.isin(own[index - low], others)
        filled[index][window] |= blend[inside] > 0
    return filled


def _window(shapes: Mask, shift: NDArray[np.float64]) -> tuple[tuple[slice, ...], list[tuple[int, int]]]:
    """Return what of the image is needed where shapes move by some pixels, and how much beyond the image."""
    window, margins = [], []
    for axis, (reach, length) in enumerate(zip(np.ceil(np.abs(shift)).astype(int), shapes.shape, strict=True)):
        taken = np.flatnonzero(shapes.any(axis=1 - axis))
        first, last = int(taken[0] - reach) - 2, int(taken[-1] + reach) + 3
        window.append(slice(max(first, 0), min(last, length)))
        margins.append((max(-first, 0), max(last - length, 0)))
    return tuple(window), margins


def _signed_distance(shape: Mask, spacing: Sequence[float]) -> NDArray[np.float64]:
    """Millimetres to the outline, positive inside."""
    inside: NDArray[np.float64] = ndimage.distance_transform_edt(shape, sampling=spacing)
    outside: NDArray[np.float64] = ndimage.distance_transform_edt(~shape, sampling=spacing)
    return inside - outside


def _moved(field: NDArray[np.float64], shift: NDArray[np.float64]) -> NDArray[np.float64]:
    if not shift.any():
        return field
    moved: NDArray[np.float64] = ndimage.shift(field, shift, order=1, mode="nearest")
    return moved
