"""What lies over the images can be told apart by people who see fewer colours."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from napari.utils.colormaps import ensure_colormap
from numpy.typing import NDArray
from skimage.color import deltaE_ciede2000, rgb2lab

from napari_ddmd.viewer.case_layers import EXPERT_COLOR
from napari_ddmd.viewer.mask_colors import LESION_COLOR, SAVED_COLOR
from napari_ddmd.viewer.result_looks import COLORMAPS, SAMPLE_COLOR, agreement_colors

# Machado, Oliveira and Fernandes 2009, complete dichromacy, on linear RGB.
VISION = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
MASKS = {"lesion": LESION_COLOR, "saved": SAVED_COLOR, "sample": SAMPLE_COLOR, "expert": EXPERT_COLOR}
# About 2 can just be seen side by side; thin outlines at two places need far more.
PLAIN = 15.0


def rgb(color: str) -> NDArray[np.float64]:
    return np.array([int(color[place : place + 2], 16) for place in (1, 3, 5)]) / 255


def seen(colors: NDArray[np.float64], vision: str) -> NDArray[np.float64]:
    """Return the L*a*b* of colours ``(..., 3)`` as somebody sees them."""
    linear = np.where(colors <= 0.04045, colors / 12.92, ((colors + 0.055) / 1.055) ** 2.4)
    mixed = np.clip(linear @ VISION[vision].T, 0, 1)
    lab: NDArray[np.float64] = rgb2lab(np.where(mixed <= 0.0031308, mixed * 12.92, 1.055 * mixed ** (1 / 2.4) - 0.055))
    return lab


@pytest.mark.parametrize("vision", list(VISION))
@pytest.mark.parametrize(("one", "other"), list(combinations(MASKS, 2)))
def test_masks_differ(one: str, other: str, vision: str) -> None:
    assert deltaE_ciede2000(*(seen(rgb(MASKS[name]), vision) for name in (one, other))) > PLAIN


@pytest.mark.parametrize("vision", list(VISION))
@pytest.mark.parametrize("mask", list(MASKS))
def test_masks_stand_out_from_any_grey(mask: str, vision: str) -> None:
    greys = np.repeat(np.linspace(0, 1, 64)[:, None], 3, axis=1)
    assert deltaE_ciede2000(seen(greys, vision), seen(np.tile(rgb(MASKS[mask]), (64, 1)), vision)).min() > PLAIN


@pytest.mark.parametrize("vision", list(VISION))
@pytest.mark.parametrize("name", sorted(set(COLORMAPS.values())))
def test_a_map_grows_brighter_with_its_values(name: str, vision: str) -> None:
    shades = np.asarray(ensure_colormap(name).map(np.linspace(0, 1, 32)), float)[:, :3]
    lightness = seen(shades, vision)[:, 0]
    assert (np.diff(lightness) > 0).all()
    assert lightness[-1] - lightness[0] > 50


@pytest.mark.parametrize("vision", list(VISION))
def test_contours_grow_brighter_with_the_samples_that_agree(vision: str) -> None:
    colors = agreement_colors(5)
    lightness = seen(np.array([np.asarray(colors[count], float)[:3] for count in range(1, 6)]), vision)[:, 0]
    assert (np.diff(lightness) > 3).all()
