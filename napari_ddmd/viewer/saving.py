"""What the Save dialog writes: the kinds of files, and how each comes about."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_ddmd.case import CaseError
from napari_ddmd.viewer.writer import mask_dtype

if TYPE_CHECKING:
    from napari_ddmd.dicom.segmentation import Made
    from napari_ddmd.saveable import Saveable


def _before_a_run(content: Saveable) -> str:
    if content.volumes is None or not content.volumes.done:
        return "There is none before a run of the model."
    return "The run made none: the model has no such maps, or the case lacks an image."


@dataclass(frozen=True)
class Kind:
    """One kind of output.

    Attributes
    ----------
    title : str
        In the dialog.
    tip : str
        What is in the files, and what they are for.
    names : callable
        Names of the files for a content; none where there is nothing of this kind to save.
    write : callable
        Writes all of them into a folder; the folder is a hidden one, from which they are moved to their place.
    lack : callable
        Tells why there is nothing of this kind in a content.
    arrays : tuple of str
        Arrays of the volumes that `write` reads: a run may go on writing into them, so they are copied first.
    remark : callable
        Tells what the files do not hold of a content; empty where that is nothing.
    """

    title: str
    tip: str
    names: Callable[[Saveable], list[str]]
    write: Callable[[Path, Saveable], object]
    arrays: tuple[str, ...] = ()
    lack: Callable[[Saveable], str] = _before_a_run
    remark: Callable[[Saveable], str] = lambda _content: ""


def result_files(folder: Path, kinds: Collection[str], content: Saveable) -> list[Path]:
    """Name the files that `save_results` writes, in the order of `KINDS`; kinds without content have none."""
    return [folder / name for key, kind in KINDS.items() if key in kinds for name in kind.names(content)]


def remarks_on(kinds: Collection[str], content: Saveable) -> list[str]:
    """Say what files of some kinds, once they are written, do not hold of a content."""
    there = (kind for key, kind in KINDS.items() if key in kinds and kind.names(content))
    return [remark for kind in there if (remark := kind.remark(content))]


def save_results(folder: Path, kinds: Collection[str], content: Saveable) -> list[Path]:
    """Save what was chosen, all or nothing.

    Parameters
    ----------
    folder : Path
        Where the files go, made if it is missing; existing files of the same names are replaced, after all new ones
        have been written.
    kinds : collection of str
        Keys of `KINDS`.
    content : Saveable
        What there is to save, as `Saveable.kept` gives it where a run may be going on.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    ExportError
        If a file cannot be written, or the study that a segmentation refers to cannot be read again.
    """
    from napari_ddmd.whole_files import ExportError, one_line_errors, settle, settle_names, workplace

    arrays = {name for key, kind in KINDS.items() if key in kinds for name in kind.arrays}
    content = content.settled(arrays)
    files = result_files(folder, kinds, content)
    with one_line_errors(folder), _made(folder), workplace(folder) as place:
        for key, kind in KINDS.items():
            if key in kinds and (names := kind.names(content)):
                try:
                    kind.write(place, content)
                except (ExportError, CaseError) as error:
                    words = str(error).replace(str(place), str(folder))
                    # What is at fault with a study may name that alone.
                    raise ExportError(words if str(folder) in words else f"{folder / names[0]}: {words}") from error
        settle(place)
        for file in files:
            (place / file.name).replace(file)
        settle_names(folder)
    return files


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    """Make the folder if it is missing; it goes again where nothing comes to stand in it."""
    is_new = not folder.exists()
    folder.mkdir(exist_ok=True)
    try:
        yield
    finally:
        if is_new:
            with suppress(OSError):  # which is what becomes of a folder that holds something
                folder.rmdir()


def _mask_names(content: Saveable) -> list[str]:
    return [f"{content.case.name}_mask.nii.gz"]


def _write_mask(folder: Path, content: Saveable) -> None:
    from napari_ddmd.export import save_volume

    save_volume(folder / _mask_names(content)[0], content.mask, content.case, dtype=mask_dtype(content.mask))


def _volume_kind(title: str, tip: str, *arrays: str, dtype: type[np.generic] = np.float32) -> Kind:
    """A kind whose files are volumes of the run, one an array."""

    def present(content: Saveable) -> dict[str, str]:
        volumes = content.volumes
        if volumes is None or not volumes.done:
            return {}
        there = (name for name in arrays if getattr(volumes, name) is not None)
        return {name: f"{content.case.name}_{name}.nii.gz" for name in there}

    def write(folder: Path, content: Saveable) -> None:
        from napari_ddmd.export import save_volume

        for name, file in present(content).items():
            save_volume(folder / file, getattr(content.volumes, name), content.case, dtype=dtype)

    return Kind(title, tip, lambda content: list(present(content).values()), write, arrays)


def _table_names(content: Saveable) -> list[str]:
    return [f"{content.case.name}_lesions.csv"]


def _write_table(folder: Path, content: Saveable) -> None:
    from napari_ddmd.lesion_table import write_lesion_table

    write_lesion_table(folder / _table_names(content)[0], content)


def _report_names(content: Saveable) -> list[str]:
    return [f"{content.case.name}_report.html"]


def _write_report(folder: Path, content: Saveable) -> None:
    from napari_ddmd.report import write_report

    write_report(folder / _report_names(content)[0], content)


def _segmentation_names(content: Saveable) -> list[str]:
    return [] if _lack_of_segmentation(content) else [f"{content.case.name}_seg.dcm"]


def _lack_of_segmentation(content: Saveable) -> str:
    from napari_ddmd.dicom.origin import origin_of

    origin = origin_of(content.case)
    if origin is None:
        return "There is none: the case was not opened from a DICOM study."
    if not origin.reference_series.facts.frame_of_reference:
        return "There is none: the study names no frame of reference, to which a segmentation is tied."
    return "" if (content.mask > 0).any() else "There is none: the mask is empty."


def _write_segmentation(folder: Path, content: Saveable) -> None:
    from napari_ddmd.dicom.segmentation import write_segmentation

    name = _segmentation_names(content)[0]
    is_semiautomatic = content.was_edited or content.is_restored or content.is_copy
    made: Made = "SEMIAUTOMATIC" if is_semiautomatic else "AUTOMATIC" if content.is_models else "MANUAL"
    write_segmentation(folder / name, content.mask, content.case, made=made)


def _lost_in_segmentation(content: Saveable) -> str:
    from napari_ddmd.dicom.segmentation import lesions_lost

    return lesions_lost(content.mask, content.case)


REPORT, SEGMENTATION = "report", "segmentation"
KINDS: dict[str, Kind] = {
    "mask": Kind("Mask (NIfTI)", "The mask as it stands on screen, with the values it has", _mask_names, _write_mask),
    "probability": _volume_kind("Probability (NIfTI)", "Mean of the sampled masks, 0 to 1", "probability"),
    "uncertainty": _volume_kind("Uncertainty (NIfTI)", "0 sure, 1 a coin's toss", "uncertainty"),
    "maps": _volume_kind("Discrepancy maps (NIfTI)", "Inter- and intra-discrepancy", "inter", "intra"),
    "samples": _volume_kind(
        "Sampled masks (NIfTI, 4-D)",
        "All sampled masks in one file, one after the other along its fourth axis",
        "samples",
        dtype=np.uint8,
    ),
    "lesions": Kind(
        "Lesions (CSV)",
        "A row a lesion: volume, longest axial diameter, slices, mean probability, scores",
        _table_names,
        _write_table,
        ("probability", "uncertainty"),
    ),
    REPORT: Kind(
        "Report (HTML, one page)",
        "Key slices, lesions, scores, settings and model on a page to print; of the patient only the case's name",
        _report_names,
        _write_report,
        ("probability", "uncertainty", "inter", "intra"),
    ),
    SEGMENTATION: Kind(
        "DICOM segmentation (SEG)",
        "Lies over the study in other viewers; repeats what the study says of the patient, as the standard demands",
        _segmentation_names,
        _write_segmentation,
        lack=_lack_of_segmentation,
        remark=_lost_in_segmentation,
    ),
}
"""All kinds of output, in the order of the dialog. Another one is another entry here."""

USUAL = frozenset(("mask", "probability", "lesions", REPORT))
"""Chosen at first."""
