"""Tools that correct the mask in hand, and how their results get into it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_ddmd import editing
from napari_ddmd.case import MODALITIES
from napari_ddmd.missing import missing_modalities
from napari_ddmd.viewer.layer_tag import Role, tag_of

if TYPE_CHECKING:
    from napari.layers import Labels, Layer

    from napari_ddmd.case import Case
    from napari_ddmd.viewer.desk import Desk
    from napari_ddmd.viewer.lesion_layer import LesionLayer

Mask = NDArray[np.bool_]
Kind = TypeVar("Kind", bound=np.generic)

_FLAIR = MODALITIES.index("flair")
_NO_GAP = "Draw on two slices with a gap between them, and go to a slice in the gap."
_PAST_OTHERS = 'Past slices that hold another lesion, only "this slice" joins: choose it, on a slice in the gap.'
_NOTHING_NEAR = "Nothing to fill: all is there, or no shape is near one of the other slice; draw on one between."


class ToolError(Exception):
    """Why a tool cannot do anything here, in words for the user."""


@dataclass(frozen=True)
class Sheet:
    """What a tool works on, apart from the window.

    Attributes
    ----------
    case : Case
        The patient.
    before : (S, H, W) ndarray of integers
        A copy of the mask in hand.
    index : int
        The current slice.
    whole : bool
        Work on all slices, else on the current one.
    drawn : tuple of int
        Axial slices that were drawn by hand.
    axis : int
        Across which the current slice lies: 0 for an axial one, 1 coronal, 2 sagittal.
    """

    case: Case
    before: NDArray[Any]
    index: int
    whole: bool
    drawn: tuple[int, ...] = ()
    axis: int = 0

    @property
    def mask(self) -> Mask:
        """Where the lesion is, ``(S, H, W)``."""
        mask: Mask = self.before > 0
        return mask

    @property
    def spacing(self) -> tuple[float, ...]:
        """Voxel size in millimetres along the axes of `part`."""
        s, h, w = self.case.spacing
        return (s, h, w) if self.whole else ((s, h, w), (h, s, w), (w, s, h))[self.axis]

    def part(self, volume: NDArray[Kind]) -> NDArray[Kind]:
        """The slices of a volume ``(S, H, W)`` to work on, first axis across them: a view, to be written into."""
        return volume if self.whole else np.moveaxis(volume, self.axis, 0)[self.index : self.index + 1]


Tool = Callable[[Sheet], Mask]


def fill_holes(sheet: Sheet) -> Mask:
    """Fill what the outline encloses."""
    mask = sheet.mask
    part = sheet.part(mask)
    part[:] = editing.fill_holes(part)
    return mask


def smooth(sheet: Sheet) -> Mask:
    """Smooth the outline and keep the volume."""
    mask = sheet.mask
    part = sheet.part(mask)
    part[:] = editing.smooth(part, sheet.spacing, sheet.part(sheet.case.brain))
    return mask


def grow(sheet: Sheet) -> Mask:
    """Grow to the edge on FLAIR."""
    mask, case = sheet.mask, sheet.case
    part = sheet.part(mask)
    if "flair" in missing_modalities(case):
        raise ToolError("FLAIR is missing, on which Grow to edge looks for the edge; paint with Brush.")
    part[:] = editing.grow_to_edge(part, sheet.part(case.images[_FLAIR]), sheet.part(case.brain), sheet.spacing)
    return mask


def interpolate(sheet: Sheet) -> Mask:
    """Fill the slices between those drawn by hand: the gap around the current slice, or all gaps."""
    if sheet.axis and not sheet.whole:
        raise ToolError("Interpolate fills axial slices: go to one in the gap, or choose all slices.")
    mask, spacing, index = sheet.mask, sheet.case.spacing, sheet.index
    # A slice that is empty may have been emptied to be drawn anew, as after a lesion was deleted.
    drawn = [place for place in sheet.drawn if mask[place].any()]
    gaps = editing.gaps_between(mask, drawn, spacing)
    if sheet.whole:
        # Nobody has looked at what would be joined past other lesions.
        if gaps and all(gap.kept for gap in gaps):
            raise ToolError(_PAST_OTHERS)
        gaps = [gap for gap in gaps if not gap.kept]
    else:
        # Several lesions may each have one, from other slices.
        around = [gap for gap in gaps if gap.low < index < gap.high]
        gaps = around or [gap for gap in gaps if index in (gap.low, gap.high)][:1]
    if not gaps:
        are_apart = any(high - low > 1 and (sheet.whole or low <= index <= high) for low, high in pairwise(drawn))
        raise ToolError(_NOTHING_NEAR if are_apart else _NO_GAP)
    for gap in sorted(gaps, key=lambda gap: gap.low - gap.high):  # what is filled within a longer one stays
        mask = editing.interpolate(mask, gap, spacing)
    if np.array_equal(mask, sheet.mask):
        raise ToolError(_NOTHING_NEAR)
    return mask


def remove_slice(sheet: Sheet) -> Mask:
    """Take the current slice out of the mask."""
    mask = sheet.mask
    np.moveaxis(mask, sheet.axis, 0)[sheet.index] = False
    return mask


def is_expert(layer: Layer) -> bool:
    """Tell whether a layer is the expert's mask, which is not corrected."""
    tag = tag_of(layer)
    return tag is not None and tag.role == Role.EXPERT


def is_original(layer: Layer) -> bool:
    """Tell whether a layer shows its case's own expert mask, and not a copy, which napari gives the same tag."""
    tag = tag_of(layer)
    expert = None if tag is None or not is_expert(layer) else tag.case.mask
    return expert is not None and np.may_share_memory(layer.data, expert)


def lesion_in_hand(desk: Desk) -> LesionLayer | None:
    """Return the lesion of the desk's case if its layer is the mask in hand."""
    lesion = None if desk.results is None else desk.results.lesion
    return lesion if lesion is not None and lesion.layer is not None and lesion.layer is desk.mask else None


def drawn_slices(desk: Desk) -> list[int]:
    """Slices of the mask in hand that were drawn by hand; of labels that no run fills, all that hold anything."""
    lesion, layer = lesion_in_hand(desk), desk.mask
    if lesion is not None:
        return lesion.edited_slices
    return [] if layer is None else np.flatnonzero(np.asarray(layer.data).any(axis=(1, 2))).tolist()


def apply(desk: Desk, layer: Labels, name: str, before: NDArray[Any], after: Mask) -> NDArray[np.intp]:
    """Write what a tool has made into the layer, as one step of its history.

    A run may have written other slices meanwhile: only those count that the tool changes. Of several labels, what was
    added gets the nearest one.

    Parameters
    ----------
    desk : Desk
        Knows which layer remembers its own history.
    layer : Labels
        What the tool was used on.
    name : str
        Of the step.
    before : (S, H, W) ndarray of integers
        The mask that the tool began from.
    after : (S, H, W) ndarray of bool
        The mask that it made.

    Returns
    -------
    ndarray of int
        The slices that changed.

    Raises
    ------
    ToolError
        If the mask changed there meanwhile, or is not in hand any more; nothing is written then.
    """
    changed = (before > 0) != after
    slices = np.flatnonzero(changed.any(axis=(1, 2)))
    case = desk.case
    if case is None or desk.mask is None or layer is not desk.mask:
        raise ToolError("Another mask is in hand now; nothing was changed.")
    if not np.array_equal(np.asarray(layer.data)[slices], before[slices]):
        raise ToolError("The mask changed meanwhile; nothing was changed. Try again.")
    if not len(slices):
        return slices
    lesion = lesion_in_hand(desk)
    value = 1 if lesion is not None else layer.selected_label or 1
    places = np.nonzero(changed)
    values = np.zeros(len(places[0]), layer.data.dtype)
    values[after[places]] = editing.nearest_labels(before, after & changed, case.spacing, value)
    if lesion is not None:
        with lesion.editing(name) as data:
            data[places] = values
    else:
        layer.data_setitem(places, values)
    return slices
