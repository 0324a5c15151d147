"""What the panel's Save button writes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_ddmd.viewer.writer import mask_dtype

if TYPE_CHECKING:
    from napari_ddmd.case import Case


def result_files(folder: Path, case: Case, *, with_probability: bool) -> list[Path]:
    """Name the files that `save_results` writes: the mask, and the probability where there is one."""
    kinds = ["mask", "probability"] if with_probability else ["mask"]
    return [folder / f"{case.name}_{kind}.nii.gz" for kind in kinds]


def save_results(folder: Path, case: Case, mask: NDArray[Any], probability: NDArray[np.float32] | None) -> list[Path]:
    """Save a mask as it stands on screen, and the probability, on the grid of the case's files.

    Parameters
    ----------
    folder : Path
        Where the files go; existing ones of the same names are replaced.
    case : Case
        The patient.
    mask : (S, H, W) ndarray of integers
        The labels; their values are kept.
    probability : (S, H, W) ndarray or None
        The model's probability, None where no run has made one.

    Raises
    ------
    ExportError
        If a file cannot be written.
    """
    from napari_ddmd.export import save_volume

    files = result_files(folder, case, with_probability=probability is not None)
    save_volume(files[0], mask, case, dtype=mask_dtype(mask))
    if probability is not None:
        save_volume(files[1], probability, case, dtype=np.float32)
    return files
