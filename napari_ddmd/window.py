"""A case as the networks see it: normalised, and cut to the model's window; and the way back to its slices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_ddmd.case import Case
from napari_ddmd.case.normalise import normalise
from napari_ddmd.model.frame import Frame
from napari_ddmd.model.settings import ModelSettings


class CaseWindow:
    """One case in a model's normalisation and window.

    Parameters
    ----------
    case
        The patient.
    settings
        Normalisation and frame are taken from here.
    images
        ``(C, S, H, W)``, what is seen in place of the case's own images.
    """

    def __init__(self, case: Case, settings: ModelSettings, *, images: NDArray[np.float32] | None = None) -> None:
        self.brain = case.brain
        self.normalised: NDArray[np.float32] = normalise(
            case.images if images is None else images,
            case.brain,
            lower=settings.normalisation.lower_percentile,
            upper=settings.normalisation.upper_percentile,
        )
        self.frame = Frame.around(case.brain, case.spacing, settings.frame)
        self.offsets = settings.context.offsets(case.spacing[0])

    def images(self, indices: Sequence[int]) -> Tensor:
        """Images ``(B, C, size, size)`` in [0, 1] of some axial slices."""
        return self.frame.to_frame(torch.from_numpy(self.normalised[:, list(indices)].swapaxes(0, 1).copy()))

    def with_neighbours(self, indices: Sequence[int]) -> Tensor:
        """Images ``(B, N C, size, size)`` of some axial slices: each slice's own C, then those of its neighbours.

        Beyond the first and the last slice of the case there is nothing, which is 0.
        """
        shown = np.asarray(indices, int)[:, None] + self.offsets
        distinct, places = np.unique(shown, return_inverse=True)
        inside = (distinct >= 0) & (distinct < self.normalised.shape[1])
        framed = self.images(distinct.clip(0, self.normalised.shape[1] - 1).tolist())
        framed[~torch.from_numpy(inside)] = 0
        return framed[torch.from_numpy(places.reshape(shown.shape))].flatten(1, 2)

    def on_slices(self, layers: Tensor, indices: Sequence[int]) -> NDArray[np.float32]:
        """Layers ``(B, N, size, size)`` laid on their slices, ``(B, N, H, W)``, zero outside the brain."""
        found = self.frame.to_slice(layers.float().cpu())
        found *= torch.from_numpy(self.brain[list(indices)])[:, None]
        on_slices: NDArray[np.float32] = found.numpy()
        return on_slices
