"""Corrections of a mask by tool: arrays in, arrays out."""

from napari_ddmd.editing.grow import grow_to_edge
from napari_ddmd.editing.interpolate import gaps_between, interpolate
from napari_ddmd.editing.labels import nearest_labels
from napari_ddmd.editing.numbering import Numbering
from napari_ddmd.editing.parts import without_lesion
from napari_ddmd.editing.smooth import fill_holes, smooth

__all__ = [
    "Numbering",
    "fill_holes",
    "gaps_between",
    "grow_to_edge",
    "interpolate",
    "nearest_labels",
    "smooth",
    "without_lesion",
]
