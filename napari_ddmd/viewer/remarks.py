"""Remarks on what was opened: told in the window where there is one."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

from napari.utils.notifications import show_warning

from napari_ddmd.case.errors import CaseWarning
from napari_ddmd.viewer.current_viewer import viewer_in_window


def in_short(text: str, *, parts: int = 1) -> str:
    """Leave out the folders of the file that a message begins with: napari shows the first few words of each.

    Parameters
    ----------
    text : str
        The message.
    parts : int
        How much of the path stays: 1 is the file alone, 2 its folder, too.

    Examples
    --------
    >>> in_short("/data/patients/0001/0001_t1.nii.gz: the file is cut short"), in_short("all voxels are zero: no image")
    ('0001_t1.nii.gz: the file is cut short', 'all voxels are zero: no image')
    """
    place = _place_in(text)
    return f"{'/'.join(Path(place).parts[-parts:])}{text[len(place) :]}" if Path(place).is_absolute() else text


def _place_in(text: str) -> str:
    """Return the path that a message begins with, which a colon ends; names of folders may hold one, too."""
    places = [text[: colon.start()] for colon in re.finditer(": ", text)]
    there = [place for place in places if _is_there(Path(place))]
    # Of a file that is not there the folder tells.
    return there[-1] if there else max(places, key=_length_of_folder, default="")


def _length_of_folder(place: str) -> int:
    folder = Path(place).parent
    return len(str(folder)) if _is_there(folder) else 0


def _is_there(path: Path) -> bool:
    try:
        return path.is_absolute() and path.exists()
    except OSError:  # no name of a file, but a long message
        return False


def tell(remark: str) -> None:
    """Tell whoever opens something what he should know of it.

    Not by Python's warnings where there is a window: napari shows each of those once only, and the workers of all
    plugins (superqt's) take them away from the whole process while they run.
    """
    if viewer_in_window() is None:
        warnings.warn(CaseWarning(remark), stacklevel=2)
    else:
        show_warning(in_short(remark))
