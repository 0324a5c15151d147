from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import napari
import numpy as np
import pytest
from napari.layers import Labels
from napari.layers._layer_actions import _duplicate_layer
from napari.utils.notifications import Notification
from pytestqt.qtbot import QtBot

from napari_ddmd.case import Case, load_case
from napari_ddmd.cut import Cut
from napari_ddmd.viewer.acceptance import accept, acceptance_of
from napari_ddmd.viewer.four_panels import Arrangement
from napari_ddmd.viewer.layer_tag import tag_of
from napari_ddmd.viewer.mask_tools import is_expert, is_original
from napari_ddmd.viewer.run_settings import SliceMode
from napari_ddmd.viewer.session.archive import SessionError, read_session
from napari_ddmd.viewer.session.capture import Snapshot, capture, save
from napari_ddmd.viewer.session.case_files import find_images
from napari_ddmd.viewer.session.loading import Loaded, load
from napari_ddmd.viewer.session.restore import (
    close_case,
    make_layers,
    steps_into_window,
    twin_of,
)
from napari_ddmd.viewer.session.settings import PanelSettings
from napari_ddmd.viewer.session.stored_window import StoredLook
from napari_ddmd.viewer.widgets.panel import SegmentationPanel
from tests.conftest import CaseWriter
from tests.viewer.conftest import GatedSegment, add_case, add_plain_images
from tests.viewer.session.conftest import OpenPanel, put_into_window

Window = tuple[Any, SegmentationPanel]


def run(panel: SegmentationPanel, gated: GatedSegment, qtbot: QtBot, first: int, last: int) -> None:
    panel.slice_box.set_mode(SliceMode.RANGE)
    panel.slice_box.range_slider.setValue((first, last))
    gated.allow(100)
    with qtbot.waitSignal(panel.controller.ended, timeout=10_000):
        panel.run()


def work(window: Window, gated: GatedSegment, qtbot: QtBot) -> None:
    """Read a case as a reader would: run, correct, look around, draw."""
    viewer, panel = window
    panel.sampling_box.samples.setValue(4)
    panel.sampling_box.seed.setValue(17)
    gated.devices, gated.evened = ["cuda", "cpu"], ("t1", "flair")
    run(panel, gated, qtbot, 2, 6)
    panel.desk.set_threshold(0.7)
    viewer.layers["lesion"].paint((4, 3, 3), 1)
    viewer.layers["lesion"].contour = 0
    panel.result_box.sample.setValue(3)
    viewer.layers.remove("uncertainty")
    viewer.layers["t1"].contrast_limits = (50, 300)
    viewer.layers["probability"].colormap = "viridis"
    viewer.layers["probability"].visible = True
    viewer.layers["t2"].opacity = 0.25
    drawn = np.zeros(panel.case_box.case().grid.shape, np.int16)
    drawn[2, 5:9, 5:9] = 300
    viewer.add_labels(drawn, name="drawn", scale=(3, 2, 2), units="mm")
    viewer.layers.move(viewer.layers.index("flair"), 0)
    viewer.add_points([[1, 2, 3]], name="marks", units="mm")
    panel.tabs.setCurrentIndex(2)
    viewer.layers.selection.active = viewer.layers["lesion"]
    panel.lesion_box.mask_list.setCurrentText("drawn")
    viewer.dims.set_point(0, viewer.layers["lesion"].translate[0] + 5 * 3)
    viewer.scene.camera.zoom, viewer.scene.camera.center = 7.5, (0.0, 21.0, 33.0)


def number_anew(layer: Labels, panel: SegmentationPanel, qtbot: QtBot) -> None:
    """Leave of two lesions of the mask in hand the second, which size alone would make the first."""
    for part, number in ((np.s_[6, 15:18, 15:18], 1), (np.s_[2:6], 0)):
        if number:
            qtbot.waitUntil(lambda: labels_of(panel) == [1], timeout=10_000)
        layer.data[part] = number
        layer.refresh()
        layer.events.set_data()
        expected = [1, 2] if number else [2]
        qtbot.waitUntil(lambda expected=expected: labels_of(panel) == expected, timeout=10_000)


def labels_of(panel: SegmentationPanel) -> list[int]:
    measurement = panel.lesion_box.measurement
    return [] if measurement is None else [lesion.label for lesion in measurement.lesions]


def reopen(panel: SegmentationPanel, path: Path) -> Loaded:
    session = read_session(path)
    loaded = load(path, session, find_images(path, session.case))
    put_into_window(loaded, panel)
    PanelSettings(panel).give(session.settings)
    return loaded


def assert_same(before: Snapshot, after: Snapshot) -> None:
    """Two windows tell the same session."""
    for part, told in before.parts.items():
        assert _unnumbered(after.parts[part]) == _unnumbered(told), part
    assert before.copies.keys() == after.copies.keys()
    for name, array in before.copies.items():
        np.testing.assert_array_equal(after.copies[name], array)
        assert after.copies[name].dtype == array.dtype
    np.testing.assert_array_equal(after.case.images, before.case.images)
    assert after.case.grid == before.case.grid
    if before.volumes is None:
        assert after.volumes is None
        return
    assert after.volumes is not None
    told, seen = vars(before.volumes), vars(after.volumes)
    assert told.keys() == seen.keys()
    for name, value in told.items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(seen[name], value)
            assert seen[name].dtype == value.dtype
        else:
            assert seen[name] == value


def _unnumbered(part: Any) -> Any:
    """Without the numbers that napari gives to layers whose names are taken."""
    if not isinstance(part, tuple):
        return part
    return tuple(
        dataclasses.replace(look, name=look.name.removesuffix(" [1]")) if isinstance(look, StoredLook) else look
        for look in part
    )


Saved = tuple[Path, Snapshot]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Saved]]:
    """Sessions that one test's window has made and others read, and their folder."""
    return tmp_path_factory.mktemp("sessions"), {}


@pytest.fixture
def plain(request: pytest.FixtureRequest, kept: tuple[Path, dict[str, Saved]]) -> Saved:
    """A session before the first run, and what it was. Not to be changed."""
    folder, made = kept
    if "plain" not in made:
        _viewer, panel = request.getfixturevalue("window")
        panel.desk.set_threshold(0.33)
        snapshot = capture(panel)
        made["plain"] = save(snapshot, folder / "plain.ddmd", with_images=False), snapshot
    return made["plain"]


@pytest.fixture
def worked(window: Window, gated: GatedSegment, qtbot: QtBot) -> Window:
    """A window that was worked in."""
    work(window, gated, qtbot)
    return window


@pytest.fixture
def saved(request: pytest.FixtureRequest, kept: tuple[Path, dict[str, Saved]]) -> Saved:
    """A session that was worked on, and what it was. Not to be changed."""
    folder, made = kept
    if "saved" not in made:
        snapshot = capture(request.getfixturevalue("worked")[1])
        made["saved"] = save(snapshot, folder / "s.ddmd", with_images=False), snapshot
    return made["saved"]


@pytest.mark.usefixtures("worked")  # the window of before stays open, whichever test comes first
def test_a_session_reopens_in_another_window(
    saved: Saved, open_panel: OpenPanel, gated: GatedSegment, qtbot: QtBot
) -> None:
    path, before = saved
    viewer, panel = open_panel()
    loaded = reopen(panel, path)
    assert_same(before, capture(panel))
    assert before.left_out == ("marks",)
    names = [layer.name for layer in viewer.layers]
    assert "marks" not in names
    assert "uncertainty" not in names
    assert panel.results is not None
    assert panel.results.lesion.edited_slices == [4]
    assert panel.results.volumes is loaded.volumes
    assert loaded.volumes.devices == ("cuda", "cpu")
    assert loaded.volumes.evened == ("t1", "flair")
    assert panel.lesion_box.layer is viewer.layers["drawn"]
    assert not viewer.layers["sample 3 of 4"].editable

    panel.run()
    assert panel.run_bar.status.text().startswith("These slices are done")
    # The layer that had been removed comes back with a run, as it would have in the window before.
    assert "uncertainty" in viewer.layers
    go_on(viewer, panel, gated, qtbot)


def go_on(viewer: Any, panel: SegmentationPanel, gated: GatedSegment, qtbot: QtBot) -> None:
    """Work on in a window where a session was opened."""
    lesion = viewer.layers["lesion"]
    results = panel.results
    assert results is not None
    before = lesion.data.copy()
    assert results.lesion.next_undo is None
    lesion.paint((6, 3, 3), 1)
    assert results.lesion.edited_slices == [4, 6]
    results.lesion.undo()
    np.testing.assert_array_equal(lesion.data, before)
    # Edited slices stay as they are under another threshold, the others follow it; so does a run of more slices.
    panel.desk.set_threshold(0.95)
    np.testing.assert_array_equal(lesion.data[4], before[4])
    assert not lesion.data[5].any()
    panel.desk.set_threshold(0.7)
    np.testing.assert_array_equal(lesion.data, before)
    # Limits of the maps go on growing, unless they are set by hand.
    viewer.layers["intra discrepancy"].contrast_limits = (0.0, 0.01)
    assert viewer.layers["inter discrepancy"].contrast_limits == pytest.approx([0, 0.07])
    run(panel, gated, qtbot, 2, 7)
    assert viewer.layers["inter discrepancy"].contrast_limits == pytest.approx([0, 0.08])
    assert viewer.layers["intra discrepancy"].contrast_limits == pytest.approx([0, 0.01])
    assert gated.requests[-1]["slices"] == (7,)
    assert panel.results is not None
    assert panel.results.done == {2, 3, 4, 5, 6, 7}
    np.testing.assert_array_equal(lesion.data[4], before[4])


def test_a_session_opens_beside_other_cases(
    saved: Saved,
    open_panel: OpenPanel,
    gated: GatedSegment,
    qtbot: QtBot,
    tmp_path: Path,
    write_small_case: CaseWriter,
) -> None:
    path, before = saved
    other = load_case(write_small_case(tmp_path / "Other_002"))
    viewer, panel = open_panel(other)
    run(panel, gated, qtbot, 3, 4)
    theirs = {layer: (layer.name, layer.visible) for layer in viewer.layers}
    seen = {layer for layer in viewer.layers if layer.visible}
    loaded = reopen(panel, path)
    assert_same(before, dataclasses.replace(capture(panel), left_out=()))
    assert {layer: layer.name for layer in viewer.layers if layer in theirs} == {
        layer: name for layer, (name, _visible) in theirs.items()
    }
    assert not any(layer.visible for layer in seen), "one case is seen at a time"
    panel.case_box.case_list.setCurrentText("Other_002")
    assert {layer: (layer.name, layer.visible) for layer in viewer.layers if layer in theirs} == theirs
    assert panel.results is not None
    assert panel.results.done == {3, 4}
    panel.case_box.case_list.setCurrentText(loaded.case.name)
    assert panel.results.done == {2, 3, 4, 5, 6}


@pytest.mark.torture
def test_a_divided_canvas_comes_back_and_so_does_what_was_before_it(
    window: Window, open_panel: OpenPanel, gated: GatedSegment, qtbot: QtBot, tmp_path: Path
) -> None:
    work(window, gated, qtbot)
    viewer, panel = window
    single = {layer.name: layer.visible for layer in viewer.layers if layer.name != "marks"}
    panel.arrange(Arrangement.EXPLAIN)
    divided = {layer.name: layer.visible for layer in viewer.layers if layer.name in single}
    before = capture(panel)
    path = save(before, tmp_path / "s.ddmd", with_images=True)
    viewer, panel = open_panel()
    reopen(panel, path)
    assert panel.four_panels.arrangement is Arrangement.EXPLAIN
    assert {layer.name: layer.visible for layer in viewer.layers if layer.name in single} == divided
    assert_same(before, capture(panel))
    panel.arrange(Arrangement.SINGLE)
    assert {layer.name: layer.visible for layer in viewer.layers} == single


def test_another_plane_comes_back(window: Window, open_panel: OpenPanel, tmp_path: Path) -> None:
    viewer, panel = window
    viewer.dims.order = (2, 0, 1)
    viewer.scene.camera.orientation2d = ("up", "right")
    before = capture(panel)
    path = save(before, tmp_path / "s.ddmd", with_images=False)
    viewer, panel = open_panel()
    reopen(panel, path)
    assert_same(before, capture(panel))
    assert viewer.dims.order == (2, 0, 1)


def test_a_session_without_results_opens(plain: Saved, open_panel: OpenPanel) -> None:
    path, before = plain
    _viewer, panel = open_panel()
    reopen(panel, path)
    assert panel.results is None
    assert panel.desk.threshold == 0.33
    assert_same(before, capture(panel))


def test_edits_without_results_come_back(window: Window, open_panel: OpenPanel, case: Case, tmp_path: Path) -> None:
    _viewer, panel = window
    written = np.zeros(case.grid.shape, np.uint8)
    mask = written.copy()
    mask[3, 4, 5] = 1
    panel.desk.results_of(case).lesion.restore(mask, written, 0.5)
    before = capture(panel)
    path = save(before, tmp_path / "s.ddmd", with_images=False)
    _viewer, panel = open_panel()
    reopen(panel, path)
    assert_same(before, capture(panel))
    assert panel.results is not None
    assert panel.results.lesion.edited_slices == [3]


def test_a_lesion_that_was_removed_is_kept_and_the_next_run_brings_it_back(
    window: Window, open_panel: OpenPanel, gated: GatedSegment, qtbot: QtBot, tmp_path: Path
) -> None:
    viewer, panel = window
    run(panel, gated, qtbot, 3, 5)
    lesion = viewer.layers["lesion"]
    lesion.paint((4, 3, 3), 1)
    mask, when = lesion.data.copy(), accept(lesion).when
    viewer.layers.remove(lesion)
    before = capture(panel)
    np.testing.assert_array_equal(before.copies["lesion"], mask)
    path = save(before, tmp_path / "s.ddmd", with_images=False)
    viewer, panel = open_panel()
    reopen(panel, path)
    assert "lesion" not in viewer.layers
    assert_same(before, capture(panel))
    assert panel.results is not None
    assert panel.results.lesion.edited_slices == [4]
    panel.run()
    assert panel.run_bar.status.text().startswith("These slices are done")
    np.testing.assert_array_equal(viewer.layers["lesion"].data, mask)
    mark = acceptance_of(viewer.layers["lesion"])
    assert mark is not None
    assert mark.when == when
    assert panel.results.lesion.edited_slices == [4]
    panel.desk.set_threshold(0.95)
    np.testing.assert_array_equal(viewer.layers["lesion"].data[4], mask[4])
    assert not viewer.layers["lesion"].data[3].any(), "what was not edited follows the threshold"


@pytest.mark.torture
def test_a_removed_lesion_without_results_is_kept_too(
    window: Window, open_panel: OpenPanel, gated: GatedSegment, qtbot: QtBot, case: Case, tmp_path: Path
) -> None:
    viewer, panel = window
    mask = np.zeros(case.grid.shape, np.uint8)
    mask[3, 4, 5] = 1
    panel.desk.results_of(case).lesion.restore(mask, np.zeros_like(mask), 0.5)
    viewer.layers.remove("lesion")
    before = capture(panel)
    path = save(before, tmp_path / "s.ddmd", with_images=True)
    viewer, panel = open_panel()
    reopen(panel, path)
    assert "lesion" not in viewer.layers
    assert_same(before, capture(panel))
    run(panel, gated, qtbot, 3, 4)
    np.testing.assert_array_equal(viewer.layers["lesion"].data[3], mask[3])
    assert viewer.layers["lesion"].data[4].any()


def test_a_case_of_layers_comes_back_with_its_images(
    open_panel: OpenPanel, case: Case, gated: GatedSegment, qtbot: QtBot, tmp_path: Path
) -> None:
    viewer, panel = open_panel()
    for name, image in zip(("a_t1", "a_t1ce", "a_t2", "a_flair"), case.images, strict=True):
        viewer.add_image(image, name=name, scale=(3, 2, 2))
    before = capture(panel)
    assert not before.has_files
    path = save(before, tmp_path / "s.ddmd", with_images=False)
    viewer, panel = open_panel()
    loaded = reopen(panel, path)
    assert_same(before, capture(panel))
    assert [layer.name for layer in viewer.layers] == ["a_t1", "a_t1ce", "a_t2", "a_flair"]
    assert loaded.case.warnings
    tag = tag_of(viewer.layers[0])
    assert tag is not None
    assert tag.case is loaded.case


@pytest.mark.parametrize(
    ("gone", "with_images"),
    [
        ("t1", True),
        ("flair", False),
        pytest.param("t1", False, marks=pytest.mark.torture),
        pytest.param("flair", True, marks=pytest.mark.torture),
    ],
)
def test_a_case_without_one_image_comes_back(
    gone: str,
    with_images: bool,
    open_panel: OpenPanel,
    gated: GatedSegment,
    qtbot: QtBot,
    tmp_path: Path,
    write_small_case: CaseWriter,
) -> None:
    folder = write_small_case(tmp_path / "Case_1", skip=(gone,))
    viewer, panel = open_panel(load_case(folder, allow_missing=True, remark=lambda _text: None))
    panel.case_box.missing_box.click()
    run(panel, gated, qtbot, 3, 4)
    viewer.layers["lesion"].paint((4, 3, 3), 1)
    mask = viewer.layers["lesion"].data.copy()
    before = capture(panel)
    path = save(before, tmp_path / "s.ddmd", with_images=with_images)
    viewer, panel = open_panel()
    loaded = reopen(panel, path)
    assert panel.desk.case is loaded.case
    assert panel.case_box.goes_without
    assert gone not in viewer.layers
    assert_same(before, capture(panel))
    np.testing.assert_array_equal(viewer.layers["lesion"].data, mask)
    assert panel.results is not None
    assert panel.results.lesion.edited_slices == [4]
    run(panel, gated, qtbot, 3, 5)
    assert gated.requests[-1]["slices"] == (5,)
    np.testing.assert_array_equal(viewer.layers["lesion"].data[:5], mask[:5])


def test_what_was_drawn_on_a_case_without_one_image_is_not_the_next_patients(
    open_panel: OpenPanel, case: Case, tmp_path: Path, write_small_case: CaseWriter
) -> None:
    folder = write_small_case(tmp_path / "Case_1", skip=("t1",))
    viewer, panel = open_panel(load_case(folder, allow_missing=True, remark=lambda _text: None))
    panel.case_box.missing_box.click()
    for name in ("first", "second", "third"):
        viewer.add_labels(np.ones(panel.desk.case.grid.shape, np.uint8), name=name)
    path = save(capture(panel), tmp_path / "s.ddmd", with_images=True)
    viewer, panel = open_panel()
    reopen(panel, path)
    assert [panel.lesion_box.mask_list.itemText(place) for place in range(3)] == ["third", "second", "first"]
    other = dataclasses.replace(case, name="Other", images=case.images * 2, mask=None)
    add_case(viewer, other)
    assert panel.desk.case is other
    assert panel.desk.mask is None
    assert capture(panel).parts["masks"] == ()


def test_layers_of_which_one_was_not_chosen_come_back_without_it(
    open_panel: OpenPanel, case: Case, tmp_path: Path
) -> None:
    viewer, panel = open_panel()
    add_plain_images(viewer, case)
    panel.case_box.modalities["t1ce"].value = None
    panel.case_box.missing_box.click()
    before = capture(panel)
    assert before.left_out == ("a_t1ce",)
    path = save(before, tmp_path / "s.ddmd", with_images=True)
    viewer, panel = open_panel()
    reopen(panel, path)
    assert_same(before, dataclasses.replace(capture(panel), left_out=before.left_out))
    assert [layer.name for layer in viewer.layers] == ["a_t1", "a_t2", "a_flair"]


@pytest.mark.parametrize("ticked", [False, pytest.param(True, marks=pytest.mark.torture)])
def test_whether_an_image_may_be_missing_is_as_before_where_a_session_is_stopped(
    ticked: bool, open_panel: OpenPanel, tmp_path: Path, write_small_case: CaseWriter
) -> None:
    theirs, other = (
        load_case(write_small_case(tmp_path / name, skip=("t1",)), allow_missing=True, remark=lambda _text: None)
        for name in ("Case_1", "Other_002")
    )
    _viewer, panel = open_panel(theirs)
    panel.case_box.missing_box.click()
    path = save(capture(panel), tmp_path / "s.ddmd", with_images=False)
    viewer, panel = open_panel(other)
    panel.case_box.missing_box.setChecked(ticked)
    layers = list(viewer.layers)
    loaded = load(path, read_session(path), find_images(path, read_session(path).case))
    steps = steps_into_window(loaded, panel, make_layers(loaded))
    next(True for _step in steps if panel.desk.case is loaded.case)
    assert panel.case_box.goes_without
    steps.close()
    assert list(viewer.layers) == layers
    assert panel.case_box.missing_box.isChecked() == ticked
    assert panel.desk.case is (other if ticked else None)


def test_a_case_that_is_open_already_is_found_and_closed(worked: Window, saved: Saved, case: Case) -> None:
    viewer, panel = worked
    session = read_session(saved[0])
    loaded = load(saved[0], session, find_images(saved[0], session.case))
    assert twin_of(loaded, viewer) is case
    panel.arrange(Arrangement.MODALITIES)
    close_case(panel, case)
    assert [layer.name for layer in viewer.layers] == ["drawn", "marks"]
    assert panel.desk.case is None
    assert twin_of(loaded, viewer) is None
    viewer.layers.remove("drawn")
    put_into_window(loaded, panel)
    assert panel.results is not None
    assert panel.results.done == {2, 3, 4, 5, 6}


def test_a_case_is_closed_while_the_canvas_shows_it_and_the_panel_another(worked: Window, case: Case) -> None:
    viewer, panel = worked
    panel.arrange(Arrangement.MODALITIES)
    assert [layer.name for layer in viewer.layers if layer.name.endswith(" on t1")]
    panel.desk.set_case(dataclasses.replace(case, name="Other"))
    close_case(panel, case)  # the copies of the lesion go by themselves
    assert [layer.name for layer in viewer.layers] == ["drawn", "marks"]


def test_a_window_that_does_not_take_it_stays_as_it_was(
    plain: Saved, open_panel: OpenPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer, panel = open_panel()
    viewer.add_points([[1, 2, 3]])
    session = read_session(plain[0])
    loaded = load(plain[0], session, find_images(plain[0], session.case))
    monkeypatch.setattr(panel.case_box, "problem", lambda: "No.")
    with pytest.raises(SessionError, match=r"plain\.ddmd: No\."):
        put_into_window(loaded, panel)
    assert [layer.name for layer in viewer.layers] == ["Points"]


def test_views_of_another_napari_are_no_obstacle(
    plain: Saved, open_panel: OpenPanel, notifications: list[Notification]
) -> None:
    _viewer, panel = open_panel()
    session = read_session(plain[0])
    odd = dataclasses.replace(
        session,
        view=dataclasses.replace(session.view, orientation=("x", "y", "z")),
        settings=dataclasses.replace(session.settings, arrangement="hexagons", tab="Dream"),
        active="mask 77",
        in_hand="nothing",
    )
    loaded = dataclasses.replace(load(plain[0], session, find_images(plain[0], session.case)), session=odd)
    put_into_window(loaded, panel)
    PanelSettings(panel).give(odd.settings)
    assert panel.four_panels.arrangement is Arrangement.SINGLE
    assert notifications == []


def test_a_dropped_file_opens_in_the_window(
    plain: Saved, open_panel: OpenPanel, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, before = plain
    viewer, panel = open_panel()
    monkeypatch.setattr(napari, "current_viewer", lambda: viewer)
    viewer.open(path, plugin="napari-ddmd")
    qtbot.waitUntil(lambda: not panel.save_tab.session_box.is_busy, timeout=20_000)
    assert_same(before, capture(panel))


def test_what_was_accepted_comes_back_until_the_next_edit(
    window: Window, open_panel: OpenPanel, gated: GatedSegment, qtbot: QtBot, tmp_path: Path
) -> None:
    viewer, panel = window
    run(panel, gated, qtbot, 3, 4)
    when = accept(viewer.layers["lesion"]).when
    before = capture(panel)
    path = save(before, tmp_path / "s.ddmd", with_images=False)
    viewer, panel = open_panel()
    reopen(panel, path)
    assert_same(before, capture(panel))
    lesion = viewer.layers["lesion"]
    mark = acceptance_of(lesion)
    assert mark is not None
    assert mark.when == when
    assert panel.summary_bar.accept_button.text() == "Accepted ✓"
    lesion.paint((3, 3, 3), 1)
    assert acceptance_of(lesion) is None


def test_lesions_keep_the_numbers_that_they_have_in_the_table(
    window: Window, open_panel: OpenPanel, gated: GatedSegment, qtbot: QtBot, tmp_path: Path
) -> None:
    viewer, panel = window
    work(window, gated, qtbot)
    snapshot = capture(panel)
    evening = save(snapshot, tmp_path / "evening.ddmd", with_images=True)
    assert read_session(evening).version == 6, "the model evens out, and what it has evened is told"
    with ZipFile(evening) as archive:
        assert b"min_peak" not in archive.read("session.json"), "which that version does not know"
    results = dataclasses.replace(snapshot.parts["results"], evened=(), evens_out=False)
    snapshot = dataclasses.replace(snapshot, parts={**snapshot.parts, "results": results})
    plain = save(snapshot, tmp_path / "plain.ddmd", with_images=True)
    assert read_session(plain).version == 3, "size alone gives the numbers"
    with ZipFile(plain) as archive:
        document = archive.read("session.json")
    unknown = (b"highest_number", b"evens_out", b"evened")
    assert not [name for name in unknown if name in document], "that version knows none of them"
    number_anew(viewer.layers["drawn"], panel, qtbot)
    path = save(capture(panel), tmp_path / "s.ddmd", with_images=True)
    viewer, panel = open_panel()
    reopen(panel, path)
    qtbot.waitUntil(lambda: labels_of(panel) == [2], timeout=10_000)
    viewer.layers["drawn"].data[1, 2:4, 2:4] = 1
    viewer.layers["drawn"].events.set_data()
    qtbot.waitUntil(lambda: labels_of(panel) == [2, 3], timeout=10_000)


@pytest.mark.parametrize(("moved", "then"), [(0.5, 0.3), pytest.param(0.45, 0.45, marks=pytest.mark.torture)])
def test_a_run_after_a_session_of_an_earlier_model_is_cut_where_the_model_of_today_says(
    window: Window, open_panel: OpenPanel, gated: GatedSegment, qtbot: QtBot, tmp_path: Path, moved: float, then: float
) -> None:
    _viewer, panel = window
    run(panel, gated, qtbot, 2, 4)
    panel.desk.set_threshold(moved)
    path = save(capture(panel), tmp_path / "s.ddmd", with_images=True)
    _viewer, panel = open_panel()
    sampling = dataclasses.replace(panel.model_box.bundle.settings.sampling, threshold=0.3, min_peak=0.4)
    settings = dataclasses.replace(panel.model_box.bundle.settings, sampling=sampling)
    panel.model_box.bundle = dataclasses.replace(panel.model_box.bundle, settings=settings)
    panel.model_box.changed.emit()
    reopen(panel, path)
    assert panel.desk.results.threshold == panel.result_box.threshold.value() == moved
    assert panel.desk.threshold == then
    run(panel, gated, qtbot, 2, 4)
    assert panel.desk.results.threshold == panel.result_box.threshold.value() == then
    assert panel.desk.results.recipe.cut == panel.desk.volumes.cut == Cut(0.3, 0.1, 0.4)


def test_a_lesion_that_was_drawn_before_any_run_is_cut_where_the_model_of_today_says(
    window: Window, open_panel: OpenPanel, tmp_path: Path
) -> None:
    _viewer, panel = window
    results = panel.desk.results_of(panel.desk.case)
    results.lesion.ensure(results.threshold)
    results.lesion.layer.paint((4, 3, 3), 1)
    path = save(capture(panel), tmp_path / "s.ddmd", with_images=True)
    _viewer, panel = open_panel()
    panel.desk.wanted_threshold.follow_model(0.3)
    reopen(panel, path)
    assert panel.desk.results.recipe is None
    assert panel.desk.results.threshold == panel.desk.threshold == 0.3
    assert not panel.desk.results.is_moved


def test_a_copy_of_the_experts_mask_comes_back_as_one(window: Window, open_panel: OpenPanel, tmp_path: Path) -> None:
    viewer, panel = window
    viewer.layers.selection.active = viewer.layers["expert mask"]
    _duplicate_layer(viewer.layers)
    viewer.layers["expert mask copy"].data[1, 2, 3] = 7
    path = save(capture(panel), tmp_path / "copy.ddmd", with_images=True)
    viewer.layers.remove("expert mask copy")
    plain = save(capture(panel), tmp_path / "plain.ddmd", with_images=True)
    assert (read_session(path).version, read_session(plain).version) == (7, 3)
    viewer, panel = open_panel()
    reopen(panel, path)
    copy = viewer.layers["expert mask copy"]
    assert is_expert(copy)
    assert not is_original(copy)
    assert copy.data[1, 2, 3] == 7
    assert is_original(viewer.layers["expert mask"])


def test_the_number_of_a_lesion_that_was_just_deleted_is_not_given_again(
    window: Window, open_panel: OpenPanel, gated: GatedSegment, qtbot: QtBot, tmp_path: Path
) -> None:
    viewer, panel = window
    work(window, gated, qtbot)
    layer = viewer.layers["drawn"]
    layer.data[6, 15:18, 15:18] = 1
    layer.events.set_data()
    qtbot.waitUntil(lambda: labels_of(panel) == [1, 2], timeout=10_000)
    layer.data[6, 15:18, 15:18] = 0
    layer.events.set_data()
    path = save(capture(panel), tmp_path / "s.ddmd", with_images=True)
    viewer, panel = open_panel()
    reopen(panel, path)
    qtbot.waitUntil(lambda: labels_of(panel) == [1], timeout=10_000)
    viewer.layers["drawn"].data[1, 2:4, 2:4] = 1
    viewer.layers["drawn"].events.set_data()
    qtbot.waitUntil(lambda: labels_of(panel) == [1, 3], timeout=10_000)


@pytest.mark.torture
def test_a_mark_of_another_mask_does_not_count(window: Window, open_panel: OpenPanel, case: Case) -> None:
    _viewer, panel = window
    mask = np.zeros(case.grid.shape, np.uint8)
    mask[3, 4, 5] = 1
    panel.desk.results_of(case).lesion.restore(mask, np.zeros_like(mask), 0.5)
    accept(panel.desk.results_of(case).lesion.layer)
    snapshot = capture(panel)
    path = save(snapshot, case.files.images["t1"].parent.parent / "s.ddmd", with_images=True)
    session = read_session(path)
    (mark,) = session.accepted
    forged = dataclasses.replace(session, accepted=(dataclasses.replace(mark, fingerprint=1),))
    viewer, panel = open_panel()
    put_into_window(dataclasses.replace(load(path, session, []), session=forged), panel)
    assert acceptance_of(viewer.layers["lesion"]) is None


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.torture)])
def test_steps_that_are_stopped_leave_the_window_as_it_was(saved: Saved, open_panel: OpenPanel, every: bool) -> None:
    viewer, panel = open_panel()
    viewer.add_points([[1, 2, 3]])
    session = read_session(saved[0])
    loaded = load(saved[0], session, find_images(saved[0], session.case))
    everything = list(steps_into_window(loaded, panel, make_layers(loaded)))
    close_case(panel, loaded.case)
    viewer.layers.remove("drawn")
    loaded = load(saved[0], session, find_images(saved[0], session.case))
    few = (1, len(everything) // 2, len(everything) - 1)
    for count in range(1, len(everything)) if every else few:
        steps = steps_into_window(loaded, panel, make_layers(loaded))
        for _ in range(count):
            next(steps)
        steps.close()
        assert [layer.name for layer in viewer.layers] == ["Points"]
        assert panel.desk.case is None
