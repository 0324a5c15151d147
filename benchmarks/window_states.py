"""What a window goes through beside runs, for `benchmarks.responsiveness`: sessions, layouts, planes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from napari_ddmd.viewer.four_panels import Arrangement
from napari_ddmd.viewer.planes import Plane

_SESSION = "benchmark.ddmd"

Act = Callable[[], object]
IsOver = Callable[[], bool]
States = Iterator[tuple[str, Act, IsOver]]
"""Name of a phase, what begins it, and what tells that it is over."""


def sessions(panel: Any) -> States:
    """Save a session with its images, close the case, and open the session."""
    from napari_ddmd.viewer.session.restore import close_case

    box = panel.save_tab.session_box
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / _SESSION
        box.with_images.setChecked(True)
        yield "save a session", lambda: box.save(path), lambda: not box.is_busy
        yield "close a case", lambda: close_case(panel, panel.desk.case), _at_once
        yield "open a session", lambda: box.open(path), lambda: not box.is_busy


def layouts(panel: Any) -> States:
    """Each layout from each other one, and the planes in one image and in four."""
    for name in ("modalities", "explain", "modalities", "single", "explain", "single"):
        yield f"layout: {name}", partial(panel.arrange, Arrangement(name)), _at_once
    for layout in (Arrangement.SINGLE, Arrangement.MODALITIES):
        panel.arrange(layout)
        for plane in (Plane.CORONAL, Plane.SAGITTAL, Plane.AXIAL):
            yield f"plane in {layout.value}", partial(panel.show_plane, plane), _at_once
    panel.arrange(Arrangement.SINGLE)


STATES: dict[str, Callable[[Any], States]] = {"sessions": sessions, "layouts": layouts}
"""What the benchmark offers beside the acts of a run."""


def _at_once() -> bool:
    return True
