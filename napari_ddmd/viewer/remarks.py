"""Remarks on what was opened: told in the window where there is one."""

from __future__ import annotations

import warnings

from napari.utils.notifications import show_warning

from napari_ddmd.case.errors import CaseWarning
from napari_ddmd.viewer.current_viewer import viewer_in_window


def tell(remark: str) -> None:
    """Tell whoever opens something what he should know of it.

    Not by Python's warnings where there is a window: napari shows each of those once only, and the workers of all
    plugins (superqt's) take them away from the whole process while they run.
    """
    if viewer_in_window() is None:
        warnings.warn(CaseWarning(remark), stacklevel=2)
    else:
        show_warning(remark)
