"""The folder that is proposed for what is saved of a case."""

from __future__ import annotations

import os
from pathlib import Path

from napari_ddmd.case import Case


def case_folder(case: Case) -> Path:
    """Return the folder of the case's files.

    For a DICOM study it is the one above the folder that its series have in common: a study's own folder is its
    archive's. It is the user's home for a case that knows no files, and for a study on a disk that cannot be written
    to.
    """
    beside = next(iter(case.files.images.values()), None)
    if beside is not None:
        return beside.parent
    above = _above_study(case)
    return above if above is not None and os.access(above, os.W_OK | os.X_OK) else Path.home()


def _above_study(case: Case) -> Path | None:
    if case.origin is None:
        return None
    # Here, since few cases are of DICOM.
    from napari_ddmd.dicom.origin import folders_of, origin_of

    origin = origin_of(case)
    # Of a session's case one series alone is known, which may lie in a folder of its own within the study's.
    if origin is None or len(origin.series) < 2:
        return None
    folders = [folder.absolute() for series in origin.series.values() for folder in folders_of(series)]
    study = Path(os.path.commonpath(folders))
    return study.parent if study.parent != study else None
