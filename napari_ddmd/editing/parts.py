"""The lesions of a mask one by one, each in a small box."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_ddmd.lesions import bounding_box

Mask = NDArray[np.bool_]
Box = tuple[slice, ...]


def each_lesion(mask: Mask, margin: Sequence[int]) -> Iterator[tuple[Box, Mask]]:
    """Yield each connected lesion and the box around it.

    Parameters
    ----------
    mask : (S, H, W) ndarray of bool
        Voxels that touch by a face, an edge or a corner belong together.
    margin : sequence of int
        Voxels that the box is larger than the lesion on each side, along S, H and W; it ends where the mask ends.

    Yields
    ------
    box : tuple of slice
        A part of the mask's array.
    lesion : ndarray of bool
        The lesion alone, in the box.
    """
    if not mask.any():
        return
    outer = bounding_box(mask)
    parts, count = ndimage.label(mask[outer], structure=np.ones((3, 3, 3)))
    for number, found in enumerate(ndimage.find_objects(parts, count), start=1):
        inner = [(edge.start + at.start, edge.start + at.stop) for edge, at in zip(outer, found, strict=True)]
        box = tuple(
            slice(max(0, first - more), min(length, last + more))
            for (first, last), more, length in zip(inner, margin, mask.shape, strict=True)
        )
        lesion = np.zeros([edge.stop - edge.start for edge in box], bool)
        place = tuple(
            slice(first - edge.start, last - edge.start) for (first, last), edge in zip(inner, box, strict=True)
        )
        lesion[place] = parts[found] == number
        yield box, lesion


def without_lesion(mask: Mask, seed: Mask) -> Mask:
    """Take the lesions out of a mask ``(S, H, W)`` that a seed lies in."""
    start = mask & seed
    if not start.any():
        return mask.copy()
    box = bounding_box(mask)
    whole = ndimage.binary_propagation(start[box], structure=np.ones((3, 3, 3)), mask=mask[box])
    left = mask.copy()
    left[box] &= ~whole
    return left
