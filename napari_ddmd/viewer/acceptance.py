"""Whether the reader has accepted a mask: a mark on its layer that an edit takes away."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_ddmd.viewer.measure import fingerprint

if TYPE_CHECKING:
    from napari.layers import Labels
    from numpy.typing import NDArray

ACCEPTED_KEY = "napari_ddmd_accepted"


@dataclass(frozen=True)
class Acceptance:
    """When a reader accepted a mask, and which voxels it had then.

    Attributes
    ----------
    when : str
        Local time, ISO 8601, to the second.
    fingerprint : int
        Of the mask.
    """

    when: str
    fingerprint: int


def accept(layer: Labels) -> Acceptance:
    """Mark a mask as accepted as it stands."""
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    mark = Acceptance(now, fingerprint(_data(layer)))
    layer.metadata[ACCEPTED_KEY] = mark
    return mark


def withdraw(layer: Labels) -> None:
    """Take the mark away."""
    layer.metadata.pop(ACCEPTED_KEY, None)


def acceptance_of(layer: Labels | None) -> Acceptance | None:
    """Return the mark of a mask; None where there is none, or where the mask has changed since."""
    mark = None if layer is None else layer.metadata.get(ACCEPTED_KEY)
    if layer is None or not isinstance(mark, Acceptance):
        return None
    if mark.fingerprint != fingerprint(_data(layer)):
        withdraw(layer)
        return None
    return mark


def _data(layer: Labels) -> NDArray[Any]:
    return np.asarray(layer.data)
