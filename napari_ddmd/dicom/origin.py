"""What a case remembers of the study that it was made from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from napari_ddmd.case import Case
from napari_ddmd.dicom.study import Series


@dataclass(frozen=True, eq=False)
class DicomOrigin:
    """The series that a case was made from.

    Parameters
    ----------
    series : mapping of str to Series
        The series of each modality.
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
