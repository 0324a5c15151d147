from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from napari_ddmd.case import find_case_files
from napari_ddmd.model import Bundle
from napari_ddmd.predict import PredictSettings, predict_case
from napari_ddmd.viewer.session.archive import read_session
from tests.conftest import CaseWriter
from tests.viewer.conftest import GatedSegment
from tests.viewer.session.conftest import OpenPanel


@pytest.mark.parametrize("lacks_one", [False, True])
def test_a_session_of_a_run_without_a_window_opens_in_one_with_all_that_was_found(
    open_panel: OpenPanel,
    gated: GatedSegment,
    write_small_case: CaseWriter,
    tiny_bundle: Bundle,
    tmp_path: Path,
    qtbot: QtBot,
    lacks_one: bool,
) -> None:
    folder = write_small_case(tmp_path / "cases" / "Small_001")
    if lacks_one:
        (folder / "Small_001_t1.nii.gz").unlink()
    gated.allow(100)
    settings = PredictSettings(samples=2, steps=1, seed=3, slices=(2, 6), threshold=0.4, allow_missing=True)
    done = predict_case(find_case_files(folder), tiny_bundle, tmp_path / "out", settings, session=True)
    viewer, panel = open_panel()
    panel.save_tab.session_box.open(done.folder / "Small_001.ddmd")
    qtbot.waitUntil(lambda: panel.desk.case is not None and not panel.save_tab.session_box.is_busy, timeout=20_000)
    assert panel.results is not None
    assert panel.desk.case is not None
    assert panel.desk.case.files.images == done.case.files.images
    assert panel.results.done == done.volumes.done
    assert panel.results.threshold == 0.4
    assert panel.results.volumes is not None
    for kind in ("probability", "samples", "uncertainty", "inter", "intra"):
        np.testing.assert_array_equal(getattr(panel.results.volumes, kind), getattr(done.volumes, kind))
    np.testing.assert_array_equal(viewer.layers["lesion"].data, done.volumes.mask(0.4))
    images = ["t1ce", "t2", "flair"] if lacks_one else ["t1", "t1ce", "t2", "flair"]
    assert [layer.name for layer in viewer.layers][: len(images) + 1] == [*images, "expert mask"]
    assert {layer.name for layer in viewer.layers if layer.visible} == {"flair", "lesion"}
    assert panel.sampling_box.sampling.samples == 2
    assert panel.lesion_box.layer is viewer.layers["lesion"]
    assert panel.results.lesion.edited_slices == []
    assert panel.results.lesion.next_undo is None


def test_a_run_goes_on_from_it(
    open_panel: OpenPanel,
    gated: GatedSegment,
    small_case_folder: Path,
    tiny_bundle: Bundle,
    tmp_path: Path,
    qtbot: QtBot,
) -> None:
    gated.allow(100)
    settings = PredictSettings(samples=2, steps=1, seed=3, slices=(2, 6))
    done = predict_case(find_case_files(small_case_folder), tiny_bundle, tmp_path, settings, session=True)
    session = read_session(done.folder / "Small_001.ddmd")
    assert session.case.images[0].relative is not None
    assert (done.folder / session.case.images[0].relative).resolve().is_file(), "from where it lies in the end"
    _viewer, panel = open_panel()
    panel.save_tab.session_box.open(done.folder / "Small_001.ddmd")
    qtbot.waitUntil(lambda: panel.desk.case is not None and not panel.save_tab.session_box.is_busy, timeout=20_000)
    assert panel.desk.bundle is not None
    assert panel.desk.bundle.sha256 == tiny_bundle.sha256
    left = panel.run_part.prospect(list(range(8)), panel.sampling_box.sampling).left
    assert left == len(done.volumes.done.symmetric_difference(done.case.brain_slices))
