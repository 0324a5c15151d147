"""Voxels that are far from the 1 mm of BRATS."""

from __future__ import annotations

from typing import Final

from napari_ddmd.case.guards.finding import Finding, Kind
from napari_ddmd.case.guards.sample import Spacing

_SMALLEST, _LARGEST = 0.75, 1.34
_UNEVEN: Final = 1.35


def find_spacing(spacing: Spacing) -> list[Finding]:
    """Tell of voxels that the header says are not about 1 mm along all axes."""
    if min(spacing) >= _SMALLEST and max(spacing) <= _LARGEST and max(spacing) <= _UNEVEN * min(spacing):
        return []
    size = "×".join(f"{length:.2g}" for length in spacing)
    return [
        Finding(
            Kind.SPACING,
            f"the voxels measure {size} mm (slices, rows, columns), and BRATS models know 1 mm: resample the images "
            "to 1 mm, or correct the header",
        )
    ]
