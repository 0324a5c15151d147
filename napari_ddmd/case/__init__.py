"""One patient: find the files, put four modalities on one axial grid, and the exact way back."""

from napari_ddmd.case.case import Case
from napari_ddmd.case.errors import CaseError, CaseWarning, MissingImagesError
from napari_ddmd.case.files import CaseFiles, case_places, find_case_files, find_cases
from napari_ddmd.case.grid import AxialGrid
from napari_ddmd.case.load import check_complete, check_headers, load_case, load_mask
from napari_ddmd.case.naming import MODALITIES, MODALITY_LABELS, guess_modality

__all__ = [
    "MODALITIES",
    "MODALITY_LABELS",
    "AxialGrid",
    "Case",
    "CaseError",
    "CaseFiles",
    "CaseWarning",
    "MissingImagesError",
    "case_places",
    "check_complete",
    "check_headers",
    "find_case_files",
    "find_cases",
    "guess_modality",
    "load_case",
    "load_mask",
]
