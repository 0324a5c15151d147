"""What is made from a DICOM study tells nothing of its headers, its files' names or its folder."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from napari_ddmd import export
from napari_ddmd.case import MODALITIES, load_case
from napari_ddmd.cli import main
from napari_ddmd.saveable import Saveable
from napari_ddmd.viewer.dicom_reader import guessed_case
from napari_ddmd.viewer.saving import KINDS, save_results
from tests.canary import WORD, told
from tests.dicom.studies import DESCRIPTIONS, SEQUENCES, StudyWriter
from tests.results import finished

PRIVATE = {
    "InstitutionName": f"{WORD} hospital",
    "ReferringPhysicianName": f"{WORD}^Doctor",
    "PatientComments": f"{WORD} comment",
    "PatientBirthDate": "19310704",
    "StudyDate": "19860624",
    "AccessionNumber": f"{WORD}-4711",
    "ProtocolName": f"{WORD} protocol",
}
DATES = ("19310704", "1931-07-04", "19860624", "1986-06-24")


@pytest.fixture
def study(tmp_path: Path) -> Path:
    draw = np.random.default_rng(0)
    writer = StudyWriter(tmp_path / f"{WORD}_study", patient=f"{WORD}^Jane")
    for modality in MODALITIES:
        image = sitk.GetImageFromArray(draw.integers(100, 200, (12, 14, 12)).astype(np.int16))
        writer.series(image, f"{DESCRIPTIONS[modality]} {WORD}", **{**SEQUENCES[modality], **PRIVATE})
    (writer.folder / f"{WORD}_broken.dcm").write_text("")
    return writer.folder


@pytest.mark.fault("Privacy")
def test_an_imported_case_tells_nothing_of_the_study(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(study, *DATES)
    folder = tmp_path / "Chosen_001"
    assert main(["import-dicom", str(study), str(folder)]) == 0
    printed = capsys.readouterr()
    assert WORD not in printed.out + printed.err
    assert told(folder, WORD, *DATES) == []
    assert len(list(folder.iterdir())) == 4
    assert WORD not in repr(load_case(folder))


@pytest.mark.fault("Privacy")
def test_results_of_a_study_tell_nothing_of_it(study: Path, tmp_path: Path) -> None:
    case = guessed_case(study)
    assert WORD not in "\n".join(case.warnings)
    mask = np.zeros(case.grid.shape, np.uint8)
    mask[3, 4:8, 4:8] = 1
    case = dataclasses.replace(case, mask=mask)
    volumes = finished(case, slices=[2, 3])
    out = tmp_path / "results"
    out.mkdir()
    kinds = set(KINDS) - {"segmentation"}  # repeats the study's headers, as the standard demands, and says so
    save_results(out, kinds, Saveable(case=case, mask=mask, volumes=volumes, threshold=0.5, is_models=True))
    export.save_overview(out / "overview.png", case, volumes, 0.5)
    assert case.name.startswith("Study_")
    assert told(out, WORD, *DATES) == []
