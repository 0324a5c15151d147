"""What one should know of the case in hand, in sight before the run and beside its results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QLabel, QSizePolicy, QWidget

from napari_ddmd.case import MODALITIES
from napari_ddmd.case.naming import missing_remark
from napari_ddmd.learned import cautions_of
from napari_ddmd.viewer.desk import Desk
from napari_ddmd.viewer.widgets.background import Background

if TYPE_CHECKING:
    from napari_ddmd.case import Case
    from napari_ddmd.case.guards import Finding

_MOST = 3


class CautionBar(QLabel):
    """The findings on the desk's case and the remarks on its files; hidden where there are none.

    What the files had is known at once; what the images look like is looked for in another thread, once for each case.

    Parameters
    ----------
    desk : Desk
        Where the case is.

    Signals
    -------
    looked
        When the images have been looked at.
    """

    looked = Signal()

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self._desk = desk
        self._found: tuple[Finding, ...] = ()
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setWordWrap(True)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.setAccessibleName("What one should know of the case")
        self.setVisible(False)
        self._guard = Background(self)
        self._guard.done.connect(self._on_looked)
        desk.case_changed.connect(self._look)
        desk.results_changed.connect(self.show_again)
        self._look()

    def show_again(self) -> None:
        """Say what is to be said of the case with another model, chosen or of other results."""
        self._show(self._found)

    def _look(self) -> None:
        self._show(())
        if self._desk.case is None:
            self._guard.forget()
        else:
            self._guard.start(_findings, self._desk.case)

    def _on_looked(self, findings: tuple[Finding, ...]) -> None:
        self._show(findings)
        self.looked.emit()

    def _show(self, findings: tuple[Finding, ...]) -> None:
        self._found = findings
        remarks = () if self._desk.case is None else self._desk.case.remarks
        name = "" if self._desk.case is None else self._desk.case.name
        lacking = {missing_remark(name, modality) for modality in MODALITIES}
        missing = [text for text in remarks if text in lacking]
        known = cautions_of(name, *self._desk.models)
        # What is missing is never cut off.
        told = (*missing, *known, *map(str, findings), *remarks)
        words = dict.fromkeys(text.removeprefix(f"{name}: ") for text in told)
        lines = [f"⚠ {text[0].upper()}{text[1:]}." for text in words]
        more = [f"⚠ And {len(lines) - _MOST} more."] if len(lines) > _MOST else []
        self.setText("\n".join([*lines[:_MOST], *more]))
        self.setToolTip("\n".join(lines))
        self.setVisible(bool(lines))


def _findings(case: Case) -> tuple[Finding, ...]:
    return case.findings
