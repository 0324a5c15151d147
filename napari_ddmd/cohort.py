"""A case of many on the command line: done, unless an earlier run has done it, and told of in one line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from napari_ddmd.earlier import ForeignResultsError
from napari_ddmd.export import ExportError
from napari_ddmd.learned import cautions_of
from napari_ddmd.predict import Prediction, PredictSettings, finished_before, predict_case
from napari_ddmd.progress_line import ProgressLine
from napari_ddmd.saveable import ModelFacts
from napari_ddmd.wording import millilitres

if TYPE_CHECKING:
    from napari_ddmd.case import CaseFiles
    from napari_ddmd.model import Bundle


class DoneCase(NamedTuple):
    """A case whose results are there.

    Attributes
    ----------
    summary
        As in ``summary.json``. Nothing else of the case stays in memory.
    line
        What became of it.
    kept
        Whether an earlier run has made the results.
    changed
        Names of the files of earlier results that somebody has changed or added since.
    cautions
        What the model has to say of results that are kept; an earlier version may not have written it down.
    """

    summary: dict[str, Any]
    line: str
    kept: bool = False
    changed: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()


def do_case(
    files: CaseFiles,
    bundle: Bundle,
    out: Path,
    settings: PredictSettings,
    *,
    overwrite: bool,
    update: bool,
    report: bool,
    session: bool = False,
    place: str,
) -> DoneCase:
    """Segment and save a case that is not done yet.

    Parameters
    ----------
    files, bundle, out, settings, report, session
        As in `napari_ddmd.predict.predict_case`.
    overwrite
        Whether earlier results are replaced in any case.
    update
        Whether those are replaced that are incomplete or were made otherwise; never what somebody has corrected.
    place
        Of the case among all, ``3/20``, for the line that shows how far it is.

    Raises
    ------
    CaseError, PredictError, DeviceError, InferenceError, ExportError
        One line each.
    """
    kept = None
    if not overwrite:
        try:
            kept = finished_before(files, bundle, out, settings, report=report, session=session)
        except ForeignResultsError:
            raise
        except ExportError:
            if not update:
                raise
    with ProgressLine(f"{files.name} ({place})") as line:

        def remark(text: str) -> None:
            line.note(f"napari-ddmd: warning: {text}")

        if kept is not None:
            cautions = cautions_of(files.name, ModelFacts.of(bundle))
            for caution in cautions:
                remark(f"{files.name}: {caution}")
            told = f"; changed since: {', '.join(kept.changed)}" if kept.changed else ""
            done_before = f"{files.name}: is done, and kept as it is in {out / files.name}{told}"
            return DoneCase(kept.summary, done_before, True, tuple(kept.changed), tuple(cautions))
        done = predict_case(
            files,
            bundle,
            out,
            settings,
            overwrite=overwrite or update,
            report=report,
            session=session,
            progress=line.update,
            remark=remark,
        )
    return DoneCase(done.summary, result_line(done))


def result_line(done: Prediction) -> str:
    """What was found in a case, how long it took, and where it is saved."""
    summary = done.summary
    lesions = len(summary["lesions"])
    count = f"{lesions} lesion{'' if lesions == 1 else 's'}"
    slices, brain = summary["slices"]["n"], done.case.brain_slices
    held = len(done.volumes.done.intersection(brain))
    part = f"{slices} slice{'' if slices == 1 else 's'}"
    if held < len(brain):
        part = f"{held} of {len(brain)} slices with brain"
    work = f"{part} in {summary['seconds']:.0f} s"
    volume = millilitres(summary["lesion_volume_ml"])
    return f"{summary['case']}: {volume} mL in {count}, {work}, saved in {done.folder}"
