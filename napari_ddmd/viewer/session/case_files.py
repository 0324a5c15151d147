"""The images of a session's case: named by place and checksum, found again, and read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ddmd.case import MODALITIES, Case, CaseError, CaseFiles, load_case
from napari_ddmd.case.naming import is_nifti
from napari_ddmd.viewer.session.archive import SessionError
from napari_ddmd.viewer.session.stored_case import StoredCase, StoredImage

FolderFinder = Callable[[StoredCase], Path | None]


def has_files(case: Case) -> bool:
    """Tell whether a case can be read again from the files that it names."""
    files = case.files.images.values()
    return len(case.files.images) >= len(MODALITIES) - 1 and all(is_nifti(f.name) and f.is_file() for f in files)


def stored_images(case: Case, session_file: Path) -> tuple[StoredImage, ...]:
    """Name the image files of a case, as seen from a session's file."""
    return tuple(
        StoredImage(
            modality=modality,  # type: ignore[arg-type]
            relative=path_from(session_file.parent, file),
            absolute=os.path.abspath(file),  # noqa: PTH100
            sha256=checksum(case.images[MODALITIES.index(modality)]),
        )
        for modality, file in case.files.images.items()
    )


def checksum(image: NDArray[np.float32]) -> str:
    """SHA-256 of an image's voxels ``(S, H, W)``."""
    return hashlib.sha256(np.ascontiguousarray(image, "<f4").data).hexdigest()


def find_images(session_file: Path, stored: StoredCase) -> list[CaseFiles]:
    """Where the images may be: from the session's file on as when it was saved, and where they were then.

    Returns
    -------
    list of CaseFiles
        The likeliest first; empty where they are at neither place.
    """
    places: list[dict[str, Path]] = []
    if all(image.relative is not None for image in stored.images):
        folder = session_file.parent
        places.append({image.modality: folder / str(image.relative) for image in stored.images})
    places.append({image.modality: Path(image.absolute) for image in stored.images})
    return list(_there(stored, places))


def images_in(folder: Path, stored: StoredCase) -> list[CaseFiles]:
    """The images in a folder, by the names that they had."""
    names = {image.modality: Path(image.absolute.replace("\\", "/")).name for image in stored.images}
    return list(_there(stored, [{modality: folder / name for modality, name in names.items()}]))


def load_stored_case(session_file: Path, stored: StoredCase, places: list[CaseFiles], expert: Any) -> Case:
    """Read a case whose images are not in the session.

    Parameters
    ----------
    session_file, stored
        The session.
    places
        Where the images may be.
    expert
        The expert's mask ``(S, H, W)``, or None.

    Raises
    ------
    SessionError
        If the images are not those that the session was saved with.
    CaseError
        If they cannot be read.
    """
    refusal = SessionError(f"{session_file}: the images of {stored.name} are not where they were; choose their folder")
    for files in places:
        try:
            case = _load(replace(files, mask=None), is_whole=len(stored.images) == len(MODALITIES))
        except CaseError as error:
            refusal = SessionError(str(error))
            continue
        changed = _changed(case, stored)
        if changed is None:
            return replace(case, name=stored.name, files=files, mask=expert, warnings=stored.warnings)
        refusal = SessionError(
            f"{changed}: is not the image that {session_file.name} was saved with; put that one back in its place"
        )
    raise refusal


def embedded_case(stored: StoredCase, images: NDArray[Any], expert: Any) -> Case:
    """Make the case whose images ``(C, S, H, W)`` are in the session."""
    files = CaseFiles(stored.name, {})
    volumes = images.astype(np.float32)
    return Case(stored.name, volumes, stored.grid, files, stored.nifti_header, expert, stored.warnings)


def _load(files: CaseFiles, *, is_whole: bool) -> Case:
    # Remarks were told when the session was saved, and are told again with the case.
    return load_case(files, allow_missing=not is_whole, remark=lambda _text: None)


def _changed(case: Case, stored: StoredCase) -> Path | None:
    """The first file that is not as it was."""
    for image in stored.images:
        if case.grid != stored.grid or checksum(case.images[MODALITIES.index(image.modality)]) != image.sha256:
            return case.files.images[image.modality]
    return None


def _there(stored: StoredCase, places: list[dict[str, Path]]) -> Iterator[CaseFiles]:
    seen: list[CaseFiles] = []
    for place in places:
        # Not resolved: a link's own name is the case's name.
        images = {modality: Path(os.path.abspath(file)) for modality, file in place.items()}  # noqa: PTH100
        if not all(is_nifti(file.name) and file.is_file() for file in images.values()):
            continue
        mask = None
        if stored.mask_file is not None:
            beside = next(iter(images.values())).parent / Path(stored.mask_file).name
            mask = beside if beside.is_file() else None
        files = CaseFiles(stored.name, images, mask)
        if files not in seen:
            seen.append(files)
            yield files


def path_from(folder: Path, file: Path) -> str | None:
    """Name a file, or a folder, as seen from a folder; None where that cannot be."""
    try:
        return Path(os.path.relpath(file, folder)).as_posix()
    except ValueError:  # on another drive
        return None
