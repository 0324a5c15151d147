"""Whether the reader has accepted a mask: a mark on its layer that an edit, or another word of a run, takes away."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_ddmd.viewer.measure import fingerprint

if TYPE_CHECKING:
    from napari.layers import Labels

_ACCEPTED_KEY = "napari_ddmd_accepted"
_SEGMENTED_KEY = "napari_ddmd_segmented"


@dataclass
class Segmented:
    """What a run has said of a mask so far; it changes in place.

    Attributes
    ----------
    slices : ndarray of uint8
        Not 0 for each slice of which it has said something; it may have found nothing.
    run : int
        Its number.
    """

    slices: NDArray[np.uint8]
    run: int = 0


def tell_segmented(layer: Labels, segmented: Segmented) -> None:
    """Let a mask tell what a run has said of it."""
    layer.metadata[_SEGMENTED_KEY] = segmented


def segmented_of(layer: Labels) -> Segmented | None:
    """Return what a run has said of a mask, or of the one that it is a copy of; None where it is no run's."""
    segmented = layer.metadata.get(_SEGMENTED_KEY)
    return segmented if isinstance(segmented, Segmented) else None


def part_from_runs(layer: Labels) -> None:
    """Let a copy of a mask tell what a run had said of that until now: what comes is not of the copy."""
    if (segmented := segmented_of(layer)) is not None:
        tell_segmented(layer, Segmented(segmented.slices.copy(), segmented.run))


@dataclass(frozen=True)
class Acceptance:
    """When a reader accepted a mask, and what there was of it then.

    Attributes
    ----------
    when : str
        Local time, ISO 8601, to the second.
    fingerprint : int
        Of the mask.
    said : tuple of int, or None
        Number of the run that had said something of it, and of which slices.
    """

    when: str
    fingerprint: int
    said: tuple[int, ...] | None = None


def accept(layer: Labels) -> Acceptance:
    """Mark a mask as accepted as it stands."""
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    return mark_again(layer, now, fingerprint(_data(layer)))


def mark_again(layer: Labels, when: str, mask_fingerprint: int) -> Acceptance:
    """Put a mark on a mask that was given before, to one with this fingerprint."""
    mark = layer.metadata[_ACCEPTED_KEY] = Acceptance(when, mask_fingerprint, _said(layer))
    return mark


def withdraw(layer: Labels) -> None:
    """Take the mark away."""
    layer.metadata.pop(_ACCEPTED_KEY, None)


def acceptance_of(layer: Labels | None) -> Acceptance | None:
    """Return the mark of a mask; None where there is none, or where it has changed, or what was said of it, since."""
    mark = None if layer is None else layer.metadata.get(_ACCEPTED_KEY)
    if layer is None or not isinstance(mark, Acceptance):
        return None
    if mark.said != _said(layer) or mark.fingerprint != fingerprint(_data(layer)):
        withdraw(layer)
        return None
    return mark


def _said(layer: Labels) -> tuple[int, ...] | None:
    segmented = segmented_of(layer)
    return None if segmented is None else (segmented.run, *np.flatnonzero(segmented.slices).tolist())


def _data(layer: Labels) -> NDArray[Any]:
    return np.asarray(layer.data)
