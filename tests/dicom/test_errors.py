from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from napari_ddmd.case import Case, CaseError
from napari_ddmd.dicom import DicomError, find_study, is_study, require_libraries
from napari_ddmd.dicom.segmentation import write_segmentation
from tests.dicom.studies import StudyWriter, flat


def test_the_libraries_are_there() -> None:
    require_libraries()


@pytest.mark.parametrize("name", ["pydicom", "SimpleITK", "highdicom"])
def test_a_missing_library_is_refused_in_one_line(
    name: str, writer: StudyWriter, small_case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer.series(flat())
    monkeypatch.setitem(sys.modules, name, None)

    assert is_study(writer.folder)
    with pytest.raises(DicomError, match=rf'^DICOM needs {name}; install with: pip install -e "\.\[dicom\]" '):
        find_study(writer.folder)
    with pytest.raises(DicomError, match="pip install"):
        write_segmentation(Path("x.dcm"), np.ones(small_case.grid.shape), small_case)


def test_refusals_are_those_of_cases() -> None:
    assert issubclass(DicomError, CaseError)
