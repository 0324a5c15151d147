"""A study as a folder of NIfTI files in BRATS form."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from napari_ddmd.case import MODALITIES, MODALITY_LABELS, Case
from napari_ddmd.dicom.errors import DicomError
from napari_ddmd.dicom.examinations import examination_titles, examinations
from napari_ddmd.dicom.proposal import Candidate, Proposal, accepted
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
        Series number by modality; the guesses for the examination of these series fill the rest.
    allow_missing : bool
        Whether one modality may be missing.

    Raises
    ------
    DicomError
        If there is no such series, several have that number, something is still missing, or the series are of several
        examinations, so that nothing tells from which the rest is to be taken.
    """
    if not numbers:
        return accepted(proposal, allow_missing=allow_missing)
    folder = proposal.study.folder
    given: dict[str, Series] = {}
    for modality, number in numbers.items():
        found = _with_number(proposal, number)
        if len(found) != 1:
            what = "no series" if not found else f"{len(found)} series"
            several = " or choose the folder of one examination" if len(examinations(found)) > 1 else ""
            raise DicomError(f"{folder}: {what} with number {number}; list them with --list{several}")
        given[modality] = found[0]
    if set(given) == set(MODALITIES):
        return given
    names = list(examinations(given.values()))
    if len(names) > 1:
        raise DicomError(
            f"{folder}: the given series are of {len(names)} examinations; give all four, or those of one (see --list)"
        )
    return {**proposal.picks[names[0]], **given}


def _with_number(proposal: Proposal, number: int) -> list[Series]:
    """Find the series of a number; of one that is in parts the part that can be used, if there is a single one."""
    found = [series for series in proposal.study.series if series.facts.number == number]
    usable = [series for series in found if series.problem is None]
    is_one = len({(series.examination, series.facts.uid) for series in found}) == 1
    return usable if is_one and len(usable) == 1 else found


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
    """Return one line for each series of a study: number, slices, voxels, what it is taken for and why.

    Where there are several examinations, the series of each stand below a line for it.
    """
    titles = examination_titles(proposal.study)
    if not titles:
        return [_line(one) for one in proposal.candidates]
    lines = []
    for examination, title in titles.items():
        members = (one for one in proposal.candidates if one.series.examination == examination)
        lines += [f"{title}:", *map(_line, members)]
    return lines


def _line(candidate: Candidate) -> str:
    series = candidate.series
    number = "-" if series.facts.number is None else str(series.facts.number)
    voxel = "×".join(f"{size:.2f}" for size in series.spacing)
    taken = "-" if candidate.modality is None else MODALITY_LABELS[candidate.modality]
    name = series.facts.description or series.facts.protocol
    return f"{number:>5}  {taken:<5}  {len(series.slices):>4} × {voxel} mm  {name}  ({candidate.reason})"


def _dtype(image: np.ndarray) -> type[np.generic]:
    """Whole numbers of a scanner stay whole; what was interpolated does not fit into integers."""
    is_whole = bool((image == np.rint(image)).all() and np.abs(image).max() < np.iinfo(np.int16).max)
    return np.int16 if is_whole else np.float32
