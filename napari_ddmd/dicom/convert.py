"""A study as a folder of NIfTI files in BRATS form."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from napari_ddmd.case import MODALITIES, MODALITY_LABELS, Case
from napari_ddmd.dicom.errors import DicomError
from napari_ddmd.dicom.proposal import Proposal, accepted
from napari_ddmd.dicom.study import Series
from napari_ddmd.export import save_volume
from napari_ddmd.missing import missing_modalities
from napari_ddmd.new_folder import new_folder


def choose_by_number(
    proposal: Proposal, numbers: Mapping[str, int], *, allow_missing: bool = False
) -> dict[str, Series]:
    """Correct a proposal by series numbers.

    Parameters
    ----------
    proposal : Proposal
        What was guessed.
    numbers : mapping of str to int
        Series number by modality; the guesses fill the rest.
    allow_missing : bool
        Whether one modality may be missing.

    Raises
    ------
    DicomError
        If there is no such series, several have that number, or something is still missing.
    """
    if not numbers:
        return accepted(proposal, allow_missing=allow_missing)
    chosen: dict[str, Series] = dict(proposal.assignment)
    for modality, number in numbers.items():
        found = [series for series in proposal.study.series if series.facts.number == number]
        if len(found) != 1:
            what = "no series" if not found else f"{len(found)} series"
            raise DicomError(f"{proposal.study.folder}: {what} with number {number}; list them with --list")
        chosen[modality] = found[0]
    return chosen


def write_nifti_case(folder: str | Path, case: Case) -> Path:
    """Write the images of a case as ``<name>_t1.nii.gz``, ``_t1ce``, ``_t2`` and ``_flair``; none for a missing one.

    The name is that of the folder, which appears when all files are written. Nothing of the headers but the geometry is
    written: no name, date or identifier.

    Parameters
    ----------
    folder : path-like
        The new folder; must not hold anything.
    case : Case
        The patient.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ExportError
        If the folder holds anything, or the files cannot be written.
    """
    with new_folder(folder) as (place, target):
        missing = missing_modalities(case)
        for modality, image in zip(MODALITIES, case.images, strict=True):
            if modality in missing:
                continue
            save_volume(place / f"{target.name}_{modality}.nii.gz", image, case, dtype=_dtype(image))
    return target


def listing(proposal: Proposal) -> list[str]:
    """Return one line for each series of a study: number, slices, voxels, what it is taken for and why."""
    lines = []
    for one in proposal.candidates:
        series = one.series
        number = "-" if series.facts.number is None else str(series.facts.number)
        voxel = "×".join(f"{size:.2f}" for size in series.spacing)
        taken = "-" if one.modality is None else MODALITY_LABELS[one.modality]
        name = series.facts.description or series.facts.protocol
        lines.append(f"{number:>5}  {taken:<5}  {len(series.slices):>4} × {voxel} mm  {name}  ({one.reason})")
    return lines


def _dtype(image: np.ndarray) -> type[np.generic]:
    """Whole numbers of a scanner stay whole; what was interpolated does not fit into integers."""
    is_whole = bool((image == np.rint(image)).all() and np.abs(image).max() < np.iinfo(np.int16).max)
    return np.int16 if is_whole else np.float32
