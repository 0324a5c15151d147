"""What an earlier run left of a case: the very results that are asked for again, other ones, or none."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_ddmd.case import CaseError, CaseFiles
from napari_ddmd.case.errors import DamagedFileError
from napari_ddmd.case.naming import is_nifti
from napari_ddmd.case.nifti import open_nifti
from napari_ddmd.export import REPLACING_FILE, SUMMARY_FILE, ExportError, file_names, report_names, session_name
from napari_ddmd.summary import model_entry
from napari_ddmd.whole_files import file_hash

if TYPE_CHECKING:
    from napari_ddmd.model import Bundle


def images_hash(files: CaseFiles) -> str:
    """SHA-256 of a case's images as they are on disk, each with its modality.

    Raises
    ------
    CaseError
        If one cannot be read.
    """
    whole = hashlib.sha256()
    for modality, path in sorted(files.images.items()):
        if path.exists() and not path.is_file():  # a pipe would be waited for, and a device read, for ever
            raise CaseError(f"{path}: is a folder, pipe or device by now; see that it can be read")
        try:
            content = file_hash(path)
        except OSError as error:
            raise CaseError(f"{path}: {error.strerror or error}; see that it can be read") from error
        whole.update(f"{modality} {content}\n".encode())
    return whole.hexdigest()


class ForeignResultsError(ExportError):
    """There are results that a run has not left like this: a mask that was corrected, or that was saved by hand."""


@dataclass(frozen=True)
class Kept:
    """Results that a run would only make again.

    Attributes
    ----------
    summary
        Of them.
    changed
        Names of files that somebody has changed or added since, a corrected mask above all. Summaries of earlier
        versions do not say what was in their files: of those there is none.
    """

    summary: dict[str, Any]
    changed: list[str]


def same_results(
    out: Path, files: CaseFiles, bundle: Bundle, settings: Mapping[str, Any], *, report: bool, session: bool = False
) -> Kept | None:
    """Give the results that a run would only make again.

    Parameters
    ----------
    out
        Holds one folder for each case.
    files, bundle
        The case and the model.
    settings
        What the run is asked for, as the summary has it.
    report
        Whether report and table are asked for.
    session
        Whether a session is.

    Returns
    -------
    Kept or None
        None where there are no results.

    Raises
    ------
    ForeignResultsError
        If there are results that a run would replace and that are not as a run has left them, or cannot be read.
    ExportError
        If there are others that were made otherwise or are incomplete; one line says which.
    CaseError
        If an image cannot be read.
    """
    target = out / files.name
    try:
        present = [name for name in file_names(files.name) if (target / name).exists()]
    except OSError as error:
        raise _unreadable(target, error) from error
    if not present:
        return None
    summary = _read(target / SUMMARY_FILE)
    changed = _changed(summary, target)
    damaged = [name for name in changed if _is_damaged(target / name)]
    changed = [name for name in changed if name not in damaged]
    wanted = [*(report_names(files.name) if report else ()), *([session_name(files.name)] if session else ())]
    reason = _incompleteness(summary, target, wanted, damaged) or _difference(summary, files, bundle, settings)
    if not reason:
        return Kept(summary, changed)
    told = f"{target / present[0]}: exists already, {reason}"
    if changed:
        raise ForeignResultsError(
            f"{told}, and {', '.join(changed)} changed since; choose another output folder, move this one, or "
            "overwrite all (--overwrite)"
        )
    if not _is_whole(summary) and not (target / REPLACING_FILE).exists():
        raise ForeignResultsError(
            f"{told}; choose another output folder, move the file, or overwrite all (--overwrite)"
        )
    raise ExportError(
        f"{told}; choose another output folder, replace such results (--update), or overwrite all (--overwrite)"
    )


def _incompleteness(summary: dict[str, Any], target: Path, wanted: list[str], damaged: list[str]) -> str:
    """Tell what results lack to be whole; empty where nothing."""
    if not _is_whole(summary):
        return f"and no {SUMMARY_FILE} says that it is whole and what it was made with"
    missing = [name for name in (*map(str, summary["files"]), *wanted) if not _is_filled(target / name)]
    if missing:
        return f"but {missing[0]} does not"
    return f"but {damaged[0]} is damaged" if damaged else ""


def _difference(summary: dict[str, Any], files: CaseFiles, bundle: Bundle, settings: Mapping[str, Any]) -> str:
    """Tell in what whole results differ from what is asked for; empty where in nothing."""
    from napari_ddmd.model.older import EARLIER_SAMPLING  # with torch, which the bundle has loaded

    made = {name: value for name, value in EARLIER_SAMPLING.items() if name in settings} | summary["settings"]
    changed = sorted(key for key in made.keys() | settings.keys() if made.get(key) != settings.get(key))
    if changed:
        return f"made with other settings ({', '.join(changed)})"
    model, own = summary.get("model"), model_entry(bundle)
    if not isinstance(model, dict):
        return "made with another model"
    said = {**own, **model}  # earlier versions say less of it
    if said["settings_sha256"] == bundle.full_settings_sha256:  # as earlier versions named settings
        said["settings_sha256"] = own["settings_sha256"]
    if said != own:
        return "made with another model"
    return "" if summary["images_sha256"] == images_hash(files) else "made from other images"


def _is_whole(summary: dict[str, Any]) -> bool:
    """Whether a summary says of which files it is, and from what and how they were made."""
    return (
        isinstance(summary.get("settings"), dict)
        and isinstance(summary.get("files"), list)
        and "images_sha256" in summary
    )


def _read(path: Path) -> dict[str, Any]:
    """A summary; empty where there is none that can be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _changed(summary: dict[str, Any], target: Path) -> list[str]:
    """Files that are there and are not what was written, and reports and sessions that the summary does not know."""
    written = summary.get("files_sha256")
    if not isinstance(written, dict):
        return []
    try:
        return [
            name
            for name in file_names(target.name)
            if name in {*written, *report_names(target.name), session_name(target.name)}
            and _is_filled(target / name)
            and (name not in written or file_hash(target / name) != written[name])
        ]
    except OSError as error:
        raise _unreadable(target, error) from error


def _unreadable(target: Path, error: OSError) -> ForeignResultsError:
    """Of what cannot be read nobody can tell whether it was corrected: it is not replaced."""
    return ForeignResultsError(f"{target}: cannot be read ({error.strerror or error}); see that it can")


def _is_damaged(path: Path) -> bool:
    """Whether a volume is not whole; of text nobody can tell, and a volume of another kind somebody has saved."""
    if not is_nifti(path.name):
        return False
    try:
        open_nifti(path).read_voxels()
    except DamagedFileError:
        return True
    except CaseError:
        return False
    return False


def _is_filled(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except (OSError, ValueError):  # a summary can name what is no file name
        return False
