"""Save a session and edits in the form that the code of the day writes; run once for each version, and never again.

    python -m pytest tests/viewer/session/files/make.py --basetemp FOLDER

The session is that of a reader who has worked in the window, with the images inside.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from napari.layers._layer_actions import _duplicate_layer
from pytestqt.qtbot import QtBot

from napari_ddmd.viewer.autosave import Autosave, Edits
from napari_ddmd.viewer.session.capture import capture, save
from napari_ddmd.viewer.session.stored import VERSION
from tests.viewer.conftest import GatedSegment
from tests.viewer.session.test_restore import Window, number_anew, work

HERE = Path(__file__).parent


def test_make(window: Window, gated: GatedSegment, qtbot: QtBot, tmp_path: Path) -> None:
    work(window, gated, qtbot)
    viewer, panel = window
    number_anew(viewer.layers["drawn"], panel, qtbot)
    panel.summary_bar.toggle_accepted()
    chosen, viewer.layers.selection.active = viewer.layers.selection.active, viewer.layers["expert mask"]
    _duplicate_layer(viewer.layers)
    viewer.layers.selection.active = chosen
    snapshot = capture(panel)
    # The panel's model cuts at 0.5, and asks no peak of a part: such a session would be one of version 6.
    results = replace(snapshot.parts["results"], own_threshold=0.45, min_peak=0.6)
    snapshot = replace(snapshot, parts={**snapshot.parts, "results": results})
    save(snapshot, HERE / f"session-{VERSION}.ddmd", with_images=True)
    edits = Edits(snapshot.copies["lesion"], snapshot.copies["written"], 0.7)
    assert np.any(edits.mask != edits.written)
    kept = HERE / "autosave-1.npz"  # has no number of its own: another form is another file
    if not kept.exists():
        kept.write_bytes(Autosave(tmp_path).save("0" * 24, edits).read_bytes())
