from __future__ import annotations

import dataclasses
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from napari.layers import Labels
from napari.layers._layer_actions import _duplicate_layer
from pytestqt.qtbot import QtBot

from napari_ddmd.case import Case
from napari_ddmd.cut import Cut
from napari_ddmd.lesion_table import lesion_rows
from napari_ddmd.model import Bundle
from napari_ddmd.report import facts
from napari_ddmd.saveable import Saveable
from napari_ddmd.viewer.acceptance import accept
from napari_ddmd.viewer.desk import Desk
from napari_ddmd.viewer.run_settings import Recipe, Sampling
from napari_ddmd.viewer.widgets.save_tab import SaveTab
from tests.results import slice_result


@pytest.fixture
def desk(desk: Desk, tiny_bundle: Bundle) -> Desk:
    desk.bundle = tiny_bundle
    return desk


@pytest.fixture
def tab(desk: Desk, qtbot: QtBot) -> SaveTab:
    tab = SaveTab(desk)
    qtbot.addWidget(tab)
    return tab


def run(desk: Desk, case: Case, sha256: str, slices: tuple[int, ...] = (4,)) -> Labels:
    results = desk.results_of(case)
    results.begin()
    for index in slices:
        results.add(Recipe(case, sha256, Sampling(samples=3, seed=5), cut=Cut(min_part=0.1)), slice_result(case, index))
    results.settle()
    layer = results.lesion.layer
    assert layer is not None
    desk.set_mask(layer)
    return layer


def test_the_report_names_the_images_that_the_model_has_seen_without_their_field(
    tab: SaveTab, desk: Desk, case: Case, tiny_bundle: Bundle
) -> None:
    results = desk.results_of(case)
    recipe = Recipe(case, tiny_bundle.sha256, Sampling(samples=3, seed=5), cut=Cut(min_part=0.1), evens_out=True)
    told = []
    for evened in ((), ("t1", "t2", "flair")):
        results.begin()
        results.add(recipe, slice_result(case, 4, evened=evened))
        results.settle()
        desk.set_mask(results.lesion.layer)
        content = tab._saveable()
        assert content is not None
        told.append(dict(facts.settings(content)).get("Bias field taken out of, for the model"))
    assert told == ["no image", "T1, T2 and FLAIR"]


def test_without_a_mask_there_is_nothing_to_save(tab: SaveTab, desk: Desk) -> None:
    assert tab._saveable() is None
    assert not tab.save_button.isEnabled()


def test_how_a_save_ended_stays_in_the_tab_until_another_case_is_in_hand(
    tab: SaveTab, desk: Desk, case: Case, tmp_path: Path, qtbot: QtBot
) -> None:
    desk.set_mask(Labels(np.ones(case.grid.shape, np.uint8)))
    folder = tmp_path / "results"
    tab.save_button.save(folder, {"mask", "lesions"})
    qtbot.waitUntil(lambda: not tab.outcome.isHidden(), timeout=20_000)
    assert tab.outcome.text() == "Saved 2 files in results."
    assert str(folder) in tab.outcome.toolTip()
    assert not tab.saved_files.isHidden()
    assert tab.saved_files.folder_button.toolTip() == str(folder)
    tab.save_button.save(folder / "Small_001_mask.nii.gz", {"mask"})
    qtbot.waitUntil(lambda: tab.outcome.text() != "Saved 2 files in results.", timeout=20_000)
    assert tab.outcome.text().startswith("Not saved: results/Small_001_mask.nii.gz: ")
    assert tab.saved_files.isHidden()
    desk.set_case(None)
    assert tab.outcome.isHidden()


def test_a_drawn_mask_is_all_there_is_before_a_run(tab: SaveTab, desk: Desk, case: Case) -> None:
    desk.set_mask(Labels(np.ones(case.grid.shape, np.uint8)))
    content = tab._saveable()
    assert tab.save_button.isEnabled()
    assert content is not None
    assert (content.case, content.volumes, content.model, content.is_models) == (case, None, None, False)
    assert content.mask.all()
    assert content.accepted == ""
    accept(desk.mask)
    accepted = tab._saveable()
    assert accepted is not None
    assert str(datetime.now().year) in accepted.accepted
    desk.mask.data[0, 0, 0] = 0
    edited = tab._saveable()
    assert edited is not None
    assert edited.accepted == ""


def test_a_mask_that_came_back_after_a_crash_is_not_called_drawn(tab: SaveTab, desk: Desk, case: Case) -> None:
    mask = np.zeros(case.grid.shape, np.uint8)
    mask[4, 2:5, 2:5] = 1
    lesion = desk.results_of(case).lesion
    lesion.restore(mask, mask * (np.arange(len(mask)) == 4)[:, None, None], 0.5)
    desk.set_mask(lesion.layer)
    content = tab._saveable()
    assert content is not None
    assert content.is_restored
    assert not content.is_models
    assert facts.origin(content).startswith("The mask was begun by a model in an earlier session")


def test_a_run_comes_with_its_settings_and_edits(tab: SaveTab, desk: Desk, case: Case, tiny_bundle: Bundle) -> None:
    layer = run(desk, case, tiny_bundle.sha256)
    content = tab._saveable()
    assert content is not None
    assert content.is_models
    assert not content.was_edited
    assert content.volumes is desk.volumes
    assert content.threshold == 0.5
    assert content.settings == {
        "samples": 3,
        "steps": 2,
        "sampler": "ddim",
        "seed": 5,
        "device": "auto",
        "min_part": 0.1,
        "min_peak": 0.0,
        "shared_guess": False,
        "healthy_below": 0.0,
        "evens_out": False,
    }
    assert content.model is not None
    assert (content.model.name, content.model.sha256) == (tiny_bundle.name, tiny_bundle.sha256)
    assert desk.volumes is not None
    for device in ("cuda", "cuda", "", "cpu"):
        desk.volumes.note_device(device)
    computed = tab._saveable()
    assert computed is not None
    assert computed.settings["device"] == "cuda, cpu"
    layer.data[4, 2, 2] = 1
    edited = tab._saveable()
    assert edited is not None
    assert edited.edited_slices == (4,)


@pytest.mark.parametrize("was_chosen", [True, False])
def test_the_model_that_is_told_of_is_the_runs_own(
    was_chosen: bool, tab: SaveTab, desk: Desk, case: Case, tiny_bundle: Bundle
) -> None:
    sha256 = tiny_bundle.sha256 if was_chosen else "0" * 64
    run(desk, case, sha256)
    desk.bundle = dataclasses.replace(tiny_bundle, name="other", sha256="f" * 64)
    content = tab._saveable()
    assert content is not None
    assert content.model is not None
    assert (content.model.name, content.model.sha256) == (tiny_bundle.name if was_chosen else "", sha256)


def test_another_mask_beside_a_run_is_not_the_runs(tab: SaveTab, desk: Desk, case: Case, tiny_bundle: Bundle) -> None:
    run(desk, case, tiny_bundle.sha256)
    desk.set_mask(Labels(np.ones(case.grid.shape, np.uint8)))
    content = tab._saveable()
    assert content is not None
    assert not content.is_models
    assert content.volumes is desk.volumes
    assert content.edited_slices == ()


def test_a_copy_of_the_lesion_is_saved_as_a_copy_of_the_models(
    tab: SaveTab, desk: Desk, case: Case, tiny_bundle: Bundle
) -> None:
    layer = run(desk, case, tiny_bundle.sha256)
    desk.viewer.layers.selection.active = layer
    _duplicate_layer(desk.viewer.layers)
    copy = desk.viewer.layers["lesion copy"]
    desk.set_mask(copy)
    title = f"{tiny_bundle.name} {tiny_bundle.version}"

    def saved() -> Saveable:
        content = tab._saveable()
        assert content is not None
        assert (content.is_copy, content.is_models) == (True, False)
        assert {(row["model"], row["edited_by_hand"]) for row in lesion_rows(content)} == {(title, "yes")}
        assert facts.origin(content).startswith(f"The mask is a copy of the proposal of the model {title};")
        return content

    assert saved().volumes is desk.volumes
    run(desk, case, "f" * 64, (3,))
    desk.set_mask(copy)
    content = saved()  # of the run before, whatever is on screen
    assert content.model is not None
    assert content.model.sha256 == "f" * 64
    layer.undo()
    layer.undo()
    assert saved().volumes is None, "that run was taken back; the copy stays"


def test_a_run_that_was_taken_back_is_saved_as_none(tab: SaveTab, desk: Desk, case: Case, tiny_bundle: Bundle) -> None:
    """An empty mask must not pass for what the model found, nor slices without their mask for segmented ones."""
    layer = run(desk, case, tiny_bundle.sha256, (3, 4))
    run(desk, case, tiny_bundle.sha256, (5,))
    layer.undo()
    content = tab._saveable()
    assert content is not None
    assert content.volumes is not None
    assert content.volumes.done == {3, 4}
    assert not content.volumes.probability[5].any()
    assert facts.coverage(content).startswith("Only 2 of")
    layer.undo()
    layer.paint((5, 20, 20), 1)
    content = tab._saveable()
    assert content is not None
    assert (content.volumes, content.model, content.is_models) == (None, None, False)
    assert facts.origin(content).startswith("The mask was drawn")
    assert facts.coverage(content) == "No slice was segmented by a model."
