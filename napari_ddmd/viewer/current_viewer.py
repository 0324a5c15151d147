"""The viewer that is open, for whoever napari calls without naming one; napari's viewer is not loaded for that."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari import Viewer


def current_viewer() -> Viewer | None:
    """Return the viewer that was used last; where nobody has loaded napari's viewer there is none."""
    module = sys.modules.get("napari.viewer")
    return None if module is None else module.current_viewer()


def viewer_in_window() -> Viewer | None:
    """Return the same where it has a window."""
    viewer = current_viewer()
    return viewer if hasattr(viewer, "window") else None
