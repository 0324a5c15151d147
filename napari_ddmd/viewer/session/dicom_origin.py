"""The DICOM study of a session's case: named by folder and digest, and found again, so that it can be referred to."""

from __future__ import annotations

import os
from pathlib import Path

from napari_ddmd.case import Case
from napari_ddmd.viewer.session.case_files import path_from
from napari_ddmd.viewer.session.stored_case import StoredFolder, StoredOrigin


def stored_origin(case: Case, session_file: Path) -> StoredOrigin | None:
    """Name the DICOM series that a case was made from, as seen from a session's file; None for another case."""
    if isinstance(case.origin, StoredOrigin):
        # Of a session whose study was not found: it may come back.
        return case.origin
    # Here, since few cases are of DICOM.
    from napari_ddmd.dicom.origin import digest, folders_of, origin_of

    origin = origin_of(case)
    if origin is None:
        return None
    series = origin.reference_series
    return StoredOrigin(
        reference=origin.reference,  # type: ignore[arg-type]
        folders=tuple(
            StoredFolder(relative=path_from(session_file.parent, folder), absolute=os.path.abspath(folder))  # noqa: PTH100
            for folder in folders_of(series)
        ),
        digest=digest(series),
    )


def find_origin(session_file: Path, stored: StoredOrigin) -> tuple[object, str]:
    """Find the DICOM series of a session again; reads the headers in its folders.

    Returns
    -------
    origin : DicomOrigin or StoredOrigin
        For the case; what was stored, where the series is not found.
    remark : str
        Why no DICOM segmentation can be written, in one line; empty where it can.
    """
    from napari_ddmd.dicom.errors import DicomError
    from napari_ddmd.dicom.origin import DicomOrigin, find_series

    places = []
    if all(folder.relative is not None for folder in stored.folders):
        places.append([session_file.parent / str(folder.relative) for folder in stored.folders])
    places.append([Path(folder.absolute) for folder in stored.folders])
    reason = "is not there any more, or has changed; put it back and open the session again"
    for folders in places:
        try:
            series = find_series(folders, stored.digest)
        except DicomError as error:
            reason = f"cannot be read ({error})"
            break
        if series is not None:
            return DicomOrigin({stored.reference: series}, stored.reference), ""
    folder = stored.folders[0].absolute
    return stored, f"{folder}: no DICOM segmentation (SEG) can be saved, since the study of this session {reason}"
