"""How each kind of result looks: its colours, and the layer that shows it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels, Layer
from numpy.typing import NDArray

from napari_ddmd.viewer.layer_tag import Role, grid_arguments
from napari_ddmd.viewer.mask_colors import one_color
from napari_ddmd.viewer.painting_tools import keep_from_painting

if TYPE_CHECKING:
    from napari_ddmd.case import Case
    from napari_ddmd.volumes import Volumes

# Perceptually even maps that start at black, so that they add colour to the image beneath only where
# there is something to see.
COLORMAPS = {
    Role.INTER: "magma",
    Role.INTRA: "magma",
    Role.PROBABILITY: "inferno",
    Role.UNCERTAINTY: "bop blue",
}
NO_LIMITS = (0.0, 1e-6)
"""Between which a map is displayed that has no values yet."""
NONE: Mapping[Role, Any] = MappingProxyType({})
SAMPLE_COLOR = "#d55e00"
# From few samples (dark) to all of them (bright); even steps of brightness for any colour vision. The map's yellow end
# is left out: the lesion has that colour.
_AGREEMENT_COLORMAP, _AGREEMENT_ENDS = "viridis", (0.2, 0.85)


def shown_arrays(volumes: Volumes, sample: int) -> dict[Role, NDArray[Any]]:
    """Return what the layer of each role shows, bottom layer first; of the samples, one."""
    arrays: dict[Role, NDArray[Any] | None] = {
        Role.INTER: volumes.inter,
        Role.INTRA: volumes.intra,
        Role.UNCERTAINTY: volumes.uncertainty,
        Role.PROBABILITY: volumes.probability,
        Role.SAMPLE: volumes.samples[sample],
        Role.AGREEMENT: volumes.agreement,
    }
    return {role: array for role, array in arrays.items() if array is not None}


def result_layer(role: Role, volumes: Volumes, sample: int, case: Case) -> Layer:
    """Make the layer that shows something, hidden."""
    array = shown_arrays(volumes, sample)[role]
    if role is Role.SAMPLE:
        return sample_layer(volumes, sample, case)
    if role is Role.AGREEMENT:
        return agreement_layer(array, case, len(volumes.samples))
    return map_layer(array, case, role, first_limits(role))


def first_limits(role: Role) -> tuple[float, float]:
    """Between which a map is displayed at first."""
    return (0.0, 1.0) if role in (Role.PROBABILITY, Role.UNCERTAINTY) else NO_LIMITS


def agreement_colors(samples: int) -> dict[int | None, Any]:
    """Colours of the contours: one for each number of samples that agree, nothing where none finds lesion."""
    from napari.utils.colormaps import ensure_colormap

    shades = ensure_colormap(_AGREEMENT_COLORMAP).map(np.linspace(*_AGREEMENT_ENDS, max(samples, 1)))
    return {None: "transparent", 0: "transparent", **{count + 1: shade for count, shade in enumerate(shades)}}


def sample_layer(volumes: Volumes, sample: int, case: Case) -> Labels:
    """Make the layer of one of the sampled masks, hidden; nobody paints on evidence."""
    looks = {"name": _sample_name(volumes, sample), "colormap": one_color(SAMPLE_COLOR), "opacity": 0.5}
    layer = Labels(volumes.samples[sample], visible=False, **looks, **grid_arguments(case, Role.SAMPLE))
    keep_from_painting(layer)
    return layer


def show_sample_in(layer: Layer, volumes: Volumes, sample: int) -> None:
    """Let that layer show another of the sampled masks."""
    layer.data, layer.name = volumes.samples[sample], _sample_name(volumes, sample)
    layer.editable = False  # which new data undoes


def _sample_name(volumes: Volumes, sample: int) -> str:
    return f"{Role.SAMPLE} {sample + 1} of {len(volumes.samples)}"


def agreement_layer(counts: NDArray[np.unsignedinteger[Any]], case: Case, samples: int) -> Labels:
    """Make the layer of contours around where so many samples agree ``(S, H, W)``, hidden."""
    role = Role.AGREEMENT
    colors = agreement_colors(samples)
    placed = grid_arguments(case, role)
    layer = Labels(counts, name=role.value, colormap=colors, opacity=1.0, visible=False, **placed)
    layer.contour = 1
    keep_from_painting(layer)
    return layer


def widen_limits(layer: Image, before: tuple[float, float], values: NDArray[np.float32]) -> tuple[float, float]:
    """Let a map's display limits grow with its values, until the user sets them by hand; return those that count.

    Parameters
    ----------
    layer : Image
        Of the map.
    before : (float, float)
        What was returned the last time, or `NO_LIMITS`.
    values : ndarray
        Of a slice; any of them above 0.
    """
    untouched = np.allclose(layer.contrast_limits, before, rtol=1e-3, atol=0) or before == NO_LIMITS
    top = float(np.percentile(values[values > 0], 99.5))
    if not untouched or top <= before[1]:
        return before
    layer.contrast_limits_range = (0.0, max(top, float(values.max())) * 2)
    layer.contrast_limits = (0.0, top)
    return 0.0, top


def map_layer(values: NDArray[np.float32], case: Case, role: Role, limits: tuple[float, float]) -> Image:
    """Make the layer of a map ``(S, H, W)``, hidden; displayed between the limits."""
    return Image(
        values,
        name=role.value,
        colormap=COLORMAPS[role],
        contrast_limits=limits,
        blending="additive",
        opacity=0.8,
        visible=False,
        **grid_arguments(case, role),
    )
