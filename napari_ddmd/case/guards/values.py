"""Numbers that no BRATS image holds: below 0, around the brain, or hardly any different ones."""

from __future__ import annotations

from typing import Final

import numpy as np

from napari_ddmd.case.guards.finding import Finding, Kind
from napari_ddmd.case.guards.sample import Sample
from napari_ddmd.case.guards.wording import are, names_of

# Registration with splines leaves a few voxels below 0; z-scores leave about half.
_NEGATIVE: Final = 0.05
_AROUND: Final = 0.05
_FEWEST_VALUES: Final = 12
_SMALLEST_ML: Final = 20.0


def find_empty(sample: Sample) -> list[Finding]:
    """Tell of a case with next to nothing in it."""
    millilitres = float(sample.body.sum()) * sample.voxel_ml if sample.images else 0.0
    if millilitres >= _SMALLEST_ML:
        return []
    return [
        Finding(
            Kind.EMPTY,
            f"the images hold {millilitres:.1f} mL of tissue, and a brain has more than a litre: there is nothing to "
            "segment; give images of the brain",
        )
    ]


def flat_modalities(sample: Sample) -> list[str]:
    """Modalities with so few different values that they are no images: constant ones, masks."""
    return [
        name for name, image in sample.images.items() if len(np.unique(image[sample.covers[name]])) < _FEWEST_VALUES
    ]


def find_flat(flat: list[str]) -> list[Finding]:
    """Tell of images that are none."""
    if not flat:
        return []
    noun = "is constant or a mask" if len(flat) == 1 else "are constant or masks"
    return [
        Finding(
            Kind.FLAT,
            f"{names_of(flat)} {noun} (fewer than {_FEWEST_VALUES} different values); give the images of the scanner",
        )
    ]


def find_normalised(sample: Sample) -> list[Finding]:
    """Tell of intensities below 0: z-scores, for one."""
    found = [name for name, image in sample.images.items() if (image[sample.covers[name]] < 0).mean() > _NEGATIVE]
    if not found:
        return []
    return [
        Finding(
            Kind.NORMALISED,
            f"{names_of(found)} {are(found)} partly below 0, as after z-scoring; give the intensities as they were "
            "before, above 0 in the brain and 0 around it",
        )
    ]


def find_background(sample: Sample) -> list[Finding]:
    """Tell of values other than 0 where there is air, which would count as brain."""
    around = ~sample.body
    if not around.any():
        return []
    found = [name for name, image in sample.images.items() if (image[around] != 0).mean() > _AROUND]
    if not found:
        return []
    return [
        Finding(
            Kind.BACKGROUND,
            f"{names_of(found)} {are(found)} not 0 around the brain, so that all of it would count as brain; set "
            "everything outside the brain to 0",
        )
    ]
