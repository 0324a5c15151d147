"""What ties a layer to its case: the tag in the layer's metadata, and the geometry of the axial grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_ddmd.case import Case

METADATA_KEY = "napari_ddmd"
AXIS_LABELS = ("slice", "row", "column")


class Role(StrEnum):
    """What a layer shows; a modality's own name stands for its image."""

    EXPERT = "expert mask"
    INTER = "inter discrepancy"
    INTRA = "intra discrepancy"
    PROBABILITY = "probability"
    UNCERTAINTY = "uncertainty"
    SAMPLE = "sample"
    AGREEMENT = "agreement of the samples"
    LESION = "lesion"
    MIRROR = "copy"
    DENOISING = "denoising"
    COMPARISON = "mask against expert"


@dataclass(frozen=True, eq=False)
class LayerTag:
    """The case that a layer belongs to, and what it shows of it.

    Parameters
    ----------
    case : Case
        Knows the way back to the files' own grid.
    role : str
        One of the modalities, or a `Role`.
    """

    case: Case
    role: str

    def __deepcopy__(self, memo: dict[int, Any]) -> LayerTag:
        # Duplicating a layer copies its metadata deeply; the case's images must not be copied along.
        return self


def tag_of(source: Layer | Mapping[str, Any]) -> LayerTag | None:
    """Return the tag of a layer, or of a layer's metadata; None where it belongs to no case."""
    metadata = source if isinstance(source, Mapping) else source.metadata
    tag = metadata.get(METADATA_KEY)
    return tag if isinstance(tag, LayerTag) else None


def grid_arguments(case: Case, role: str) -> dict[str, Any]:
    """Keyword arguments that place a layer with data ``(S, H, W)`` on the case's axial grid."""
    return {
        "scale": case.grid.spacing,
        "translate": case.grid.translate,
        "units": "mm",
        "axis_labels": AXIS_LABELS,
        "metadata": {METADATA_KEY: LayerTag(case, role)},
    }


def is_of(layer: Layer, case: Case) -> bool:
    """Tell whether a layer shows something of a case."""
    tag = tag_of(layer)
    return tag is not None and tag.case is case
