"""One picture of a finished case: some slices, their maps, and the outlines of what was found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_ddmd.case import MODALITIES, MODALITY_LABELS, Case
from napari_ddmd.lesions import lesion_volume_ml
from napari_ddmd.volumes import Volumes
from napari_ddmd.whole_files import one_line_errors, put_in_place, workplace
from napari_ddmd.wording import millilitres

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROWS = 5
_CELL_INCHES = 1.7
# Told apart by everybody, and not only by hue: the expert's outline is dashed.
FOUND, EXPERT = "#ffd400", "#00c8ff"


class _Column(NamedTuple):
    """One column of the picture."""

    title: str
    volume: NDArray[np.float32]
    colours: str
    limits: tuple[float, float]
    outlines: bool


def overview_slices(volumes: Volumes, threshold: float, rows: int = _ROWS) -> list[int]:
    """Axial slices to show: spread over the lesion, or over the whole run where none was found."""
    done = sorted(volumes.done)
    mask = volumes.mask(threshold)
    pool = [index for index in done if mask[index].any()] or done
    # The middles of equal parts: the very ends of a lesion show little of it.
    count = min(rows, len(pool))
    return [pool[(2 * part + 1) * len(pool) // (2 * count)] for part in range(count)]


def save_overview(path: str | Path, case: Case, volumes: Volumes, threshold: float) -> Path:
    """Save a picture (PNG) of the modalities, the maps and the mask's outline on some slices.

    Parameters
    ----------
    path
        The file; an existing one is replaced in one step.
    case, volumes
        The case and its results; at least one slice must have been segmented.
    threshold
        At which the lesion is cut (`Volumes.mask`).

    Returns
    -------
    Path
        The file.
    """
    from matplotlib.figure import Figure

    target = Path(path)
    mask = volumes.mask(threshold)
    rows = overview_slices(volumes, threshold)
    columns = _columns(case, volumes)
    window = brain_window(case)
    height, width = ((end - start) * size for (start, end), size in zip(window, case.spacing[1:], strict=True))
    figure = Figure(
        figsize=(_CELL_INCHES * len(columns), _CELL_INCHES * height / width * len(rows) + 0.8),
        facecolor="black",
        layout="constrained",
    )
    axes = figure.subplots(len(rows), len(columns), squeeze=False)
    crop = tuple(slice(*ends) for ends in window)
    for row, index in enumerate(rows):
        for axis, column in zip(axes[row], columns, strict=True):
            axis.imshow(
                column.volume[index][crop],
                cmap=column.colours,
                vmin=column.limits[0],
                vmax=column.limits[1],
                aspect=case.spacing[1] / case.spacing[2],
                interpolation="nearest",
            )
            _bare(axis)
            if row == 0:
                axis.set_title(column.title, color="white", fontsize=9)
            if column.outlines:
                outline(axis, mask[index][crop], FOUND, "solid")
                if case.mask is not None:
                    outline(axis, case.mask[index][crop], EXPERT, "dashed")
        axes[row][0].set_ylabel(f"slice {case.grid.file_slice(index)}", color="white", fontsize=8)
    expert = "" if case.mask is None else " · dashed: expert's mask"
    peak = volumes.cut.asked_peak(threshold)
    sure = f", in parts above {peak:.3g} somewhere" if peak else ""
    figure.suptitle(
        f"{case.name}: {millilitres(lesion_volume_ml(mask, case.spacing))} mL of probability above {threshold:g}{sure}"
        f" · solid: found{expert}\nradiological view (patient's left is on the right) · research use only",
        color="white",
        fontsize=9,
    )
    with one_line_errors(target), workplace(target.parent) as place:
        fresh = place / target.name
        figure.savefig(fresh, dpi=110, facecolor="black")
        return put_in_place(fresh, target)


def _columns(case: Case, volumes: Volumes) -> list[_Column]:
    columns = []
    for name, image in zip(MODALITIES, case.images, strict=True):
        columns.append(_Column(MODALITY_LABELS[name], image, "gray", scan_limits(image), True))
    for title, volume in (("inter", volumes.inter), ("intra", volumes.intra)):
        if volume is not None:
            columns.append(_Column(title, volume, "inferno", (0.0, map_top(volume)), False))
    columns.append(_Column("probability", volumes.probability, "magma", (0.0, 1.0), False))
    columns.append(_Column("uncertainty", volumes.uncertainty, "inferno", (0.0, 1.0), False))
    return columns


def scan_limits(image: NDArray[np.float32]) -> tuple[float, float]:
    """Intensities that are drawn black and white; black stays black, as zero is what lies outside the brain."""
    brain = image[image != 0]
    low, high = np.percentile(brain, (0.5, 99.5)) if brain.size else (0.0, 1.0)
    return min(0.0, float(low)), float(high)


def map_top(values: NDArray[np.float32]) -> float:
    """Value of a map that has its brightest colour."""
    return float(np.percentile(values[values > 0], 99.5)) if (values > 0).any() else 1.0


def brain_window(case: Case) -> list[tuple[int, int]]:
    """First and last row and column (exclusive) of the brain, over all slices, with a small margin."""
    brain: NDArray[np.bool_] = np.logical_or.reduce(case.brain, axis=0)
    window = []
    for axis, length in enumerate(brain.shape):
        inside = np.flatnonzero(np.logical_or.reduce(brain, axis=1 - axis))
        first, last = (int(inside[0]), int(inside[-1])) if inside.size else (0, length - 1)
        window.append((max(first - 3, 0), min(last + 4, length)))
    return window


def outline(axis: Axes, mask: NDArray[Any], colour: str, style: str) -> None:
    """Draw the outline of a mask ``(H, W)``."""
    # Padded, so that a lesion at the picture's edge has a closed outline, too.
    padded = np.pad(mask > 0, 1).astype(np.float32)
    if padded.any():
        rows, columns = (np.arange(-1, length + 1) for length in mask.shape)
        axis.contour(columns, rows, padded, levels=[0.5], colors=colour, linestyles=style, linewidths=0.9)


def _bare(axis: Axes) -> None:
    axis.autoscale(False)
    axis.set_xticks([])
    axis.set_yticks([])
    for spine in axis.spines.values():
        spine.set_visible(False)
