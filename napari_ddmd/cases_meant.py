"""Which cases are meant by the paths of a command, and what is wrong with those that cannot be used."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from napari_ddmd.case import CaseError, CaseFiles, case_places, find_case_files


class RefusedCaseError(CaseError):
    """What is wrong with the files in a place.

    Attributes
    ----------
    place
        Of the case.
    folders
        Whose paths the message may hold.
    """

    def __init__(self, message: object, place: Path = Path(), *others: Path) -> None:
        super().__init__(str(message))
        self.place = place
        places = (place, *others)
        self.folders = tuple(dict.fromkeys(one.parent for each in places for one in as_written(each)))


def as_written(path: Path) -> Iterator[Path]:
    """A path as it was given, and as messages write it: whole, unless the folder that one is in is gone."""
    yield path
    with suppress(OSError):
        yield Path(os.path.abspath(path))  # noqa: PTH100 - without "..", and not resolved


def collect_cases(paths: Iterable[str | Path]) -> tuple[list[CaseFiles], list[RefusedCaseError]]:
    """Find all cases that are meant, and what is wrong with those that cannot be used.

    Parameters
    ----------
    paths
        Each the folder of a case, one of its files, or a folder of such folders.

    Returns
    -------
    tuple of list
        The cases, and the faults, each once. Different cases of one name are all at fault: their results would have
        one place.
    """
    found: dict[str, list[CaseFiles]] = {}
    faults: list[RefusedCaseError] = []
    for path in paths:
        cases, errors = find_with_faults(Path(path))
        faults += errors
        for files in cases:
            namesakes = found.setdefault(files.name, [])
            if all(_real(other) != _real(files) for other in namesakes):
                namesakes.append(files)
    usable: list[CaseFiles] = []
    for namesakes in found.values():
        for files in namesakes:
            twin = next((other for other in namesakes if other is not files), None)
            if twin is None:
                usable.append(files)
            else:
                first, second = files.folder, twin.folder
                told = f"{first}: has the same name as {second}; run them with different --out folders"
                faults.append(RefusedCaseError(told, first, second))
    return usable, list({(fault.place, str(fault)): fault for fault in faults}.values())


def find_with_faults(path: Path) -> tuple[list[CaseFiles], list[RefusedCaseError]]:
    """Find the cases under a path, by name; one folder at fault does not hide the others of a cohort."""
    try:
        places = case_places(path)
    except CaseError as error:
        return [], [RefusedCaseError(error, path)]
    cases: list[CaseFiles] = []
    faults: list[RefusedCaseError] = []
    for place in places:
        try:
            cases.append(find_case_files(place))
        except CaseError as error:
            faults.append(RefusedCaseError(_study_fault(place) or error, place))
    return sorted(cases, key=lambda files: files.name), faults


def _study_fault(place: Path) -> str:
    """Say what to do with a DICOM study; empty for what is none."""
    from napari_ddmd.dicom import is_study  # with pydicom, for which no case has to wait

    if not is_study(place):
        return ""
    return f"{place}: is a DICOM study; napari-ddmd import-dicom makes a case of it"


def _real(files: CaseFiles) -> dict[str, str]:
    """Where a case's images really are: links can lead to one of them by several ways."""
    return {modality: os.path.realpath(path) for modality, path in files.images.items()}
