"""What runs have said of a case, for whoever measures lesions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_ddmd.model.discrepancy import DiscrepancyScores
    from napari_ddmd.volumes import Volumes


@dataclass(frozen=True)
class Evidence:
    """What runs have said of a case, to be averaged over each lesion; filled in place.

    Attributes
    ----------
    probability, uncertainty : (S, H, W) ndarray of float32, or None
        See `Volumes`.
    scores : mapping of int to DiscrepancyScores, or None
        By axial slice.
    """

    probability: NDArray[np.float32] | None = None
    uncertainty: NDArray[np.float32] | None = None
    scores: Mapping[int, DiscrepancyScores] | None = None

    @classmethod
    def of(cls, volumes: Volumes | None) -> Evidence:
        """What the volumes hold; nothing before a run."""
        return cls() if volumes is None else cls(volumes.probability, volumes.uncertainty, volumes.scores)

    def is_same_as(self, other: Evidence) -> bool:
        """Tell whether both are the very same arrays."""
        return self.probability is other.probability and self.uncertainty is other.uncertainty
