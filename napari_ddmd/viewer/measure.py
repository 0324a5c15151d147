"""What a mask measures: total volume and each lesion, largest first."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from napari_ddmd.case import Case
    from napari_ddmd.lesions import Lesion


@dataclass(frozen=True)
class Measurement:
    """Measures of one mask.

    Attributes
    ----------
    total_ml : float
        Volume of the whole mask in millilitres.
    lesions : list of Lesion
        Its connected parts, largest first.
    """

    total_ml: float
    lesions: list[Lesion]

    @property
    def summary(self) -> str:
        """Number of lesions and total volume in words."""
        if not self.lesions:
            return "No lesion"
        count = len(self.lesions)
        return f"{count} {'lesion' if count == 1 else 'lesions'}, {millilitres(self.total_ml)} mL in total"


def measure(mask: NDArray[Any], case: Case, probability: NDArray[np.float32] | None) -> Measurement:
    """Measure a mask ``(S, H, W)``; everything above 0 counts."""
    from napari_ddmd.lesions import find_lesions, lesion_volume_ml

    _labels, lesions = find_lesions(mask, case.spacing, probability)
    return Measurement(lesion_volume_ml(mask, case.spacing), lesions)


def fingerprint(mask: NDArray[Any]) -> int:
    """Return a number that changes with the mask, to tell an edit from a mere redraw."""
    return zlib.crc32(np.ascontiguousarray(mask).data)


def millilitres(volume: float) -> str:
    """Word a volume: two decimals below 10 mL, one above."""
    return f"{volume:.2f}" if volume < 10 else f"{volume:.1f}"
