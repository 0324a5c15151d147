"""The case in hand in the title of the window: it is in sight whichever tab is in front."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_ddmd.case import Case


class WindowTitle:
    """Names a case before the title that the window has without one.

    Parameters
    ----------
    viewer : ViewerModel
        Whose window it is.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._own = self._told = viewer.title

    def name(self, case: Case | None) -> None:
        """Name a case; with None, none any more. A title that somebody else has given meanwhile stays behind it."""
        if self._viewer.title != self._told:
            self._own = self._viewer.title
        self._told = self._own if case is None else f"{case.name} - {self._own}"
        self._viewer.title = self._told
