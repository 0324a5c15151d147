"""Contrasts: how bright each tissue, vessel and part of a tumour is in each of the four modalities."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np
from scipy import ndimage

from napari_ddmd.synthetic.anatomy import Anatomy
from napari_ddmd.synthetic.grid import Field, Grid
from napari_ddmd.synthetic.noise import random_field
from napari_ddmd.synthetic.tumour import ENHANCING, NECROSIS, OEDEMA, Tumour
from napari_ddmd.synthetic.variety import TYPICAL, Variety
from napari_ddmd.synthetic.vessels import Vessels


@dataclass(frozen=True)
class Levels:
    """Signal of one modality, in units of the median of the brain."""

    white: float
    grey: float
    fluid: float
    necrosis: float
    oedema: float
    enhancing: float
    blood: float
    choroid: float
    bone: float
    fine: float
    """Gain of the template's fine structure; negative where it shows dark."""
    ageing: float
    """Added next to the ventricles."""

    def varied(self, rng: np.random.Generator, variety: Variety = TYPICAL) -> Levels:
        """Return levels as another scanner and patient have them; of a typical patient, a few per cent off."""
        spread = variety.level_spread
        return Levels(**{name: value * math.exp(rng.normal(0, spread[name])) for name, value in asdict(self).items()})


LEVELS: dict[str, Levels] = {
    "t1": Levels(1.10, 0.88, 0.45, 0.60, 0.82, 0.84, 0.75, 0.70, 0.20, 0.8, 0.0),
    "t1ce": Levels(1.10, 0.88, 0.42, 0.52, 0.82, 1.95, 2.60, 1.90, 0.20, 0.8, 0.0),
    "t2": Levels(0.85, 1.12, 2.60, 2.30, 1.70, 1.60, 0.60, 2.20, 0.10, -0.5, 0.15),
    "flair": Levels(0.93, 1.12, 0.30, 1.35, 1.80, 1.65, 0.55, 1.00, 0.10, -0.3, 0.35),
}
"""Typical of the glioblastomas in the challenges."""


def render(
    anatomy: Anatomy,
    tumour: Tumour,
    vessels: Vessels,
    grid: Grid,
    rng: np.random.Generator,
    variety: Variety = TYPICAL,
) -> dict[str, Field]:
    """Return the ideal image of each modality in `LEVELS`, shape (I, J, K), 1 being the median of a brain."""
    parts = _soft_parts(anatomy, tumour, vessels, grid, rng)
    ageing = ndimage.gaussian_filter(anatomy.ventricles, 2.5 / grid.spacing) * (1 - anatomy.fluid)
    ageing *= np.clip(1 + 0.5 * random_field(rng, grid, 5.0), 0, 3)
    images = {}
    for modality, typical in LEVELS.items():
        levels = typical.varied(rng, variety)
        image = levels.white * anatomy.white + levels.grey * anatomy.grey + levels.fluid * anatomy.fluid
        image += levels.fine * anatomy.detail + levels.ageing * ageing
        image *= 1 + 0.025 * random_field(rng, grid, 1.2) + 0.03 * random_field(rng, grid, 5.0)
        for name, share in parts.items():
            image += share * (getattr(levels, name) - image)
        images[modality] = image
    return images


def _soft_parts(
    anatomy: Anatomy, tumour: Tumour, vessels: Vessels, grid: Grid, rng: np.random.Generator
) -> dict[str, Field]:
    """Return what covers the tissues, bottom first: shares around 0..1 of shape (I, J, K)."""

    def soft(label: int) -> Field:
        share = (tumour.labels == label).astype(np.float32)
        return np.asarray(ndimage.gaussian_filter(share, 0.6 / grid.spacing))

    # The border voxels of a stripped brain hold, in patches, some of the dark skull.
    border = 1 - ndimage.gaussian_filter(anatomy.brain.astype(np.float32), 1.2 / grid.spacing)
    bone = border * np.clip(0.6 + 0.6 * random_field(rng, grid, 5.0), 0, 1.4)
    # Oedema thins out towards its front; no part of a tumour is uniform.
    oedema = soft(OEDEMA) * (0.4 + 0.6 * tumour.depth) * (1 + 0.2 * random_field(rng, grid, 3.0))
    necrosis, enhancing = soft(NECROSIS), soft(ENHANCING)
    necrosis *= 1 + 0.10 * random_field(rng, grid, 3.0)
    enhancing *= 1 + 0.25 * random_field(rng, grid, 1.6)
    outside = 1 - np.clip(necrosis + enhancing, 0, 1)
    return {
        "bone": bone,
        "choroid": 0.8 * vessels.choroid * outside,
        "blood": vessels.blood * outside,
        "oedema": np.clip(oedema, 0, 1.2),
        "necrosis": np.clip(necrosis, 0, 1.2),
        "enhancing": np.clip(enhancing, 0, 1.4),
    }
