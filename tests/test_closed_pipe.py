"""`napari-ddmd … | head` ends without a word."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from napari_ddmd.closed_pipe import CLOSED, ending_quietly

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs a pipe that can be closed at its end")
COMMANDS = (("napari_ddmd", "--help"), ("napari_ddmd", "models"), ("src_training", "--help"))


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_command_whose_reader_has_gone_says_nothing(words: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", *words], stdout=writing, stderr=subprocess.PIPE, text=True, check=False, timeout=120
        )
    finally:
        os.close(writing)
    assert done.stderr == ""
    assert done.returncode in (0, CLOSED)  # argparse passes over it


def test_another_pipe_that_breaks_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def run() -> int:
        raise BrokenPipeError

    reading, writing = os.pipe()
    with os.fdopen(reading), os.fdopen(writing, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        with pytest.raises(BrokenPipeError):
            ending_quietly(run)


def test_a_status_is_passed_on() -> None:
    assert ending_quietly(lambda: 2) == 2
