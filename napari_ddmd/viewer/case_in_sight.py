"""Which case is on the canvas: the one in hand, and none of the others that are open."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakSet, ref

from napari.layers import Layer

from napari_ddmd.case import MODALITIES
from napari_ddmd.viewer.case_choice import guess_assignment
from napari_ddmd.viewer.drawn_for import images_of, was_drawn_for_others
from napari_ddmd.viewer.four_panels import Arrangement, FourPanels
from napari_ddmd.viewer.layer_tag import Role, tag_of
from napari_ddmd.viewer.viewer_links import ViewerLinks

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_ddmd.case import Case

# Layers outlive the panel, and whoever opens it again finds them hidden.
_LAYERS_AWAY: WeakSet[Layer] = WeakSet()


class CaseInSight:
    """Hides the layers of a case while another one is in hand, and shows again what was visible of it.

    Parameters
    ----------
    viewer : ViewerModel
        Where the layers live.
    four_panels : FourPanels
        Shows the case that comes as it showed the one that goes.
    links : ViewerLinks
        Undoes the connections to the viewer.
    later : callable
        Calls what it is given when all that is going on now has been done.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        four_panels: FourPanels,
        links: ViewerLinks,
        later: Callable[[Callable[[], None]], None],
    ) -> None:
        self._viewer, self._four_panels = viewer, four_panels
        self._owner: Case | None = None
        self._case: Case | None = None
        self._last_case: Callable[[], Case | None] = _none  # the one that was in hand last, unless it is gone
        self._last_images: frozenset[str] | None = None  # of that one, if it was made of layers
        self._cases_away: WeakSet[Case] = WeakSet()
        self._layers_away = _LAYERS_AWAY
        self._wish = Arrangement.SINGLE
        self._later = later
        links.connect(viewer.layers.events.inserted, self._on_inserted)

    def follow(self, owner: Case | None, case: Case | None) -> None:
        """Show the case in hand.

        Parameters
        ----------
        owner : Case or None
            The case that its images were opened as; None for layers that belong to no case.
        case : Case or None
            The case that they make; None while one of them is missing.
        """
        if owner is not self._owner or (case is not None and self._is_other(case)):
            self._turn_to(owner, case)
        elif case is not None and self._wish is not Arrangement.SINGLE:
            # Now all of its images are there.
            wish, self._wish = self._wish, Arrangement.SINGLE
            self._four_panels.show(wish, case)
        self._case = case
        if case is not None:
            self._last_case = ref(case)  # also where it was made anew of the same layers

    def forget_wish(self) -> None:
        """Leave the layout as the user has it, when the images of the case are complete."""
        self._wish = Arrangement.SINGLE

    def _is_other(self, case: Case) -> bool:
        """Whether a case is another than the last one; one that is made of the same layers anew is not."""
        return case is not self._last_case() and (self._last_images is None or images_of(case) != self._last_images)

    def _turn_to(self, owner: Case | None, case: Case | None) -> None:
        strangers = {layer for layer in guess_assignment(self._viewer.layers, None).values() if layer is not None}
        were_strangers, before = self._owner is None, (self._owner, self._last_case())
        self._owner, self._case = owner, case
        self._last_case = _none if case is None else ref(case)
        self._last_images = None if case is None or case is owner else images_of(case)
        if owner is None and not strangers:
            return  # no case is open
        kept = [one for one in (owner, case) if one is not None]
        self._cases_away.update(one for one in before if one is not None)
        self._cases_away.difference_update(kept)

        def turn(shown: dict[Layer, bool]) -> dict[Layer, bool]:
            turned = dict(shown)
            for layer, visible in shown.items():
                is_of_others = was_drawn_for_others(layer, case or owner)
                is_seen = _is_seen(layer, owner, case) or (owner is None and layer in strangers)
                if is_seen or (layer in self._layers_away and tag_of(layer) is None and is_of_others is False):
                    turned[layer] = visible or layer in self._layers_away
                    self._layers_away.discard(layer)
                elif tag_of(layer) is not None or is_of_others or (were_strangers and layer in strangers):
                    turned[layer] = False
                    if visible:
                        self._layers_away.add(layer)
            return turned

        shown = self._four_panels.arrangement
        wish = self._wish if shown is Arrangement.SINGLE else shown
        self._wish = wish if case is None else Arrangement.SINGLE
        self._four_panels.show(wish, case, turn)
        self._choose_layer(kept)

    def _choose_layer(self, kept: list[Case]) -> None:
        """Let a layer of the case be the active one, where one that is out of sight is: it would be painted on."""
        selection = self._viewer.layers.selection
        active = selection.active
        tag = None if active is None else tag_of(active)
        is_own = tag is None or tag.case in kept
        is_hidden = tag is not None and tag.role == Role.EXPERT and not active.visible  # napari takes what came last
        if active is None or (is_own and not is_hidden and active not in self._layers_away):
            return
        selection.active = self._topmost(kept) or selection.active

    def _topmost(self, cases: list[Case]) -> Layer | None:
        """The layer of some cases that is best in hand: the lesion in sight, or else what lies on top."""
        tags = [(layer, tag_of(layer)) for layer in reversed(self._viewer.layers) if layer.visible]
        own = [(layer, tag.role) for layer, tag in tags if tag is not None and tag.case in cases]
        lesions = [layer for layer, role in own if role == Role.LESION]
        images = [layer for layer, role in own if role != Role.MIRROR]
        return next(iter((*lesions, *images)), None)

    def _on_inserted(self, event: Any) -> None:
        """Keep what a run still brings of a case that is not in hand out of sight."""
        layer: Layer = event.value
        tag = tag_of(layer)
        if tag is not None and tag.role == Role.EXPERT and not layer.visible:
            self._later(partial(self._leave_hidden, layer))  # napari takes it in hand after it has told of it
        is_away = tag is not None and (
            tag.case in self._cases_away or (tag.case is self._owner and not _is_seen(layer, self._owner, self._case))
        )
        if is_away and layer.visible:
            self._layers_away.add(layer)
            layer.visible = False

    def _leave_hidden(self, mask: Layer) -> None:
        """Give the image in sight back to the hand, from which napari took it for a hidden mask that was added last.

        The brush would paint on it otherwise.
        """
        selection, tag = self._viewer.layers.selection, tag_of(mask)
        if tag is not None and selection.active is mask and not mask.visible:
            selection.active = self._topmost([tag.case])


def _none() -> None:
    return None


def _is_seen(layer: Layer, owner: Case | None, case: Case | None) -> bool:
    """Whether a layer is the case's in hand; of the one that its images were opened as, the results are not."""
    tag = tag_of(layer)
    if tag is None:
        return False
    if tag.case is case or case is None:
        return tag.case in (case, owner)
    return tag.case is owner and tag.role in (*MODALITIES, Role.EXPERT)
