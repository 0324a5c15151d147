"""Remarks on what was opened: told in the window where there is one."""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING

from napari.utils.notifications import show_warning

from napari_ddmd.case.errors import CaseWarning

if TYPE_CHECKING:
    from napari import Viewer


def open_window() -> Viewer | None:
    """Return the viewer whose window is open; where nobody has loaded napari's viewer there is none."""
    module = sys.modules.get("napari.viewer")
    viewer = None if module is None else module.current_viewer()
    return viewer if hasattr(viewer, "window") else None


def tell(remark: str) -> None:
    """Tell whoever opens something what he should know of it.

    Not by Python's warnings where there is a window: napari shows each of those once only, and the workers of all
    plugins (superqt's) take them away from the whole process while they run.
    """
    if open_window() is None:
        warnings.warn(CaseWarning(remark), stacklevel=2)
    else:
        show_warning(remark)
