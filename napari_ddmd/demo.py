"""The demonstration without a window: a synthetic case, the bundled model, files and a picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from napari_ddmd.case import find_case_files
from napari_ddmd.export import SUMMARY_FILE, save_overview
from napari_ddmd.predict import Prediction, PredictSettings, predict_case
from napari_ddmd.whole_files import ExportError, one_line_errors

if TYPE_CHECKING:
    from napari_ddmd.model import Bundle
    from napari_ddmd.segment import Progress

SAMPLE_FOLDER, RESULTS_FOLDER, PICTURE = "sample-case", "results", "overview.png"


def demo_places(out: Path) -> list[Path]:
    """The folders that the demonstration writes into; not all have to be there."""
    results = out / RESULTS_FOLDER
    return [out, out / SAMPLE_FOLDER, results, results / SAMPLE_FOLDER]


def run_demo(
    out: Path, *, bundle: Bundle | None = None, progress: Callable[[Progress], None] | None = None
) -> tuple[Path, Prediction]:
    """Segment the sample case and leave its files and a picture.

    Parameters
    ----------
    out
        Gets ``sample-case/`` (used again when it is there already), ``results/`` and ``overview.png``.
    bundle
        The model; the packaged one by default.
    progress
        Called with the run's progress.

    Raises
    ------
    CaseError, ExportError
        If a file of the user's would be replaced, or the results cannot be written.

    Returns
    -------
    picture : Path
        Slices, maps and outlines.
    prediction : Prediction
        The results, and where they are.
    """
    from napari_ddmd.model import load_bundle
    from napari_ddmd.synthetic import refuse_place, write_case

    sample = out / SAMPLE_FOLDER
    with one_line_errors(sample):
        is_new = not sample.exists()
        picture, summary = out / PICTURE, out / RESULTS_FOLDER / SAMPLE_FOLDER / SUMMARY_FILE
        if picture.exists() and not summary.exists():
            raise ExportError(f"{picture}: is there already, without a demonstration's results; move it, or give --out")
    if is_new:
        refuse_place(sample)
        write_case(sample)
    done = predict_case(
        find_case_files(sample),
        load_bundle() if bundle is None else bundle,
        out / RESULTS_FOLDER,
        PredictSettings(),
        overwrite=True,
        progress=progress,
    )
    return save_overview(picture, done.case, done.volumes, done.summary["settings"]["threshold"]), done
