"""Voxels of all modalities deep enough in the brain to be tissue, and what is compared among them.

Everything rests on ranks or quantiles, so that scanners' scales and windows do not matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from napari_ddmd.case.guards.sample import Sample

Values = NDArray[np.float64]

# The rim holds partial volumes, and what the stripping left.
_DEPTH: Final = 5.0
_BINS: Final = 40
_DARK, _DARKISH, _BRIGHT = 0.15, 0.25, 0.85


def tissue_values(sample: Sample) -> dict[str, Values]:
    """Intensities of each modality's voxels inside the brain, where all modalities show something."""
    inside = np.logical_and.reduce([sample.depth > _DEPTH, *sample.covers.values()])
    return {name: image[inside].astype(np.float64) for name, image in sample.images.items()}


def ranks_of(values: Mapping[str, Values]) -> dict[str, Values]:
    """Their ranks, above 0 and up to 1."""
    return {name: rankdata(of) / max(1, len(of)) for name, of in values.items()}


def correlations(ranks: Mapping[str, Values]) -> dict[frozenset[str], float]:
    """Rank correlation of each two modalities."""
    names = list(ranks)
    matrix = np.corrcoef([ranks[name] for name in names])
    return {
        frozenset((names[i], names[j])): float(matrix[i, j])
        for i in range(len(names))
        for j in range(i + 1, len(names))
    }


def bright_tail(values: Values) -> float:
    """Whether what stands out is bright (above 0, up to 1) or dark: fluid is bright on T2, dark on T1."""
    low, middle, high = np.percentile(values, (5, 50, 95))
    return float((high + low - 2 * middle) / max(high - low, np.finfo(np.float64).tiny))


def brighter_than_expected(values: Values, others: Values) -> float:
    """How much rather `values` stand out brightly from what `others` foretell than the reverse.

    Contrast agent brightens few voxels of T1ce, in vessels and tumour, and darkens none: above 0 where `values` are
    T1ce and `others` T1.
    """
    return _residual_tail(values, others) - _residual_tail(others, values)


def _residual_tail(values: Values, others: Values) -> float:
    """Like `bright_tail`, of the residuals about the median of voxels that are as bright in `others`."""
    rest = np.empty_like(values)
    for voxels in np.array_split(np.argsort(others), _BINS):
        rest[voxels] = values[voxels] - np.median(values[voxels])
    low, high = np.percentile(rest, (1, 99))
    return float((high + low) / max(high - low, np.finfo(np.float64).tiny))


def fluid_share(bright: Values, dark: Values, first: Values, second: Values) -> float:
    """Share of voxels that are fluid, if fluid is bright in `bright` and dark in `dark`.

    It is dark in both T1 images, `first` and `second`, whichever is which.
    """
    both = (np.minimum(first, second) < _DARK) & (np.maximum(first, second) < _DARKISH)
    return float((both & (bright > _BRIGHT) & (dark < _DARKISH)).mean())
