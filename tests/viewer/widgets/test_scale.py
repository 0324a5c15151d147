"""Every word can be read where the desktop enlarges: the checks of panel and dialogs, in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.viewer.widgets.small_screen import FACTORS, PIXELS, SCALE

ROOT = Path(__file__).parents[3]
HERE = "tests/viewer/widgets"
CHECKS = (
    f"{HERE}/test_accessibility.py::test_every_word_of_the_panel_can_be_read[dark]",
    f"{HERE}/test_dialogs.py::test_every_word_of_a_dialog_can_be_read",
    f"{HERE}/test_dialogs.py::test_the_question_about_files_fits_a_small_screen",
)
PASSED = "5 passed"


# What fits where most is enlarged fits below it, but for what is rounded; each takes half a minute.
_BELOW = [pytest.param(factor, marks=pytest.mark.torture) for factor in FACTORS[:-1]]


@pytest.mark.parametrize("factor", [*_BELOW, FACTORS[-1]])
def test_every_word_can_be_read_on_a_small_screen_that_enlarges(factor: str, tmp_path: Path) -> None:
    screen = {"name": "small", "x": 0, "y": 0, "width": PIXELS[0], "height": PIXELS[1], "logicalDpi": 96, "dpr": 1}
    (tmp_path / "screen.json").write_text(json.dumps({"screens": [{**screen, "logicalBaseDpi": 96}]}))
    # The display is that of this process. By a relative path: a drive's colon would end the platform's option.
    place = os.path.relpath(tmp_path / "screen.json", ROOT)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "0", "-q", "--tb=short", "--no-xvfb", *CHECKS],
        env={**os.environ, SCALE: factor, "QT_QPA_PLATFORM": f"offscreen:configfile={place}"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    found = "\n".join(line for line in done.stdout.splitlines() if line.startswith("E  "))
    assert done.returncode == 0, found or done.stdout + done.stderr
    # None was left out.
    assert PASSED in done.stdout
