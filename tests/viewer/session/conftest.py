from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_ddmd.case import Case
from napari_ddmd.viewer.layer_tag import Role
from napari_ddmd.viewer.run_settings import Sampling, SliceMode
from napari_ddmd.viewer.session.capture import Snapshot
from napari_ddmd.viewer.session.loading import Loaded
from napari_ddmd.viewer.session.restore import make_layers, steps_into_window
from napari_ddmd.viewer.session.stored import StoredResults, StoredScores
from napari_ddmd.viewer.session.stored_window import StoredMask, StoredSettings, StoredView
from napari_ddmd.viewer.widgets.panel import SegmentationPanel
from tests.results import finished
from tests.viewer.widgets.conftest import OpenPanel, _no_thread_outlives_the_test, installed, open_panel, pace, window

__all__ = ["OpenPanel", "_no_thread_outlives_the_test", "installed", "open_panel", "pace", "window"]

SHA = "0" * 64
DONE = [2, 3, 5]


def put_into_window(loaded: Loaded, panel: SegmentationPanel) -> None:
    """Put a session that was read into a window, all at once."""
    for _step in steps_into_window(loaded, panel, make_layers(loaded)):
        pass


@pytest.fixture
def snapshot(case: Case) -> Snapshot:
    """A session of three slices that are done, with a corrected lesion and a further mask; its layers are not told."""
    volumes = finished(case, slices=DONE)
    written = volumes.mask()
    lesion = written.copy()
    lesion[5, 0, :3] = 1
    drawn = np.zeros(case.grid.shape, np.int32)
    drawn[1, 2, 3] = -7
    results = StoredResults(
        model_sha256=SHA,
        sampling=Sampling(samples=3, seed=4),
        min_part=0.1,
        own_threshold=0.4,
        min_peak=0.6,
        shared_guess=True,
        healthy_below=0.02,
        done=tuple(DONE),
        samples=3,
        has_inter=True,
        has_intra=True,
        scores=tuple(_scores(index, volumes.scores[index]) for index in DONE),
        sample=1,
        limits={Role.INTER: 0.06},
    )
    parts = {
        "results": results,
        "has_lesion": True,
        "masks": (StoredMask(False, "int32", (3, 2, 2), (0, 0, 0), ("pixel",) * 3),),
        "looks": (),
        "active": None,
        "in_hand": None,
        "settings": StoredSettings(SliceMode.BRAIN, 0, 7, Sampling(), "tiny", SHA, 0.4, "Look", "single"),
        "view": StoredView((1.0, 2.0, 3.0), (0, 1, 2), 2, (0, 1, 2), 2.5, (0, 0, 0), ("towards", "down", "right")),
    }
    copies: dict[str, NDArray[Any]] = {"lesion": lesion, "written": written, "mask 0": drawn}
    if case.mask is not None:
        copies["expert"] = case.mask.copy()
    return Snapshot(case, True, volumes, parts, copies, ())


def _scores(index: int, scores: Any) -> StoredScores:
    return StoredScores(slice=index, inter=scores.inter, intra=scores.intra, per_modality=scores.per_modality)


Members = dict[str, bytes]
Forge = Callable[..., Path]


def members_of(path: Path) -> Members:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_members(path: Path, members: Members) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def change_document(members: Members, change: Callable[[dict[str, Any]], None]) -> Members:
    document = json.loads(members["session.json"])
    change(document)
    return members | {"session.json": json.dumps(document).encode()}
