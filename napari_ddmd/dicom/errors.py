"""What a DICOM study can be refused for, and the check that the libraries for it are there."""

from __future__ import annotations

from importlib.util import find_spec

from napari_ddmd.case import CaseError

_LIBRARIES = ("pydicom", "SimpleITK", "highdicom")


class DicomError(CaseError):
    """A study that cannot be used; its text is one line that says what is wrong and what to do."""


def require_libraries() -> None:
    """Refuse to go on without the libraries of the extra.

    Raises
    ------
    DicomError
        If one of them is missing.
    """
    missing = [name for name in _LIBRARIES if find_spec(name) is None]
    if missing:
        raise DicomError(
            f'DICOM needs {" and ".join(missing)}; install with: pip install -e ".[dicom]" (in the project\'s folder)'
        )
