from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot

from napari_ddmd.case import Case
from napari_ddmd.cut import Cut
from napari_ddmd.viewer.desk import Desk
from napari_ddmd.viewer.result_layers import ResultLayers
from napari_ddmd.viewer.run_settings import Recipe, Sampling
from napari_ddmd.viewer.widgets.left_out_line import LeftOutLine
from tests.results import slice_result


@pytest.fixture
def line(desk: Desk, qtbot: QtBot) -> LeftOutLine:
    line = LeftOutLine(desk)
    qtbot.addWidget(line)
    return line


@pytest.fixture
def results(desk: Desk, case: Case, line: LeftOutLine) -> ResultLayers:
    """A run that leaves out one voxel of its only lesion's slice."""
    results = desk.results_of(case)
    results.begin()
    result = slice_result(case, 3)
    result.probability[0, 0] = 0.7
    results.add(Recipe(case, "0" * 64, Sampling(samples=3), cut=Cut(min_part=0.5)), result)
    desk.results_changed.emit()
    return results


def test_it_comes_with_the_end_of_a_run_and_goes_with_the_threshold(
    line: LeftOutLine, results: ResultLayers, desk: Desk, qtbot: QtBot
) -> None:
    qtbot.wait(250)
    assert line.isHidden(), "the run is on"
    results.settle()
    qtbot.waitUntil(lambda: not line.isHidden(), timeout=5000)
    assert line.label.text() == "1 part (0.01 mL) left out: small or doubtful."
    desk.set_threshold(0.75)
    qtbot.waitUntil(line.isHidden, timeout=5000)
    desk.set_threshold(0.5)
    qtbot.waitUntil(lambda: not line.isHidden(), timeout=5000)


def test_its_button_takes_the_parts_in_and_undo_brings_the_line_back(
    line: LeftOutLine, results: ResultLayers, viewer: ViewerModel, qtbot: QtBot
) -> None:
    results.settle()
    line.look()
    before = results.lesion.data.copy()
    line.button.click()
    assert np.argwhere(results.lesion.data != before).tolist() == [[3, 0, 0]]
    assert line.isHidden()
    viewer.layers["lesion"].undo()
    qtbot.waitUntil(lambda: not line.isHidden(), timeout=5000)


def test_without_a_case_there_is_nothing_to_tell(line: LeftOutLine, results: ResultLayers, desk: Desk) -> None:
    results.settle()
    line.look()
    assert not line.isHidden()
    desk.set_case(None)
    assert line.isHidden()
