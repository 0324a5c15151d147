"""The report's pictures, each as PNG bytes with the words that go with it."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from napari_ddmd.case import MODALITIES, MODALITY_LABELS, Case
from napari_ddmd.lesions import Lesion
from napari_ddmd.missing import missing_modalities
from napari_ddmd.overview import EXPERT, FOUND, brain_window, map_top, outline, scan_limits
from napari_ddmd.saveable import Saveable
from napari_ddmd.slice_curves import slice_curves

MOST_KEY_SLICES = 3
# Told apart by everybody, and not only by hue: the expert's outline is dashed.
_INK = "#1a1a1a"
_BEST_FIRST = ("flair", "t2", "t1ce", "t1")
_CURVES = {"inter": "#0072b2", "intra": "#a04000", "lesion": "#007a5a"}
_DPI = 160


@dataclass(frozen=True)
class Picture:
    """A picture and its words.

    Attributes
    ----------
    png
        The file's bytes.
    caption
        Stands below it.
    alt
        Tells what is to be seen to those who do not see it.
    """

    png: bytes
    caption: str
    alt: str


def key_slices(content: Saveable) -> list[tuple[Lesion, int]]:
    """The largest lesions, at most three, each with the slice of its largest area."""
    largest = content.lesions[:MOST_KEY_SLICES]
    return [(lesion, _largest_slice(content.labels, lesion)) for lesion in largest]


def slice_pictures(content: Saveable) -> list[Picture]:
    """FLAIR with the outline on the key slices; one slice without lesion where nothing was found.

    Another modality takes the place of a FLAIR image that is missing.
    """
    case = content.case
    modality = _shown_modality(case)
    shown = MODALITY_LABELS[modality]
    expert = content.with_expert and case.mask is not None
    both = "; dashed: expert's mask" if expert else ""
    pictures = []
    for lesion, index in key_slices(content):
        number = case.grid.file_slice(index)
        pictures.append(
            Picture(
                _scan(content, modality, index),
                f"Lesion {lesion.label}: {shown}, slice {number}{both}",
                f"Axial {shown} slice {number} with the outline of lesion {lesion.label}"
                f"{' and of the expert mask' if expert else ''}.",
            )
        )
    if not pictures:
        index = _slice_without_lesion(content)
        number = case.grid.file_slice(index)
        pictures.append(
            Picture(
                _scan(content, modality, index),
                f"No lesion in the mask: {shown}, slice {number}{both}",
                f"Axial {shown} slice {number} without a lesion in the mask.",
            )
        )
    return pictures


def map_pictures(content: Saveable) -> list[Picture]:
    """The run's maps on the first key slice, those that there are; none where that slice was not segmented."""
    volumes = content.volumes
    if volumes is None or not volumes.done:
        return []
    found = key_slices(content)
    index = found[0][1] if found else _slice_without_lesion(content)
    if index not in volumes.done:
        return []
    number = content.case.grid.file_slice(index)
    pictures = []
    for title, volume, top in (
        ("Inter-discrepancy", volumes.inter, None),
        ("Intra-discrepancy", volumes.intra, None),
        ("Uncertainty (bits)", volumes.uncertainty, 1.0),
    ):
        if volume is not None:
            limit = map_top(volume[index]) if top is None else top
            pictures.append(
                Picture(
                    _map(content, volume[index], index, limit),
                    f"{title}, slice {number}",
                    f"{title} of axial slice {number} as colours from 0 to {limit:.2g}, with the outline of the mask.",
                )
            )
    return pictures


def score_plot(content: Saveable) -> Picture | None:
    """Scores of each slice, and the lesion's area that its probability amounts to; None without a run."""
    volumes, case = content.volumes, content.case
    if volumes is None or not volumes.done:
        return None
    numbers = np.arange(case.grid.shape[0])
    axial = [case.grid.axial_slice(int(number)) for number in numbers]
    of_axial = slice_curves(case, volumes)
    curves = {name: of_axial[name][axial] for name in _CURVES}
    titles = {"inter": "inter\nscore", "intra": "intra\nscore", "lesion": "lesion\ncm²"}
    shown = [name for name, curve in curves.items() if not np.isnan(curve).all()]
    figure = _figure(7.2, 0.45 * len(shown) + 0.35)
    rows = figure.subplots(len(shown), 1, sharex=True, squeeze=False)[:, 0]
    for axes, name in zip(rows, shown, strict=True):
        # Single slices between gaps would be invisible as a line.
        axes.plot(numbers, curves[name], color=_CURVES[name], linewidth=1.3, marker=".", markersize=3)
        axes.set_ylim(0, max(float(np.nanmax(curves[name])) * 1.1, 1e-6))
        axes.set_ylabel(titles[name], fontsize=7, color=_INK)
        axes.tick_params(labelsize=7, colors=_INK)
        axes.yaxis.set_major_locator(MaxNLocator(3))
        axes.spines[["top", "right"]].set_visible(False)
    last = rows[-1]
    ends = [case.grid.file_slice(index) for index in content.brain_slices or sorted(volumes.done)]
    last.set_xlim(min(ends) - 0.5, max(ends) + 0.5)
    last.xaxis.set_major_locator(MaxNLocator(integer=True))
    feet_first = case.grid.file_slice(0) == 0
    last.set_xlabel(f"slice of the files, {'feet → head' if feet_first else 'head → feet'}", fontsize=7, color=_INK)
    largest = ""
    if np.nanmax(curves["lesion"]) > 0:
        largest = f" The expected lesion area is largest on slice {int(np.nanargmax(curves['lesion']))}."
    words = {"inter": "inter score", "intra": "intra score", "lesion": "expected lesion area in cm²"}
    return Picture(
        _png(figure),
        "By slice: discrepancy scores, and the lesion's area as its probability expects it. Gaps were not segmented.",
        f"Curves over the slices: {', '.join(words[name] for name in shown)}.{largest}",
    )


def _largest_slice(labels: NDArray[np.int32], lesion: Lesion) -> int:
    first, last = lesion.slices
    areas = (labels[first : last + 1] == lesion.label).sum(axis=(1, 2))
    return first + int(areas.argmax())


def _slice_without_lesion(content: Saveable) -> int:
    """Where the model believes most in a lesion, or the middle of the brain where there was no run."""
    volumes = content.volumes
    if volumes is not None and volumes.done:
        done = sorted(volumes.done)
        sums = [float(volumes.probability[index].sum()) for index in done]
        return done[int(np.argmax(sums))] if max(sums) > 0 else done[len(done) // 2]
    brain = content.brain_slices or list(range(content.case.grid.shape[0]))
    return brain[len(brain) // 2]


def _shown_modality(case: Case) -> str:
    """FLAIR, or the next best where the case lacks it."""
    missing = missing_modalities(case)
    return next(name for name in _BEST_FIRST if name not in missing or name == _BEST_FIRST[-1])


def _scan(content: Saveable, modality: str, index: int) -> bytes:
    case = content.case
    volume = case.images[MODALITIES.index(modality)]
    return _image(content, volume[index], index, "gray", scan_limits(volume), with_expert=content.with_expert)


def _map(content: Saveable, values: NDArray[np.float32], index: int, top: float) -> bytes:
    return _image(content, values, index, "inferno", (0.0, top), bar=True)


def _image(
    content: Saveable,
    values: NDArray[np.float32],
    index: int,
    colours: str,
    limits: tuple[float, float],
    *,
    with_expert: bool = False,
    bar: bool = False,
) -> bytes:
    case = content.case
    crop = tuple(slice(*ends) for ends in brain_window(case))
    height, width = ((edge.stop - edge.start) * size for edge, size in zip(crop, case.spacing[1:], strict=True))
    figure = _figure(2.3, 2.3 * height / width, layout=None)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    shown = axes.imshow(
        values[crop],
        cmap=colours,
        vmin=limits[0],
        vmax=limits[1],
        aspect=case.spacing[1] / case.spacing[2],
        interpolation="nearest",
    )
    axes.autoscale(False)
    outline(axes, content.mask[index][crop], FOUND if not bar else "white", "solid")
    if with_expert and case.mask is not None:
        outline(axes, case.mask[index][crop], EXPERT, "dashed")
    for place, side in ((0.04, "R"), (0.96, "L")):
        axes.text(place, 0.5, side, color="white", fontsize=11, ha="center", va="center", transform=axes.transAxes)
    if bar:
        scale = figure.colorbar(shown, cax=axes.inset_axes((0.2, 0.07, 0.6, 0.025)), orientation="horizontal")
        scale.set_ticks([0, limits[1]], labels=["0", f"{limits[1]:.2g}"])
        scale.ax.tick_params(colors="white", labelsize=9, length=0, pad=1)
        scale.outline.set_visible(False)
    return _png(figure, "black")


def _figure(width: float, height: float, layout: Any = "constrained") -> Figure:
    """A figure without pyplot, whose state belongs to the main thread."""
    figure = Figure(figsize=(width, height), dpi=_DPI, layout=layout)
    FigureCanvasAgg(figure)
    return figure


def _png(figure: Figure, ground: str = "white") -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", facecolor=ground, metadata={"Software": None})
    return stream.getvalue()
