from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from napari_ddmd.case import Case, CaseFiles
from napari_ddmd.dicom.origin import DicomOrigin
from napari_ddmd.dicom.study import Series
from napari_ddmd.viewer.case_folder import case_folder

MODALITIES = ("t1", "t1ce", "t2", "flair")


def of_study(case: Case, study: Path, *, folders: bool, modalities: tuple[str, ...] = MODALITIES) -> Case:
    """A case of DICOM files, each series in a folder of its own or all in one."""
    series: dict[str, Any] = {}
    for number, modality in enumerate(modalities):
        file = (study / f"S{number}" if folders else study) / f"{modality}.dcm"
        header = SimpleNamespace(file=file, facts=SimpleNamespace(frame_of_reference="1.2"))
        series[modality] = Series((header,))  # type: ignore[arg-type]
    origin = DicomOrigin(series, modalities[0])
    return dataclasses.replace(case, files=CaseFiles("Study_1", {}), origin=origin)


def test_files_of_nifti_lie_in_the_cases_own_folder(case: Case) -> None:
    assert case_folder(case) == case.files.images["t1"].parent


@pytest.mark.parametrize("folders", [False, True])
def test_above_a_study_where_nothing_hides_it(case: Case, tmp_path: Path, folders: bool) -> None:
    assert case_folder(of_study(case, tmp_path / "study", folders=folders)) == tmp_path


def test_at_home_where_no_study_is_known_or_nothing_can_be_written(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert case_folder(dataclasses.replace(case, files=CaseFiles("arrays", {}))) == Path.home()
    # A session knows one series of its study, and not whether that has a folder of its own.
    alone = of_study(case, tmp_path / "study", folders=True, modalities=("t1",))
    assert case_folder(alone) == Path.home()
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert case_folder(of_study(case, tmp_path / "study", folders=False)) == Path.home()
    assert case_folder(of_study(case, Path("/"), folders=False)) == Path.home()
