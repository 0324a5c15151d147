"""Whether a window can be opened here, found out without risking this process."""

from __future__ import annotations

import os
import subprocess
import sys

_PROBE = "from qtpy.QtWidgets import QApplication; QApplication([])"


class DisplayError(Exception):
    """A window was asked for where none can be opened; the message is one line."""


def window_problem() -> str | None:
    """Tell in one line why no window can be opened, or None where one can.

    Qt aborts the whole process where the display or one of its libraries is missing, so the question is put
    to a second process.
    """
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return "there is no display"
    # Our own interpreter and a constant, without a shell.
    probe = subprocess.run([sys.executable, "-c", _PROBE], capture_output=True, text=True, check=False)  # nosec B603
    if probe.returncode == 0:
        return None
    if "QtBindingsNotFoundError" in probe.stderr:
        return 'no Qt binding is installed; install one with: pip install -e ".[pyqt6]" (in the project\'s folder)'
    lines = [line.strip() for line in probe.stderr.splitlines() if line.strip()]
    return lines[0] if lines else "Qt could not start"
