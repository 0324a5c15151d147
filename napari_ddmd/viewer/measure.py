"""What a mask measures: total volume and each lesion, largest first."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from napari_ddmd.case import Case
    from napari_ddmd.lesions import Lesion

MOST_LESIONS = 50


@dataclass(frozen=True)
class Measurement:
    """Measures of one mask.

    Attributes
    ----------
    total_ml : float
        Volume of the whole mask in millilitres.
    count : int
        Number of its connected parts.
    lesions : list of Lesion
        The largest of them, at most `MOST_LESIONS`, largest first.
    """

    total_ml: float
    count: int
    lesions: list[Lesion]

    @property
    def summary(self) -> str:
        """Number of lesions and total volume in words."""
        if self.count == 0:
            return "No lesion"
        lesions = "lesion" if self.count == 1 else "lesions"
        return f"{self.count} {lesions}, {millilitres(self.total_ml)} mL"


def measure(mask: NDArray[Any], case: Case, probability: NDArray[np.float32] | None) -> Measurement:
    """Measure a mask.

    Only the part of the volume that holds the mask is looked at, and of a mask in thousands of pieces only
    the largest are described: the work is done beside the window, but it keeps the interpreter busy.

    Parameters
    ----------
    mask : (S, H, W) ndarray of integers
        Everything above 0 counts.
    case : Case
        Gives the spacing.
    probability : (S, H, W) ndarray or None
        Averaged over each lesion.
    """
    from scipy import ndimage

    from napari_ddmd.lesions import find_lesions, lesion_volume_ml

    is_lesion = mask > 0
    if not is_lesion.any():
        return Measurement(0.0, 0, [])
    box = _bounding_box(is_lesion)
    inside = is_lesion[box]
    parts, count = ndimage.label(inside, structure=np.ones((3, 3, 3)))
    if count > MOST_LESIONS:
        sizes = np.bincount(parts.ravel())
        sizes[0] = 0
        inside = np.isin(parts, np.argsort(sizes)[-MOST_LESIONS:])
    _labels, lesions = find_lesions(inside, case.spacing, None if probability is None else probability[box])
    corner = [edge.start for edge in box]
    return Measurement(
        lesion_volume_ml(is_lesion, case.spacing), int(count), [_moved(lesion, corner) for lesion in lesions]
    )


def fingerprint(mask: NDArray[Any]) -> int:
    """Return a number that changes with the mask, to tell an edit from a mere redraw."""
    return zlib.crc32(np.ascontiguousarray(mask).data)


def millilitres(volume: float) -> str:
    """Word a volume: two decimals below 10 mL, one above."""
    return f"{volume:.2f}" if volume < 10 else f"{volume:.1f}"


def _bounding_box(is_lesion: NDArray[np.bool_]) -> tuple[slice, ...]:
    box = []
    for axis in range(is_lesion.ndim):
        others = tuple(other for other in range(is_lesion.ndim) if other != axis)
        filled = np.flatnonzero(is_lesion.any(axis=others))
        box.append(slice(int(filled[0]), int(filled[-1]) + 1))
    return tuple(box)


def _moved(lesion: Lesion, corner: list[int]) -> Lesion:
    first, last = lesion.slices
    s, h, w = (position + start for position, start in zip(lesion.centroid, corner, strict=True))
    return replace(lesion, slices=(first + corner[0], last + corner[0]), centroid=(s, h, w))
