"""The editable lesion layer, which never loses what the user painted."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Labels
from numpy.typing import NDArray

from napari_ddmd.viewer.layer_tag import Role, grid_arguments

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_ddmd.case import Case

KEPT_NAME = "lesion (edited)"
CONTOUR = 2
_COLOR = "#ffd23f"
KEPT_COLOR = "#3fd2ff"


def one_color(color: str) -> dict[int | None, str]:
    """Colours of a mask: every label alike, nothing where there is none."""
    return {None: color, 0: "transparent"}


class LesionLayer:
    """A labels layer beside a copy of what the model wrote into it.

    Where the two differ, the user has painted: by brush, fill, undo or from the console, all alike. Such
    slices are left alone, and when the whole mask has to change, an edited layer is set aside instead.

    Parameters
    ----------
    viewer : ViewerModel
        Where the layer lives.
    case : Case
        The patient.
    tell : callable
        Given one sentence when an edited layer is set aside.
    """

    def __init__(self, viewer: ViewerModel, case: Case, tell: Callable[[str], None]) -> None:
        self._viewer, self._case, self._tell = viewer, case, tell
        self.layer: Labels | None = None
        self._written: NDArray[np.uint8] = np.zeros(case.grid.shape, np.uint8)

    @property
    def is_shown(self) -> bool:
        """Whether the layer exists and the user has not removed it."""
        return self.layer is not None and self.layer in self._viewer.layers

    @property
    def is_edited(self) -> bool:
        """Whether the layer differs from what the model wrote."""
        return self.is_shown and not np.array_equal(self._data, self._written)

    def ensure(self) -> None:
        """Make the layer if there is none, or if the user removed it."""
        if not self.is_shown:
            self._add()

    def write(self, index: int, mask: NDArray[np.uint8]) -> None:
        """Write one slice, unless the user has painted on it."""
        if self.layer is None or not np.array_equal(self._data[index], self._written[index]):
            return
        self._data[index] = mask
        self._written[index] = mask

    def replace(self, mask: NDArray[np.uint8]) -> None:
        """Write the whole mask; an edited layer is kept under another name and a new one made.

        Parameters
        ----------
        mask : (S, H, W) ndarray
            The model's mask.
        """
        if self.layer is None or not self.is_shown:
            return
        if self.is_edited:
            self._set_aside()
        self._data[:] = mask
        self._written[:] = mask
        self.layer.refresh()

    @property
    def _data(self) -> NDArray[np.integer]:
        assert self.layer is not None
        data: NDArray[np.integer] = self.layer.data
        return data

    def _add(self) -> None:
        self._written = np.zeros(self._case.grid.shape, np.uint8)
        self.layer = Labels(
            np.zeros_like(self._written),
            name=Role.LESION.value,
            colormap=one_color(_COLOR),
            opacity=0.9,
            **grid_arguments(self._case, Role.LESION),
        )
        self.layer.contour = CONTOUR
        self.layer.brush_size = 5
        self._viewer.layers.append(self.layer)

    def _set_aside(self) -> None:
        kept = self.layer
        assert kept is not None
        kept.name = KEPT_NAME
        kept.colormap = one_color(KEPT_COLOR)
        self._add()
        self._tell(f'Your edits are kept in "{kept.name}".')
