"""One modality after the other at full size, in the same place: what differs shows at a glance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.layers import Layer

from napari_ddmd.case import MODALITIES
from napari_ddmd.viewer.four_panels import Arrangement, FourPanels
from napari_ddmd.viewer.layer_tag import tag_of

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_ddmd.case import Case


class FullSize:
    """Shows one of a case's modalities beneath whatever lies over it.

    Parameters
    ----------
    viewer : ViewerModel
        Where the layers live.
    four_panels : FourPanels
        Puts the case on one canvas where it is divided.
    """

    def __init__(self, viewer: ViewerModel, four_panels: FourPanels) -> None:
        self._viewer, self._four_panels = viewer, four_panels

    def images(self, case: Case | None) -> dict[str, Layer]:
        """Return the images of a case by their modality, in the order of `MODALITIES`."""
        found: dict[str, Layer] = {}
        for layer in self._viewer.layers:
            tag = tag_of(layer)
            if tag is not None and case is not None and tag.case is case:
                found.setdefault(tag.role, layer)
        return {modality: found[modality] for modality in MODALITIES if modality in found}

    def shown(self, case: Case | None) -> str | None:
        """Return the modality that is seen at full size, the topmost of those that are visible; None for none."""
        if self._four_panels.arrangement is not Arrangement.SINGLE:
            return None
        layers = self._viewer.layers
        seen = [(layers.index(image), name) for name, image in self.images(case).items() if image.visible]
        return max(seen)[1] if seen else None

    def show(self, case: Case | None, modality: str) -> None:
        """Show a modality, and no other one; where the case lacks it, all stays as it is."""
        images = self.images(case)
        if modality not in images:
            return

        def turn(shown: dict[Layer, bool]) -> dict[Layer, bool]:
            return shown | {image: name == modality for name, image in images.items()}

        self._four_panels.show(Arrangement.SINGLE, None, turn)
        # The window is that of the active image: not of one that is hidden now.
        selection = self._viewer.layers.selection
        if selection.active in images.values():
            selection.active = images[modality]

    def step(self, case: Case | None, way: int) -> None:
        """Show the next modality, or with −1 the one before, round and round; from a divided canvas, an end."""
        images = list(self.images(case))
        if images:
            shown = self.shown(case)
            start = images.index(shown) if shown is not None else (-1 if way > 0 else 0)
            self.show(case, images[(start + way) % len(images)])
