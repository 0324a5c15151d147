"""What a case can be refused for, or accepted with a remark."""

from __future__ import annotations

from collections.abc import Sequence


class CaseError(ValueError):
    """An input that cannot be used; its text is one line that names the file and says what to do."""


class DamagedFileError(CaseError):
    """A file that is not whole, or none of its kind: nobody can have saved it so."""


class MissingImagesError(CaseError):
    """A case that lacks images.

    Attributes
    ----------
    modalities
        Those that have none.
    """

    def __init__(self, message: str, modalities: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.modalities = modalities


class CaseWarning(UserWarning):
    """Something about an input that the user should know, although the load goes on."""
