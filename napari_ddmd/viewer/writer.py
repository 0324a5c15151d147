"""The npe2 writers: a layer back to NIfTI, voxel for voxel on the grid of the case's own files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_ddmd.viewer.layer_tag import tag_of

if TYPE_CHECKING:
    from napari_ddmd.case import Case


class WriterError(ValueError):
    """A layer that cannot be saved on a case's grid; the message is one line."""


def write_labels(path: str, data: ArrayLike, attributes: dict[str, Any]) -> list[str]:
    """Save a labels layer with the values that it has, as unsigned integers.

    Parameters
    ----------
    path : str
        Ends in ``.nii`` or ``.nii.gz``.
    data : (S, H, W) array_like
        The layer's data on the case's axial grid.
    attributes : dict
        The layer's attributes; its metadata tells the case.

    Returns
    -------
    list of str
        The file that was written.

    Raises
    ------
    WriterError
        If the layer belongs to no case or has another shape.
    """
    labels = np.asarray(data)
    case = _case(path, labels, attributes)
    if labels.size and labels.min() < 0:
        raise WriterError(f'{path}: layer "{attributes.get("name")}" has negative labels; remove them')
    return [_save(path, labels, case, mask_dtype(labels))]


def write_image(path: str, data: ArrayLike, attributes: dict[str, Any]) -> list[str]:
    """Save an image layer (a probability, a map, a modality) as float32; parameters as in `write_labels`."""
    image = np.asarray(data)
    return [_save(path, image, _case(path, image, attributes), np.dtype(np.float32))]


def mask_dtype(labels: NDArray[Any]) -> np.dtype[Any]:
    """Return the smallest unsigned type that holds the labels."""
    return np.min_scalar_type(int(labels.max(initial=0)))


def _case(path: str, data: NDArray[Any], attributes: dict[str, Any]) -> Case:
    name = attributes.get("name", "layer")
    tag = tag_of(attributes.get("metadata") or {})
    if tag is None:
        raise WriterError(
            f'{path}: layer "{name}" belongs to no case, so its place in the scanner is unknown; '
            "save a layer of a case that was opened with napari-ddmd"
        )
    if data.shape != tag.case.grid.shape:
        raise WriterError(
            f'{path}: layer "{name}" has shape {data.shape}, {tag.case.name} has {tag.case.grid.shape}; '
            "save a layer that covers the whole case"
        )
    return tag.case


def _save(path: str, data: NDArray[Any], case: Case, dtype: np.dtype[Any]) -> str:
    from napari.utils.notifications import show_info

    from napari_ddmd.export import save_volume
    from napari_ddmd.whole_files import one_line_errors, sweep

    target = Path(path)
    with one_line_errors(target):
        left = sweep(target.parent)
    saved = str(save_volume(target, data, case, dtype=dtype))
    if left:
        show_info(left)
    return saved
