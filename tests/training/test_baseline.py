"""One system at a time, beside what a run has already."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from napari_ddmd import load_bundle, load_case, segment
from napari_ddmd.masks import sample_masks
from napari_ddmd.segment import brain_slices
from napari_ddmd.window import CaseWindow
from src_training.__main__ import main
from src_training.baselines.training import load_cimd_denoiser
from src_training.metrics import METRICS
from src_training.run import Run

from .conftest import PATIENTS, tiny_recipe


@pytest.fixture(scope="module")
def joined(tiny_out: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, to which two systems were added on its first fold. Not to be changed."""
    out = shutil.copytree(tiny_out, tmp_path_factory.mktemp("runs") / "joined")
    for name in ("unet-tuned", "cimd"):
        assert main(["baseline", name, "--out", str(out), "--fold", "0"]) == 0
    return out


def test_its_figures_stand_beside_those_of_the_run(joined: Path, tiny_out: Path) -> None:
    before, found = (json.loads((out / "metrics.json").read_text())["systems"] for out in (tiny_out, joined))

    assert list(found) == ["cimd", "ddmd", "unet-tuned"]
    assert found["ddmd"] == before["ddmd"]
    for name in ("cimd", "unet-tuned"):
        assert all(set(found[name][metric]["per_patient"]) == {PATIENTS[2], PATIENTS[3]} for metric in METRICS)


def test_the_run_itself_is_left_as_it_was(joined: Path, tiny_out: Path) -> None:
    for path in ("fold0/diffusion/denoiser.safetensors", "fold0/maps/summary.json", "slices/index.json"):
        assert (joined / path).read_bytes() == (tiny_out / path).read_bytes()
    assert {folder.name for folder in (joined / "fold0" / "systems").iterdir()} == {"cimd", "unet-tuned"}
    assert not (joined / "fold1" / "systems").exists()


def test_the_final_training_is_judged_on_nobody(tiny_copy: Path) -> None:
    assert main(["baseline", "unet-tuned", "--out", str(tiny_copy), "--fold", "final"]) == 0

    folder = tiny_copy / "final" / "systems" / "unet-tuned"
    assert [path.name for path in folder.iterdir()] == ["training"]
    assert list(json.loads((tiny_copy / "metrics.json").read_text())["systems"]) == ["ddmd"]


def test_segment_gives_what_cimds_denoiser_gives(joined: Path, cohort: Path) -> None:
    case = load_case(cohort / PATIENTS[2])
    bundle = load_bundle(joined / "fold0" / "systems" / "cimd" / "bundle")
    (split,) = Run(tiny_recipe(cohort, joined, "--fold", "0")).for_system("cimd").splits()
    denoiser = load_cimd_denoiser(split)
    denoiser.load_state_dict(
        {key: value.half().float() for key, value in denoiser.state_dict().items()}
    )  # as published
    denoiser = denoiser.to(memory_format=torch.channels_last)  # as `segment` lays them: bfloat16 may round otherwise
    index = brain_slices(case)[3]
    (result,) = segment(case, bundle, slices=[index], samples=2, steps=2, sampler="ddim", seed=5, device="cpu")
    window = CaseWindow(case, split.run.recipe.model)
    shown = (2 * window.with_neighbours([index]) - 1).repeat(2, 1, 1, 1)

    def denoise(x_t: Tensor, t: Tensor) -> tuple[Tensor, Tensor | None]:
        found: tuple[Tensor, Tensor | None] = denoiser(x_t, t, shown)
        return found

    masks = sample_masks(
        denoise,
        [(index, 0), (index, 1)],
        split.run.recipe.model,
        sampler="ddim",
        steps=2,
        seed=5,
        device=torch.device("cpu"),
    )
    np.testing.assert_allclose(result.samples, window.on_slices(masks[None], [index])[0], atol=1e-5)
    assert bundle.variant == "mini"
    assert bundle.provenance["system"] == "cimd"
    assert bundle.card.startswith("CIMD for whole-tumour segmentation")
