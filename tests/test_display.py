from __future__ import annotations

import subprocess

import pytest

from napari_ddmd.display import window_problem


@pytest.fixture
def probe(monkeypatch: pytest.MonkeyPatch) -> subprocess.CompletedProcess[str]:
    """What the second process is going to say."""
    answer = subprocess.CompletedProcess([], 0, "", "")
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr("napari_ddmd.display.subprocess.run", lambda *_args, **_options: answer)
    return answer


def test_no_display_is_told_without_a_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_ddmd.display.sys.platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)

    assert window_problem() == "there is no display"


def test_qt_that_starts_is_no_problem(probe: subprocess.CompletedProcess[str]) -> None:
    assert window_problem() is None


def test_the_reason_is_qts_first_line(probe: subprocess.CompletedProcess[str]) -> None:
    probe.returncode, probe.stderr = -6, "\nqt.qpa.xcb: could not connect to display :0\nmore\n"

    assert window_problem() == "qt.qpa.xcb: could not connect to display :0"


def test_a_missing_binding_comes_with_the_command_that_installs_it(
    probe: subprocess.CompletedProcess[str],
) -> None:
    probe.returncode, probe.stderr = 1, "Traceback\nqtpy.QtBindingsNotFoundError: No Qt bindings"

    assert 'pip install -e ".[pyqt6]"' in str(window_problem())


def test_a_display_that_is_not_there_does_not_end_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_ddmd.display.sys.platform", "linux")
    monkeypatch.setenv("DISPLAY", ":250")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.delenv("QT_QPA_PLATFORM", raising=False)

    assert window_problem()
