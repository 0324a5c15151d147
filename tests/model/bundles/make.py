"""Make the stored bundle of one format, with what the code of its time made of the stored case.

Run once for each format, with the code that wrote it, and never again: what is stored is the witness.

    git worktree add /tmp/then COMMIT
    cd /tmp/then && PYTHONPATH=. python THIS_FILE FOLDER
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from napari_ddmd.case import Case
from napari_ddmd.model.bundle import DdmdNetworks, new_bundle, save_bundle
from napari_ddmd.model.settings import AutoencoderSettings, DenoiserSettings, FrameSettings, ModelSettings
from napari_ddmd.segment import segment
from napari_ddmd.volumes import Volumes

HERE = Path(__file__).parent
SAMPLES, SEED = 3, 7
RUNS = {"ddim": 2, "dpm-solver++": 3, "ddpm": 4}
"""Steps of each sampler."""


def stored_case() -> Case:
    """The case that every format has segmented: six slices of an ellipsoid with a bright spot."""
    path = HERE / "case.npz"
    if not path.exists():
        s, h, w = np.indices((6, 28, 24))
        brain = ((s - 2.5) / 3) ** 2 + ((h - 13.5) / 12) ** 2 + ((w - 11.5) / 10) ** 2 < 1
        lesion = 4 * (s - 3) ** 2 + (h - 17) ** 2 + (w - 7) ** 2 < 17
        noise = np.random.default_rng(0).uniform(0, 60, (4, *brain.shape))
        level = 200 + 100 * np.arange(4)[:, None, None, None]
        np.savez_compressed(path, images=((level + noise + 250 * lesion) * brain).astype(np.int16))
    with np.load(path) as stored:
        return Case.from_arrays("stored", stored["images"].astype(np.float32))


def small_settings(*, other: bool) -> ModelSettings:
    """What was the default then, or as many other settings as one model can have, with very small networks."""
    small = ModelSettings(
        frame=FrameSettings(size=32),
        autoencoder=AutoencoderSettings(size=16, widths=(4, 4, 4, 4), hidden=8, latent=4),
        denoiser=DenoiserSettings(channels=(4, 8), norm_groups=2),
    )
    diffusion = replace(small.diffusion, inter_scale=0.5, intra_scale=0.25)
    if not other:
        return replace(small, diffusion=diffusion)
    return replace(
        small,
        variant="light",
        frame=replace(small.frame, centre="image"),
        autoencoder=replace(small.autoencoder, members=1),
        denoiser=replace(small.denoiser, attention_levels=(1,), layers_per_block=2, patch=4, dropout=0.1),
        diffusion=replace(diffusion, timesteps=200, prediction="epsilon", learned_variance=True),
    )


def results(case: Case, bundle: Any, sampler: str) -> dict[str, Any]:
    """What a run gives, in the names of `Volumes`."""
    own_choice = bundle.settings.sampling
    known = inspect.signature(Volumes).parameters
    own: dict[str, Any] = {name: getattr(own_choice, name) for name in ("min_part", "min_peak") if name in known}
    if "cut" in known:
        from napari_ddmd.cut import Cut  # which earlier code does not have

        own = {"cut": Cut.of(own_choice)}
    volumes = Volumes(case, SAMPLES, intra=bundle.has_intra, inter=bundle.has_inter, **own)
    for result in segment(case, bundle, samples=SAMPLES, steps=RUNS[sampler], sampler=sampler, seed=SEED, device="cpu"):
        volumes.add(result)
    found = {"probability": volumes.probability, "mask": volumes.mask(own_choice.threshold)}
    if sampler == "ddim":
        found |= {name: layer for name in ("inter", "intra") if (layer := getattr(volumes, name)) is not None}
    return found


@contextmanager
def float32() -> Iterator[None]:
    """Whatever this processor multiplies: the stored results are the same everywhere."""
    with ExitStack() as stack:
        for user in ("masks", "workers"):
            stack.enter_context(patch(f"napari_ddmd.{user}.inference_dtype", lambda device: torch.float32))
        yield


def make(folder: Path) -> None:
    """Save the bundle and the expected results."""
    settings = small_settings(other=folder.name.endswith("-other"))
    provenance: dict[str, Any] = {"training": "none"}
    arguments = []
    if "denoisers" in inspect.signature(DdmdNetworks).parameters:  # with the partners' trainings, as published
        settings = replace(settings, context=replace(settings.context, mirrored=False))
        provenance["partners"] = [{"seed": 1}]
        arguments = [2]
    if folder.name.endswith("-turns"):
        settings = replace(settings, denoiser=replace(settings.denoiser, members=2))
    if folder.name.endswith("-peak"):
        settings = replace(settings, sampling=replace(settings.sampling, min_peak=0.75))
    if folder.name.endswith("-scaled"):
        settings = replace(settings, diffusion=replace(settings.diffusion, scaled_input=True))
    torch.manual_seed(0)
    networks = DdmdNetworks(settings, *arguments)
    with torch.no_grad():
        for name, weights in networks.named_parameters():
            if "unet.conv_out" in name:
                weights *= 8  # else random weights say "perhaps" everywhere
    bundle = new_bundle(
        settings, networks, name=folder.name, version="0", provenance=provenance, card="Random weights."
    )
    save_bundle(folder, bundle)
    case = stored_case()
    with float32():
        expected = {
            f"{sampler} {name}": array for sampler in RUNS for name, array in results(case, bundle, sampler).items()
        }
    np.savez_compressed(folder / "expected.npz", **expected)


if __name__ == "__main__":
    torch.set_num_threads(1)
    make(Path(sys.argv[1]))
