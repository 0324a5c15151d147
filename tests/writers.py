"""Everything that the product writes, each in two versions: for the tests that cut it off at every point."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from napari_ddmd.case import MODALITIES, Case

Write = Callable[[Path, int], object]
"""Writes version 0 or 1 of its files into a folder."""


def small_case(version: int = 0) -> Case:
    draw = np.random.default_rng(version)
    mask = np.zeros((5, 12, 14), np.uint8)
    mask[1:4, 3:7, 4 + version : 9] = 1
    images = draw.uniform(100, 900, (4, *mask.shape)).astype(np.float32)
    return Case.from_arrays("Small_001", images, mask=mask)


def text() -> Write:
    from napari_ddmd.whole_files import write_text

    return lambda folder, version: write_text(folder / "lesions.csv", f"version {version}\n" * 500)


def volume() -> Write:
    from napari_ddmd.export import save_volume

    cases = [small_case(version) for version in range(2)]
    return lambda folder, version: save_volume(
        folder / "mask.nii.gz", cases[version].images[0], cases[version], dtype=np.float32
    )


def autosave() -> Write:
    from napari_ddmd.viewer.autosave import Autosave, Edits

    def write(folder: Path, version: int) -> object:
        store = Autosave(folder)
        store._session = "12345678"
        mask = np.full((4, 6, 5), version, np.uint8)
        return store.save("0123456789abcdef01234567", Edits(mask, np.zeros_like(mask), 0.5))

    return write


def prediction() -> Write:
    from napari_ddmd.export import save_prediction
    from napari_ddmd.model import untrained_bundle
    from tests.results import finished

    bundle = untrained_bundle("full")
    cases = [small_case(version) for version in range(2)]
    volumes = [finished(case) for case in cases]

    def write(folder: Path, version: int) -> object:
        # What the process weighs differs from time to time.
        with mock.patch("napari_ddmd.summary.peak_memory_mb", return_value=100.0):
            return save_prediction(
                folder,
                cases[version],
                bundle,
                volumes[version],
                settings={"seed": version},
                device="cpu",
                seconds=1.0,
                threshold=0.5,
                overwrite=True,
                images_sha256=str(version),
            )

    return write


def results() -> Write:
    from napari_ddmd.saveable import Saveable
    from napari_ddmd.viewer.saving import save_results
    from tests.results import finished

    contents = []
    for case in (small_case(0), small_case(1)):
        volumes = finished(case)
        contents.append(Saveable(case=case, mask=volumes.mask(), volumes=volumes, threshold=0.5, is_models=True))
    kinds = ("mask", "probability", "maps", "lesions")
    return lambda folder, version: save_results(folder, kinds, contents[version])


def session(template: Path) -> Write:
    from napari_ddmd.viewer.session.archive import read_arrays, read_session, write_session

    stored = read_session(template)
    arrays = [read_arrays(template, stored) for _ in range(2)]
    arrays[1]["lesion"] = 1 - arrays[1]["lesion"]
    return lambda folder, version: write_session(folder / "s.ddmd", stored, arrays[version].items())


def history() -> Write:
    from napari_ddmd.run_history import Pace, RunHistory

    paces = [Pace(voxel_s=1.0 + version, slice_s=1.0, call_s=1.0, row_s=1.0) for version in range(2)]

    def write(folder: Path, version: int) -> object:
        path = folder / "runs.json"
        RunHistory(path).keep_pace("cpu", paces[version])
        # It says nothing of a failure: no run may fail for it.
        with suppress(OSError, ValueError):
            if json.loads(path.read_text())["paces"]["cpu"]["voxel_s"] == 1.0 + version:
                return path
        raise OSError("not kept")

    return write


def checkpoint() -> Write:
    import torch

    from src_training.checkpoint import Checkpoint

    states: list[Any] = []
    for version in range(2):
        torch.manual_seed(version)
        model = torch.nn.Linear(40, 30)
        optimizer = torch.optim.AdamW(model.parameters())
        states.append((model, optimizer, torch.optim.lr_scheduler.ConstantLR(optimizer)))
    return lambda folder, version: Checkpoint(folder / "state.pt", *states[version], None, None).save(version, 1.0)


def training_files() -> Write:
    import torch

    from src_training import files

    def write(folder: Path, version: int) -> None:
        files.write_json(folder / "metrics.json", {"dice": [version] * 300})
        files.write_array(folder / "maps.npy", np.full((30, 30), version))
        files.write_tensors(folder / "denoiser.safetensors", {"a": torch.full((30, 30), float(version))})

    return write


def bundle() -> Write:
    from napari_ddmd.model import save_bundle, untrained_bundle

    bundles = [untrained_bundle("full", seed=version) for version in range(2)]
    return lambda folder, version: save_bundle(folder, bundles[version])


def synthetic_case() -> Write:
    from napari_ddmd.synthetic import case as module

    draw = np.random.default_rng(0)
    image = draw.integers(0, 900, (8, 8, 8)).astype(np.int16)
    made = module.SyntheticCase(dict.fromkeys(MODALITIES, image), (image > 500).astype(np.uint8), np.eye(4))

    def write(folder: Path, version: int) -> object:
        # One that is there already is refused.
        with mock.patch.object(module, "make_case", return_value=made), suppress(FileExistsError):
            return module.write_case(folder / f"Synthetic_{version:03d}", version, "Synthetic_000")

    return write


WRITERS: dict[str, Callable[[], Write]] = {
    "text": text,
    "volume": volume,
    "autosave": autosave,
    "history": history,
    "prediction": prediction,
    "results": results,
    "checkpoint": checkpoint,
    "training_files": training_files,
    "bundle": bundle,
    "synthetic_case": synthetic_case,
}


def make_writer(name: str) -> Write:
    """One of `WRITERS`, or ``session=FILE``, which writes that session again."""
    name, _, template = name.partition("=")
    return session(Path(template)) if template else WRITERS[name]()


def contents(folder: Path) -> dict[str, bytes]:
    """What stands under names that are not hidden, to any depth."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    }
