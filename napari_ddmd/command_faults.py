"""What the command line says of faults, and what its exit status means."""

from __future__ import annotations

import sys
from pathlib import Path

from napari_ddmd.one_line import one_line

DONE, BROKEN, AT_FAULT, INTERRUPTED = 0, 1, 2, 130


def tell_what_was_left(*folders: Path) -> None:
    """Say what a command that was killed has left, and remove it."""
    from napari_ddmd.whole_files import sweep

    for folder in folders:
        left = sweep(folder)
        if left:
            print(f"napari-ddmd: {left}", file=sys.stderr)


def user_errors() -> tuple[type[Exception], ...]:
    """Errors whose one line tells the user all."""
    from napari_ddmd.case import CaseError
    from napari_ddmd.device import DeviceError
    from napari_ddmd.display import DisplayError
    from napari_ddmd.export import ExportError
    from napari_ddmd.launcher import LauncherError
    from napari_ddmd.predict import PredictError

    errors: list[type[Exception]] = [
        *(CaseError, DeviceError, DisplayError, ExportError, LauncherError, PredictError, OSError)
    ]
    # Of modules that are large; where one has not been loaded, its error cannot have been raised.
    for module, name in (
        ("napari_ddmd.segment", "InferenceError"),
        ("napari_ddmd.model.bundle", "BundleError"),
        ("napari_ddmd.viewer.session.archive", "SessionError"),
    ):
        if module in sys.modules:
            errors.append(getattr(sys.modules[module], name))
    return tuple(errors)


def tell_fault(error: Exception) -> int:
    """Say in one line what is wrong with the input; the exit status."""
    print(f"napari-ddmd: {one_line(error)}", file=sys.stderr)
    return AT_FAULT
