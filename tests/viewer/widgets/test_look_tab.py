from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pytest
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot

from napari_ddmd.case import Case
from napari_ddmd.viewer import measuring_pace
from napari_ddmd.viewer.desk import Desk
from napari_ddmd.viewer.layer_tag import Role
from napari_ddmd.viewer.run_settings import Recipe, Sampling
from napari_ddmd.viewer.viewer_links import ViewerLinks
from napari_ddmd.viewer.widgets.look_tab import LookTab, agreement_legend
from tests.results import slice_result
from tests.viewer.widgets.conftest import OpenPanel


@pytest.fixture
def tab(desk: Desk, qtbot: QtBot) -> Iterator[LookTab]:
    links = ViewerLinks()
    tab = LookTab(desk, links)
    qtbot.addWidget(tab)
    tab.resize(380, 700)
    tab.show()
    yield tab
    links.disconnect()
    tab.overlay_box.layer_links.disconnect()


def add_results(desk: Desk, case: Case) -> None:
    results = desk.results_of(case)
    results.begin()
    results.add(Recipe(case, "sha", Sampling(samples=3)), slice_result(case, 4))
    results.settle()
    desk.results_changed.emit()


def wait_for_plot(tab: LookTab, qtbot: QtBot) -> None:
    qtbot.waitUntil(tab.score_plot.canvas.isVisible)


def test_a_case_without_results_is_empty(tab: LookTab) -> None:
    assert tab.score_plot.empty.isVisible()
    assert not tab.result_box.sample.isEnabled()
    assert not tab.legend.isVisible()


def test_results_fill_the_tab(tab: LookTab, desk: Desk, case: Case, qtbot: QtBot) -> None:
    add_results(desk, case)
    wait_for_plot(tab, qtbot)
    assert list(tab.score_plot.axes) == ["lesion", "inter", "intra"]
    assert tab.result_box.sample.maximum() == 3
    assert tab.legend.isVisible()
    desk.set_case(None)
    assert tab.score_plot.empty.isVisible()
    assert not tab.legend.isVisible()


def test_the_plot_and_the_viewer_stand_at_one_slice(tab: LookTab, desk: Desk, case: Case) -> None:
    add_results(desk, case)
    desk.go_to(6)
    assert tab.score_plot.current == 6
    tab.score_plot.slice_chosen.emit(2)
    assert desk.current_slice == 2
    assert tab.score_plot.current == 2


def test_who_browses_the_samples_sees_them(tab: LookTab, desk: Desk, case: Case, viewer: ViewerModel) -> None:
    add_results(desk, case)
    tab.result_box.sample.setValue(2)
    layer = viewer.layers["sample 2 of 3"]
    assert layer.visible
    assert tab.overlay_box.ticks[Role.SAMPLE].isChecked()
    assert desk.volumes is not None
    np.testing.assert_array_equal(layer.data, desk.volumes.samples[1])


def test_the_threshold_cuts_and_follows(tab: LookTab, desk: Desk, case: Case, qtbot: QtBot) -> None:
    add_results(desk, case)
    assert desk.results is not None
    before = desk.results.lesion.volume_ml
    assert before > 0
    with qtbot.waitSignal(desk.threshold_changed):
        tab.result_box.threshold.setValue(0.9)
    assert desk.results.lesion.volume_ml == 0
    desk.set_threshold(0.3)
    assert tab.result_box.threshold.value() == pytest.approx(0.3)
    assert desk.results.lesion.volume_ml == before


def test_the_plot_follows_the_theme(tab: LookTab, desk: Desk, case: Case, viewer: ViewerModel, qtbot: QtBot) -> None:
    add_results(desk, case)
    wait_for_plot(tab, qtbot)
    inks = []
    for theme in ("dark", "light", "dark"):
        viewer.theme = theme
        inks.append(tab.score_plot.axes["inter"].texts[0].get_color())
    assert inks[0] != inks[1]
    assert inks[0] == inks[2]


def test_the_legend_names_each_number_of_samples_in_its_colour() -> None:
    legend = agreement_legend(5)
    assert re.findall(r"</span> (\d+)", legend) == ["1", "2", "3", "4", "5"]
    assert len(set(re.findall(r"#\w+", legend))) == 5
    assert legend.endswith("5 samples")
    # Of many samples, some: the line has to fit.
    assert re.findall(r"</span> (\d+)", agreement_legend(100))[::6] == ["1", "100"]


def test_a_table_that_is_measured_quickly_follows_the_threshold_at_once(
    open_panel: OpenPanel, case: Case, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring_pace, "QUICK_S", 10)
    _viewer, panel = open_panel(case)
    add_results(panel.desk, case)
    qtbot.waitUntil(lambda: panel.summary.text().startswith("1 lesion"), timeout=10_000)
    measuring = panel.lesion_box.measuring

    def is_rested() -> bool:
        return not measuring.is_under_way and not measuring.clock.isActive() and measuring._pace.rest_ms == 0

    for threshold, summary, rows in ((0.9, "No lesion", 0), (0.5, "1 lesion", 1)):
        qtbot.waitUntil(is_rested, timeout=10_000)
        panel.desk.set_threshold(threshold)
        assert panel.summary.text().startswith(summary)
        assert panel.lesion_box.table.rowCount() == rows


def test_the_volume_is_said_while_the_threshold_is_dragged(
    open_panel: OpenPanel, case: Case, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring_pace, "QUICK_S", -1)
    _viewer, panel = open_panel(case)
    add_results(panel.desk, case)
    qtbot.waitUntil(lambda: panel.summary.text().startswith("1 lesion"), timeout=10_000)
    assert panel.results is not None
    before = panel.results.lesion.volume_ml
    panel.desk.set_threshold(0.9)
    assert panel.summary.text() == "0.00 mL"
    panel.desk.set_threshold(0.5)
    assert panel.summary.text() == f"{before:.2f} mL"
    # The mask is the same again, and so are the words.
    qtbot.waitUntil(lambda: panel.summary.text().startswith("1 lesion"), timeout=10_000)
