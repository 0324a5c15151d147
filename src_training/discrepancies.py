"""Stage ``discrepancies``: maps for the slices that the denoiser learns from."""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_ddmd.model.discrepancy import discrepancy_maps
from src_training import distributed
from src_training.autoencoders import load_ensembles, needed_sets, train_sets
from src_training.dataset import Slices
from src_training.files import write_array, write_json
from src_training.run import Run, Split
from src_training.start import start_of


def make_discrepancies(run: Run) -> None:
    """Write ``<split>/maps/<case>.npy``, ``(n, 2, size, size)`` float16, and their scales, for each split.

    The autoencoders have seen the training slices, and reconstruct them better than a new patient's. By default the
    maps of a patient therefore come from ensembles that were trained without that patient's fold. A training that
    starts from a model has the model's ensembles and scales, which its denoiser knows.
    """
    for split in run.splits():
        folder = split.folder / "maps"
        fingerprint = run.maps_fingerprint
        summary = folder / "summary.json"
        if distributed.on_main(summary.exists):
            split.check_marker(summary, fingerprint)
            continue
        plan = _plan(split)
        train_sets([(split, learned_from) for _, learned_from in plan])
        work = distributed.share([(case, learned_from) for cases, learned_from in plan for case in cases])
        own: dict[str, NDArray[np.float64]] = {}
        for learned_from, pairs in groupby(work, key=itemgetter(1)):
            ensembles = load_ensembles(split, learned_from)
            for case, _ in pairs:
                maps, brain = _maps(Slices.of(split, [case]), ensembles, run)
                write_array(folder / f"{case}.npy", maps.astype(np.float16))
                inside = maps.astype(np.float64) * brain[:, None]
                own[case] = np.array([inside[:, 0].sum(), inside[:, 1].sum(), brain.sum()])
        sums = {case: found for process in distributed.gather(own) for case, found in process.items()}
        # Added up in one order, however many processes there were: the sum has the same last bit.
        inter, intra, pixels = np.sum([sums[case] for cases, _ in plan for case in cases], axis=0)
        if distributed.is_main():
            scales = _scales(run, {"inter": inter / pixels, "intra": intra / pixels})
            write_json(summary, split.marker(fingerprint) | {"scales": scales})
        distributed.barrier()


def _scales(run: Run, means: dict[str, float]) -> dict[str, float]:
    """What the maps are divided by, from their means over the brains."""
    start = start_of(run.recipe)
    if start is not None:
        diffusion = start.settings.diffusion
        return {"inter": diffusion.inter_scale, "intra": diffusion.intra_scale}
    scaled = run.recipe.discrepancies.scale_maps
    # A single autoencoder has no spread: its map is zero everywhere, and stays so.
    return {name: float(mean) if scaled and mean > 0 else 1.0 for name, mean in means.items()}


def _plan(split: Split) -> list[tuple[list[str], list[str]]]:
    """Pairs of (cases that need maps, cases that their ensembles learned from)."""
    sets = needed_sets(split)
    if not sets:
        return [(split.training_cases, [])]
    if not split.run.recipe.discrepancies.out_of_fold:
        return [(split.training_cases, sets[0])]
    plan = []
    for learned_from in sets[1:]:
        plan.append(([case for case in split.training_cases if case not in set(learned_from)], learned_from))
    return plan


def _maps(slices: Slices, ensembles: Any, run: Run) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Maps ``(n, 2, size, size)`` and brain ``(n, size, size)`` of one case."""
    device = distributed.own_device(run.recipe.device)
    ae_1, ae_2 = (ensemble.to(device) for ensemble in ensembles)
    maps, brain = [], []
    for rows in np.array_split(np.arange(len(slices.rows)), max(1, len(slices.rows) // 32)):
        images = slices.image(rows).to(device)
        found = discrepancy_maps(images, ae_1, ae_2, size=run.recipe.model.autoencoder.size)
        maps.append(torch.stack([found.inter, found.intra], dim=1).cpu().numpy())
        brain.append((images.amax(dim=1) > 0).cpu().numpy())
    return np.concatenate(maps), np.concatenate(brain)
