"""For which patient labels were drawn that no case has made: the grid fits many, BRATS cases have one and the same."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
from napari.layers import Labels

from napari_ddmd.viewer.layer_tag import tag_of

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_ddmd.case import Case

_STEP = 4
# By what the images show: the case may be put together anew from other layers, or closed and opened again.
_PATIENTS: WeakKeyDictionary[Labels, frozenset[str]] = WeakKeyDictionary()
_IMAGES: WeakKeyDictionary[Case, frozenset[str]] = WeakKeyDictionary()


def note_drawing(layer: Layer, case: Case) -> None:
    """Remember that labels were made, or taken in hand, while a case was read; the first case counts.

    Labels that are tagged or not on the case's grid are passed over; a copy is of the patient of what it was copied
    from.
    """
    if isinstance(layer, Labels) and is_drawing_of(layer, case):
        patient = _patient_of(layer)
        _PATIENTS[layer] = images_of(case) if patient is None else patient


def is_drawing_of(layer: Layer, case: Case) -> bool:
    """Tell whether a layer holds labels without a tag, on the grid of a case, that were drawn for no other patient."""
    if not isinstance(layer, Labels) or tag_of(layer) is not None or layer.data.shape != case.grid.shape:
        return False
    return not was_drawn_for_others(layer, case)


def was_drawn_for_others(layer: Layer, case: Case | None) -> bool | None:
    """Tell whether labels without a tag were drawn for another patient than a case's; None where nobody knows."""
    if case is None or tag_of(layer) is not None or (patient := _patient_of(layer)) is None:
        return None
    return patient != images_of(case) and patient.isdisjoint(images_of(case))


def _patient_of(layer: Layer) -> frozenset[str] | None:
    """Images of the patient whom a layer, or what it is a copy of, was drawn for; None where nobody knows."""
    original = None if layer.source.parent is None else layer.source.parent()  # a weak reference
    if isinstance(layer, Labels) and layer in _PATIENTS:
        return _PATIENTS[layer]
    return None if original is None else _patient_of(original)


def images_of(case: Case) -> frozenset[str]:
    """A hash of each image of a case that is there, of every fourth pixel: what it is, however it was opened."""
    if case not in _IMAGES:
        parts = [np.ascontiguousarray(image[:, ::_STEP, ::_STEP]) for image in case.images]
        _IMAGES[case] = frozenset(hashlib.sha256(part.data).hexdigest() for part in parts if part.any())
    return _IMAGES[case]
