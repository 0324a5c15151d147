"""Tab *Look*: why there is a lesion, and how sure that is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.colors import to_hex
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_ddmd.viewer.desk import Desk
from napari_ddmd.viewer.layer_tag import Role
from napari_ddmd.viewer.result_looks import agreement_colors
from napari_ddmd.viewer.run_settings import Sampling
from napari_ddmd.viewer.viewer_links import ViewerLinks
from napari_ddmd.viewer.widgets.denoising_box import DenoisingBox
from napari_ddmd.viewer.widgets.left_out_line import LeftOutLine
from napari_ddmd.viewer.widgets.overlay_box import OverlayBox
from napari_ddmd.viewer.widgets.result_box import ResultBox
from napari_ddmd.viewer.widgets.score_plot import ScorePlot
from napari_ddmd.viewer.widgets.scroll import VerticalScroll, column

_DARK_BELOW = 128
_MOST_COLORS = 7


class LookTab(QWidget):
    """Scores over the slices, threshold and samples, overlays, and the denoising.

    Parameters
    ----------
    desk : Desk
        The case and its results.
    links : ViewerLinks
        Undoes the connections to the viewer.
    sampling : callable
        How a mask is sampled that is watched before there are results.
    """

    def __init__(
        self,
        desk: Desk,
        links: ViewerLinks,
        sampling: Callable[[], Sampling] = Sampling,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._desk = desk
        self.score_plot = ScorePlot()
        self.result_box, self.left_out_line = ResultBox(), LeftOutLine(desk)
        self.overlay_box = OverlayBox(desk, links)
        self.legend = QLabel()
        self.legend.setTextFormat(Qt.TextFormat.RichText)
        self.legend.setWordWrap(True)
        self.denoising_box = DenoisingBox(desk, links, sampling)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        content = column(
            ("Why", (self.score_plot,)),
            ("How sure", (self.result_box, self.left_out_line, self.overlay_box, self.legend)),
            ("Watch it think", (self.denoising_box,)),
        )
        layout.addWidget(VerticalScroll(content))
        self.score_plot.slice_chosen.connect(desk.go_to)
        self.result_box.threshold_changed.connect(self._on_threshold)
        self.result_box.sample_chosen.connect(self._on_sample)
        desk.case_changed.connect(self._show)
        desk.results_changed.connect(self._show)
        desk.threshold_changed.connect(self.show_threshold)
        links.connect(desk.viewer.dims.events.point, self._show_slice)
        links.connect(desk.viewer.events.theme, self._show_theme)
        self._show_theme()
        self._show()

    def _show(self) -> None:
        results = self._desk.results
        samples = 0 if results is None else results.samples
        self.result_box.set_samples(samples, 0 if results is None else results.sample)
        self.legend.setText(agreement_legend(samples))
        self.legend.setVisible(samples > 1)
        self.score_plot.show_scores(self._desk.case, self._desk.volumes)
        self.show_threshold()
        self._show_slice()

    def _on_threshold(self, threshold: float) -> None:
        own = self._desk.wanted_threshold.own_of(self._desk.results)
        self._desk.set_threshold(own if threshold == round(own, 2) else threshold)  # the slider has hundredths

    def show_threshold(self) -> None:
        """Let the slider stand where the case's results are cut, or will be."""
        results = self._desk.results
        self.result_box.set_threshold(self._desk.threshold if results is None else results.threshold)

    def _show_slice(self, _event: Any = None) -> None:
        self.score_plot.set_current(self._desk.current_slice)

    def _show_theme(self, _event: Any = None) -> None:
        from napari.utils.theme import get_theme

        ground = get_theme(self._desk.viewer.theme).background.as_rgb_tuple()
        self.score_plot.set_dark(sum(ground[:3]) / 3 < _DARK_BELOW)

    def _on_sample(self, number: int) -> None:
        if self._desk.results is not None:
            self._desk.results.show_sample(number)
            # Who browses the samples wants to see them.
            self.overlay_box.show_overlay(Role.SAMPLE)


def agreement_legend(samples: int) -> str:
    """Word the colours of the contours as rich text; of many samples, some."""
    colors = agreement_colors(samples)
    counts = sorted({round(count) for count in np.linspace(1, max(samples, 1), min(max(samples, 1), _MOST_COLORS))})
    marks = [f'<span style="color: {to_hex(colors[count])}">■</span> {count}' for count in counts]
    return f"agreement: {'&nbsp; '.join(marks)} samples"
