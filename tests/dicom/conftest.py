from __future__ import annotations

from pathlib import Path

import pytest
import SimpleITK as sitk

from napari_ddmd.case import Case
from napari_ddmd.dicom import accepted, find_study, propose
from napari_ddmd.dicom.load import load_study
from napari_ddmd.synthetic.case import SyntheticCase, make_small_case
from tests.dicom.studies import StudyWriter, as_images, resliced, with_head


@pytest.fixture(scope="session")
def small_head() -> SyntheticCase:
    """A synthetic brain of voxels of 3 mm."""
    return make_small_case(3, (80, 80, 52))


@pytest.fixture(scope="session")
def images(small_head: SyntheticCase) -> dict[str, sitk.Image]:
    return as_images(small_head)


@pytest.fixture
def writer(tmp_path: Path) -> StudyWriter:
    return StudyWriter(tmp_path / "study")


@pytest.fixture(scope="session")
def mixed_images(images: dict[str, sitk.Image]) -> dict[str, sitk.Image]:
    """The head with its skull, each modality on a grid of its own: sagittal, oblique, thick slices."""
    heads = with_head(images)
    sagittal = (0, 0, 1, 1, 0, 0, 0, 1, 0)
    cosine, sine = 0.9659258, 0.2588190
    oblique = (1, 0, 0, 0, cosine, -sine, 0, sine, cosine)
    return {
        "t1": resliced(heads["t1"], (2.5, 2.5, 2.5), direction=sagittal),
        "t1ce": resliced(heads["t1ce"], (2.0, 2.0, 4.0), direction=oblique),
        "t2": resliced(heads["t2"], (2.0, 2.0, 6.0)),
        "flair": resliced(heads["flair"], (2.0, 2.0, 5.0)),
    }


@pytest.fixture(scope="session")
def mixed_folder(tmp_path_factory: pytest.TempPathFactory, mixed_images: dict[str, sitk.Image]) -> Path:
    folder = tmp_path_factory.mktemp("mixed") / "Doe_Jane_2020"
    StudyWriter(folder).four(mixed_images)
    return folder


@pytest.fixture(scope="session")
def mixed_case(mixed_folder: Path) -> Case:
    return load_study(accepted(propose(find_study(mixed_folder))))
