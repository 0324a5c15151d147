from __future__ import annotations

import io

import pytest

from napari_ddmd.progress_line import ProgressLine
from napari_ddmd.segment import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr("napari_ddmd.progress_line.time.monotonic", lambda: now[0])
    return now


def progress(done: int, remaining: float | None = 65.0) -> Progress:
    return Progress(done=done, total=200, seconds=5.0, remaining=remaining, message="")


def test_a_log_gets_a_line_now_and_then(clock: list[float]) -> None:
    log = io.StringIO()
    with ProgressLine("Case (1/2)", log) as line:
        for second in range(40):
            clock[0] = 100.0 + second
            line.update(progress(second))

    assert log.getvalue().splitlines() == [
        "Case (1/2): 8%, 5 s so far, 1 min 05 s left",
        "Case (1/2): 15%, 5 s so far, 1 min 05 s left",
    ]


def test_a_terminal_has_one_line_that_is_cleared_in_the_end(clock: list[float]) -> None:
    terminal = Terminal()
    with ProgressLine("Case", terminal) as line:
        clock[0] += 1
        line.update(progress(100))
        line.update(progress(101))
        line.note("a remark")
        clock[0] += 1
        line.update(progress(200, remaining=None))

    assert terminal.getvalue() == ("Case: 50%, 5 s so far, 1 min 05 s left\r\033[Ka remark\nCase: 100%\r\033[K")


def test_the_line_is_cleared_when_the_run_fails(clock: list[float]) -> None:
    terminal = Terminal()

    def run() -> None:
        with ProgressLine("Case", terminal) as line:
            clock[0] += 1
            line.update(progress(1))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    assert terminal.getvalue().endswith("\r\033[K")


def test_what_is_left_is_told_once_the_pace_has_settled() -> None:
    early = Progress(done=1, total=200, seconds=1.0, remaining=199.0, message="")
    assert early.left is None
    assert progress(1, remaining=199.0).left == 199.0


def test_the_line_leaves_out_what_cannot_be_told_yet(clock: list[float]) -> None:
    log = io.StringIO()
    with ProgressLine("Case", log) as line:
        clock[0] += 20
        line.update(Progress(done=2, total=200, seconds=1.0, remaining=99.0, message=""))
    assert log.getvalue() == "Case: 1%, 1 s so far\n"
