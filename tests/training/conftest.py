from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from torch import Tensor

from napari_ddmd.case import MODALITIES
from src_training.__main__ import main, parse
from src_training.recipe import Recipe
from src_training.run import Run

# As in the tests of the package: no axis of the files runs as on the axial grid.
AFFINE = np.array([[-2.0, 0, 0, 40], [0, 2, 0, -30], [0, 0, -3, 20], [0, 0, 0, 1]])
SHAPE = (24, 28, 9)
PATIENTS = ("BraTS2021_90001", "BraTS2021_90002", "BraTS2021_90003", "BraTS2021_90004")

# Three folds of four patients, so that one fold has two; networks that take milliseconds.
TINY = (
    *("--device", "cpu", "--precision", "32-true"),
    *("--slices.folds", "3", "--slices.min-brain-mm2", "150"),
    *("--model.frame.size", "16", "--model.frame.extent-mm", "64"),
    *("--model.autoencoder.size", "16", "--model.autoencoder.widths", "4", "4", "8", "8"),
    *("--model.autoencoder.hidden", "8", "--model.autoencoder.latent", "4", "--model.autoencoder.members", "2"),
    *("--model.denoiser.channels", "8", "16", "--model.sampling.samples", "2"),
    *("--autoencoders.epochs", "2", "--autoencoders.batch-size", "8"),
    *("--diffusion.iterations", "6", "--diffusion.batch-size", "4", "--diffusion.warmup", "2"),
    *("--diffusion.checkpoint-every", "4"),
    *("--pretraining.patients", "0"),
)


def write_patient(folder: Path, seed: int, *, mask: bool = True) -> Path:
    """A patient of 24×28×9 voxels with one lesion somewhere; slices above and below it are healthy."""
    i, j, k = np.indices(SHAPE)
    draw = np.random.default_rng(seed)
    brain = ((i - 11.5) / 10) ** 2 + ((j - 13.5) / 12) ** 2 + ((k - 4) / 4) ** 2 < 1
    centre = (draw.uniform(6, 9), draw.uniform(14, 18), draw.choice([3, 5]))
    lesion = brain & ((i - centre[0]) ** 2 + (j - centre[1]) ** 2 + 8 * (k - centre[2]) ** 2 < 14)
    folder.mkdir(parents=True)
    for channel, name in enumerate((*MODALITIES, "seg")):
        image = 200 + 100 * channel + draw.uniform(0, 60, SHAPE) + 250 * lesion
        volume = lesion if name == "seg" else image * brain
        if mask or name != "seg":
            nibabel.save(nibabel.Nifti1Image(volume.astype(np.int16), AFFINE), folder / f"{folder.name}_{name}.nii.gz")
    return folder


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of four patients with masks."""
    folder = tmp_path_factory.mktemp("cohort")
    for seed, name in enumerate(PATIENTS):
        write_patient(folder / name, seed)
    return folder


def tiny_words(data: Path, out: Path, *more: str) -> list[str]:
    """Command line of a tiny training."""
    return ["--data", str(data), "--out", str(out), *TINY, *more]


def tiny_recipe(data: Path, out: Path, *more: str) -> Recipe:
    return parse(tiny_words(data, out, *more))


def succeed(words: Sequence[str]) -> None:
    assert main(words) == 0


@pytest.fixture(scope="session")
def tiny_out(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a run whose stages are all done, for every fold and for the final model. Not to be changed."""
    out = tmp_path_factory.mktemp("runs") / "tiny"
    succeed(tiny_words(cohort, out, "--fold", "cv"))
    succeed(["--out", str(out), "--fold", "final"])
    return out


@pytest.fixture(scope="session")
def tiny_run(cohort: Path, tiny_out: Path) -> Run:
    return Run(tiny_recipe(cohort, tiny_out, "--fold", "final"))


@pytest.fixture
def tiny_copy(tiny_out: Path, tmp_path: Path) -> Path:
    """A copy of the finished run, to be changed."""
    return shutil.copytree(tiny_out, tmp_path / "copy")


def stop_at(call: int, loss: Callable[..., dict[str, Tensor]]) -> Callable[..., dict[str, Tensor]]:
    """The loss, but the user loses patience at a call of the given number."""
    calls = count(1)

    def stopped(*arguments: Any) -> dict[str, Tensor]:
        if next(calls) == call:
            raise KeyboardInterrupt
        return loss(*arguments)

    return stopped
