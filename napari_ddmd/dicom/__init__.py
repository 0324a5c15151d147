"""DICOM studies: recognise the four series, put them on one grid, and write a DICOM segmentation back.

The libraries for it come with the extra ``napari-ddmd[dicom]``; they are imported when they are used.
"""

from napari_ddmd.dicom.errors import DicomError, require_libraries
from napari_ddmd.dicom.files import is_study
from napari_ddmd.dicom.proposal import Assignment, Candidate, Proposal, accepted, assignment_problem, propose
from napari_ddmd.dicom.study import Series, Study, find_study

__all__ = [
    "Assignment",
    "Candidate",
    "DicomError",
    "Proposal",
    "Series",
    "Study",
    "accepted",
    "assignment_problem",
    "find_study",
    "is_study",
    "propose",
    "require_libraries",
]
