"""Whole heads, and healthy brains without them, from label maps that tell the tissues outside the brain, too.

Such maps (FreeSurfer's numbers for the brain, numbers from 500 for the rest of the head, 1 mm) come with SynthSeg:
B. Billot et al., Medical Image Analysis 86 (2023). The anatomy is of real people; the contrasts are made up.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import nibabel
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_ddmd.case import MODALITIES, AxialGrid

SPACING: Final = (2.0, 2.0, 2.0)
"""Every second voxel is enough for the guards, and much quicker."""

_OUTSIDE: Final = 500
_FLUID: Final = (4, 5, 14, 15, 24, 43, 44)
_WHITE: Final = (2, 7, 16, 28, 41, 46, 60, 85)
_BONE: Final = (515, 516)
_FAT: Final = (511,)
# White matter, grey matter, fluid, bone, fat, muscle and what else is there, as shares of white matter on T1.
_LEVELS: Final = {
    "t1": (1.0, 0.75, 0.3, 0.15, 1.3, 0.6),
    "t1ce": (1.0, 0.77, 0.3, 0.15, 1.3, 0.8),
    "t2": (0.6, 0.8, 1.8, 0.15, 0.9, 0.4),
    "flair": (0.8, 1.0, 0.25, 0.15, 0.9, 0.5),
}


def head_and_brain(file: Path, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Images ``(C, S, H, W)`` of a head whose air is 0, and of its brain alone, in voxels of `SPACING`.

    Parameters
    ----------
    file
        The label map.
    rng
        Draws contrasts, bias field and noise.
    """
    image = nibabel.nifti1.Nifti1Image.from_filename(file)
    grid = AxialGrid.from_affine(image.affine, image.shape)
    labels = grid.to_axial(np.asarray(image.dataobj).astype(np.int16))[::2, ::2, ::2]
    tissue = _tissues(labels)
    head = np.stack([_render(tissue, _LEVELS[name], rng) for name in MODALITIES])
    stripped = (labels > 0) & (labels < _OUTSIDE)
    # The fluid about the brain goes with the skull, but for what lies in the folds.
    within = ndimage.binary_closing(stripped & (labels != 24), iterations=3) & stripped
    brain = ndimage.binary_fill_holes(within)
    return head, np.where(brain, head, 0).astype(np.float32)


def _tissues(labels: NDArray[np.int16]) -> NDArray[np.int8]:
    tissue = np.where(labels == 0, 0, np.where(labels < _OUTSIDE, 2, 6)).astype(np.int8)
    for number, codes in ((1, _WHITE), (3, _FLUID), (4, _BONE), (5, _FAT)):
        tissue[np.isin(labels, codes)] = number
    return tissue


def _render(tissue: NDArray[np.int8], levels: tuple[float, ...], rng: np.random.Generator) -> NDArray[np.float32]:
    drawn = np.array([0.0, *levels]) * np.exp(0.05 * rng.standard_normal(7))
    image = ndimage.gaussian_filter(drawn[tissue].astype(np.float32), 0.6)
    bias = ndimage.zoom(rng.standard_normal((4, 4, 4)), np.array(tissue.shape) / 4, order=3, mode="nearest")
    image *= np.exp(0.15 * bias.astype(np.float32))
    image += 0.03 * rng.standard_normal(image.shape, dtype=np.float32)
    return np.where(tissue == 0, 0, np.maximum(image, 0.001) * 1000).astype(np.float32)
