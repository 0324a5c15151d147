"""The panel, the command line and Python give one mask for one seed, whatever else is saved beside it."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from threading import Event
from typing import Any

import nibabel
import numpy as np
import pytest
from napari.utils.notifications import Notification
from numpy.typing import NDArray
from pytestqt.qtbot import QtBot

from napari_ddmd.case import load_case
from napari_ddmd.cli import main
from napari_ddmd.cut import Cut
from napari_ddmd.model import load_bundle
from napari_ddmd.segment import SliceResult, segment
from napari_ddmd.viewer.run_settings import SliceMode
from napari_ddmd.viewer.saving import USUAL
from napari_ddmd.viewer.widgets.panel import SegmentationPanel
from napari_ddmd.volumes import Volumes
from tests.viewer.conftest import GatedSegment

SAMPLES, SEED = 3, 5
KINDS = ("mask", "probability", "uncertainty", "inter", "intra")


def saved(folder: Path) -> dict[str, NDArray[Any]]:
    """What is there of the volumes that every way of running saves."""
    files = {kind: folder / f"Small_001_{kind}.nii.gz" for kind in KINDS}
    return {kind: np.asarray(nibabel.load(file).dataobj) for kind, file in files.items() if file.exists()}


class Pausing:
    """The pipeline, which waits to be cancelled after its first slice where it is told to."""

    waits = False

    def __call__(self, *arguments: Any, cancel: Event | None = None, **settings: Any) -> Iterator[SliceResult]:
        for result in segment(*arguments, cancel=cancel, **settings):
            yield result
            if self.waits and cancel is not None:
                assert cancel.wait(60)
                return  # the other slices of so small a case are there by now


@pytest.fixture
def pipeline(gated: GatedSegment, monkeypatch: pytest.MonkeyPatch) -> Pausing:
    """The pipeline in the place of its stand-in."""
    pausing = Pausing()
    monkeypatch.setattr(import_module("napari_ddmd.segment"), "segment", pausing)
    return pausing


def run(panel: SegmentationPanel, qtbot: QtBot, done: int) -> None:
    with qtbot.waitSignal(panel.controller.ended, timeout=60_000):
        panel.run()
    assert panel.results is not None
    assert len(panel.results.done) == done


@pytest.mark.fault("Same result", count=6)
def test_whoever_asks_gets_the_same_files(
    window: tuple[Any, SegmentationPanel],
    pipeline: Pausing,
    small_case_folder: Path,
    tiny_model_folder: Path,
    notifications: list[Notification],
    qtbot: QtBot,
    tmp_path: Path,
) -> None:
    case, bundle = load_case(small_case_folder), load_bundle(tiny_model_folder)
    volumes = Volumes(case, SAMPLES, intra=True, inter=True, cut=Cut.of(bundle.settings.sampling))
    for result in segment(case, bundle, samples=SAMPLES, seed=SEED):
        volumes.add(result)

    # In the window: some slices with another seed, then with this one, then all, cancelled and gone on with.
    _viewer, panel = window
    panel.sampling_box.samples.setValue(SAMPLES)
    panel.sampling_box.seed.setValue(SEED + 1)
    panel.slice_box.set_mode(SliceMode.RANGE)
    panel.slice_box.range_slider.setValue((3, 4))
    run(panel, qtbot, done=2)
    panel.sampling_box.seed.setValue(SEED)
    run(panel, qtbot, done=2)
    panel.slice_box.set_mode(SliceMode.BRAIN)
    pipeline.waits = True
    with qtbot.waitSignal(panel.controller.ended, timeout=60_000):
        panel.run()
        qtbot.waitUntil(lambda: panel.results is not None and len(panel.results.done) == 3, timeout=60_000)
        panel.cancel()
    pipeline.waits = False
    assert panel.results is not None
    assert len(panel.results.done) < len(volumes.done)
    run(panel, qtbot, done=len(volumes.done))
    for folder, kinds in (("little", {"mask"}), ("much", {*USUAL, "maps", "uncertainty", "samples"})):
        notifications.clear()
        (tmp_path / folder).mkdir()
        panel.save_button.save(tmp_path / folder, kinds)
        qtbot.waitUntil(lambda: bool(notifications), timeout=30_000)
        assert "Saved" in notifications[0].message

    asked = ["--model", str(tiny_model_folder), "--samples", str(SAMPLES), "--seed", str(SEED), "--out"]
    assert main(["predict", str(small_case_folder), *asked, str(tmp_path / "command")]) == 0
    assert main(["predict", str(small_case_folder), *asked, str(tmp_path / "part"), "--slices", "3:5"]) == 0

    expected = {kind: getattr(volumes, kind) for kind in KINDS if kind != "mask"} | {"mask": volumes.mask()}
    assert expected["mask"].any()
    assert not expected["mask"][case.brain].all()
    for place, count in {"little": 1, "much": len(KINDS), "command/Small_001": len(KINDS)}.items():
        found = saved(tmp_path / place)
        assert len(found) == count
        for kind, layer in found.items():
            np.testing.assert_array_equal(case.grid.to_axial(layer), expected[kind], err_msg=f"{place} {kind}")
    # Which parts are too small depends on the whole lesion, and so on the slices; all else does not.
    own = [case.grid.axial_slice(number) for number in (3, 4)]
    for kind, layer in saved(tmp_path / "part" / "Small_001").items():
        if kind != "mask":
            np.testing.assert_array_equal(case.grid.to_axial(layer)[own], expected[kind][own], err_msg=kind)
