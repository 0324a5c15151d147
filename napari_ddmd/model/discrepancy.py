"""Inter- and intra-discrepancy maps and their scores (Section 3.2, Eq 11 to 13)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_ddmd.case import MODALITIES
from napari_ddmd.model.autoencoder import Ensemble


@dataclass(frozen=True)
class DiscrepancyScores:
    """Means of a slice's maps over the image (Fig 4).

    Attributes
    ----------
    inter, intra
        Scores over all modalities.
    per_modality
        ``{"t1": {"inter": ..., "intra": ...}, ...}``: the same from one modality alone.
    """

    inter: float
    intra: float | None
    per_modality: dict[str, dict[str, float | None]]


@dataclass(frozen=True)
class DiscrepancyMaps:
    """Maps of a batch of slices.

    Attributes
    ----------
    inter, intra
        ``(B, h, w)``, Eq 12 and Eq 13, over all modalities.
    inter_scores, intra_scores
        ``(B, C)``: the means of the maps of each modality alone.
    """

    inter: Tensor
    intra: Tensor
    inter_scores: Tensor
    intra_scores: Tensor

    def scores(self, slice_index: int, *, intra: bool = True) -> DiscrepancyScores:
        """Scores of one slice of the batch; ``intra=False`` leaves the intra scores out."""
        inter_rows, intra_rows = (
            self.inter_scores[slice_index].tolist(),
            self.intra_scores[slice_index].tolist(),
        )
        return DiscrepancyScores(
            inter=float(self.inter[slice_index].mean()),
            intra=float(self.intra[slice_index].mean()) if intra else None,
            per_modality={
                name: {"inter": inter_rows[c], "intra": intra_rows[c] if intra else None}
                for c, name in enumerate(MODALITIES)
            },
        )

    def emptied(self) -> DiscrepancyMaps:
        """Maps and scores of the same shapes that say nothing: 0 everywhere."""
        return DiscrepancyMaps(*(torch.zeros_like(getattr(self, entry.name)) for entry in fields(self)))


def join_maps(parts: Sequence[DiscrepancyMaps]) -> DiscrepancyMaps:
    """Batches of maps as one batch."""
    names = [entry.name for entry in fields(DiscrepancyMaps)]
    return DiscrepancyMaps(*(torch.cat([getattr(part, name) for part in parts]) for name in names))


def inter_discrepancy(mean_1: Tensor, mean_2: Tensor) -> Tensor:
    """Eq 12: mean over the modalities of the absolute difference between the two ensembles' means.

    Parameters
    ----------
    mean_1, mean_2
        Mean reconstructions of AE-1 and AE-2, ``(B, C, h, w)``.

    Returns
    -------
    Tensor
        ``(B, h, w)``.
    """
    return (mean_1 - mean_2).abs().mean(dim=1)


def intra_discrepancy(reconstructions_2: Tensor) -> Tensor:
    """Eq 13: spread of AE-2's members about their mean, with divisor L (not L - 1).

    Parameters
    ----------
    reconstructions_2
        ``(L, B, C, h, w)``.

    Returns
    -------
    Tensor
        ``(B, h, w)``.
    """
    return _variance(reconstructions_2).mean(dim=1).sqrt()


def _variance(reconstructions: Tensor) -> Tensor:
    """Variance over the members; `torch.var` over so few, so far apart in memory, takes forty times as long."""
    return (reconstructions - reconstructions.mean(dim=0)).square().mean(dim=0)


@torch.no_grad()
def discrepancy_maps(images: Tensor, ae_1: Ensemble, ae_2: Ensemble, *, size: int) -> DiscrepancyMaps:
    """Maps and scores of a batch of normalised slices (Eq 11 to 13).

    Parameters
    ----------
    images
        ``(B, C, h, w)`` in [0, 1], in the model's frame.
    ae_1, ae_2
        The ensembles trained on all slices and on healthy slices, in evaluation mode.
    size
        Side of the slices that the autoencoders see. The maps are computed there and scaled up to ``(h, w)``.

    Returns
    -------
    DiscrepancyMaps
        On the device of ``images``, float32.
    """
    small = resize_for_autoencoders(images, size)
    reconstructions_1, reconstructions_2 = ae_1(small), ae_2(small)
    mean_1, mean_2 = reconstructions_1.mean(dim=0), reconstructions_2.mean(dim=0)  # Eq 11

    def enlarge(maps: Tensor) -> Tensor:
        return F.interpolate(maps[:, None], images.shape[-2:], mode="bilinear", align_corners=False)[:, 0]

    return DiscrepancyMaps(
        inter=enlarge(inter_discrepancy(mean_1, mean_2)),
        intra=enlarge(intra_discrepancy(reconstructions_2)),
        inter_scores=(mean_1 - mean_2).abs().mean(dim=(2, 3)),
        intra_scores=_variance(reconstructions_2).sqrt().mean(dim=(2, 3)),
    )


def resize_for_autoencoders(images: Tensor, size: int) -> Tensor:
    """Scale ``(B, C, h, w)`` down to the autoencoders' input size, against aliasing."""
    if images.shape[-1] == size:
        return images
    return F.interpolate(images, (size, size), mode="bilinear", align_corners=False, antialias=True)
