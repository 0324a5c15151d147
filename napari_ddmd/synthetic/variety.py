"""How far synthetic patients differ from each other: as typical glioblastomas do, or as widely as training wants."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

Range = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Variety:
    """Ranges that a patient is drawn from.

    Parameters
    ----------
    core_ml, oedema_ml : tuple of float
        Volumes of the core, before it swells, and of the oedema, ml.
    depth_mm : tuple of float
        Depth of the tumour's seed below the surface of the brain, mm.
    off_midline_mm : float
        Least distance of the seed from the midline, mm.
    height_mm : tuple of float
        Height of the seed in MNI space, mm.
    white : float
        Quantile of the white-matter fraction that the seed's voxel reaches, among the voxels of that place.
    cortex : float
        How readily oedema enters grey matter, 0 (hardly) to 1 (as white matter).
    level_spread : dict of str to float
        Standard deviation of the logarithm of each of the signal levels of `contrasts.Levels`.
    """

    core_ml: Range = (10.0, 30.0)
    oedema_ml: Range = (45.0, 110.0)
    depth_mm: Range = (14.0, 34.0)
    off_midline_mm: float = 20.0
    height_mm: Range = (-18.0, 48.0)
    white: float = 0.6
    cortex: float = 0.0
    level_spread: dict[str, float] = field(
        default_factory=lambda: {
            "white": 0.015,
            "grey": 0.02,
            "fluid": 0.08,
            "necrosis": 0.14,
            "oedema": 0.06,
            "enhancing": 0.08,
            "blood": 0.1,
            "choroid": 0.1,
            "bone": 0.1,
            "fine": 0.1,
            "ageing": 0.3,
        }
    )


TYPICAL = Variety()
"""Glioblastomas of the size, place and contrast that most of the challenges' have."""


def draw_variety(rng: np.random.Generator) -> Variety:
    """Draw what a patient of a widely varied cohort is like: small and large lesions anywhere, contrasts far apart.

    This is domain randomisation: a network that is to be ready for any patient must see more than the typical one;
    whether a patient like this exists does not matter (B. Billot et al., "SynthSeg: segmentation of brain MRI scans
    of any contrast and resolution without retraining", Medical Image Analysis 86 (2023)).
    """
    core = math.exp(rng.uniform(math.log(2), math.log(60)))
    oedema = math.exp(rng.uniform(math.log(4), math.log(130)))
    return Variety(
        core_ml=(core, core),
        oedema_ml=(oedema, oedema),
        depth_mm=(6.0, math.inf),
        off_midline_mm=8.0,
        height_mm=(-50.0, 62.0),
        white=0.5,
        cortex=max(0.0, rng.uniform(-0.5, 0.8)),
        level_spread={
            "white": 0.05,
            "grey": 0.06,
            "fluid": 0.15,
            "necrosis": 0.45,
            "oedema": 0.2,
            "enhancing": 0.35,
            "blood": 0.3,
            "choroid": 0.3,
            "bone": 0.2,
            "fine": 0.3,
            "ageing": 0.5,
        },
    )
