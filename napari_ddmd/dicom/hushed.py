"""What pydicom, highdicom and ITK remark on files that scanners and anonymisers wrote, kept from the user."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

# Python's warnings and pydicom's checks are those of the whole process: of two threads that silence them at once, the
# second would put back the silence of the first.
_one_at_a_time = RLock()


@contextmanager
def hushed() -> Iterator[None]:
    """Let no warning through in the block; it may be nested, and other threads wait for its end."""
    with _one_at_a_time, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def itk_hushed() -> Iterator[None]:
    """Let ITK write no warning of its own to the terminal in the block."""
    from SimpleITK import ProcessObject

    with _one_at_a_time:
        before = ProcessObject.GetGlobalWarningDisplay()
        ProcessObject.SetGlobalWarningDisplay(False)
        try:
            yield
        finally:
            ProcessObject.SetGlobalWarningDisplay(before)
