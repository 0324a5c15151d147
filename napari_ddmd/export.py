"""Results on disk: NIfTI on the case's own grid and a summary, each whole or not there at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel
import numpy as np
from numpy.typing import DTypeLike, NDArray
from zlib_ng import gzip_ng

from napari_ddmd.case import Case
from napari_ddmd.case.plain_header import plain_header
from napari_ddmd.overview import save_overview
from napari_ddmd.saveable import ModelFacts, Saveable
from napari_ddmd.summary import summarise
from napari_ddmd.volumes import Volumes
from napari_ddmd.whole_files import (
    ExportError,
    alone_in,
    file_hash,
    one_line_errors,
    put_in_place,
    settle,
    settle_names,
    workplace,
)

if TYPE_CHECKING:
    from napari_ddmd.model import Bundle

__all__ = ["ExportError", "prediction_folder", "save_overview", "save_prediction", "save_volume"]

SUMMARY_FILE = "summary.json"
REPLACING_FILE = ".replacing"
"""Stands beside results while new ones take their place: without a summary, they are what that has left."""

_REPORT, _TABLE = "report.html", "lesions.csv"
_VOLUMES: dict[str, type[np.generic]] = {
    "mask": np.uint8,
    "probability": np.float32,
    "uncertainty": np.float32,
    "inter": np.float32,
    "intra": np.float32,
}

_SAVING_AT_ONCE = 2
"""Volumes; each takes up to three times its own size while it is compressed."""
_COMPRESSION = 2
"""The first level of zlib-ng that is not only fast; files become as small as at level 1 of zlib, which nibabel uses."""


def save_volume(path: str | Path, volume: NDArray[Any], case: Case, *, dtype: DTypeLike) -> Path:
    """Save a volume as NIfTI on the grid of the case's files.

    Parameters
    ----------
    path
        Ends in ``.nii`` or ``.nii.gz``; an existing file is replaced in one step.
    volume
        ``(S, H, W)`` on the case's axial grid; of several, ``(K, S, H, W)``, the file's fourth axis runs over K.
    case
        Gives axis order, affine and header.
    dtype
        Number type in the file.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ExportError
        If the name has another ending, or the file cannot be written.
    """
    target = Path(path)
    if not target.name.lower().endswith((".nii", ".nii.gz")):
        raise ExportError(f"{target}: the name must end in .nii or .nii.gz; rename it")
    with one_line_errors(target), workplace(target.parent) as place:
        fresh = place / target.name
        write_nifti(_image(volume, case, np.dtype(dtype)), fresh)
        return put_in_place(fresh, target)


def prediction_folder(folder: str | Path, case_name: str, *, overwrite: bool) -> Path:
    """Tell the folder of a case's results, after a check that they may be written there.

    Raises
    ------
    ExportError
        If a file is in the way, or there are results already and `overwrite` is not set.
    """
    target = Path(folder) / case_name
    in_the_way = next((place for place in (target, *target.parents) if place.exists()), target)
    if in_the_way.is_file():
        raise ExportError(f"{in_the_way}: is a file; choose another output folder")
    present = [name for name in file_names(case_name) if (target / name).exists()]
    if present and not overwrite:
        there = target / present[0]
        raise ExportError(f"{there}: exists already; choose another output folder, or overwrite (--overwrite)")
    return target


def save_prediction(
    folder: str | Path,
    case: Case,
    bundle: Bundle,
    volumes: Volumes,
    *,
    settings: Mapping[str, Any],
    device: str,
    seconds: float,
    threshold: float,
    overwrite: bool = False,
    report: bool = False,
    images_sha256: str | None = None,
    session: Callable[[Path, Path], object] | None = None,
) -> Path:
    """Save all results of one case under ``folder/<case>``, or none.

    Results that are there already are replaced only after all new files have been written; other files in
    that folder are left alone. ``summary.json`` comes last, so that a folder that has one is complete.

    Parameters
    ----------
    folder
        Holds one folder for each case; made when it is missing.
    case, bundle, volumes
        What was segmented, with what, and the result.
    settings
        What the run was asked for; goes into the summary as it is.
    device, seconds
        Where it ran, and for how long.
    threshold
        The lesion is where the probability exceeds this.
    overwrite
        Whether earlier results of this case may be replaced.
    report
        Whether a report (HTML) and a table of the lesions (CSV) are written, too.
    images_sha256
        Of the case's files (`napari_ddmd.earlier.images_hash`): goes into the summary, so that a later run can tell
        whether it would do the same again.
    session
        Writes a session, too: given the file to write, and where it will lie in the end.

    Returns
    -------
    Path
        The case's ``summary.json``.

    Raises
    ------
    ExportError
        If there is nothing to save, there are results already, or they cannot be written.
    """
    if not volumes.done:
        raise ExportError(f"{case.name}: no slice has been segmented; run it before saving")
    target = prediction_folder(folder, case.name, overwrite=overwrite)
    summary = summarise(case, bundle, volumes, settings=settings, device=device, seconds=seconds, threshold=threshold)
    if images_sha256 is not None:
        summary["images_sha256"] = images_sha256
    layers = {kind: getattr(volumes, kind) for kind in _VOLUMES if kind != "mask"}
    layers["mask"] = volumes.mask(threshold)
    with one_line_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with workplace(target.parent) as place:
            fresh = place / target.name
            fresh.mkdir()
            _save_all({kind: volume for kind, volume in layers.items() if volume is not None}, case, fresh)
            if report:
                content = Saveable(
                    case=case,
                    mask=layers["mask"],
                    volumes=volumes,
                    model=ModelFacts.of(bundle),
                    settings={**settings, **_own_settings(bundle), "device": device},
                    threshold=threshold,
                    is_models=True,
                )
                _save_report(fresh, content)
            if session is not None:
                session(fresh / session_name(case.name), target / session_name(case.name))
            summary["files"] = sorted(entry.name for entry in fresh.iterdir())
            summary["files_sha256"] = {name: file_hash(fresh / name) for name in summary["files"]}
            text = json.dumps(summary, indent=1, allow_nan=False) + "\n"
            (fresh / SUMMARY_FILE).write_text(text, encoding="utf-8")
            _move_results(fresh, target, case.name)
    return target / SUMMARY_FILE


def _own_settings(bundle: Bundle) -> dict[str, Any]:
    """What a report says of the model's own way to sample beside what a run is asked for."""
    sampling = bundle.settings.sampling
    return {"shared_guess": sampling.shared_guess, "healthy_below": sampling.healthy_below}


def _save_all(layers: Mapping[str, NDArray[Any]], case: Case, folder: Path) -> None:
    """Write the volumes side by side: other threads run while one compresses."""

    def save(kind: str) -> None:
        write_nifti(_image(layers[kind], case, np.dtype(_VOLUMES[kind])), folder / _volume_name(case.name, kind))

    with ThreadPoolExecutor(_SAVING_AT_ONCE, "save") as pool:
        list(pool.map(save, layers))


def write_nifti(image: nibabel.Nifti1Image, file: Path) -> None:
    """Write a NIfTI file, by a faster compressor than that of `nibabel.save`.

    The same image gives the same bytes each time: no date and no name goes into the compressed file.

    Parameters
    ----------
    image
        Header and voxels.
    file
        Compressed where its name ends in ``.gz``.
    """
    with file.open("wb") as raw:
        if file.name.lower().endswith(".gz"):
            packing = gzip_ng.GzipNGFile("", "wb", _COMPRESSION, raw, mtime=0)  # type: ignore[no-untyped-call]
            with packing as packed:
                image.to_stream(packed)
        else:
            image.to_stream(raw)


def _save_report(folder: Path, content: Saveable) -> None:
    # Matplotlib is slow to load, and most runs do without it.
    from napari_ddmd.lesion_table import lesion_csv
    from napari_ddmd.report import report_page

    for kind, text in ((_REPORT, report_page(content)), (_TABLE, lesion_csv(content))):
        (folder / f"{content.case.name}_{kind}").write_text(text, encoding="utf-8", errors="replace", newline="")


def _image(volume: NDArray[Any], case: Case, dtype: np.dtype[Any]) -> nibabel.Nifti1Image:
    header = plain_header(case.header)
    header.set_data_dtype(dtype)
    # The scan's display range would be wrong for a mask or a map.
    header["cal_min"] = header["cal_max"] = 0
    header["descrip"] = b"napari-ddmd"
    array = case.grid.to_source(volume).astype(dtype)
    if array.ndim == 4:
        array = np.moveaxis(array, 0, -1)
    return nibabel.Nifti1Image(array, case.grid.affine, header)


def _move_results(fresh: Path, target: Path, case_name: str) -> None:
    """Put freshly written files in place, and remove what an earlier run left of its own."""
    if not target.exists():
        put_in_place(fresh, target)
        return
    settle(fresh)
    with alone_in(target):
        # The summary goes first and comes last: where there is one, all files belong to it. Each of the others is the
        # old one or the new one at any moment.
        (target / REPLACING_FILE).touch()
        (target / SUMMARY_FILE).unlink(missing_ok=True)
        settle_names(target)
        for name in file_names(case_name):
            if (fresh / name).exists():
                (fresh / name).replace(target / name)
            else:
                (target / name).unlink(missing_ok=True)
        settle_names(target)
        (target / REPLACING_FILE).unlink()


def file_names(case_name: str) -> list[str]:
    """All files that a case's results can have; the summary is the last."""
    volumes = [_volume_name(case_name, kind) for kind in _VOLUMES]
    return [*volumes, *report_names(case_name), session_name(case_name), SUMMARY_FILE]


def session_name(case_name: str) -> str:
    """File that is written where a session is asked for."""
    return f"{case_name}.ddmd"


def report_names(case_name: str) -> list[str]:
    """Files that are written where a report is asked for."""
    return [f"{case_name}_{kind}" for kind in (_REPORT, _TABLE)]


def _volume_name(case_name: str, kind: str) -> str:
    return f"{case_name}_{kind}.nii.gz"
