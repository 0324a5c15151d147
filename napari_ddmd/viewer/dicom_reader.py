"""A study folder as layers: at once where there is no window, else in the background."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_ddmd.case import MODALITY_LABELS, Case
from napari_ddmd.dicom import Assignment, Study, accepted, find_study, propose
from napari_ddmd.dicom.examinations import examinations_remark
from napari_ddmd.viewer.case_layers import LayerData, case_layers
from napari_ddmd.viewer.current_viewer import viewer_in_window
from napari_ddmd.viewer.remarks import tell


def guessed_case(folder: Path, tell: Callable[[str], None] | None = None) -> Case:
    """Load a study by what its headers say; the case's warnings tell which series were taken.

    Parameters
    ----------
    folder : Path
        The study.
    tell : callable, optional
        Is told in a few words what is being done.

    Raises
    ------
    CaseError
        If a modality is not recognised, or a series cannot be used.
    """
    study = find_study(folder)
    case = study_case(study, accepted(propose(study), allow_missing=True), tell)
    series = ", ".join(f"{MODALITY_LABELS[modality]} is {one.numbered}" for modality, one in _series_of(case).items())
    guessed = f"the series were recognised by their headers: {series}; if one is wrong, choose the series by hand"
    return replace(case, warnings=(guessed, *case.warnings))


def study_case(
    study: Study,
    assignment: Assignment,
    tell: Callable[[str], None] | None = None,
    *,
    brain_mask: Path | None = None,
) -> Case:
    """Load chosen series of a study; what is to be remarked of its folder comes first in the case's warnings."""
    from napari_ddmd.dicom.load import load_study

    # The panel asks before it goes on without a series; what is there can be looked at.
    case = load_study(assignment, brain_mask=brain_mask, tell=tell, allow_missing=True)
    several = examinations_remark(study, assignment)
    return replace(case, warnings=(*([several] if several else []), *study.remarks, *case.warnings))


def open_study(folder: Path) -> list[LayerData]:
    """Return the layers of a study, or none where a window asks for the series and shows them by itself.

    Registering takes up to a minute, which no window should stand still for. Without a window, and in any thread but
    the main one, the layers are returned.

    Raises
    ------
    CaseError
        If the study cannot be used.
    """
    is_main = threading.current_thread() is threading.main_thread()
    viewer = viewer_in_window() if is_main else None
    if viewer is None:
        case = guessed_case(folder)
        if is_main:  # who reads in another thread shows the case's warnings by itself
            for remark in case.warnings:
                tell(remark)
        return case_layers(case)
    from napari_ddmd.viewer.dicom_opener import open_in_window

    open_in_window(viewer, folder)
    return []


def _series_of(case: Case) -> dict[str, Any]:
    from napari_ddmd.dicom.origin import origin_of

    origin = origin_of(case)
    return {} if origin is None else dict(origin.series)
