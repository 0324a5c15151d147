from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot

from napari_ddmd.viewer.widgets.result_box import ResultBox


@pytest.fixture
def box(qtbot: QtBot) -> ResultBox:
    box = ResultBox()
    qtbot.addWidget(box)
    return box


def test_the_threshold_is_told_when_the_slider_rests(box: ResultBox, qtbot: QtBot) -> None:
    heard: list[float] = []
    box.threshold_changed.connect(heard.append)
    for value in (0.4, 0.35, 0.3):
        box.threshold.setValue(value)
    qtbot.waitUntil(lambda: bool(heard), timeout=5000)
    assert heard == [pytest.approx(0.3)]


def test_the_threshold_is_told_as_it_is_shown(box: ResultBox, qtbot: QtBot) -> None:
    heard: list[float] = []
    box.threshold_changed.connect(heard.append)
    box.threshold.setValue(0.4)
    box.threshold.setSliderPosition(0.5023)  # a pixel of the slider
    qtbot.waitUntil(lambda: bool(heard), timeout=5000)
    assert heard == [0.5]


def test_a_threshold_that_is_only_shown_is_not_told(box: ResultBox, qtbot: QtBot) -> None:
    heard: list[float] = []
    box.threshold_changed.connect(heard.append)
    box.set_threshold(0.7)
    qtbot.wait(150)
    assert heard == []
    assert box.threshold.value() == pytest.approx(0.7)


@pytest.mark.fault("Viewer")
def test_a_threshold_that_the_user_just_set_is_not_lost_to_one_that_is_shown(box: ResultBox, qtbot: QtBot) -> None:
    heard: list[float] = []
    box.threshold_changed.connect(heard.append)
    box.threshold.setValue(0.3)
    box.set_threshold(0.5)  # a run tells of its results at that moment, and shows the threshold that holds
    qtbot.waitUntil(lambda: bool(heard), timeout=5000)
    assert heard == [pytest.approx(0.3)]
    box.set_threshold(0.5)
    assert box.threshold.value() == pytest.approx(0.5)


def test_slices_that_do_not_follow_the_threshold_are_told(box: ResultBox) -> None:
    assert box.edited.isHidden()
    box.set_edited(2)
    assert not box.edited.isHidden()
    assert box.edited.text() == "The 2 slices that were edited by hand do not follow the threshold."
    box.set_edited(1)
    assert box.edited.text() == "The slice that was edited by hand does not follow the threshold."
    box.set_edited(0)
    assert box.edited.isHidden()


def test_samples_count_from_one(box: ResultBox, qtbot: QtBot) -> None:
    assert not box.sample.isEnabled()
    box.set_samples(5)
    assert box.sample.isEnabled()
    with qtbot.waitSignal(box.sample_chosen) as signal:
        box.sample.setValue(4)
    assert signal.args == [3]
    with qtbot.assertNotEmitted(box.sample_chosen):
        box.set_samples(3, 2)
    assert box.sample.value() == 3
    box.set_samples(1)
    assert not box.sample.isEnabled()
