"""What all figures share: size, colours that everybody can tell apart, captions, and files that are always the same."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_ddmd.case import MODALITIES, Case
from src_training.files import write_bytes, write_json
from src_training.run import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 10.0
"""Inches; at `DPI` a little over 1000 pixels."""
DPI = 110
TEXT = 8.5
"""Points of the smallest text."""
HEALTHY, ABNORMAL, THIRD = "#0072b2", "#d55e00", "#009e73"
"""Blue, vermilion and bluish green of Okabe and Ito's palette."""
FOUND, EXPERT = "#ffd400", "#00c8ff"
"""As in the pictures of a finished case; the expert's outline is dashed, too."""
TITLES = {"t1": "T1", "t1ce": "T1ce", "t2": "T2", "flair": "FLAIR"}
_MARGIN = 3


def new_figure(height: float, title: str, caption: str) -> Figure:
    """An empty figure with a title above and a caption below.

    Parameters
    ----------
    height
        Inches.
    title, caption
        The caption is broken into lines here.
    """
    from matplotlib.figure import Figure

    lines = textwrap.wrap(" ".join(caption.split()), 156, break_on_hyphens=False)
    figure = Figure(figsize=(WIDTH, height + 0.16 * len(lines)), layout="constrained", facecolor="white")
    figure.suptitle(title, fontsize=11)
    figure.supxlabel("\n".join(lines), fontsize=TEXT, x=0.01, ha="left", linespacing=1.3)
    return figure


def save_figure(run: Run, name: str, figure: Figure, numbers: Mapping[str, Any]) -> list[Path]:
    """Write ``RUN/figures/<name>.png``, ``.svg`` with its text as text, and the numbers as ``.json``.

    The same figure makes the same bytes: no dates, no random identifiers.
    """
    import matplotlib

    folder = run.root / "figures"
    metadata: dict[str, dict[str, Any]] = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}
    written = []
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        for kind, facts in metadata.items():
            content = io.BytesIO()
            figure.savefig(content, format=kind, dpi=DPI, metadata=facts)
            write_bytes(folder / f"{name}.{kind}", content.getvalue())
            written.append(folder / f"{name}.{kind}")
    write_json(folder / f"{name}.json", numbers)
    return [*written, folder / f"{name}.json"]


def brain_crop(case: Case, index: int) -> tuple[slice, slice]:
    """Rows and columns of a square, in voxels, about the brain of a slice; it may be cut off at the image's edge."""
    brain = case.brain[index]
    ends = [np.flatnonzero(brain.any(axis=1 - axis))[[0, -1]] for axis in (0, 1)]
    half = max(int(last - first) for first, last in ends) // 2 + _MARGIN
    middles = [int(first + last) // 2 for first, last in ends]
    rows, columns = (slice(max(middle - half, 0), middle + half + 1) for middle in middles)
    return rows, columns


def show(axis: Axes, picture: NDArray[Any], case: Case, limits: tuple[float, float]) -> None:
    """A grey picture of a slice or of a part of it, with the voxels' own proportions and no frame."""
    axis.imshow(
        picture,
        cmap="gray",
        vmin=limits[0],
        vmax=limits[1],
        aspect=case.spacing[1] / case.spacing[2],
        interpolation="nearest",
    )
    axis.autoscale(False)
    axis.set_xticks([])
    axis.set_yticks([])
    for spine in axis.spines.values():
        spine.set_visible(False)


def show_modalities(axes: list[Axes], case: Case, index: int) -> None:
    """The four modalities of a slice and the expert's mask, into the first five axes."""
    crop = brain_crop(case, index)
    assert case.mask is not None  # only labelled cases are drawn
    for axis, name in zip(axes, MODALITIES, strict=False):
        image = case.images[MODALITIES.index(name)][index][crop]
        show(axis, image, case, window(case, name))
        axis.set_title(TITLES[name], fontsize=TEXT, pad=3)
    show(axes[len(MODALITIES)], case.mask[index][crop] > 0, case, (0, 1))
    axes[len(MODALITIES)].set_title("expert's mask", fontsize=TEXT, pad=3)


def window(case: Case, modality: str) -> tuple[float, float]:
    """Intensities of a modality that are shown as black and white; zero, outside the brain, stays black."""
    image = case.images[MODALITIES.index(modality)]
    brain = image[image != 0]
    low, high = np.percentile(brain, (0.5, 99.5))
    return min(0.0, float(low)), float(high)


def outline(axis: Axes, mask: NDArray[np.bool_], colour: str = EXPERT, style: str = "dashed") -> None:
    """The outline of a mask, closed at the picture's edge, too."""
    padded = np.pad(mask, 1).astype(np.float32)
    if padded.any():
        rows, columns = (np.arange(-1, length + 1) for length in mask.shape)
        axis.contour(columns, rows, padded, levels=[0.5], colors=colour, linestyles=style, linewidths=1.1)


def tint(axis: Axes, mask: NDArray[np.bool_], case: Case, colour: str = FOUND) -> None:
    """Colour a mask over a picture, so that the picture shines through."""
    from matplotlib.colors import to_rgb

    layer = np.zeros((*mask.shape, 4), np.float32)
    layer[mask] = (*to_rgb(colour), 0.5)
    axis.imshow(layer, aspect=case.spacing[1] / case.spacing[2], interpolation="nearest")


def counted(number: int, noun: str) -> str:
    """``1 patient``, ``2 patients``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
