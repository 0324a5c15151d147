"""Choose the case, and which layer is which modality."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakSet, ref

from magicgui.widgets import ComboBox
from napari.utils.notifications import show_error, show_warning
from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QWidget,
)

from napari_ddmd.case import MODALITIES, MODALITY_LABELS, Case, CaseError
from napari_ddmd.missing import costs_of_missing
from napari_ddmd.viewer.case_choice import guess_assignment, make_case, modality_layers, open_cases
from napari_ddmd.viewer.dicom_opener import DicomOpener
from napari_ddmd.viewer.layer_tag import is_of
from napari_ddmd.viewer.remarks import in_short
from napari_ddmd.viewer.viewer_links import ViewerLinks
from napari_ddmd.viewer.widgets.case_opener import CaseOpener
from napari_ddmd.viewer.widgets.outcome_line import OutcomeLine
from napari_ddmd.without_values import reason

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

_OTHER = "other layers"


def _title(case: Case, cases: Sequence[Case | None]) -> str:
    """The name of a case, with the folder above it where another is called the same."""
    files = list(case.files.images.values())
    if not files or sum(other is not None and other.name == case.name for other in cases) == 1:
        return case.name
    return f"{case.name} ({files[0].parent.parent.name or files[0].parent})"


class _Made(NamedTuple):
    """A case that was made of layers."""

    owner: Case | None
    """The one that they were opened as."""
    case: Case
    data: tuple[ref[Any], ...]

    @property
    def is_stale(self) -> bool:
        """Whether any of the arrays that it was made of is gone."""
        return any(array() is None for array in self.data)


class CaseBox(QWidget):
    """The case on which the panel works.

    Signals
    -------
    changed
        The case or one of its modalities is another one now.
    close_wanted
        The case on show is to be closed.
    """

    changed = Signal()
    close_wanted = Signal()

    def __init__(self, viewer: ViewerModel, links: ViewerLinks, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._cases: list[Case | None] = []
        self._left_out: set[str] = set()
        self._without: WeakSet[Case] = WeakSet()  # cases that the user goes on with although an image is missing
        self._others_without: WeakSet[Layer] = WeakSet()  # the images of no case with which the user does
        self._made: dict[tuple[int, ...], _Made] = {}  # by the data of its layers, the latest last
        self.setAcceptDrops(True)
        self.case_list = QComboBox()
        self.case_list.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.case_list.setAccessibleName("Case")
        self.close_button = QPushButton("Close")
        self.close_button.setAccessibleName("Close the case")
        self.close_button.setToolTip("Close this case: all its layers go, its files stay")
        self.open_button = QPushButton("Open…")
        self.open_button.setToolTip("Open the folder with a case's NIfTI files, or of a DICOM study; or drop it here")
        self.missing_box = QCheckBox("Go on without the image that is missing")
        self.missing_box.setToolTip(f"<p>{costs_of_missing()}</p>")
        self.missing_box.hide()
        self.dicom_button = QPushButton("DICOM…")
        self.dicom_button.setToolTip("Open the folder of a DICOM study, and say which series is which modality")
        self.dicom_opener = DicomOpener(self)
        study_opener = DicomOpener(self)  # one that is asked for beside takes no turn, and no other's place
        self._opener = CaseOpener(viewer, study_opener, self)
        self.dicom_status = QLabel("")
        self.dicom_status.setWordWrap(True)
        self.dicom_status.hide()
        self.fault = OutcomeLine()
        self.modalities = {
            modality: ComboBox(choices=self._choices, nullable=True, name=modality) for modality in MODALITIES
        }
        self._lay_out()
        self.case_list.currentIndexChanged.connect(self._on_case_chosen)
        self.close_button.clicked.connect(self.close_wanted)
        self.open_button.clicked.connect(self._ask_for_case)
        self.dicom_button.clicked.connect(self.dicom_opener.ask)
        self.missing_box.toggled.connect(self._on_missing_ticked)
        self._opener.busy_changed.connect(self.open_button.setDisabled)
        for opener in (self._opener, self.dicom_opener):
            opener.failed.connect(self._tell_fault)
        self.dicom_opener.opened.connect(self._opener.add)
        for studies in (self.dicom_opener, study_opener):
            studies.told.connect(self._tell_dicom)
        for modality, combo in self.modalities.items():
            combo.native.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            combo.native.setAccessibleName(f"{MODALITY_LABELS[modality]} image")
            combo.native.setToolTip(f"The layer that is the {MODALITY_LABELS[modality]} image")
            combo.changed.connect(self._on_layer_chosen)
        events = viewer.layers.events
        for event in (events.inserted, events.removed, events.reordered, events.renamed):
            links.connect(event, self._on_layers_changed)
        self._on_layers_changed()

    @property
    def tagged_case(self) -> Case | None:
        """The case that the list shows; None for layers that belong to none."""
        index = self.case_list.currentIndex()
        return self._cases[index] if 0 <= index < len(self._cases) else None

    def case(self) -> Case:
        """Make the case from the chosen layers, or return the one that was made of them before.

        One that has layers of its own, as after a run, is made once.

        Raises
        ------
        CaseError
            If the layers make no case.
        """
        layers = {modality: combo.value for modality, combo in self.modalities.items()}
        # The data's identity, not the layer's: someone may have put other data into the layer.
        data = [layer.data for layer in layers.values() if layer is not None]
        key = (*(0 if layer is None else id(layer.data) for layer in layers.values()), self.goes_without)
        told = () if self.made is None else self.made.warnings
        known = self._made.pop(key, None)
        if known is None or known.is_stale:  # another array may lie where one lay that is gone
            case = make_case(layers, allow_missing=self.goes_without)
            known = _Made(self.tagged_case, case, tuple(map(ref, data)))
            self._tell_assumptions(case, told)
        self._made = {other: kept for other, kept in self._made.items() if self._is_kept(kept)} | {key: known}
        return known.case

    def _is_kept(self, made: _Made) -> bool:
        return not made.is_stale and any(is_of(layer, made.case) for layer in self._viewer.layers)

    @property
    def made(self) -> Case | None:
        """The case that was made of the layers last; it may come back while one of them is there."""
        return next((made.case for made in reversed(self._made.values())), None)

    def forget_made_of(self, owner: Case | None) -> None:
        """Let go of the cases that were made so: they are closed."""
        self._made = {key: made for key, made in self._made.items() if made.owner is not owner}
        self.changed.emit()

    def made_of(self, owner: Case | None) -> list[Case]:
        """The cases that were made of the layers of one that was opened, and of others put in their places."""
        return [made.case for made in self._made.values() if made.owner is owner]

    @property
    def goes_without(self) -> bool:
        """Whether one modality has no layer, and the user wants to go on all the same."""
        return self._lacks_one and self.missing_box.isChecked()

    @property
    def _goes_on(self) -> bool:
        """Whether the user has said so of the patient in hand; of images of no case, while one of them is."""
        if self.tagged_case is None:
            return any(combo.value in self._others_without for combo in self.modalities.values())
        return self.tagged_case in self._without

    @property
    def _lacks_one(self) -> bool:
        return sum(combo.value is None for combo in self.modalities.values()) == 1

    def choose(self, case: Case | None) -> None:
        """Show a case that is open; None stands for layers that belong to none."""
        if case in self._cases:
            self.case_list.setCurrentIndex(self._cases.index(case))

    def open_case(self, path: Path) -> None:
        """Open a case, the folder or one of its files, or a study; after those that are being opened."""
        self.fault.hide()
        self._opener.open(path)

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:  # noqa: N802
        """Accept one file or folder from the file manager."""
        mime = None if event is None else event.mimeData()
        if event is not None and mime is not None and mime.hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent | None) -> None:  # noqa: N802
        """Open the case that was dropped; unlike a drop on the canvas, this never asks for a reader."""
        mime = None if event is None else event.mimeData()
        paths = [] if mime is None else [url.toLocalFile() for url in mime.urls() if url.isLocalFile()]
        # The files of one case open it once.
        cases = {place if place.is_dir() else place.parent: place for place in map(Path, reversed(paths))}
        for place in reversed(cases.values()):
            self.open_case(place)

    def problem(self) -> str | None:
        """Say why there is no case, None where there is one."""
        if not modality_layers(self._viewer.layers):
            return "Open a case, or drop its folder on the window."
        try:
            self.case()
        except CaseError as error:
            if self._lacks_one and not self.goes_without:
                gone = next(name for name, combo in self.modalities.items() if combo.value is None)
                return f"No {MODALITY_LABELS[gone]} image: choose its layer, or tick that you go on without it."
            return str(error)
        return None

    def set_running(self, running: bool) -> None:
        """Keep what a case is made of as it is while a run is on; others may be opened and looked at."""
        for widget in (*(combo.native for combo in self.modalities.values()), self.missing_box):
            widget.setEnabled(not running)

    def _tell_assumptions(self, case: Case, told: tuple[str, ...]) -> None:
        # The remarks on a case that was opened were shown when it was.
        if case not in self._cases:
            for remark in case.warnings:
                if remark not in told:
                    show_warning(in_short(remark))

    def _tell_fault(self, error: Exception) -> None:
        """Say why nothing was opened: at once, and here until something else is."""
        words = reason(error)
        show_error(in_short(words))
        self.fault.tell(f"Not opened: {in_short(words, parts=2)}.", words)

    def _tell_dicom(self, text: str) -> None:
        if text:
            self.fault.hide()
        self.dicom_status.setText(f"{text}…" if text else "")
        self.dicom_status.setVisible(bool(text))
        self.dicom_button.setEnabled(not text)

    def _lay_out(self) -> None:
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        case = QHBoxLayout()
        case.addWidget(self.case_list, 1)
        case.addWidget(self.close_button)
        layout.addLayout(case, 0, 0, 1, 4)
        buttons = QHBoxLayout()
        for button in (self.open_button, self.dicom_button):
            buttons.addWidget(button, 1)
        layout.addLayout(buttons, 1, 0, 1, 4)
        layout.addWidget(self.dicom_status, 2, 0, 1, 4)
        layout.addWidget(self.fault, 3, 0, 1, 4)
        layout.addWidget(self.missing_box, 6, 0, 1, 4)
        for number, (modality, combo) in enumerate(self.modalities.items()):
            row, column = 4 + number // 2, 2 * (number % 2)
            layout.addWidget(QLabel(MODALITY_LABELS[modality]), row, column)
            layout.addWidget(combo.native, row, column + 1)
        layout.setColumnStretch(1, 1)
        layout.setColumnStretch(3, 1)

    def _choices(self, _combo: Any) -> list[tuple[str, Any]]:
        return [(layer.name, layer) for layer in modality_layers(self._viewer.layers)]

    def _on_layers_changed(self, _event: Any = None) -> None:
        there = {id(layer.data) for layer in modality_layers(self._viewer.layers)}
        # A case that is closed is not kept.
        self._made = {key: kept for key, kept in self._made.items() if not there.isdisjoint(key)}
        known = [case for case in self._cases if case is not None]
        cases: list[Case | None] = list(open_cases(self._viewer.layers))
        newest = next((case for case in reversed(cases) if case not in known), None)
        others = any(guess_assignment(self._viewer.layers, None).values())
        if others or not cases:
            cases.append(None)
        if newest is not None:
            self.fault.hide()
        chosen = newest or (self.tagged_case if self.tagged_case in cases else cases[0])
        was_chosen, was_listed = self.tagged_case, bool(self._cases)
        self._cases = cases
        self.case_list.blockSignals(True)
        self.case_list.clear()
        empty = _OTHER if others else "no case is open"
        self.case_list.addItems([empty if case is None else _title(case, cases) for case in cases])
        self.case_list.setCurrentIndex(cases.index(chosen))
        self.close_button.setEnabled(others or chosen is not None)
        self.case_list.blockSignals(False)
        for combo in self.modalities.values():
            with combo.changed.blocked():
                combo.reset_choices()
        self._fill(again=not was_listed or chosen is not was_chosen)
        self.changed.emit()

    def _fill(self, *, again: bool) -> None:
        """Guess the modalities: all of them, or only those that have no layer."""
        guess = guess_assignment(self._viewer.layers, self.tagged_case)
        if again:
            self._left_out = set()
        for modality, combo in self.modalities.items():
            if again or (combo.value is None and modality not in self._left_out):
                with combo.changed.blocked():
                    combo.value = guess[modality]
        self._show_missing(again=again)

    def _on_case_chosen(self, _index: int) -> None:
        self._fill(again=True)
        self.changed.emit()

    def _on_layer_chosen(self, _layer: Any) -> None:
        # What the user took out stays out when other layers come and go.
        self._left_out = {modality for modality, combo in self.modalities.items() if combo.value is None}
        self._show_missing()
        self.changed.emit()

    def _on_missing_ticked(self, ticked: bool) -> None:
        if self.tagged_case is None:
            chosen = (combo.value for combo in self.modalities.values())
            self._others_without = WeakSet(layer for layer in chosen if ticked and layer is not None)
        else:
            (self._without.add if ticked else self._without.discard)(self.tagged_case)
        self._on_layer_chosen(None)

    def _show_missing(self, *, again: bool = False) -> None:
        """Offer to go on where exactly one image is missing; what was said of one patient is not said of the next."""
        if again or not self._goes_on:
            with QSignalBlocker(self.missing_box):
                self.missing_box.setChecked(self._goes_on)
        self.missing_box.setVisible(self._lacks_one)

    def _ask_for_case(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Choose the folder of a case")
        if folder:
            self.open_case(Path(folder))
