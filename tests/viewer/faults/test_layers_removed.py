"""Layers that the user removes in mid-run: one, another, all at once, in whatever layout."""

from __future__ import annotations

import pytest
from napari.utils.notifications import Notification
from pytestqt.qtbot import QtBot

from napari_ddmd.case import MODALITIES, MODALITY_LABELS, Case
from napari_ddmd.viewer.four_panels import Arrangement
from napari_ddmd.viewer.layer_tag import Role
from tests.viewer.conftest import GatedSegment, add_case
from tests.viewer.faults.conftest import (
    SLICES,
    Window,
    another_seed,
    assert_consistent,
    assert_idle,
    assert_next_run_works,
    begin,
    choose,
    wait_for_end,
)

RESULTS = (
    *(role.value for role in (Role.INTER, Role.INTRA, Role.UNCERTAINTY, Role.PROBABILITY)),
    *("sample 1 of 5", Role.LESION.value, Role.AGREEMENT.value),
)


def has_all(window: Window) -> bool:
    viewer, panel = window
    return panel.results is not None and not panel.results.awaits_layers and Role.AGREEMENT.value in viewer.layers


@pytest.mark.torture
@pytest.mark.parametrize(
    ("arrangement", "names"),
    [
        pytest.param(arrangement, names, marks=pytest.mark.fault("Viewer", count=len(names)), id=arrangement.value)
        for arrangement, names in ((Arrangement.SINGLE, RESULTS), (Arrangement.MODALITIES, RESULTS[3:6]))
    ],
)
def test_a_result_that_is_removed_stays_away_until_the_next_run(
    window: Window,
    gated: GatedSegment,
    qtbot: QtBot,
    notifications: list[Notification],
    arrangement: Arrangement,
    names: tuple[str, ...],
) -> None:
    viewer, panel = window
    assert_next_run_works(panel, gated, qtbot)
    panel.arrange(arrangement)
    for name in names:
        another_seed(panel)
        begin(panel, gated, qtbot)
        qtbot.waitUntil(lambda: has_all(window), timeout=10_000)
        viewer.layers.remove(name)
        gated.allow(10)
        wait_for_end(panel, qtbot)
        assert name not in viewer.layers
        assert panel.run_bar.status.text().split(" The ")[0] == f"Done: {len(SLICES)} slices."
        assert_idle(panel)
        assert_consistent(panel, SLICES)
        assert_next_run_works(panel, gated, qtbot)
        assert name in viewer.layers
    assert notifications == []


@pytest.mark.torture
@pytest.mark.fault("Viewer", count=len(MODALITIES))
def test_a_run_whose_image_is_removed_ends_and_says_what_is_missing_now(
    window: Window, gated: GatedSegment, qtbot: QtBot, notifications: list[Notification], case: Case
) -> None:
    viewer, panel = window
    for name in MODALITIES:
        choose(panel)
        another_seed(panel)
        begin(panel, gated, qtbot)
        viewer.layers.remove(name)
        gated.allow(10)
        wait_for_end(panel, qtbot)
        assert panel.run_bar.status.text() == (
            f"No {MODALITY_LABELS[name]} image: choose its layer, or tick that you go on without it."
        )
        assert not panel.run_bar.button.isEnabled()
        assert_idle(panel)
        viewer.layers.clear()
        add_case(viewer, case)
        assert_next_run_works(panel, gated, qtbot)
    assert notifications == []


@pytest.mark.torture
@pytest.mark.fault("Viewer", count=3)
def test_a_run_whose_case_is_closed_stops(
    window: Window, gated: GatedSegment, qtbot: QtBot, notifications: list[Notification], case: Case
) -> None:
    viewer, panel = window
    for slices in (0, 1, 3):
        choose(panel)
        another_seed(panel)
        begin(panel, gated, qtbot, slices=slices)
        viewer.layers.clear()
        assert panel.controller.is_cancelling
        wait_for_end(panel, qtbot)  # without any slice that would be let through
        assert len(viewer.layers) == 0
        assert panel.run_bar.status.text() == "Open a case, or drop its folder on the window."
        assert not panel.desk.knows(case)
        assert_idle(panel)
        add_case(viewer, case)
        assert_next_run_works(panel, gated, qtbot)
    assert notifications == []
