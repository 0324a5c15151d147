"""The scores of every slice over the height of the head; a click goes to the slice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.backend_bases import MouseButton, MouseEvent
from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from qtpy.QtCore import QEvent, QSize, QTimer, Signal
from qtpy.QtGui import QFontInfo, QShowEvent
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from napari_ddmd.case import MODALITIES, MODALITY_LABELS
from napari_ddmd.slice_curves import slice_curves

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

    from napari_ddmd.case import Case
    from napari_ddmd.volumes import Volumes

_WHOLE = "all modalities"
_DRAW_AFTER_MS = 300
# In multiples of the panel's own letters, whose size the user chooses: height of the plot, and of its margins.
_HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 18.5, 4.2, 1.2, 0.4, 4.1
_LETTERS = 0.85
_DPI = 100
# Okabe and Ito's palette: told apart with any colour vision, on a dark and on a light ground.
_COLORS = {"lesion": "#E69F00", "inter": "#56B4E9", "intra": "#CC79A7"}
_TITLES = {"lesion": "expected lesion, cm²", "inter": "inter", "intra": "intra"}
_TIP = (
    "For each slice: area of the lesion in cm² as the probability expects it, and the discrepancy scores.\n"
    "Click or drag to go there. Gaps have not been segmented."
)


class ScorePlot(QWidget):
    """Three curves over the slices, feet on the left and head on the right.

    Signals
    -------
    slice_chosen
        The axial slice that was clicked or dragged to.
    """

    slice_chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._case: Case | None = None
        self._volumes: Volumes | None = None
        self._current = 0
        self._background: Any = None
        self._dark = True
        self._is_stale = False
        self.modality = QComboBox()
        self.modality.setAccessibleName("Modality of the discrepancy scores")
        self.modality.setToolTip("Whose discrepancy scores are drawn")
        self.modality.addItem(_WHOLE, None)
        for name in MODALITIES:
            self.modality.addItem(MODALITY_LABELS[name], name)
        self.canvas = FigureCanvasQTAgg(Figure(dpi=_DPI))  # type: ignore[no-untyped-call]
        self.canvas.setToolTip(_TIP)
        self.canvas.setMinimumWidth(0)
        self.canvas.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.canvas.figure.patch.set_alpha(0)
        # The panel's own ground shows through.
        self.canvas.setStyleSheet("background: transparent")
        self.empty = QLabel("Scores of each slice appear here with the first run.")
        self.empty.setWordWrap(True)
        choice = QHBoxLayout()
        choice.addWidget(QLabel("Discrepancy of"))
        choice.addWidget(self.modality, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(choice)
        layout.addWidget(self.canvas)
        layout.addWidget(self.empty)
        self.axes: dict[str, Axes] = {}
        self._marks: list[Line2D] = []
        self._clock = QTimer(self)
        self._clock.setSingleShot(True)
        self._clock.setInterval(_DRAW_AFTER_MS)
        self._clock.timeout.connect(self._draw_if_seen)
        self.modality.currentIndexChanged.connect(self.draw)
        self.canvas.mpl_connect("button_press_event", self._on_mouse)
        self.canvas.mpl_connect("motion_notify_event", self._on_mouse)
        self.canvas.mpl_connect("resize_event", self._fit_margins)
        self.canvas.mpl_connect("draw_event", self._on_drawn)
        self._fit_letters()
        self.draw()

    def sizeHint(self) -> QSize:  # noqa: N802
        """A panel's width; the canvas takes what there is."""
        return QSize(300, self.canvas.height() + self.modality.sizeHint().height())

    def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802
        """Follow the size of the panel's letters."""
        super().changeEvent(event)
        if event is not None and event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._fit_letters()
            self.draw()

    @property
    def current(self) -> int:
        """The slice that is marked."""
        return self._current

    def show_scores(self, case: Case | None, volumes: Volumes | None) -> None:
        """Draw the scores of a case, soon: calls in quick succession count once."""
        is_other = case is not self._case or volumes is not self._volumes
        self._case, self._volumes = case, volumes
        if is_other and not self.canvas.isHidden():
            self.draw()  # what is on show is of another case, or of another run
            return
        if volumes is not None and volumes.done:
            self.empty.hide()  # what it says is untrue from now on
        if not self._clock.isActive():
            self._clock.start()

    def set_current(self, index: int) -> None:
        """Mark the slice that is on screen."""
        if index != self._current:
            self._current = index
            self._draw_marks()

    def set_dark(self, dark: bool) -> None:
        """Follow the theme."""
        if dark != self._dark:
            self._dark = dark
            self.draw()

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802
        """Draw what has come in while another tab was in front."""
        super().showEvent(event)
        if self._is_stale:
            self.draw()

    def _draw_if_seen(self) -> None:
        self._is_stale = not self.isVisible()
        if not self._is_stale:
            self.draw()

    def draw(self) -> None:
        """Draw all anew."""
        self._clock.stop()
        self._is_stale = False
        case, volumes = self._case, self._volumes
        has_scores = case is not None and volumes is not None and bool(volumes.done)
        self.canvas.setVisible(has_scores)
        self.modality.setEnabled(has_scores)
        self.empty.setVisible(not has_scores)
        if case is None or volumes is None or not has_scores:
            return
        curves = slice_curves(case, volumes, self.modality.currentData())
        shown = [name for name, curve in curves.items() if not np.isnan(curve).all()]
        if list(self.axes) != shown:
            self._divide(shown)
        brain = case.brain_slices
        limits = (float(brain[0]), float(brain[-1])) if brain else (0.0, float(len(case.brain) - 1))
        ink, letters = "#e0e0e0" if self._dark else "#202020", self._letters() * 72 / _DPI
        for name, axes in self.axes.items():
            curve, mark = axes.lines
            curve.set_data(np.arange(len(case.brain)), curves[name])
            mark.set_color(ink)
            top = float(np.nanmax(curves[name]))
            axes.set_ylim(0, top * 1.1 if top > 0 else 1)
            axes.set_xlim(limits[0] - 0.5, limits[1] + 0.5)
            axes.texts[0].update({"color": ink, "fontsize": letters})
            axes.tick_params(colors=ink, labelsize=letters)
            axes.spines[:].set_color(ink)
        self.axes[shown[-1]].set_xlabel("slice, feet → head", color=ink, fontsize=letters)
        self.canvas.draw_idle()  # type: ignore[no-untyped-call]

    def _letters(self) -> float:
        """Size of the plot's letters in the window's pixels."""
        return QFontInfo(self.font()).pixelSize() * _LETTERS

    def _fit_letters(self) -> None:
        self.canvas.setFixedHeight(round(self._letters() * _HEIGHT))
        self._fit_margins()

    def _fit_margins(self, _event: Any = None) -> None:
        """Keep the margins as wide as the letters need; matplotlib's own layout takes as long as the drawing."""
        letters, width, height = self._letters(), max(self.canvas.width(), 1), self.canvas.height()
        left, right = _LEFT * letters / width, 1 - _RIGHT * letters / width
        if left < right:
            bottom, top = _BOTTOM * letters / height, 1 - _TOP * letters / height
            self.canvas.figure.subplots_adjust(left=left, right=right, bottom=bottom, top=top, hspace=0.3)

    def _divide(self, names: list[str]) -> None:
        figure = self.canvas.figure
        figure.clear()
        self._fit_margins()
        rows = figure.subplots(len(names), 1, sharex=True, squeeze=False)[:, 0]
        self.axes, self._marks = {}, []
        for name, axes in zip(names, rows, strict=True):
            axes.patch.set_alpha(0)
            axes.spines[["top", "right"]].set_visible(False)
            axes.yaxis.set_major_locator(MaxNLocator(2))
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.plot([], [], color=_COLORS[name], linewidth=1.5, marker=".", markersize=3)
            axes.text(0.01, 1.0, _TITLES[name], transform=axes.transAxes, va="top")
            # Drawn by itself onto the kept picture: it moves with every slice, the curves do not.
            self._marks.append(axes.axvline(self._current, linewidth=1, linestyle="--", animated=True))
            self.axes[name] = axes

    def _on_drawn(self, _event: Any) -> None:
        self._background = self.canvas.copy_from_bbox(self.canvas.figure.bbox)  # type: ignore[no-untyped-call]
        self._paint_marks()

    def _draw_marks(self) -> None:
        """Move the marks in the kept picture, also while another tab hides it: it comes back as it is."""
        if self._background is not None:
            self.canvas.restore_region(self._background)  # type: ignore[no-untyped-call]
            self._paint_marks()
            # Not blit: that paints at once, and with it the window's canvas.
            self.canvas.update()

    def _paint_marks(self) -> None:
        for mark in self._marks:
            mark.set_xdata([self._current, self._current])
            if mark.axes is not None:
                mark.axes.draw_artist(mark)

    def _on_mouse(self, event: Any) -> None:
        # A motion carries the button that is held.
        if not isinstance(event, MouseEvent) or event.button != MouseButton.LEFT:
            return
        if event.xdata is None or self._case is None:
            return
        depth = self._case.grid.shape[0]
        self.slice_chosen.emit(int(np.clip(round(event.xdata), 0, depth - 1)))
