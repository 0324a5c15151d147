"""Slice results without a model, for the tests of what comes after it."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np

from napari_ddmd.case import MODALITIES, Case
from napari_ddmd.model import DiscrepancyScores
from napari_ddmd.segment import SliceResult
from napari_ddmd.volumes import Volumes


def slice_result(
    case: Case, index: int, *, samples: int = 3, intra: bool = True, evened: tuple[str, ...] = ()
) -> SliceResult:
    """A result whose every number tells its slice; the lesion is the expert's, or where there is none, all brain."""
    lesion = (case.brain[index] if case.mask is None else case.mask[index] > 0).astype(np.float32)
    number = np.float32(index + 1)
    masks = np.stack([lesion * np.float32(0.9 - 0.1 * k) for k in range(samples)])
    return SliceResult(
        index=index,
        probability=masks.mean(axis=0),
        samples=masks,
        uncertainty=lesion * np.float32(0.25),
        inter=np.full_like(lesion, number / 100),
        intra=np.full_like(lesion, number / 200) if intra else None,
        scores=DiscrepancyScores(
            inter=float(index),
            intra=index + 0.5 if intra else None,
            per_modality={
                name: {"inter": index + 10.0 * c, "intra": index + 10.0 * c + 0.5 if intra else None}
                for c, name in enumerate(MODALITIES)
            },
        ),
        evened=evened,
    )


def finished(case: Case, *, slices: list[int] | None = None, intra: bool = True) -> Volumes:
    volumes = Volumes(case, 3, intra=intra, inter=True)
    for index in range(case.grid.shape[0]) if slices is None else slices:
        volumes.add(slice_result(case, index, intra=intra))
    return volumes


def correct_mask(mask: Path) -> None:
    """Change one voxel of a mask, as somebody would who saves it from the viewer."""
    image = nibabel.load(mask)
    voxels = np.asanyarray(image.dataobj).copy()
    voxels[0, 0, 0] = 1 - voxels[0, 0, 0]
    nibabel.save(nibabel.Nifti1Image(voxels, image.affine, image.header), mask)
