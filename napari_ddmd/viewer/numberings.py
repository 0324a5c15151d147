"""What gives the lesions of each mask their numbers, and when they are to be numbered by size again."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from napari_ddmd.viewer.acceptance import segmented_of

if TYPE_CHECKING:
    from napari.layers import Labels

    from napari_ddmd.editing import Numbering
    from napari_ddmd.viewer.result_layers import ResultLayers

# Layers and results outlive the panel.
_NUMBERINGS: WeakKeyDictionary[Labels, Numbering] = WeakKeyDictionary()
_SEEN: WeakKeyDictionary[ResultLayers, tuple[tuple[int, int, float], bool]] = WeakKeyDictionary()


def numbering_of(layer: Labels | None) -> Numbering | None:
    """Return what numbers the lesions of a mask; None where they were not numbered yet."""
    return None if layer is None else _NUMBERINGS.get(layer)


def number_by(layer: Labels, numbering: Numbering | None) -> None:
    """Let another one number the lesions of a mask; with None they are numbered by size the next time."""
    if numbering is None:
        _NUMBERINGS.pop(layer, None)
    else:
        _NUMBERINGS[layer] = numbering


def are_new(results: ResultLayers) -> bool:
    """Tell whether the lesion is of other results than when this was asked last.

    They are of another run or threshold, more slices have come in, or the run that brought them has ended and taken
    parts that are too small away. What the user edits, takes back or brings back makes none of the same run new.
    """
    lesion = results.lesion
    segmented = None if lesion.layer is None else segmented_of(lesion.layer)
    if segmented is None or not results.computed:  # nothing was cut yet, whichever threshold is chosen
        return False
    now = (segmented.run, len(results.computed), results.threshold)
    before, came_in = _SEEN.get(results, (None, False))
    if now == before and not (came_in and not lesion.is_in_run):
        return False
    _SEEN[results] = (now, lesion.is_in_run)
    return True
