"""The square window of a slice that the networks see, and the way back to the slice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from napari_ddmd.model.settings import FrameSettings


@dataclass(frozen=True)
class Frame:
    """A window of whole voxels, the same for all slices of a case, and its size in network pixels.

    Attributes
    ----------
    shape
        ``(H, W)`` of the slices.
    start
        First row and column of the window; negative where it reaches over the edge.
    window
        Rows and columns of the window.
    size
        Side of the window in network pixels.
    """

    shape: tuple[int, int]
    start: tuple[int, int]
    window: tuple[int, int]
    size: int

    @classmethod
    def around(cls, brain: NDArray[np.bool_], spacing: tuple[float, float, float], settings: FrameSettings) -> Frame:
        """Choose the window of a case.

        Parameters
        ----------
        brain
            ``(S, H, W)``.
        spacing
            Millimetres along S, H and W.
        settings
            Extent, size and centre of the window.
        """
        shape = (brain.shape[1], brain.shape[2])
        start, window = [], []
        boxes = [np.flatnonzero(brain.any(axis=axes)) for axes in ((0, 2), (0, 1))]
        found = all(box.size for box in boxes)
        low = [int(box[0]) if found else 0 for box in boxes]
        high = [int(box[-1]) + 1 if found else length for box, length in zip(boxes, shape, strict=True)]
        if settings.centre == "brain":
            across = [high[a] - low[a] for a in (0, 1)]
        else:
            across = [max(2 * high[a] - shape[a], shape[a] - 2 * low[a]) for a in (0, 1)]
        # One extent for both axes keeps pixels square.
        extent_mm = max(settings.extent_mm, *(across[a] * spacing[a + 1] for a in (0, 1)))
        for axis in (0, 1):
            length = round(extent_mm / spacing[axis + 1])
            middle = low[axis] + high[axis] if settings.centre == "brain" else shape[axis]
            window.append(length)
            start.append((middle - length) // 2)
        return cls(shape, (start[0], start[1]), (window[0], window[1]), settings.size)

    def to_frame(self, images: Tensor) -> Tensor:
        """Cut the window out of ``(B, C, H, W)`` slices (zero outside) and scale it to ``(B, C, size, size)``."""
        window = F.pad(images, self._padding())
        if self.window == (self.size, self.size):
            return window
        return F.interpolate(window, (self.size, self.size), mode="bilinear", align_corners=False, antialias=True)

    def to_slice(self, maps: Tensor) -> Tensor:
        """Scale ``(B, C, size, size)`` maps to the window and lay them into ``(B, C, H, W)`` slices of zeros."""
        if self.window != (self.size, self.size):
            maps = F.interpolate(maps, self.window, mode="bilinear", align_corners=False, antialias=True)
        return F.pad(maps, [-pad for pad in self._padding()])

    def _padding(self) -> list[int]:
        """Left, right, top and bottom padding that turns a slice into the window."""
        (top, left), (rows, columns), (height, width) = self.start, self.window, self.shape
        return [-left, left + columns - width, -top, top + rows - height]
