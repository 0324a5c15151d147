"""What is under the mouse: all modalities and results at once, in napari's status bar."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from napari.layers import Labels

from napari_ddmd.case import MODALITIES, MODALITY_LABELS
from napari_ddmd.missing import missing_modalities
from napari_ddmd.viewer.layer_tag import Role, tag_of
from napari_ddmd.viewer.viewer_links import ViewerLinks

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_ddmd.case import Case
    from napari_ddmd.viewer.desk import Desk
    from napari_ddmd.volumes import Volumes

Voxel = tuple[int, int, int]
_PLANE = 2


class Hover:
    """Adds the voxel's values to the status of every layer of the desk's case, and of labels drawn on its grid.

    napari asks the active layer for the status, in a thread of its own. Hence the layers answer: nothing of napari's
    is replaced but that one method, on these layers alone, and it is given back at the end.

    Parameters
    ----------
    desk : Desk
        The case and its results.
    links : ViewerLinks
        Undoes the connections to the viewer.
    lesion_at : callable
        Returns the number of the lesion that a voxel belongs to, 0 for none.
    """

    def __init__(self, desk: Desk, links: ViewerLinks, lesion_at: Callable[[Voxel], int] = lambda _voxel: 0) -> None:
        self._desk, self._lesion_at = desk, lesion_at
        self._layers: list[Layer] = []
        self._lacking: WeakKeyDictionary[Case, tuple[str, ...]] = WeakKeyDictionary()
        links.connect(desk.viewer.layers.events.inserted, self._on_inserted)
        links.connect(desk.viewer.layers.events.removed, self._on_removed)
        for layer in desk.viewer.layers:
            self._take(layer)

    def release(self) -> None:
        """Give the layers their own method back."""
        layers, self._layers = self._layers, []
        for layer in layers:
            del layer.get_status

    def _on_inserted(self, event: Any) -> None:
        self._take(event.value)

    def _on_removed(self, event: Any) -> None:
        if event.value in self._layers:
            self._layers.remove(event.value)
            del event.value.get_status

    def _take(self, layer: Layer) -> None:
        can_be_of_case = tag_of(layer) is not None or isinstance(layer, Labels)
        if can_be_of_case and layer not in self._layers:
            layer.get_status = partial(self._status, layer, layer.get_status)
            self._layers.append(layer)

    def _status(self, layer: Layer, original: Any, position: Any = None, **options: Any) -> dict[str, str]:
        status: dict[str, str] = original(position, **options)
        tag, case = tag_of(layer), self._desk.case
        if position is None or case is None:
            return status
        is_of_case = tag.case is case if tag is not None else layer.data.shape == case.grid.shape
        if not is_of_case:
            return status
        # In 3D the mouse is on a ray, not on a voxel.
        voxel = None if len(options.get("dims_displayed") or ()) > _PLANE else voxel_at(case, position)
        if voxel is not None:
            number = self._lesion_at(voxel)
            place = f"slice {voxel[0]} · lesion {number}" if number else f"slice {voxel[0]}"
            words = f"{place} · {describe_voxel(case, self._desk.volumes, voxel, self._missing(case))}"
            # The layer's name would push the values out of the bar, and they say more than its own value.
            status |= {"coordinates": words, "layer_base": "", "source_type": "", "plugin": ""}
            # Of several layers napari makes one line: their coordinates once, then each one's value.
            status["coords"] = words
            if tag is not None and tag.role == Role.MIRROR:
                status["value"] = ""
        return status

    def _missing(self, case: Case) -> tuple[str, ...]:
        """Modalities that the case lacks; looked up once, for every voxel of an image that is missing is asked."""
        if case not in self._lacking:
            self._lacking[case] = missing_modalities(case)
        return self._lacking[case]


def voxel_at(case: Case, position: Any) -> Voxel | None:
    """Return the voxel ``(s, h, w)`` at a point in the viewer's millimetres, None outside the case."""
    point = np.asarray(position, dtype=np.float64)[-3:]
    if len(point) < 3:
        return None
    voxel = np.round((point - case.grid.translate) / case.spacing).astype(int)
    if (voxel < 0).any() or (voxel >= case.grid.shape).any():
        return None
    return int(voxel[0]), int(voxel[1]), int(voxel[2])


def describe_voxel(case: Case, volumes: Volumes | None, voxel: Voxel, missing: Collection[str] = ()) -> str:
    """Word the images' values at a voxel, and what runs have said of it where its slice has come in.

    Parameters
    ----------
    case : Case
        The patient.
    volumes : Volumes or None
        What runs have said so far.
    voxel : tuple of int
        ``(s, h, w)``.
    missing : collection of str
        Modalities that the case lacks, of which no value is told.
    """
    parts = [
        f"{MODALITY_LABELS[modality]} {'missing' if modality in missing else f'{image[voxel]:.5g}'}"
        for modality, image in zip(MODALITIES, case.images, strict=True)
    ]
    if volumes is not None and voxel[0] in volumes.done:
        for name, volume in (("inter", volumes.inter), ("intra", volumes.intra)):
            if volume is not None:
                parts.append(f"{name} {volume[voxel]:.3g}")
        parts.append(f"probability {volumes.probability[voxel]:.2f}")
        parts.append(f"uncertainty {volumes.uncertainty[voxel]:.2f}")
        parts.append(f"{volumes.agreement[voxel]} of {len(volumes.samples)} samples")
    return " · ".join(parts)
