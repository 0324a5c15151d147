"""What a case can be refused for, or accepted with a remark."""

from __future__ import annotations


class CaseError(ValueError):
    """An input that cannot be used; its text is one line that names the file and says what to do."""


class CaseWarning(UserWarning):
    """Something about an input that the user should know, although the load goes on."""
