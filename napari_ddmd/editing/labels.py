"""Labels of what a tool adds to a mask that has several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_ddmd.lesions import bounding_box

Mask = NDArray[np.bool_]

_MARGIN = 8


def nearest_labels(labels: NDArray[Any], added: Mask, spacing: Sequence[float], otherwise: int) -> NDArray[Any]:
    """Return a label for each voxel that was added: that of the nearest one that has a label.

    Parameters
    ----------
    labels : (S, H, W) ndarray of integers
        The mask as it was before.
    added : (S, H, W) ndarray of bool
        Holds n voxels.
    spacing : sequence of float
        Voxel size in millimetres along S, H and W.
    otherwise : int
        The label where there is no other.

    Returns
    -------
    (n,) ndarray of integers
        In the order of ``labels[added]``.
    """
    labelled = labels > 0
    values = labels[labelled]
    if not values.size or values.min() == values.max() or not added.any():
        return np.full(np.count_nonzero(added), values[0] if values.size else otherwise)
    around = bounding_box(added)
    near = tuple(slice(max(ends.start - _MARGIN, 0), ends.stop + _MARGIN) for ends in around)
    for box in (near, bounding_box(labelled | added)):
        if labelled[box].any():
            distances, places = ndimage.distance_transform_edt(~labelled[box], sampling=spacing, return_indices=True)
            # What lies beyond the margin is farther away than this.
            if box is not near or distances[added[box]].max() <= _MARGIN * min(spacing):
                break
    nearest: NDArray[Any] = labels[box][tuple(places[:, added[box]])]
    return nearest
