"""What an earlier run left of a case: the very results that are asked for again, other ones, or none."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_ddmd.case import CaseError, CaseFiles
from napari_ddmd.export import SUMMARY_FILE, ExportError, file_names, report_names
from napari_ddmd.summary import model_entry

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
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256")
        except OSError as error:
            raise CaseError(f"{path}: {error.strerror or error}; see that it can be read") from error
        whole.update(f"{modality} {content.hexdigest()}\n".encode())
    return whole.hexdigest()


def same_results(
    out: Path, files: CaseFiles, bundle: Bundle, settings: Mapping[str, Any], *, report: bool
) -> dict[str, Any] | None:
    """Give the summary of results that a run would only make again.

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

    Returns
    -------
    dict or None
        None where there are no results.

    Raises
    ------
    ExportError
        If there are results that were made otherwise or are incomplete; one line says which.
    CaseError
        If an image cannot be read.
    """
    target = out / files.name
    present = [name for name in file_names(files.name) if (target / name).exists()]
    if not present:
        return None
    summary = _read(target / SUMMARY_FILE)
    reason = _difference(summary, target, files, bundle, settings, report_names(files.name) if report else [])
    if reason:
        raise ExportError(
            f"{target / present[0]}: exists already, {reason}; choose another output folder, replace such results "
            "(--update), or overwrite all (--overwrite)"
        )
    return summary


def _difference(
    summary: dict[str, Any],
    target: Path,
    files: CaseFiles,
    bundle: Bundle,
    settings: Mapping[str, Any],
    wanted: list[str],
) -> str:
    """Tell in what results differ from what is asked for; empty where in nothing."""
    made, recorded = summary.get("settings"), summary.get("files")
    if not isinstance(made, dict) or not isinstance(recorded, list) or "images_sha256" not in summary:
        return f"and no {SUMMARY_FILE} says that it is whole and what it was made with"
    missing = [name for name in (*map(str, recorded), *wanted) if not _is_filled(target / name)]
    if missing:
        return f"but {missing[0]} does not"
    changed = sorted(key for key in made.keys() | settings.keys() if made.get(key) != settings.get(key))
    if changed:
        return f"made with other settings ({', '.join(changed)})"
    if summary.get("model") != model_entry(bundle):
        return "made with another model"
    return "" if summary["images_sha256"] == images_hash(files) else "made from other images"


def _read(path: Path) -> dict[str, Any]:
    """A summary; empty where there is none that can be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _is_filled(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except OSError:
        return False
