"""Windows for the command line: napari with a case and the panel."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import napari
from napari.layers import Layer
from napari.utils.notifications import show_warning

from napari_ddmd.case import load_case
from napari_ddmd.dicom import is_study
from napari_ddmd.viewer.case_layers import case_layers
from napari_ddmd.viewer.dicom_opener import open_in_window
from napari_ddmd.viewer.four_panels import Arrangement
from napari_ddmd.viewer.navigation import fullest_slice, go_to_slice
from napari_ddmd.viewer.remarks import in_short
from napari_ddmd.viewer.sample_data import sample_case
from napari_ddmd.viewer.session.archive import is_session

if TYPE_CHECKING:
    from napari_ddmd.case import Case
    from napari_ddmd.viewer.widgets.panel import SegmentationPanel


def open_window(case: Case | None, *, show: bool = True) -> tuple[napari.Viewer, SegmentationPanel]:
    """Open napari with the panel, and a case where there is one; return at once.

    Parameters
    ----------
    case : Case or None
        The patient.
    show : bool
        Whether the window is shown.
    """
    viewer = napari.Viewer(title="napari-ddmd", show=show)
    if case is not None:
        for data, arguments, kind in case_layers(case):
            viewer.add_layer(Layer.create(data, arguments, kind))
        for remark in case.warnings:
            show_warning(in_short(remark))
    _dock, panel = viewer.window.add_plugin_dock_widget("napari-ddmd", "Find lesions")
    return viewer, panel


def view_window(case_path: Path | None) -> None:
    """Show a case, a DICOM study or a saved session, and the panel; return when the window is closed.

    Parameters
    ----------
    case_path : Path or None
        Folder of the case or of a study, one of the case's files, or a session; None for an empty window.

    Raises
    ------
    CaseError
        If the case cannot be read; no window has been opened then.
    """
    if case_path is not None and is_session(case_path):
        _viewer, panel = open_window(None)
        panel.save_tab.session_box.open(case_path)
    elif case_path is not None and is_study(case_path):
        viewer, _panel = open_window(None)
        open_in_window(viewer, case_path)
    else:
        open_window(None if case_path is None else load_case(case_path, allow_missing=True))
    napari.run()


def demo_window(case: Case | None = None) -> None:
    """Show the sample case, or another one, and segment it; return when the window is closed."""
    case = sample_case() if case is None else case
    viewer, panel = open_window(case)
    go_to_slice(viewer, case, largest_slice(case))
    panel.arrange(Arrangement.MODALITIES)
    panel.run_when_ready()
    napari.run()


def largest_slice(case: Case) -> int:
    """Return the slice with most of the lesion by the expert's mask, or without one the middle slice."""
    fullest = None if case.mask is None else fullest_slice(case.mask, 0)
    return case.grid.shape[0] // 2 if fullest is None else fullest
