"""Cases in, files out: what the command line does without a viewer."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_ddmd.case import (
    Case,
    CaseError,
    CaseFiles,
    MissingImagesError,
    check_complete,
    load_case,
)
from napari_ddmd.cut import Cut
from napari_ddmd.device import estimate_memory, pick_device
from napari_ddmd.earlier import Kept, images_hash, same_results
from napari_ddmd.export import file_names, prediction_folder, report_names, save_prediction, session_name
from napari_ddmd.learned import cautions_of
from napari_ddmd.missing import missing_modalities
from napari_ddmd.saveable import ModelFacts
from napari_ddmd.volumes import Volumes
from napari_ddmd.whole_files import nearest_folder, refuse_unwritable
from napari_ddmd.without_values import hide_values

if TYPE_CHECKING:
    from napari_ddmd.model import Bundle
    from napari_ddmd.segment import Progress


class PredictError(ValueError):
    """Settings that do not fit the case or the model; the message is one line."""


@dataclass(frozen=True, kw_only=True)
class PredictSettings:
    """What is asked of a run.

    Attributes
    ----------
    slices
        First slice and the one after the last, in slice numbers of the case's files; None stands for an end
        of the file. Without it, all slices that hold brain.
    samples, steps, sampler, seed, device
        As in `napari_ddmd.segment.segment`.
    threshold
        The lesion is where the probability exceeds this; None means the model's own choice.
    allow_missing
        As in `napari_ddmd.case.load_case`.
    """

    slices: tuple[int | None, int | None] | None = None
    samples: int | None = None
    steps: int | None = None
    sampler: str | None = None
    seed: int = 0
    threshold: float | None = None
    device: str = "auto"
    allow_missing: bool = False


@dataclass(frozen=True)
class Prediction:
    """One case that is done."""

    case: Case
    volumes: Volumes
    folder: Path
    summary: dict[str, Any]


def saving_places(out: Path, names: Iterable[str]) -> list[Path]:
    """Tell where a run that was killed may have left something.

    Parameters
    ----------
    out
        Holds the results, and the hidden folder that they are written in.
    names
        Of the cases. Before a run it is tried whether results can be written: in the folder of the case or, while there
        is none, in the nearest one above it.

    Returns
    -------
    list of Path
        Folders; not all have to be there.
    """
    return list(dict.fromkeys((out, nearest_folder(out.absolute().parent), *(out / name for name in names))))


def predict_case(
    files: CaseFiles,
    bundle: Bundle,
    out: Path,
    settings: PredictSettings,
    *,
    overwrite: bool = False,
    report: bool = False,
    session: bool = False,
    progress: Callable[[Progress], None] | None = None,
    remark: Callable[[str], None] | None = None,
) -> Prediction:
    """Load, segment and save one case.

    Parameters
    ----------
    files, bundle
        The case and the model.
    out
        The results go to ``out/<case>``.
    settings
        What is asked for.
    overwrite
        Whether earlier results of this case may be replaced.
    report
        Whether a report (HTML) and a table of the lesions (CSV) are saved, too.
    session
        Whether a session is saved, too, that a window opens.
    progress, remark
        Called with the run's progress, and with each thing about the files that the user should know.

    Raises
    ------
    CaseError, PredictError, DeviceError, InferenceError, ExportError
        One line each; nothing is left under ``out`` then.
    """
    from napari_ddmd.segment import segment

    refuse_unwritable(prediction_folder(out, files.name, overwrite=overwrite), file_names(files.name))
    device = pick_device(settings.device)
    started = time.perf_counter()
    stamps = _stamps(files)
    tell = remark or (lambda _text: None)
    case = _load(files, settings, tell)
    for finding in case.findings:
        tell(f"{case.name}: {finding}")
    for caution in cautions_of(case.name, ModelFacts.of(bundle)):
        tell(f"{case.name}: {caution}")
    asked = _run_settings(settings, bundle)
    estimate = estimate_memory(bundle, samples=asked["samples"], device=settings.device, shape=case.grid.shape)
    if not estimate.fits:
        tell(f"{case.name}: {estimate}")
    images_sha256 = images_hash(files)
    if _stamps(files) != stamps:
        raise PredictError(f"{files.name}: its images changed while they were read; call again when they are whole")
    slices = _axial_slices(case, settings.slices)
    unwanted = [*(() if report else report_names(case.name)), *(() if session else [session_name(case.name)])]
    outdated = [name for name in unwanted if (out / case.name / name).exists()]
    used: list[str] = []  # a run may leave the device that it began on

    def note(message: Progress) -> None:
        if message.device not in used:
            used.append(message.device)
        if progress is not None:
            progress(message)

    try:
        results = segment(
            case,
            bundle,
            slices=slices,
            samples=asked["samples"],
            steps=asked["steps"],
            sampler=asked["sampler"],
            seed=settings.seed,
            device=settings.device,
            progress=note,
            remark=lambda text: tell(f"{case.name}: {text}"),
        )
    except ValueError as error:
        raise PredictError(f"{case.name}: {hide_values(str(error))}") from error
    has_maps = not missing_modalities(case)
    threshold = asked.pop("threshold")
    volumes = Volumes(
        case,
        asked["samples"],
        intra=bundle.has_intra and has_maps,
        inter=bundle.has_inter and has_maps,
        cut=Cut.of(bundle.settings.sampling),
    )
    for result in results:
        volumes.add(result)
    summary_file = save_prediction(
        out,
        case,
        bundle,
        volumes,
        settings=asked,
        device=", ".join(used) or str(device),
        seconds=time.perf_counter() - started,
        threshold=threshold,
        overwrite=overwrite,
        report=report,
        images_sha256=images_sha256,
        session=_session_writer(case, bundle, volumes, asked, settings.device, threshold) if session else None,
    )
    if outdated:
        listed, are = " and ".join(outdated), "are" if len(outdated) > 1 else "is"
        ways = dict.fromkeys("--session" if name == session_name(case.name) else "--report" for name in outdated)
        tell(f"{case.name}: {listed} of the earlier results {are} removed; {' and '.join(ways)} writes new ones")
    summary = json.loads(summary_file.read_text(encoding="utf-8"))
    return Prediction(case, volumes, summary_file.parent, summary)


def finished_before(
    files: CaseFiles,
    bundle: Bundle,
    out: Path,
    settings: PredictSettings,
    *,
    report: bool = False,
    session: bool = False,
) -> Kept | None:
    """Give the results that `predict_case` would only make again; parameters and errors as there.

    Returns
    -------
    Kept or None
        None where the case has no results yet.

    Raises
    ------
    ExportError
        If there are results that are incomplete or were made with other settings, another model or other images.
    """
    with _offering_to_go_on(settings):
        check_complete(files, allow_missing=settings.allow_missing)
    return same_results(out, files, bundle, _run_settings(settings, bundle), report=report, session=session)


def _load(files: CaseFiles, settings: PredictSettings, tell: Callable[[str], None]) -> Case:
    with _offering_to_go_on(settings):
        return load_case(files, allow_missing=settings.allow_missing, remark=tell)


@contextmanager
def _offering_to_go_on(settings: PredictSettings) -> Iterator[None]:
    """Say how a case that lacks one image is segmented all the same."""
    try:
        yield
    except MissingImagesError as error:
        if settings.allow_missing or len(error.modalities) > 1:
            raise
        raise CaseError(f"{error}; `napari-ddmd predict --allow-missing` goes on without it") from error


def refuse_impossible(settings: PredictSettings, bundle: Bundle) -> None:
    """Refuse settings that no case can be run with, before any is read.

    Raises
    ------
    PredictError, DeviceError
        One line each.
    """
    from napari_ddmd.case_sampler import refuse_impossible_sampling

    pick_device(settings.device)
    asked = _run_settings(settings, bundle)
    try:
        refuse_impossible_sampling(bundle, samples=asked["samples"], steps=asked["steps"], sampler=asked["sampler"])
    except ValueError as error:
        raise PredictError(str(error)) from error


def refuse_without_napari() -> None:
    """Refuse to write sessions where napari has no Qt to open them with: its layers are made for them.

    Raises
    ------
    PredictError
        One line, with what to install.
    """
    try:
        import napari_ddmd.viewer.session.of_run  # noqa: F401
    except ImportError as error:
        raise PredictError(
            'a session needs napari with Qt, which is not here; install "napari-ddmd[pyqt6]", or leave --session out'
        ) from error


def _session_writer(
    case: Case, bundle: Bundle, volumes: Volumes, asked: Mapping[str, Any], device: str, threshold: float
) -> Callable[[Path, Path], None]:
    """Return what writes a session of a run into a file, for a place where it will lie."""

    def write(path: Path, place: Path) -> None:
        from napari_ddmd.viewer.run_settings import Sampling
        from napari_ddmd.viewer.session.archive import SessionError
        from napari_ddmd.viewer.session.of_run import save_run

        names = ("samples", "steps", "sampler", "seed")
        sampling = Sampling(**{name: asked[name] for name in names}, device=device)
        try:
            save_run(path, case, bundle, volumes, sampling, threshold=threshold, place=place)
        except SessionError as error:
            raise PredictError(str(error)) from error

    return write


def _run_settings(settings: PredictSettings, bundle: Bundle) -> dict[str, Any]:
    """What a run is asked for in plain values, with the model's own where there is no wish."""
    own = bundle.settings.sampling
    threshold = own.threshold if settings.threshold is None else settings.threshold
    return {
        "samples": own.samples if settings.samples is None else settings.samples,
        "steps": own.steps if settings.steps is None else settings.steps,
        "sampler": own.sampler if settings.sampler is None else settings.sampler,
        "seed": settings.seed,
        "min_part": own.min_part,
        "min_peak": Cut.of(own).asked_peak(threshold),
        "evens_out": bundle.settings.evens_out,
        "slices": None if settings.slices is None else list(settings.slices),
        "threshold": threshold,
    }


def _stamps(files: CaseFiles) -> list[tuple[int, int, int]]:
    """What changes with the content of a case's images; nothing of one that is lost, which reading tells."""
    stamps: list[tuple[int, int, int]] = []
    for path in files.images.values():
        with suppress(OSError):
            found = path.stat()
            stamps.append((found.st_ino, found.st_size, found.st_mtime_ns))
    return stamps


def _axial_slices(case: Case, wanted: tuple[int | None, int | None] | None) -> list[int] | None:
    if wanted is None:
        return None
    depth = case.grid.shape[0]
    first = 0 if wanted[0] is None else wanted[0]
    stop = depth if wanted[1] is None else wanted[1]
    if not 0 <= first < stop <= depth:
        raise PredictError(f"{case.name}: slices {first}:{stop} are not in the files, which have slices 0:{depth}")
    return sorted(case.grid.axial_slice(number) for number in range(first, stop))
