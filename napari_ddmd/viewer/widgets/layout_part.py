"""How the case is looked at: the layout, the plane, the window, and the keys of all that."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_ddmd.viewer.canvas_text import CanvasText
from napari_ddmd.viewer.case_in_sight import CaseInSight
from napari_ddmd.viewer.desk import Desk
from napari_ddmd.viewer.four_panels import Arrangement, FourPanels
from napari_ddmd.viewer.full_size import FullSize
from napari_ddmd.viewer.keys import Key, Keys
from napari_ddmd.viewer.layer_tag import Role
from napari_ddmd.viewer.planes import Plane
from napari_ddmd.viewer.viewer_links import ViewerLinks
from napari_ddmd.viewer.widgets.keys_box import KeysDialog
from napari_ddmd.viewer.widgets.modality_box import ModalityBox
from napari_ddmd.viewer.widgets.plane_box import PlaneBox
from napari_ddmd.viewer.widgets.view_box import VIEWS, ViewBox
from napari_ddmd.viewer.window_level import WindowLevel

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_ddmd.case import Case

# Function keys: napari uses none of them, and they are where they are on any keyboard.
_LAYOUT_KEYS = ("F1", "F2", "F3")
_PLANE_KEYS = ("F5", "F6", "F7")


class LayoutPart(QWidget):
    """The buttons above the tabs, and what they stand for on the canvas.

    Parameters
    ----------
    desk : Desk
        The case.
    links : ViewerLinks
        Undoes the connections to the viewer.

    Signals
    -------
    arranged
        Another arrangement is on screen, whoever chose it.
    """

    arranged = Signal()

    def __init__(self, desk: Desk, links: ViewerLinks, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._owner: Case | None = None
        self.view_box, self.plane_box = ViewBox(), PlaneBox()
        self.four_panels = FourPanels(desk.viewer, links, desk.fit)
        self.full_size = FullSize(desk.viewer, self.four_panels)
        self.modality_box = ModalityBox(desk, links, self.full_size)
        self._in_sight = CaseInSight(desk.viewer, self.four_panels, links, partial(QTimer.singleShot, 0))
        self.canvas_text = CanvasText(desk.viewer, links)
        image_in, say = self.four_panels.image_in, self.canvas_text.say
        self.window_level = WindowLevel(desk.viewer, image_in, say, self._own_limits)
        self.keys: Keys | None = None
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.view_box)
        layout.addWidget(self.plane_box)
        layout.addWidget(self.modality_box)
        self.view_box.arrangement_chosen.connect(self.arrange)
        self.modality_box.modality_chosen.connect(self.show_modality)
        self.plane_box.plane_chosen.connect(desk.show_plane)
        self.plane_box.keys_wanted.connect(self.list_keys)
        links.connect(self.four_panels.changed, self._on_arranged)
        links.connect(desk.planes.changed, self._show_plane)
        desk.case_changed.connect(self.show_available)
        desk.results_changed.connect(self.show_available)
        self._release_in_the_end(self.window_level, self.canvas_text)
        self.show_available()
        self._show_plane()

    def arrange(self, arrangement: Arrangement) -> None:
        """Divide the canvas."""
        self._in_sight.forget_wish()
        self.four_panels.show(arrangement, self._desk.case)

    def show_modality(self, modality: str) -> None:
        """Show a modality of the case alone, at full size."""
        self._in_sight.forget_wish()
        self.full_size.show(self._desk.case, modality)

    def follow(self, owner: Case | None) -> None:
        """Show the desk's case alone, in the same layout; `owner` is the case that its images were opened as."""
        self._in_sight.follow(owner, self._desk.case)
        is_new, self._owner = owner is not self._owner, owner
        if is_new and owner is not None and self._desk.case is None:
            self._desk.fit(owner)  # an image is missing, which the reader is asked about first

    def bind_keys(
        self,
        step_lesion: Callable[[int], object],
        toggle_overlays: Callable[[], object],
        accept: Callable[[], object],
        undo: Callable[[], object],
        redo: Callable[[], object],
        run: Callable[[], object],
    ) -> None:
        """Bind the keys; those that another part of the panel answers to are given here.

        Parameters
        ----------
        step_lesion : callable
            Goes to the next lesion with 1, to the one before with −1.
        toggle_overlays : callable
            Hides all overlays, or shows them again.
        accept : callable
            Accepts the mask in hand, or takes that back.
        undo, redo : callable
            Take a step of the mask in hand back, or do it again. napari has the same keys for the layer of labels that
            is active, which come first; these are for when an image is.
        run : callable
            Begins a run, or cancels the one that is on.
        """
        step_finding = self._desk.step_to_finding
        self.keys = Keys(
            self._desk.viewer,
            [
                Key("N", "next lesion", partial(step_lesion, 1)),
                Key("Shift-N", "previous lesion", partial(step_lesion, -1)),
                Key(".", "next slice with a finding", partial(step_finding, 1)),
                Key(",", "previous slice with a finding", partial(step_finding, -1)),
                Key("H", "hide all overlays, or show them again", toggle_overlays),
                Key("Ctrl-Enter", "accept the mask as it stands, or take that back", accept),
                Key("Ctrl-Z", "undo on the mask in hand: painting, tools, thresholds, runs", undo),
                Key("Ctrl-Shift-Z", "redo", redo),
                Key("F8", "run, or cancel the run", run),
                Key("Q", "next modality at full size", partial(self._flip, 1)),
                Key("Shift-Q", "previous modality at full size", partial(self._flip, -1)),
                Key("W", "window and level as at first", self.window_level.reset),
                *(
                    Key(key, f"layout: {VIEWS[kind][0].lower()}", partial(self._arrange_if_possible, kind))
                    for key, kind in zip(_LAYOUT_KEYS, Arrangement, strict=True)
                ),
                *(
                    Key(key, f"plane: {plane.value}", partial(self._desk.show_plane, plane))
                    for key, plane in zip(_PLANE_KEYS, Plane, strict=True)
                ),
            ],
        )
        self._release_in_the_end(self.keys)

    def _own_limits(self, image: Image) -> tuple[float, float] | None:
        """Between which a map is displayed whose values are other ones with every run."""
        results = self._desk.results
        if results is None:
            return None
        own = {role: limit for role, limit in results.map_limits.items() if results.layer_of(role) is image}
        return next(((0.0, own[role]) for role in (Role.INTER, Role.INTRA) if role in own), None)

    def list_keys(self) -> None:
        """Open the list of keys."""
        KeysDialog([] if self.keys is None else self.keys.keys, self).show()

    def show_available(self) -> None:
        """Offer the layouts that the case has enough layers for."""
        self.view_box.set_available(self.four_panels.available(self._desk.case), self.four_panels.arrangement)

    def _release_in_the_end(self, *parts: Keys | WindowLevel | CanvasText) -> None:
        def release() -> None:
            for part in parts:
                part.release()

        # Not their methods: Qt would not keep the parts alive until then, and this widget's attributes go before.
        self.destroyed.connect(release)

    def _arrange_if_possible(self, arrangement: Arrangement) -> None:
        if arrangement in self.four_panels.available(self._desk.case):
            self.arrange(arrangement)

    def _flip(self, way: int) -> None:
        self._in_sight.forget_wish()
        self.full_size.step(self._desk.case, way)

    def _on_arranged(self) -> None:
        self.show_available()
        self.modality_box.show_state()
        self.arranged.emit()

    def _show_plane(self) -> None:
        self.plane_box.show_plane(self._desk.planes.plane)
