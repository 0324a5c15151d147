"""`napari-ddmd … | head` ends without a word."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from napari_ddmd.closed_pipe import CLOSED, ending_quietly

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs a pipe that can be closed at its end")
COMMANDS = {"napari_ddmd --help": (0, CLOSED), "napari_ddmd models": (CLOSED,), "src_training --help": (0, CLOSED)}
"""And their status: argparse passes over it."""


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_whose_reader_has_gone_says_nothing(command: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", *command.split()],
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=120,
        )
    finally:
        os.close(writing)
    assert done.stderr == ""
    assert done.returncode in COMMANDS[command]


def test_another_pipe_that_breaks_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def run() -> int:
        raise BrokenPipeError

    reading, writing = os.pipe()
    with os.fdopen(reading), os.fdopen(writing, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        with pytest.raises(BrokenPipeError):
            ending_quietly(run)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_an_output_that_is_full_is_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "napari_ddmd", "models"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=120,
        )
    assert "Traceback" not in done.stderr
    assert "No space left on device" in done.stderr
    assert done.returncode == 2


def test_a_defect_is_told_though_the_reader_has_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    def run() -> int:
        print("not read any more")
        raise KeyError("a bug")

    reading, writing = os.pipe()
    os.close(reading)
    stream = os.fdopen(writing, "w")
    monkeypatch.setattr(sys, "stdout", stream)
    with pytest.raises(KeyError):
        ending_quietly(run)
    with pytest.raises(BrokenPipeError):
        stream.close()


def test_a_status_is_passed_on() -> None:
    assert ending_quietly(lambda: 2) == 2
