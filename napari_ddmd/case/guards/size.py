"""A brain of no human size, or a part of one."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_ddmd.case.guards.finding import Finding, Kind
from napari_ddmd.case.guards.sample import Sample

# BRATS patients have 1.2 to 1.8 L, what lies between the folds included.
_SMALLEST_ML, _LARGEST_ML = 700.0, 2200.0
# A brain is round: its outermost 3 mm have at most 15 % of its largest section, at the brain stem 20 %.
_CUT: Final = 0.3
_SIDES: Final = (("bottom", "top"), ("front", "back"), ("right", "left"))


def find_size(sample: Sample) -> list[Finding]:
    """Tell of a body that is too small or too large for a human brain."""
    millilitres = float(sample.body.sum()) * sample.voxel_ml
    if _SMALLEST_ML <= millilitres <= _LARGEST_ML:
        return []
    size = "small" if millilitres < _SMALLEST_ML else "large"
    what = "a part of it, another species" if size == "small" else "more than the brain"
    return [
        Finding(
            Kind.SIZE,
            f"the brain measures {millilitres:.0f} mL, too {size} for a human one ({_SMALLEST_ML:.0f} to "
            f"{_LARGEST_ML:.0f} mL): {what} or wrong voxel sizes in the header; check it in another viewer",
        )
    ]


def find_cropped(sample: Sample) -> list[Finding]:
    """Tell of a brain that ends in a plane, at the edge of the image or inside it."""
    found = [
        side
        for axis, sides in enumerate(_SIDES)
        for side, share in zip(sides, end_areas(sample, axis), strict=True)
        if share > _CUT
    ]
    if not found:
        return []
    return [
        Finding(
            Kind.CROPPED,
            f"the brain is cut off at its {' and '.join(found)}: a lesion that reaches there is not whole; give images "
            "of the whole brain",
        )
    ]


def end_areas(sample: Sample, axis: int) -> tuple[float, float]:
    """Sections of the body at both its ends along an axis, as shares of its largest one."""
    others = tuple(other for other in range(3) if other != axis)
    areas: NDArray[np.int64] = sample.body.sum(axis=others)
    areas = areas[areas > 0]
    return (float(areas[0] / areas.max()), float(areas[-1] / areas.max())) if len(areas) else (0.0, 0.0)
