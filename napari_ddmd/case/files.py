"""Find the files of a case, in every folder layout of the challenge."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from napari_ddmd.case.errors import CaseError
from napari_ddmd.case.listing import RESULT, Listing
from napari_ddmd.case.naming import (
    MASK,
    MODALITIES,
    guess_modality,
    is_foreign,
    is_nifti,
    name_without_modality,
)

# HGG/case and LGG/case under the training folder, as up to 2018, is the deepest layout that was shipped.
_DEEPEST: Final = 3
_OF_DRIVES: Final = frozenset(("lost+found", "System Volume Information", "$RECYCLE.BIN"))
"""Folders that a drive has of its own, into which nobody may look."""
# What `napari-ddmd predict` leaves beside its results, and last of all.
_SUMMARY: Final = "summary.json"


@dataclass(frozen=True)
class CaseFiles:
    """The files of one case.

    Parameters
    ----------
    name : str
        The case's identifier: the name of its folder.
    images : dict of str to Path
        File of each modality that was found, in the order of `MODALITIES`.
    mask : Path or None
        The expert's mask.
    """

    name: str
    images: dict[str, Path]
    mask: Path | None = None

    @property
    def folder(self) -> Path:
        """The folder that the case is loaded from; some keep each image in a folder of its own below it."""
        return Path(os.path.commonpath([image.parent for image in self.images.values()]))


def find_case_files(path: str | os.PathLike[str], *, assignment: Mapping[str, Path] | None = None) -> CaseFiles:
    """Find the files of one case.

    Parameters
    ----------
    path : path-like
        Folder of the case (its images lie in it, or each in a folder of its own), or any one of its files.
    assignment : mapping of str to Path, optional
        Files that are known already, by modality (or ``"seg"``); they win over what the names say.

    Returns
    -------
    CaseFiles
        Modalities that were not found are absent from its ``images``.

    Raises
    ------
    CaseError
        If there is no such path, no image with a BRATS name, or two files for one modality.
    """
    location = _existing(path)
    folder, listing = location, Listing()
    if is_folder(location):
        listing = _list_case(location)
    else:
        if is_foreign(location.name):
            raise _foreign_error(location)
        if not is_nifti(location.name):
            raise CaseError(f"{location}: not a NIfTI file; choose a .nii or .nii.gz file or a case's folder")
        folder, listing = _list_around(location)
    name = folder.name
    if is_file(location) and listing.has_duplicates:
        listing = listing.sharing_name_with(location)
        name = name_without_modality(location.name) or name
    return _pick(name, location, listing, assignment or {})


def find_cases(path: str | os.PathLike[str]) -> list[CaseFiles]:
    """Find all cases under a folder: the folder of one case, or a folder of case folders.

    Parameters
    ----------
    path : path-like
        A case (folder or file), or a folder that holds case folders, directly or in groups (``HGG/case``).

    Returns
    -------
    list of CaseFiles
        Sorted by name; never empty.

    Raises
    ------
    CaseError
        If there is no case, or one of the cases is at fault as in :func:`find_case_files`.
    """
    return sorted((find_case_files(place) for place in case_places(path)), key=lambda files: files.name)


def case_places(path: str | os.PathLike[str]) -> list[Path]:
    """Tell where the cases under a folder are, those that :func:`find_case_files` will refuse among them.

    Parameters
    ----------
    path : path-like
        As for :func:`find_cases`.

    Returns
    -------
    list of Path
        The folders of the cases; the path itself where none is found. Folders with results of ours are left out.

    Raises
    ------
    CaseError
        If there is no such path.
    """
    location = _existing(path)
    if not is_folder(location):
        return [location]
    # Links can lead to one case by several ways, and back to where they are.
    places = {(os.path.realpath(place), place.name): place for place in reversed(_case_folders(location, 0, {}))}
    return list(reversed(places.values())) or [location]


def is_folder(path: Path) -> bool:
    """Tell whether a path is that of a folder, and one that can be looked at."""
    try:
        return path.is_dir()
    except OSError:
        return False


def is_file(path: Path) -> bool:
    """Tell whether a path is that of a file, and one that can be looked at."""
    try:
        return path.is_file()
    except OSError:
        return False


def _existing(path: str | os.PathLike[str]) -> Path:
    location = Path(path)
    try:
        # Not resolved: a link's own name is the case's name.
        location = Path(os.path.abspath(path))  # noqa: PTH100
        is_there = location.exists()
    except OSError as error:  # a name that is too long, a folder that may not be entered, or is gone from under us
        raise CaseError(f"{location}: cannot be opened ({error.strerror}); check the path") from error
    if not is_there:
        raise CaseError(f"{location}: no such file or folder; check the path")
    return location


def _entries(folder: Path) -> list[Path]:
    try:
        # Names that start with a dot are the shadow files that macOS leaves in archives ("._t1.nii.gz").
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
        if entries:
            _see_to_entry(entries[0])
    except OSError as error:
        raise CaseError(f"{folder}: cannot be opened ({error.strerror}); check the permissions") from error
    return entries


def _see_to_entry(entry: Path) -> None:
    """Fail where a folder tells its names and may not be entered: then nothing in it can be read."""
    try:
        entry.lstat()
    except PermissionError:
        raise
    except OSError:
        return  # of this entry alone


def _images(entries: Iterable[Path]) -> list[Path]:
    return [e for e in entries if (is_nifti(e.name) or is_foreign(e.name)) and _may_be_read(e)]


def _may_be_read(entry: Path) -> bool:
    """Tell whether a name stands for an image, or for one that is lost: the reading then says what is wrong with it."""
    try:
        mode = entry.stat().st_mode
    except OSError:
        return True
    # A folder of such a name may hold a modality's images.
    return not stat.S_ISDIR(mode)


def _list_case(folder: Path) -> Listing:
    """List a case's folder: its images, and those of sub-folders that are named after a modality."""
    entries = _entries(folder)
    listing = Listing()
    listing.add(_images(entries), case=folder.name)
    for entry in entries:
        modality = guess_modality(entry.name)
        if modality is not None and is_folder(entry):
            # Results in it are those of a case that is called as it is.
            case = entry.name if is_file(entry / _SUMMARY) else ""
            listing.add(_images(_entries(entry)), modality, case=case)
    return listing


def _list_around(file: Path) -> tuple[Path, Listing]:
    """Return the case's folder of one of its files, and its listing."""
    folder = file.parent
    listing = _list_case(folder)
    modality = guess_modality(folder.name)
    if modality is not None and set(listing.found) <= {modality}:
        return folder.parent, _list_case(folder.parent)
    return folder, listing


def _case_folders(folder: Path, depth: int, searched: dict[str, int]) -> list[Path]:
    """Find the cases in and below a folder that lies so deep; links may lead to what was `searched` from no deeper."""
    own = os.path.realpath(folder)
    if searched.get(own, depth + 1) <= depth:
        return []
    try:
        listing = _list_case(folder)
    except CaseError:
        return [folder]  # find_case_files tells why
    if listing.has_images:
        return [folder]
    searched[own] = depth
    below: list[Path] = []
    if depth < _DEEPEST:
        below = [entry for entry in _entries(folder) if is_folder(entry) and entry.name not in _OF_DRIVES]
    # One that may not be opened is named with the others: it may be a patient.
    closed = [entry for entry in below if not os.access(entry, os.R_OK)]
    cases = [case for e in below if e not in closed for case in _case_folders(e, depth + 1, searched)]
    # Images beside case folders (an atlas) are no case; images alone are a patient whose files have other names.
    if not cases and listing.unnamed and not is_file(folder / _SUMMARY):
        return [folder]
    return closed + cases


def _pick(name: str, location: Path, listing: Listing, assignment: Mapping[str, Path]) -> CaseFiles:
    unknown = set(assignment) - {*MODALITIES, MASK}
    if unknown:
        raise CaseError(f"{location}: no modality is called {sorted(unknown)[0]!r}; use one of {_choices()}")
    chosen: dict[str, Path] = {}
    for kind in (*MODALITIES, MASK):
        files = [Path(assignment[kind]).absolute()] if kind in assignment else listing.found.get(kind, [])
        if len(files) > 1:
            files = [file for file in files if is_file(file)] or files[:1]  # links that lead nowhere do not count
        if len(files) > 1:
            names = " and ".join(file.name for file in files[:2]) + (" and others" if len(files) > 2 else "")
            if listing.has_several_cases:
                raise CaseError(
                    f"{location}: holds the files of several cases ({names}); give one file of each, or put each case "
                    "into a folder of its own"
                )
            raise CaseError(f"{location}: {len(files)} files for {kind} ({names}); keep one of them")
        if files:
            chosen[kind] = files[0]
        elif kind in listing.foreign:
            raise _foreign_error(listing.foreign[kind])
    _refuse_shared_file(chosen)
    mask = chosen.pop(MASK, None)
    if not chosen:
        if None in listing.foreign:
            raise _foreign_error(listing.foreign[None])
        if listing.unnamed and _are_results(listing.unnamed):
            raise CaseError(f"{listing.unnamed[0].parent}: holds results of a case; choose the folder with its images")
        if listing.unnamed:
            raise CaseError(
                f"{listing.unnamed[0]}: its name tells no modality; rename it to end in one of {_choices()}"
            )
        raise CaseError(f"{location}: holds no image of a BRATS case; choose the folder with its NIfTI files")
    return CaseFiles(name, chosen, mask)


def _are_results(files: Sequence[Path]) -> bool:
    """Tell whether files without a modality's name are what was saved of a case."""
    return is_file(files[0].parent / _SUMMARY) or all(RESULT.search(file.name.lower()) for file in files)


def _refuse_shared_file(chosen: Mapping[str, Path]) -> None:
    seen: dict[Path, str] = {}
    for kind, file in chosen.items():
        if file in seen:
            raise CaseError(f"{file}: given as {seen[file]} and as {kind}; choose another file for one")
        seen[file] = kind


def _choices() -> str:
    return ", ".join(f"_{kind}" for kind in (*MODALITIES, MASK))


def _foreign_error(file: Path) -> CaseError:
    return CaseError(f"{file}: {file.suffix.lower()} files are not read; convert it to NIfTI (.nii.gz)")
