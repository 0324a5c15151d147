"""Which results lie over the images: a tick for each, beside napari's own list of layers."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QCheckBox, QGridLayout, QWidget

from napari_ddmd.viewer.desk import Desk
from napari_ddmd.viewer.layer_tag import Role, tag_of
from napari_ddmd.viewer.viewer_links import ViewerLinks

if TYPE_CHECKING:
    from napari.layers import Layer

_OVERLAYS = {
    Role.LESION: ("lesion", "The mask: where the probability exceeds the threshold, and what was painted"),
    Role.SAMPLE: ("sample", "One sampled mask; the slider chooses which"),
    Role.AGREEMENT: ("agreement", "Contours: from one sample that finds lesion (dark) to all of them (bright)"),
    Role.PROBABILITY: ("probability", "Mean of the sampled masks"),
    Role.UNCERTAINTY: ("uncertainty", "Bright where the samples are undecided"),
    Role.EXPERT: ("expert", "The expert's mask, where there is one"),
    Role.INTER: ("inter", "Difference between how brains look and how healthy brain looks"),
    Role.INTRA: ("intra", "Disagreement among the healthy-brain models"),
}
_UNTICKED = (Role.COMPARISON, Role.DENOISING)
"""What else lies over the images, with a tick of its own elsewhere."""
_COLUMNS = 3


class OverlayBox(QWidget):
    """Ticks that show and hide the layers of the desk's case.

    Parameters
    ----------
    desk : Desk
        The case.
    links : ViewerLinks
        Undoes the connections to the viewer.
    """

    def __init__(self, desk: Desk, links: ViewerLinks, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self.layer_links = ViewerLinks()
        self._hidden: list[Role] = [Role.LESION]
        self.ticks = {role: QCheckBox(label) for role, (label, _tip) in _OVERLAYS.items()}
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for number, (role, tick) in enumerate(self.ticks.items()):
            tick.setToolTip(_OVERLAYS[role][1])
            tick.toggled.connect(partial(self._on_tick, role))
            layout.addWidget(tick, number // _COLUMNS, number % _COLUMNS)
        events = desk.viewer.layers.events
        for event in (events.inserted, events.removed):
            links.connect(event, self._on_layers)
        desk.case_changed.connect(self._listen)
        self._listen()

    def layer_of(self, role: Role) -> Layer | None:
        """Return the topmost layer of the case that shows something."""
        case = self._desk.case
        for layer in reversed(self._desk.viewer.layers):
            tag = tag_of(layer)
            if tag is not None and case is not None and tag.case is case and tag.role == role:
                return layer
        return None

    def show_overlay(self, role: Role) -> None:
        """Make an overlay visible, where there is one."""
        if self.ticks[role].isEnabled():
            self.ticks[role].setChecked(True)

    def toggle_all(self) -> None:
        """Hide all that is shown, or show again what was hidden so."""
        over = {role: layer for role in (*self.ticks, *_UNTICKED) if (layer := self._over_images(role)) is not None}
        shown = [role for role, layer in over.items() if layer.visible]
        if shown:
            self._hidden = shown
        hidden = [role for role in self._hidden if role in over] or [role for role in (Role.LESION,) if role in over]
        for role in shown or hidden:
            over[role].visible = not shown

    def _over_images(self, role: Role) -> Layer | None:
        """The layer that shows something over the images; none that has a panel to itself."""
        layer, is_divided = self.layer_of(role), self._desk.viewer.canvas.grid.enabled
        return None if layer is None or (is_divided and layer.name_overlay.visible) else layer

    def _on_layers(self, _event: Any) -> None:
        self._listen()

    def _listen(self) -> None:
        self.layer_links.disconnect()
        for role in self.ticks:
            layer = self.layer_of(role)
            if layer is not None:
                self.layer_links.connect(layer.events.visible, self.show_state)
        self.show_state()

    def show_state(self, _event: Any = None) -> None:
        """Let the ticks say what is visible; an image that has a panel to itself stays."""
        for role, tick in self.ticks.items():
            layer = self.layer_of(role)
            tick.blockSignals(True)
            tick.setEnabled(self._over_images(role) is not None)
            tick.setChecked(layer is not None and layer.visible)
            tick.blockSignals(False)

    def _on_tick(self, role: Role, visible: bool) -> None:
        layer = self.layer_of(role)
        if layer is not None:
            layer.visible = visible
