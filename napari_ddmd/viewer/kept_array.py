"""A layer of labels that keeps its array: whoever else works on that would not hear of another in its place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from napari.layers import Labels
from napari.utils.notifications import show_warning
from numpy.typing import NDArray


def put_back(layer: Labels, kept: NDArray[np.uint8], place: Mapping[str, Any]) -> NDArray[np.uint8] | None:
    """Put a layer's own array back where another is in its place.

    Parameters
    ----------
    layer : Labels
        The layer.
    kept : (S, H, W) ndarray
        Its own array.
    place : mapping
        Where it lies, as `grid_arguments` has it: napari forgets that with data of fewer axes.

    Returns
    -------
    (S, H, W) ndarray of uint8 or None
        What the other one held; None where there is no other, or, with a message, where it has another shape.
    """
    other = layer.data
    if other is kept:
        return None
    layer.data = kept
    if np.shape(other) == kept.shape:
        return _as_mask(np.asarray(other))
    for name in ("scale", "translate", "units", "axis_labels"):
        setattr(layer, name, place[name])
    sizes = (" × ".join(map(str, shape)) for shape in (np.shape(other), kept.shape))
    show_warning('"{}" stays as it was: other data came in {} voxels, and it has {}.'.format(layer.name, *sizes))
    return None


def _as_mask(labels: NDArray[Any]) -> NDArray[np.uint8]:
    """Labels as they are where they fit, else 1 for each."""
    fits = labels.min(initial=0) >= 0 and labels.max(initial=0) <= np.iinfo(np.uint8).max
    return (labels if fits else labels != 0).astype(np.uint8)
