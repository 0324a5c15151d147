"""Work in several processes."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from src_training.processes import each

_KILLED = """
import sys, time
from pathlib import Path
from src_training.processes import each

def wait(path):
    import os
    Path(path).write_text(str(os.getpid()))
    time.sleep(120)

if __name__ == "__main__":
    list(each(wait, sys.argv[1:], 2, task="a process"))
"""


def test_without_workers_this_process_does_the_work() -> None:
    assert list(each(lambda _: threading.get_ident(), [1, 2], 0, task="a process")) == [threading.get_ident()] * 2


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads in /proc whether a process is there")
def test_workers_end_with_a_process_that_is_killed(tmp_path: Path) -> None:
    script, marks = tmp_path / "work.py", [tmp_path / "one", tmp_path / "two"]
    script.write_text(_KILLED)
    with subprocess.Popen([sys.executable, str(script), *map(str, marks)]) as process:
        _until(lambda: all(mark.exists() and mark.read_text() for mark in marks), 120)
        process.send_signal(signal.SIGKILL)
    workers = [int(mark.read_text()) for mark in marks]

    _until(lambda: not any(_is_there(worker) for worker in workers), 20)


def _until(happens: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < end
        time.sleep(0.05)


def _is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z"
    except OSError:
        return False
