from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_ddmd.case import Case
from napari_ddmd.viewer.widgets.score_plot import ScorePlot
from napari_ddmd.volumes import Volumes
from tests.results import finished, slice_result

Show = Callable[[Case, Volumes], None]


@pytest.fixture
def plot(qtbot: QtBot) -> ScorePlot:
    plot = ScorePlot()
    qtbot.addWidget(plot)
    plot.resize(320, 260)
    plot.show()
    qtbot.waitExposed(plot)
    return plot


@pytest.fixture
def show(plot: ScorePlot, qtbot: QtBot) -> Show:
    """Shows scores, and waits until they are drawn."""

    def show_(case: Case, volumes: Volumes) -> None:
        plot.show_scores(case, volumes)
        assert plot.canvas.isHidden()  # drawn in a turn of its own
        assert plot.empty.isHidden()
        qtbot.waitUntil(plot.canvas.isVisible)

    return show_


@pytest.fixture
def volumes(case: Case) -> Volumes:
    return finished(case, slices=[2, 3, 5])


def curve(plot: ScorePlot, name: str) -> list[int]:
    """Slices that have a point."""
    return np.flatnonzero(~np.isnan(np.asarray(plot.axes[name].lines[0].get_ydata(), float))).tolist()


def pixel(plot: ScorePlot, index: int) -> QPoint:
    """Where a slice is on the canvas."""
    axes = plot.axes["lesion"]
    x, y = axes.transData.transform((index, np.mean(axes.get_ylim())))
    ratio = plot.canvas.device_pixel_ratio
    return QPoint(round(x / ratio), round(plot.canvas.height() - y / ratio))


def test_without_results_words_stand_in_its_place(plot: ScorePlot, case: Case) -> None:
    for given in ((None, None), (case, None), (case, Volumes(case, 3, intra=True, inter=True))):
        plot.show_scores(*given)
        assert not plot.canvas.isVisible()
        assert plot.empty.isVisible()
        assert not plot.modality.isEnabled()


def test_slices_that_are_not_segmented_are_gaps(plot: ScorePlot, show: Show, case: Case, volumes: Volumes) -> None:
    show(case, volumes)
    assert plot.canvas.isVisible()
    assert not plot.empty.isVisible()
    assert list(plot.axes) == ["lesion", "inter", "intra"]
    for name in plot.axes:
        assert curve(plot, name) == [2, 3, 5]


def test_slices_that_come_in_later_are_drawn(
    plot: ScorePlot, show: Show, case: Case, volumes: Volumes, qtbot: QtBot
) -> None:
    show(case, volumes)
    volumes.add(slice_result(case, 4))
    plot.show_scores(case, volumes)
    qtbot.waitUntil(lambda: curve(plot, "inter") == [2, 3, 4, 5], timeout=5000)


def test_a_modality_is_drawn_in_the_place_of_all(plot: ScorePlot, show: Show, case: Case, volumes: Volumes) -> None:
    show(case, volumes)
    tops = {}
    for index in range(plot.modality.count()):
        plot.modality.setCurrentIndex(index)
        values = np.asarray(plot.axes["inter"].lines[0].get_ydata(), float)
        tops[plot.modality.currentText()] = float(np.nanmax(values))
        assert plot.axes["inter"].get_ylim()[1] > tops[plot.modality.currentText()]
    assert tops == {"all modalities": 5, "T1": 5, "T1ce": 15, "T2": 25, "FLAIR": 35}


def test_a_model_without_intra_maps_has_two_curves(plot: ScorePlot, show: Show, case: Case, volumes: Volumes) -> None:
    show(case, volumes)
    plot.show_scores(case, finished(case, slices=[3], intra=False))
    assert list(plot.axes) == ["lesion", "inter"]


def test_a_click_and_a_drag_go_to_the_slice(
    plot: ScorePlot, show: Show, case: Case, volumes: Volumes, qtbot: QtBot
) -> None:
    show(case, volumes)
    plot.canvas.draw()  # type: ignore[no-untyped-call]
    chosen: list[int] = []
    plot.slice_chosen.connect(chosen.append)
    qtbot.mouseClick(plot.canvas, Qt.MouseButton.LeftButton, pos=pixel(plot, 3))
    assert chosen == [3]
    qtbot.mouseClick(plot.canvas, Qt.MouseButton.RightButton, pos=pixel(plot, 4))
    QTest.mouseMove(plot.canvas, pixel(plot, 4))
    assert chosen == [3]
    qtbot.mousePress(plot.canvas, Qt.MouseButton.LeftButton, pos=pixel(plot, 4))
    assert chosen[-1] == 4
    # Beside the axes there is no slice.
    qtbot.mouseClick(plot.canvas, Qt.MouseButton.LeftButton, pos=QPoint(1, 1))
    assert set(chosen) == {3, 4}


def test_the_mark_moves_without_the_curves_being_drawn(
    plot: ScorePlot, show: Show, case: Case, volumes: Volumes
) -> None:
    show(case, volumes)
    QApplication.processEvents()
    drawn: list[object] = []
    plot.canvas.mpl_connect("draw_event", drawn.append)

    def column() -> int:
        """Where the dashed line is, in the canvas's pixels: what the picture gained over the one without marks."""
        plot.canvas.restore_region(plot._background)  # type: ignore[no-untyped-call]
        bare = np.asarray(plot.canvas.buffer_rgba(), np.int16).copy()  # type: ignore[no-untyped-call]
        plot._paint_marks()
        picture = np.asarray(plot.canvas.buffer_rgba(), np.int16)  # type: ignore[no-untyped-call]
        return int(np.median(np.nonzero((picture != bare).any(axis=(0, 2)))[0]))

    for index in (2, 5):
        plot.set_current(index)
        assert abs(column() - pixel(plot, index).x() * plot.canvas.device_pixel_ratio) <= 1
    assert drawn == []


def test_the_mark_is_right_after_it_was_hidden(plot: ScorePlot, show: Show, case: Case, volumes: Volumes) -> None:
    show(case, volumes)
    plot.canvas.draw()  # type: ignore[no-untyped-call]
    plot.hide()
    plot.set_current(5)
    assert list(plot._marks[0].get_xdata()) == [5, 5]


def test_it_follows_the_theme_and_the_letters(plot: ScorePlot, show: Show, case: Case, volumes: Volumes) -> None:
    show(case, volumes)
    dark = plot.axes["inter"].texts[0].get_color()
    plot.set_dark(False)
    assert plot.axes["inter"].texts[0].get_color() != dark
    height, size = plot.canvas.height(), plot.axes["inter"].texts[0].get_fontsize()
    plot.setStyleSheet("QWidget { font-size: 30px }")
    assert plot.canvas.height() > height
    assert plot.axes["inter"].texts[0].get_fontsize() > size
    assert plot.canvas.figure.subplotpars.bottom < 0.5


@pytest.mark.parametrize("scale", [1.0, 0.5, 0.1])
def test_nothing_is_cut_off(plot: ScorePlot, show: Show, case: Case, volumes: Volumes, scale: float) -> None:
    """Small scores have long numbers."""
    for index, scores in volumes.scores.items():
        volumes.scores[index] = dataclasses.replace(scores, inter=scores.inter * scale, intra=0.04 * scale)
    show(case, volumes)
    plot.canvas.draw()  # type: ignore[no-untyped-call]
    figure = plot.canvas.figure
    for axes in plot.axes.values():
        box = axes.get_tightbbox()
        assert box is not None
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= figure.bbox.width
        assert box.y1 <= figure.bbox.height
