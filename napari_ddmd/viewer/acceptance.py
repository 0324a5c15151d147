"""Whether the reader has accepted a mask: a mark on its layer that an edit, or more that was segmented, takes away."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_ddmd.viewer.measure import fingerprint

if TYPE_CHECKING:
    from napari.layers import Labels
    from numpy.typing import NDArray

_ACCEPTED_KEY = "napari_ddmd_accepted"
SEGMENTED_KEY = "napari_ddmd_segmented"
"""In a layer's metadata: an array, filled in place, that is not 0 for each slice of which a run has said something."""


@dataclass(frozen=True)
class Acceptance:
    """When a reader accepted a mask, and what there was of it then.

    Attributes
    ----------
    when : str
        Local time, ISO 8601, to the second.
    fingerprint : int
        Of the mask.
    segmented : frozenset of int
        Slices of which a run had said something; it may have found nothing.
    """

    when: str
    fingerprint: int
    segmented: frozenset[int] = frozenset()


def accept(layer: Labels) -> Acceptance:
    """Mark a mask as accepted as it stands."""
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    return mark_again(layer, now, fingerprint(_data(layer)))


def mark_again(layer: Labels, when: str, of: int) -> Acceptance:
    """Put a mark on a mask that was given before, to one with this fingerprint."""
    mark = layer.metadata[_ACCEPTED_KEY] = Acceptance(when, of, _segmented(layer))
    return mark


def withdraw(layer: Labels) -> None:
    """Take the mark away."""
    layer.metadata.pop(_ACCEPTED_KEY, None)


def acceptance_of(layer: Labels | None) -> Acceptance | None:
    """Return the mark of a mask; None where there is none, or where the mask has changed or says more since."""
    mark = None if layer is None else layer.metadata.get(_ACCEPTED_KEY)
    if layer is None or not isinstance(mark, Acceptance):
        return None
    if not _segmented(layer) <= mark.segmented or mark.fingerprint != fingerprint(_data(layer)):
        withdraw(layer)
        return None
    return mark


def _segmented(layer: Labels) -> frozenset[int]:
    return frozenset(np.flatnonzero(layer.metadata.get(SEGMENTED_KEY, ())).tolist())


def _data(layer: Labels) -> NDArray[Any]:
    return np.asarray(layer.data)
