"""What runs have said of each slice as curves over the height of the head."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_ddmd.case import Case
from napari_ddmd.volumes import Volumes

CURVES: Final[tuple[str, ...]] = ("lesion", "inter", "intra")
"""Names of the curves."""

_MM2_PER_CM2 = 100.0


def slice_curves(case: Case, volumes: Volumes, modality: str | None = None) -> dict[str, NDArray[np.float64]]:
    """Scores of each slice, nan where a slice has not come in or the model gives none.

    Parameters
    ----------
    case, volumes
        The patient, and what runs have said.
    modality : str or None
        The discrepancy scores of one modality, or with None of all together.

    Returns
    -------
    dict of str to (S,) ndarray
        ``lesion``: the lesion's area in cm² as the probability expects it, the sum of the probability over the slice
        times a pixel's area; ``inter`` and ``intra``: mean of the map over the slice.
    """
    curves = {name: np.full(case.grid.shape[0], np.nan) for name in CURVES}
    pixel_cm2 = case.spacing[1] * case.spacing[2] / _MM2_PER_CM2
    for index in volumes.done:
        curves["lesion"][index] = float(volumes.probability[index].sum(dtype=np.float64)) * pixel_cm2
        scores = volumes.scores.get(index)
        if scores is None:
            continue
        found: Mapping[str, float | None] = (
            {"inter": scores.inter, "intra": scores.intra} if modality is None else scores.per_modality[modality]
        )
        for name in ("inter", "intra"):
            value = found.get(name)
            if value is not None:
                curves[name][index] = value
    return curves
