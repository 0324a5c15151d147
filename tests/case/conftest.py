from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray

SHAPE = (6, 7, 5)
LPS = np.array([[-1.0, 0, 0, 0], [0, -1, 0, 6], [0, 0, 1, 0], [0, 0, 0, 1]])

WriteNifti = Callable[..., Path]
WriteCase = Callable[..., Path]


def volume(kind: str, shape: tuple[int, ...] = SHAPE) -> NDArray[np.int16]:
    """Intensities that tell the modality, so that a mix-up shows."""
    if kind == "seg":
        return (np.arange(np.prod(shape)).reshape(shape) % 3).astype(np.int16)
    offset = {"t1": 100, "t1ce": 200, "t2": 300, "flair": 400}[kind]
    return (np.arange(np.prod(shape)).reshape(shape) + offset).astype(np.int16)


@pytest.fixture
def write_nifti() -> WriteNifti:
    def write(path: Path, data: NDArray[Any], affine: NDArray[Any] | None = LPS) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        # to_bytes, because the file's name may be one that nibabel would not write to.
        raw = nibabel.Nifti1Image(data, affine).to_bytes()
        if path.name.lower().endswith(".gz"):
            raw = gzip.compress(raw, mtime=0)
        path.write_bytes(raw)
        return path

    return write


@pytest.fixture
def write_case(tmp_path: Path, write_nifti: WriteNifti) -> WriteCase:
    """Write a small case; `data` replaces the voxels of some kinds, `names` the file names."""

    def write(
        name: str = "BraTS20_Training_900",
        names: Mapping[str, str] | None = None,
        data: Mapping[str, NDArray[Any]] | None = None,
        affines: Mapping[str, NDArray[Any] | None] | None = None,
        skip: tuple[str, ...] = (),
    ) -> Path:
        folder = tmp_path / name
        if names is None:
            names = {kind: f"{folder.name}_{kind}.nii.gz" for kind in ("t1", "t1ce", "t2", "flair", "seg")}
        for kind, file in names.items():
            if kind not in skip:
                voxels = (data or {}).get(kind, volume(kind))
                write_nifti(folder / file, voxels, (affines or {}).get(kind, LPS))
        return folder

    return write


@pytest.fixture(scope="session")
def real_cases() -> Path:
    """Folder of real cases; skips where there are none."""
    root = os.environ.get("NAPARI_DDMD_DATA")
    if not root or not (Path(root) / "brats").is_dir():
        pytest.skip("NAPARI_DDMD_DATA names no folder that contains brats/")
    return Path(root) / "brats"
