from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray

from napari_ddmd.case import MODALITIES, Case, load_case
from napari_ddmd.model import Bundle, save_bundle, untrained_bundle
from tests.fault_table import pytest_runtest_makereport, pytest_terminal_summary  # noqa: F401 (pytest finds them here)

pytest_plugins = ["pytester"]

# First axis to the left, second to the front, third downwards: no axis runs as on the axial grid's own order.
LAI_2MM = np.array([[-2.0, 0, 0, 40], [0, 2, 0, -30], [0, 0, -3, 20], [0, 0, 0, 1]])
SHAPE = (24, 28, 8)

CaseWriter = Callable[..., Path]


def _brain_and_lesion() -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    i, j, k = np.indices(SHAPE)
    brain = ((i - 11.5) / 10) ** 2 + ((j - 13.5) / 12) ** 2 + ((k - 3.5) / 3) ** 2 < 1
    lesion = (i - 7) ** 2 + (j - 17) ** 2 + 4 * (k - 4) ** 2 < 17
    return brain, lesion


@pytest.fixture(autouse=True)
def history_file(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Tests teach the user's own estimates nothing, and begin without any."""
    file = tmp_path_factory.mktemp("history") / "cache" / "runs.json"
    monkeypatch.setattr("napari_ddmd.run_history.history_file", lambda: file)
    return file


@pytest.fixture
def taken_for_a_brain(monkeypatch: pytest.MonkeyPatch) -> None:
    """The small case is no brain, and nobody remarks it: for tests of what else is said (`test_wrong_use` has it)."""
    monkeypatch.setattr("napari_ddmd.case.guards.check_images", lambda _images, _spacing: ())


@pytest.fixture(scope="session")
def write_small_case() -> CaseWriter:
    """Write a case of 24×28×8 voxels in BRATS form; `skip` leaves files out."""

    def write(folder: Path, skip: tuple[str, ...] = ()) -> Path:
        brain, lesion = _brain_and_lesion()
        noise = np.random.default_rng(0).uniform(0, 60, (4, *SHAPE))
        volumes = {
            name: ((200 + 100 * channel + noise[channel] + 250 * lesion) * brain).astype(np.int16)
            for channel, name in enumerate(MODALITIES)
        }
        volumes["seg"] = (lesion & brain).astype(np.int16)
        folder.mkdir(parents=True)
        for kind, volume in volumes.items():
            if kind not in skip:
                image = nibabel.Nifti1Image(volume, LAI_2MM)
                image.header["cal_max"] = 700
                nibabel.save(image, folder / f"{folder.name}_{kind}.nii.gz")
        return folder

    return write


@pytest.fixture(scope="session")
def small_case_folder(tmp_path_factory: pytest.TempPathFactory, write_small_case: CaseWriter) -> Path:
    return write_small_case(tmp_path_factory.mktemp("cases") / "Small_001")


@pytest.fixture(scope="session")
def small_case(small_case_folder: Path) -> Case:
    return load_case(small_case_folder)


@pytest.fixture(scope="session")
def tiny_bundle() -> Bundle:
    return untrained_bundle("full")


@pytest.fixture(scope="session")
def tiny_model_folder(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Bundle) -> Path:
    return save_bundle(tmp_path_factory.mktemp("models") / "tiny", tiny_bundle)


@pytest.fixture(scope="session")
def real_cases() -> Path:
    """Folder of real cases; skips where there are none."""
    root = os.environ.get("NAPARI_DDMD_DATA")
    if not root or not (Path(root) / "brats").is_dir():
        pytest.skip("NAPARI_DDMD_DATA names no folder that contains brats/")
    return Path(root) / "brats"
