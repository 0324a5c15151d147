"""The labelled cases of a folder, and all at once that are at fault among them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from napari_ddmd.case import CaseError, CaseFiles, check_headers
from napari_ddmd.cases_meant import RefusedCaseError, find_with_faults
from napari_ddmd.one_line import one_line
from src_training.distributed import is_main
from src_training.recipe import RecipeError

_MOST_LINES = 20
_WAY_OUT = "move the case out of the data folder"


class FaultyCasesError(CaseError):
    """Cases that cannot be used.

    Attributes
    ----------
    lines
        What is to be told: one for each case, and for several what can be done.
    """

    def __init__(self, faults: Sequence[object], *, way_out: str = _WAY_OUT, kept: str = "") -> None:
        told = [one_line(fault) for fault in faults]
        otherwise = f", or {way_out}" if way_out else ""
        besides = f" ({kept})" if kept else ""
        if len(told) == 1:
            self.lines = [f"{told[0]}{otherwise}{besides}"]
        else:
            more = [f"and {len(told) - _MOST_LINES} more"] if len(told) > _MOST_LINES else []
            last = f"{len(told)} cases are at fault; mend each as its line says{otherwise}{besides}"
            self.lines = [*told[:_MOST_LINES], *more, last]
        super().__init__("\n".join(self.lines))


def labelled_cases(
    data: Path,
    *,
    task: str = "training",
    is_wanted: Callable[[str], bool] = lambda _name: True,
    are_read: bool = True,
) -> list[CaseFiles]:
    """The cases of a folder that have a mask; those without are named on standard error.

    Parameters
    ----------
    data
        Holds the cases.
    task
        What the masks are needed for.
    is_wanted
        Tells by its name whether a case takes part; others may be at fault.
    are_read
        Whether images will be read; else they are not looked at.

    Returns
    -------
    list of CaseFiles
        By name; of those that are wanted and read, all images are there, and all headers can be read and fit together.

    Raises
    ------
    FaultyCasesError
        If that is not so; all cases are named whose fault shows without reading their voxels.
    RecipeError
        If there is no such folder, or no case has a mask.
    """
    if _is_missing(data):
        raise RecipeError(f"{data.absolute()}: no such folder; say with --data DIR where the cases are")
    found, refused = find_with_faults(data)
    labelled: list[CaseFiles] = []
    for files in found:
        if files.mask is not None:
            labelled.append(files)
        elif is_main():
            print(one_line(f"{files.name}: no mask, left out"), file=sys.stderr)
    wanted = [files for files in labelled if is_wanted(files.name)]
    faults = [fault for fault in refused if is_wanted(fault.place.name)]
    if are_read:
        faults += [
            RefusedCaseError(error, files.folder) for files in wanted if (error := header_fault(files)) is not None
        ]
    faults += _namesakes(wanted)
    if faults:
        is_folder_itself = [fault.place.absolute() for fault in faults] == [data.absolute()]
        by_place = sorted(faults, key=lambda fault: fault.place)
        raise FaultyCasesError(by_place, way_out="give another folder with --data" if is_folder_itself else _WAY_OUT)
    if not labelled:
        raise RecipeError(f"{data}: no case has a mask; {task} needs *_seg.nii.gz files")
    return labelled


def _is_missing(path: Path) -> bool:
    try:
        return not path.exists()
    except OSError:  # of which the search tells
        return False


def header_fault(files: CaseFiles) -> CaseError | None:
    """What is wrong with a case so far as can be told without reading a voxel; None where nothing is."""
    try:
        check_headers(files)
    except CaseError as error:
        return error
    return None


def _namesakes(cases: Sequence[CaseFiles]) -> list[RefusedCaseError]:
    """What is to be said of cases that bear the name of one before them."""
    first: dict[str, CaseFiles] = {}
    return [
        RefusedCaseError(f"{files.folder}: has the same name as {first[files.name].folder}; rename one", files.folder)
        for files in cases
        if first.setdefault(files.name, files) is not files
    ]
