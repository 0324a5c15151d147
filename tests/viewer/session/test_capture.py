from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.layers import Labels
from napari.layers._layer_actions import _duplicate_layer
from pytestqt.qtbot import QtBot

from napari_ddmd.case import Case
from napari_ddmd.viewer.layer_tag import Role, grid_arguments
from napari_ddmd.viewer.run_settings import SliceMode
from napari_ddmd.viewer.session.archive import SessionError, read_arrays, read_session
from napari_ddmd.viewer.session.capture import Snapshot, capture, save
from napari_ddmd.viewer.session.loading import load
from napari_ddmd.viewer.widgets.panel import SegmentationPanel
from tests.viewer.conftest import GatedSegment, add_case
from tests.viewer.session.conftest import OpenPanel, put_into_window


def test_without_a_case_there_is_nothing_to_save(open_panel: OpenPanel) -> None:
    _viewer, panel = open_panel()
    with pytest.raises(SessionError, match="no case to save"):
        capture(panel)


def test_what_belongs_to_the_case_is_taken(window: tuple[Any, SegmentationPanel], case: Case, tmp_path: Path) -> None:
    viewer, panel = window
    shape = case.grid.shape
    placed = {"scale": case.spacing, "translate": case.grid.translate, "units": "mm"}
    saved_mask = Labels(np.ones(shape, np.uint8), name="saved", **grid_arguments(case, Role.LESION))
    passing = Labels(np.ones(shape, np.uint8), name="passing", **grid_arguments(case, Role.MIRROR))
    for layer in (saved_mask, passing):
        viewer.layers.append(layer)
    viewer.add_labels(np.full(shape, 5, np.uint16), name="drawn", **placed)
    viewer.add_labels(np.ones((3, 3, 3), np.uint8), name="elsewhere", **placed)
    viewer.add_image(case.images[0] * 2, name="another image", **placed)
    snapshot = capture(panel)
    keys = [look.key for look in snapshot.parts["looks"]]
    assert keys == ["t1", "t1ce", "t2", "flair", "expert mask", "mask 0", "mask 1"]
    assert snapshot.left_out == ("elsewhere", "another image")
    assert [mask.tagged for mask in snapshot.parts["masks"]] == [True, False]
    assert snapshot.copies["mask 1"].dtype == np.uint16
    assert snapshot.has_files
    # What is painted later is not in it.
    viewer.layers["drawn"].data[0] = 1
    assert (snapshot.copies["mask 1"] == 5).all()
    path = save(snapshot, tmp_path / "s.ddmd", with_images=False)
    assert "elsewhere" not in str(read_session(path))


@pytest.mark.parametrize("is_original_there", [False, True])
def test_a_copy_of_the_experts_mask_keeps_what_was_drawn_on_it(
    window: tuple[Any, SegmentationPanel], open_panel: OpenPanel, tmp_path: Path, is_original_there: bool
) -> None:
    viewer, panel = window
    original = viewer.layers["expert mask"]
    viewer.layers.selection = {original}
    _duplicate_layer(viewer.layers)
    copy = viewer.layers["expert mask copy"]
    copy.paint((1, 2, 3), 1)
    assert not np.array_equal(copy.data, original.data)
    if is_original_there:
        viewer.layers.move(viewer.layers.index(copy), 0)
    else:
        viewer.layers.remove(original)
    snapshot = capture(panel)
    np.testing.assert_array_equal(snapshot.copies["mask 0"], copy.data)
    np.testing.assert_array_equal(snapshot.copies["expert"], original.data)
    path = save(snapshot, tmp_path / "s.ddmd", with_images=True)
    names = [layer.name for layer in viewer.layers]
    viewer, panel = open_panel()
    put_into_window(load(path, read_session(path), []), panel)
    assert [layer.name for layer in viewer.layers] == names
    np.testing.assert_array_equal(viewer.layers["expert mask copy"].data, copy.data)
    assert viewer.layers["expert mask copy"].editable
    if is_original_there:
        np.testing.assert_array_equal(viewer.layers["expert mask"].data, original.data)
        assert not viewer.layers["expert mask"].editable


def test_what_was_drawn_for_another_patient_is_left_out(open_panel: OpenPanel, case: Case) -> None:
    viewer, panel = open_panel(case)
    viewer.add_labels(np.ones(case.grid.shape, np.uint8), name="drawn")
    add_case(viewer, dataclasses.replace(case, name="Other", images=case.images * 2))
    snapshot = capture(panel)
    assert snapshot.case is not case
    assert snapshot.parts["masks"] == ()
    assert snapshot.left_out[-1] == "drawn"


def test_a_comparison_is_passed_over_and_the_outline_that_it_hides_is_kept(
    window: tuple[Any, SegmentationPanel], qtbot: QtBot
) -> None:
    viewer, panel = window
    panel.desk.results_of(panel.desk.case).lesion.ensure(0.5)  # type: ignore[arg-type]
    viewer.layers["lesion"].paint((4, 2, 2), 1)
    panel.lesion_tab.compare_box.tick.click()
    qtbot.waitUntil(lambda: panel.lesion_tab.compare_box.overlay is not None, timeout=10_000)
    assert not viewer.layers["lesion"].visible
    looks = {look.name: look for look in capture(panel).parts["looks"]}
    assert Role.COMPARISON.value not in looks
    assert looks["lesion"].visible
    assert not looks["expert mask"].visible


def test_runs_that_come_after_it_are_not_in_it(
    window: tuple[Any, SegmentationPanel], gated: GatedSegment, qtbot: QtBot, tmp_path: Path
) -> None:
    viewer, panel = window
    gated.allow(100)

    def run(first: int, last: int) -> None:
        panel.slice_box.set_mode(SliceMode.RANGE)
        panel.slice_box.range_slider.setValue((first, last))
        with qtbot.waitSignal(panel.controller.ended, timeout=10_000):
            panel.run()

    run(3, 4)
    snapshot = capture(panel)
    lesion, probability = viewer.layers["lesion"].data.copy(), viewer.layers["probability"].data[3:5].copy()
    # More slices of the same settings, and then all anew with others.
    run(3, 6)
    panel.sampling_box.seed.setValue(9)
    panel.sampling_box.samples.setValue(2)
    run(2, 3)
    path = save(snapshot, tmp_path / "s.ddmd", with_images=False)
    session = read_session(path)
    assert session.results is not None
    assert session.results.done == (3, 4)
    assert session.results.samples == 5
    arrays = read_arrays(path, session)
    np.testing.assert_array_equal(arrays["lesion"], lesion)
    np.testing.assert_array_equal(arrays["probability"], probability)
    assert probability.any()


def test_the_session_names_the_images_from_where_it_is(
    window: tuple[Any, SegmentationPanel], case: Case, tmp_path: Path
) -> None:
    folder = case.files.images["t1"].parent
    stored = read_session(save(capture(window[1]), folder.parent / "s.ddmd", with_images=False)).case
    (folder.parent / "s.ddmd").unlink()
    assert stored.images[0].relative == f"{folder.name}/{folder.name}_t1.nii.gz"
    assert stored.images[0].absolute == str(case.files.images["t1"])
    assert stored.mask_file == f"{folder.name}_seg.nii.gz"
    assert stored.header is None


def test_slices_of_a_run_that_was_taken_back_are_left_out(
    window: tuple[Any, SegmentationPanel], gated: GatedSegment, tmp_path: Path, qtbot: QtBot
) -> None:
    viewer, panel = window
    gated.allow(100)
    for first, last in ((3, 4), (3, 6)):
        panel.slice_box.set_mode(SliceMode.RANGE)
        panel.slice_box.range_slider.setValue((first, last))
        with qtbot.waitSignal(panel.controller.ended, timeout=10_000):
            panel.run()
    viewer.layers["lesion"].undo()
    session = read_session(save(capture(panel), tmp_path / "part.ddmd", with_images=False))
    assert session.results is not None
    assert session.results.done == (3, 4)
    viewer.layers["lesion"].undo()
    session = read_session(save(capture(panel), tmp_path / "none.ddmd", with_images=False))
    assert session.results is None
    box = panel.save_tab.session_box
    box._confirm = lambda *_: True
    box.open(tmp_path / "none.ddmd")
    qtbot.waitUntil(lambda: not box.is_busy, timeout=20_000)
    assert box.status.text() == "Opened none.ddmd"
    assert panel.results is not None
    assert panel.results.volumes is None
    assert not panel.results.lesion.data.any()


def test_its_masks_are_the_lesion_and_those_beside_it(snapshot: Snapshot) -> None:
    lesion, drawn = snapshot.masks
    assert lesion is snapshot.copies["lesion"]
    assert drawn is snapshot.copies["mask 0"]
