"""Modalities that do not cover the same voxels."""

from __future__ import annotations

from typing import Final

import numpy as np

from napari_ddmd.case.guards.finding import Finding, Kind
from napari_ddmd.case.guards.sample import Mask, Sample
from napari_ddmd.case.guards.wording import are, names_of

# BRATS strips all four with one mask: 1.00 in all real cases. Masks of their own overlap by some 0.97.
_OVERLAP: Final = 0.93
# Where the air is noisy, aligned images overlap by 0.92 at least (noise of up to 3 % of the bright end).
_ROUGH_OVERLAP: Final = 0.88


def find_misaligned(sample: Sample) -> list[Finding]:
    """Tell of modalities that are shifted, turned or cropped against the others."""
    names = list(sample.covers)
    if len(names) < 3:
        return []
    overlaps = {name: _overlap(sample.covers[name], _majority(sample, name)) for name in names}
    least = _ROUGH_OVERLAP if sample.has_noisy_air else _OVERLAP
    found = [name for name, overlap in overlaps.items() if overlap < least]
    if not found:
        return []
    worst = min(overlaps.values())
    return [
        Finding(
            Kind.ALIGNMENT,
            f"{names_of(found)} {are(found)} not where the other images are (overlap {worst:.0%}): register all to one "
            "of them, and check that none is cropped",
        )
    ]


def _majority(sample: Sample, name: str) -> Mask:
    """What at least two of the other modalities cover, so that one at fault does not blame the others."""
    others = [cover for other, cover in sample.covers.items() if other != name]
    return np.asarray(np.sum(others, axis=0) >= 2)


def _overlap(first: Mask, second: Mask) -> float:
    return float((first & second).sum() / max(1, (first | second).sum()))
