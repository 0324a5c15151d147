"""One mask on its way out of the noise, as a layer that shows one step at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image
from napari.utils import Colormap

from napari_ddmd.viewer.layer_tag import Role, grid_arguments
from napari_ddmd.viewer.selection import selection_kept

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from numpy.typing import NDArray

    from napari_ddmd.case import Case
    from napari_ddmd.results import Denoising

# Nothing where no lesion is expected: the image beneath stays in sight. Colours of their own, that no other layer has.
_EXPECTED = Colormap([(0.94, 0.25, 0.1, 0), (0.94, 0.25, 0.1, 0.5), (1, 0.65, 0.3, 0.6)], name="expected mask")


class DenoisingLayer:
    """Shows the steps of a denoising on its own slice.

    A layer of one slice, whose picture is exchanged: a time axis of napari's own would give every other layer of the
    window a fourth axis, and the volume a second slider to mistake for the slices'.

    Parameters
    ----------
    viewer : ViewerModel
        Where the layer lives.
    case : Case
        The patient.
    index : int
        The axial slice.
    denoising : Denoising
        Its steps.
    timesteps : int
        T, of the model.
    number : int
        Which of the slice's masks it is, counted from 0.
    """

    def __init__(
        self, viewer: ViewerModel, case: Case, index: int, denoising: Denoising, timesteps: int, *, number: int = 0
    ) -> None:
        self._viewer, self.index, self.number = viewer, index, number
        self.denoising, self._timesteps = denoising, timesteps
        self.step, self.expected = 0, False
        placed = grid_arguments(case, Role.DENOISING)
        corner = np.asarray(placed["translate"], float) + np.array([index, 0, 0]) * np.asarray(placed["scale"])
        # Nothing beside the slice: a layer of one slice has no neighbours to be mistaken for it.
        self.layer = Image(self._picture()[None], **(placed | {"translate": corner}), name=Role.DENOISING.value)
        self.show(0, expected=False)
        with selection_kept(viewer.layers):
            viewer.layers.append(self.layer)

    @property
    def steps(self) -> int:
        """Number of evaluations N; step N is the finished mask."""
        return len(self.denoising.timesteps)

    @property
    def is_shown(self) -> bool:
        """Whether the user has not removed the layer."""
        return self.layer in self._viewer.layers

    def show(self, step: int, *, expected: bool) -> None:
        """Show x_t at a step from 0 to N, or the clean mask that the network expects there."""
        self.step, self.expected = int(np.clip(step, 0, self.steps)), expected
        self.layer.data = self._picture()[None]
        self.layer.colormap = _EXPECTED if expected else "gray"
        self.layer.contrast_limits = (0, 1) if expected else (-1, 1)

    def caption(self) -> str:
        """Word the slice, the step and its timestep."""
        where = f"Slice {self.index}, noise {self.number + 1}"
        if self.step == self.steps:
            return f"{where}: finished after {self.steps} step{'' if self.steps == 1 else 's'}"
        # Timesteps count from 0 in the code, and from 1 in the paper.
        t = self.denoising.timesteps[self.step] + 1
        return f"{where}: step {self.step + 1} of {self.steps}, t = {t} of {self._timesteps}"

    def close(self) -> None:
        """Take the layer away."""
        if self.is_shown:
            self._viewer.layers.remove(self.layer)

    def _picture(self) -> NDArray[np.float32]:
        noisy, estimates = self.denoising.noisy, self.denoising.estimates
        if not self.expected:
            picture = noisy[self.step]
        elif self.step == self.steps:
            picture = (noisy[-1] + 1) / 2
        else:
            picture = estimates[self.step]
        return np.asarray(picture, np.float32)
