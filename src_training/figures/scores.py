"""Discrepancy scores of held-out slices, and how well they tell abnormal slices from healthy ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from napari_ddmd.case import MODALITIES
from napari_ddmd.case.nifti import open_nifti
from napari_ddmd.model.autoencoder import Ensemble
from napari_ddmd.model.discrepancy import DiscrepancyMaps, discrepancy_maps, join_maps
from src_training.dataset import Slices
from src_training.distributed import own_device
from src_training.judged import case_files
from src_training.run import Run, Split

WHOLE = "all"
"""All modalities together, beside each alone."""
KINDS = ("inter", "intra")
BATCH = 32


@dataclass(frozen=True)
class ScoredSlices:
    """Slices with their scores.

    Attributes
    ----------
    scores
        ``{kind: {modality or "all": (N,)}}``, means of the maps over the window.
    abnormal
        ``(N,)``: the image-level labels.
    heights
        ``(N,)``: millimetres along the files' own z axis.
    patients
        How many there are.
    folds
        ``(N,)``: names of the splits whose autoencoders gave the scores.
    """

    scores: dict[str, dict[str, NDArray[np.float64]]]
    abnormal: NDArray[np.bool_]
    heights: NDArray[np.float64]
    patients: int
    folds: NDArray[np.str_]

    def only(self, rows: NDArray[np.intp]) -> ScoredSlices:
        """Some of the slices."""
        scores = {kind: {key: values[rows] for key, values in found.items()} for kind, found in self.scores.items()}
        return ScoredSlices(scores, self.abnormal[rows], self.heights[rows], self.patients, self.folds[rows])


def maps_of(slices: Slices, rows: NDArray[np.int64], ensembles: tuple[Ensemble, Ensemble], run: Run) -> DiscrepancyMaps:
    """Maps and scores of some rows of the slice store, batch by batch; on the CPU."""
    device, size = own_device(run.recipe.device), run.recipe.model.autoencoder.size
    ae_1, ae_2 = (ensemble.to(device) for ensemble in ensembles)
    parts = []
    for part in np.array_split(rows, max(1, -(-len(rows) // BATCH))):
        maps = discrepancy_maps(slices.image(part).to(device), ae_1, ae_2, size=size)
        parts.append(DiscrepancyMaps(*(value.cpu() for value in vars(maps).values())))
    return join_maps(parts)


def brain_means(maps: torch.Tensor, images: torch.Tensor) -> NDArray[np.float64]:
    """Means ``(B, N)`` of maps ``(B, N, h, w)`` over the brain: where any modality of ``(B, C, h, w)`` is not zero."""
    brain = (images.amax(dim=1, keepdim=True) > 0).double()
    means: NDArray[np.float64] = ((maps.double() * brain).sum((-2, -1)) / brain.sum((-2, -1)).clamp(min=1)).numpy()
    return means


def score_patient(split: Split, name: str, ensembles: tuple[Ensemble, Ensemble]) -> ScoredSlices:
    """Scores of all slices of the store of one patient."""
    slices = Slices.of(split, [name])
    maps = maps_of(slices, np.arange(len(slices.rows)), ensembles, split.run)
    per_modality = {"inter": maps.inter_scores, "intra": maps.intra_scores}
    whole = {"inter": maps.inter, "intra": maps.intra}
    scores = {
        kind: {key: per_modality[kind][:, c].double().numpy() for c, key in enumerate(MODALITIES)}
        | {WHOLE: whole[kind].double().mean(dim=(1, 2)).numpy()}
        for kind in KINDS
    }
    return ScoredSlices(scores, slices.unhealthy, slice_heights(split, name), 1, np.full(len(slices.rows), split.name))


def slice_heights(split: Split, name: str) -> NDArray[np.float64]:
    """Height in millimetres of each slice of the store, along the z axis of the patient's files."""
    files = case_files(split.run, [name])[name]
    grid = open_nifti(next(iter(files.images.values()))).grid()
    # The axial grid rises to superior, whichever way the file's third axis runs.
    along = int(np.abs(grid.affine[2, :3]).argmax())
    lowest = grid.affine[2, 3] + min(0.0, grid.affine[2, along] * (grid.source_shape[along] - 1))
    kept = split.run.index()[name]["slices"]
    heights: NDArray[np.float64] = lowest + np.asarray(kept) * grid.spacing[0]
    return heights


def join_slices(parts: Sequence[ScoredSlices]) -> ScoredSlices:
    """Slices of several patients together."""
    scores = {
        kind: {key: np.concatenate([part.scores[kind][key] for part in parts]) for key in (*MODALITIES, WHOLE)}
        for kind in KINDS
    }
    return ScoredSlices(
        scores,
        np.concatenate([part.abnormal for part in parts]),
        np.concatenate([part.heights for part in parts]),
        sum(part.patients for part in parts),
        np.concatenate([part.folds for part in parts]),
    )


def normalised(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores moved and scaled to [0, 1]; equal scores become 0."""
    low, high = scores.min(), scores.max()
    return (scores - low) / (high - low) if high > low else np.zeros_like(scores)


def histograms(
    scores: NDArray[np.float64], abnormal: NDArray[np.bool_], bins: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shares of the healthy and of the abnormal slices in equal bins of [0, 1]; each adds up to 1."""
    healthy, sick = (
        np.histogram(scores[which], bins=bins, range=(0, 1))[0] / max(1, int(which.sum()))
        for which in (~abnormal, abnormal)
    )
    return healthy, sick


def overlap(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Area that two histograms of sum 1 share: 1 where they are equal, 0 where they are apart; nan if one is empty."""
    return float(np.minimum(one, other).sum()) if one.any() and other.any() else math.nan


def height_matched(
    heights: NDArray[np.float64], abnormal: NDArray[np.bool_], *, tolerance: float = 5.0, seed: int = 0
) -> NDArray[np.intp]:
    """Rows of as many pairs as there can be of a healthy and an abnormal slice at about the same height.

    No slice is in two pairs (a maximum matching); which of equally good pairs are taken, the seed decides.

    Parameters
    ----------
    heights, abnormal
        ``(N,)``.
    tolerance
        Largest distance within a pair, in the unit of the heights.
    seed
        Of the order in which slices are considered.

    Returns
    -------
    ndarray
        Ascending; half of the rows are abnormal.
    """
    draw = np.random.default_rng(seed)
    sick, well = (draw.permutation(np.flatnonzero(which)) for which in (abnormal, ~abnormal))
    if not sick.size or not well.size:
        return np.empty(0, np.intp)
    near = np.abs(heights[sick][:, None] - heights[well][None]) <= tolerance
    partner = maximum_bipartite_matching(csr_array(near), perm_type="column")
    paired = partner >= 0
    return np.sort(np.concatenate([sick[paired], well[partner[paired]]])).astype(np.intp)
