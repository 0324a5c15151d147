"""A segmentation network through a case: the same window and the same kind of results as DDMD's, one mask a slice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import nn

from napari_ddmd.case import Case
from napari_ddmd.device import inference_dtype, pick_device
from napari_ddmd.model.settings import ModelSettings
from napari_ddmd.results import SliceResult
from napari_ddmd.window import CaseWindow
from src_training.baselines.tasks import lesion_probability
from src_training.baselines.unet_tuned import TunedUNet

BATCH = 16


@torch.no_grad()
def segment_with(
    network: nn.Module, case: Case, settings: ModelSettings, slices: Sequence[int], *, device: str = "auto"
) -> Iterator[SliceResult]:
    """Segment some slices that hold brain.

    Parameters
    ----------
    network
        ``(B, C, h, w)`` images in [0, 1] to logits of two classes or of the lesion, in evaluation mode. A `TunedUNet`
        is given the neighbouring slices, too.
    case
        The patient.
    settings
        Normalisation and frame that the network was trained with.
    slices
        Axial slices.
    device
        ``auto``, ``cuda``, ``mps`` or ``cpu``.

    Yields
    ------
    SliceResult
        One a slice, in order; its only sample is the network's probability. There are no maps.
    """
    chosen = pick_device(device)
    dtype = inference_dtype(chosen)
    network, window = network.to(chosen), CaseWindow(case, settings)
    for rows in np.array_split(np.asarray(slices, int), max(1, -(-len(slices) // BATCH))):
        indices = rows.tolist()
        with torch.autocast(chosen.type, dtype, enabled=dtype != torch.float32):
            shown = window.with_neighbours(indices) if isinstance(network, TunedUNet) else window.images(indices)
            logits = network(shown.to(chosen))
        for index, sample in zip(indices, window.on_slices(lesion_probability(logits), indices), strict=True):
            yield SliceResult.of(index, sample)
