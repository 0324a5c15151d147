"""All guards in order: what one of them finds makes others meaningless."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from napari_ddmd.case.guards.alignment import find_misaligned
from napari_ddmd.case.guards.brightness import find_uneven
from napari_ddmd.case.guards.contrast import Tissue, find_contrast
from napari_ddmd.case.guards.finding import Finding, Kind
from napari_ddmd.case.guards.orientation import find_turned
from napari_ddmd.case.guards.sample import Sample, Spacing
from napari_ddmd.case.guards.size import find_cropped, find_size
from napari_ddmd.case.guards.skull import find_skull
from napari_ddmd.case.guards.spacing import find_spacing
from napari_ddmd.case.guards.values import find_background, find_empty, find_flat, find_normalised, flat_modalities


def check_images(images: Mapping[str, NDArray[np.float32]], spacing: Spacing) -> tuple[Finding, ...]:
    """Look for what makes images unfit for models of BRATS cases although they can be read.

    Parameters
    ----------
    images : mapping of str to (S, H, W) ndarray of float32
        By modality, on the axial grid; one that is missing is 0 everywhere.
    spacing : tuple of float
        Millimetres along S, H and W.

    Returns
    -------
    tuple of Finding
        Nothing is certain: each says what the images look like.
    """
    found = find_spacing(spacing)
    sample = Sample.of(dict(images), spacing)
    nothing = find_empty(sample)
    if nothing:
        return (*found, *nothing)
    flat = flat_modalities(sample)
    found += find_flat(flat)
    sample = Sample({name: image for name, image in sample.images.items() if name not in flat}, sample.spacing)
    if not sample.images:
        return tuple(found)
    found += find_normalised(sample)
    skull = find_skull(sample)
    if skull:
        # A head has another shape and other tissues, and its air is noisy unless somebody has cleaned it.
        return (*found, *skull)
    found += find_background(sample) + find_size(sample) + find_cropped(sample)
    misaligned = find_misaligned(sample)
    found += misaligned + find_turned(sample)
    if not misaligned:
        tissue = Tissue.of(sample)
        if tissue.is_enough:
            found += find_contrast(tissue)
    if not {Kind.NORMALISED, Kind.BACKGROUND} & {finding.kind for finding in found}:
        found += find_uneven({name: images[name] for name in sample.images}, spacing)
    return tuple(found)
