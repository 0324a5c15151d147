"""What a case remembers of the study that it was made from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from napari_ddmd.case import Case
from napari_ddmd.dicom.headers import read_headers
from napari_ddmd.dicom.study import Series, group_slices


@dataclass(frozen=True, eq=False)
class DicomOrigin:
    """The series that a case was made from.

    Parameters
    ----------
    series : mapping of str to Series
        The series of each modality; of a case that was stored and found again, that of the reference alone.
    reference : str
        The modality that the others were registered to; what is written lies on its slices.
    """

    series: Mapping[str, Series]
    reference: str

    @property
    def reference_series(self) -> Series:
        """The series on whose frame of reference the case lies."""
        return self.series[self.reference]


def origin_of(case: Case) -> DicomOrigin | None:
    """Return the study that a case was made from; None for a case of NIfTI files or arrays."""
    return case.origin if isinstance(case.origin, DicomOrigin) else None


def pseudonym(series: Series) -> str:
    """Return a name for the case of a study: always the same, and without a word of the header."""
    return f"Study_{hashlib.sha256(series.facts.study_uid.encode()).hexdigest()[:8]}"


def digest(series: Series) -> str:
    """Return what tells a series from any other, and an unchanged one from one that lost a slice; no word of it."""
    slices = sorted((header.uid, -1 if header.frame is None else header.frame) for header in series.slices)
    return hashlib.sha256(repr(slices).encode()).hexdigest()


def folders_of(series: Series) -> list[Path]:
    """Return the folders that hold the files of a series."""
    return sorted({header.file.parent for header in series.slices})


def find_series(folders: Iterable[Path], wanted: str) -> Series | None:
    """Find the series of a `digest` in folders; None where it is not there, or not as it was.

    Raises
    ------
    DicomError
        If the libraries are not installed.
    """
    headers = [header for folder in folders if folder.is_dir() for header in read_headers(folder).slices]
    return next((series for series in group_slices(headers) if digest(series) == wanted), None)
