"""How layers look: taken from them, and given to others."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from napari.layers import Image, Labels, Layer
from napari.utils.colormaps import Colormap, CyclicLabelColormap, DirectLabelColormap, ensure_colormap

from napari_ddmd.viewer.session.stored_window import StoredColors, StoredLook

_MOST_COLORS = 4096
# What napari adds to a name that is taken.
_NUMBERED = re.compile(r" \[\d+\]$")


def look_of(layer: Layer, key: str, *, visible: bool) -> StoredLook:
    """Take the looks of a layer.

    Parameters
    ----------
    layer
        An image or labels.
    key
        What it is called in the session.
    visible
        Whether it is seen where the canvas is not divided.
    """
    own: dict[str, Any] = {}
    if isinstance(layer, Image):
        own = {
            "colors": _image_colors(layer.colormap),
            "contrast_limits": _pair(layer.contrast_limits),
            "contrast_limits_range": _pair(layer.contrast_limits_range),
            "gamma": float(layer.gamma),
            "interpolation2d": str(layer.interpolation2d),
        }
    elif isinstance(layer, Labels):
        own = {
            "colors": _label_colors(layer.colormap),
            "contour": int(layer.contour),
            "selected_label": int(layer.selected_label),
            "brush_size": float(layer.brush_size),
        }
    opacity = float(np.clip(layer.opacity, 0, 1))
    shared: dict[str, Any] = {"key": key, "name": str(layer.name), "visible": visible, "blending": str(layer.blending)}
    return StoredLook(**(shared | {"opacity": opacity, "colors": None} | own))


def unnumbered(name: str) -> str:
    """Return the name of a layer without the number that napari gave it because the name was taken."""
    return _NUMBERED.sub("", name)


def give_look(layer: Layer, look: StoredLook) -> None:
    """Make a layer look as it did; what this napari or this layer does not have is left as it is."""
    layer.opacity = look.opacity
    if unnumbered(look.name) != unnumbered(layer.name):
        layer.name = look.name
    _try(layer, "blending", look.blending)
    if isinstance(layer, Image):
        _give(layer, "contrast_limits_range", look.contrast_limits_range)
        _give(layer, "contrast_limits", look.contrast_limits)
        _give(layer, "gamma", look.gamma)
        _give(layer, "interpolation2d", look.interpolation2d)
    elif isinstance(layer, Labels):
        _give(layer, "contour", look.contour)
        _give(layer, "brush_size", look.brush_size)
        _give(layer, "selected_label", look.selected_label)
    if look.colors is not None:
        _give(layer, "colormap", _colormap(look.colors, is_image=isinstance(layer, Image)))
    layer.visible = look.visible


def _give(layer: Layer, name: str, value: Any) -> None:
    if value is not None:
        _try(layer, name, value)


def _try(layer: Layer, name: str, value: Any) -> None:
    try:
        setattr(layer, name, value)
    except (ValueError, TypeError, KeyError, OverflowError):
        # Of another napari, or made up: looks must not keep a session from opening.
        return


def _image_colors(colormap: Colormap) -> StoredColors | None:
    name = str(colormap.name)
    try:
        is_known = np.array_equal(ensure_colormap(name).colors, colormap.colors)
    except KeyError:
        is_known = False
    if is_known:
        return StoredColors(name=name)
    if len(colormap.colors) > _MOST_COLORS:
        return None
    return StoredColors(name=name, colors=_rows(colormap.colors), controls=tuple(map(float, colormap.controls)))


def _label_colors(colormap: Any) -> StoredColors | None:
    name = str(colormap.name)
    if isinstance(colormap, DirectLabelColormap):
        if len(colormap.color_dict) > _MOST_COLORS:
            return None
        labels = tuple(None if label is None else int(label) for label in colormap.color_dict)
        return StoredColors(name=name, colors=_rows(colormap.color_dict.values()), labels=labels)
    return StoredColors(name=name, colors=_rows(colormap.colors)) if len(colormap.colors) <= _MOST_COLORS else None


def _colormap(stored: StoredColors, *, is_image: bool) -> Any:
    try:
        if stored.colors is None:
            return ensure_colormap(stored.name) if is_image else None
        colors = np.asarray(stored.colors, np.float32)
        if is_image:
            return Colormap(colors, name=stored.name, controls=np.asarray(stored.controls, np.float32))
        if stored.labels is None:
            return CyclicLabelColormap(colors=colors, name=stored.name) if len(colors) > 1 else None
        return DirectLabelColormap(color_dict=dict(zip(stored.labels, colors, strict=True)), name=stored.name)
    except (ValueError, TypeError, KeyError):
        return None


def _rows(colors: Any) -> tuple[tuple[float, float, float, float], ...]:
    clipped = [np.clip(np.asarray(color, float), 0, 1) for color in colors]
    return tuple((float(r), float(g), float(b), float(a)) for r, g, b, a in clipped)


def _pair(limits: Any) -> tuple[float, float]:
    low, high = limits
    return float(low), float(high)
