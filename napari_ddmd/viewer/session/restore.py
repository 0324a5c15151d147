"""Put a session that was read into a window."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from itertools import count
from typing import TYPE_CHECKING

from napari.layers import Labels, Layer

from napari_ddmd.case import MODALITIES, Case
from napari_ddmd.viewer.acceptance import mark_again
from napari_ddmd.viewer.case_choice import open_cases
from napari_ddmd.viewer.drawn_for import note_drawing
from napari_ddmd.viewer.four_panels import Arrangement
from napari_ddmd.viewer.layer_tag import Role, is_of, tag_of
from napari_ddmd.viewer.one_redraw import one_redraw
from napari_ddmd.viewer.selection import selection_kept
from napari_ddmd.viewer.session.archive import SessionError
from napari_ddmd.viewer.session.loading import Loaded
from napari_ddmd.viewer.session.looks import give_look, unnumbered
from napari_ddmd.viewer.session.stored_window import StoredAcceptance
from napari_ddmd.viewer.session.views import give_view
from napari_ddmd.viewer.session.window_before import WindowBefore, arrange, take_in_hand

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_ddmd.viewer.widgets.panel import SegmentationPanel


def twin_of(loaded: Loaded, viewer: ViewerModel) -> Case | None:
    """The case that is open in a viewer from the very files of a session's case."""
    files = loaded.case.files.images
    return next((case for case in open_cases(viewer.layers) if files and case.files.images == files), None)


def close_case(panel: SegmentationPanel, case: Case) -> None:
    """Remove all layers of a case."""
    if panel.desk.case is case:
        panel.arrange(Arrangement.SINGLE)
    viewer = panel.desk.viewer
    with viewer.layers.batched_update():
        _remove(viewer, [layer for layer in viewer.layers if is_of(layer, case)])


def replace_twin(panel: SegmentationPanel, twin: Case, case: Case) -> None:
    """Close the twin of a case that was opened beside it; the case's layers get the names that were taken."""
    close_case(panel, twin)
    layers = panel.desk.viewer.layers
    for layer in [layer for layer in layers if is_of(layer, case) and unnumbered(layer.name) != layer.name]:
        # Yet another case may have the plain name; lists of names would mistake the one for the other.
        name = free = unnumbered(layer.name)
        numbers = count(1)
        while free in layers and free != layer.name:
            free = f"{name} [{next(numbers)}]"
        if free != layer.name:
            layer.name = free


def make_layers(loaded: Loaded) -> dict[str, Layer]:
    """Make the layers of the case and of the further masks, which may be done in any thread; by their keys."""
    looks = {look.key: look for look in loaded.session.looks}
    layers: dict[str, Layer] = {}
    for key, (data, arguments, kind) in loaded.layers.items():
        # Of what else there is, the user may have removed something; without the images there is no case.
        if key in looks or key in MODALITIES:
            layers[key] = Layer.create(data, arguments, kind)
        if key in looks:
            give_look(layers[key], looks[key])
    return layers


def steps_into_window(
    loaded: Loaded, panel: SegmentationPanel, layers: dict[str, Layer]
) -> Generator[None, None, None]:
    """Put a session into the window of a panel, on top of what is there, in steps between which it may answer.

    Parameters
    ----------
    loaded
        The session.
    panel
        In the window; what it is set to is the business of `PanelSettings`.
    layers
        Of `make_layers`.

    Raises
    ------
    SessionError
        If the window does not take it. Then it is as before, and likewise where the steps are closed before their end.
    """
    viewer, layers, before = panel.desk.viewer, dict(layers), WindowBefore(panel)
    try:
        panel.arrange(Arrangement.SINGLE)
        yield
        for layer in layers.values():
            with selection_kept(viewer.layers):
                viewer.layers.append(layer)
            note_drawing(layer, loaded.case)
            yield
        if not layers.keys() >= {*MODALITIES}:
            panel.case_box.missing_box.setChecked(True)  # as it was when the case was in hand
        if panel.desk.case is not loaded.case:
            raise SessionError(f"{loaded.path}: {panel.case_box.problem() or 'its case cannot be chosen'}")
        for found in _add_results(loaded, panel):
            layers |= found
            yield
        in_order = [layers[look.key] for look in loaded.session.looks if look.key in layers]
        if any(layer not in viewer.layers for layer in in_order):
            raise SessionError(f"{loaded.path}: its layers were removed while it was opened; open it again")
        with one_redraw(viewer, removes=False):
            _put_in_order(in_order, viewer)
        yield
        lesion = None if panel.desk.results is None else panel.desk.results.lesion.layer
        _accept(loaded.session.accepted, {**layers, Role.LESION: lesion})
        _show_results(panel)
        in_hand = layers.get(loaded.session.in_hand or "")
        take_in_hand(panel, in_hand)
        if loaded.numbering is not None and panel.lesion_box.layer is in_hand:
            panel.lesion_box.go_on_numbering(loaded.numbering)
        yield
        arrange(panel, loaded.session.settings.arrangement)
        yield
        give_view(viewer, loaded.session.view)
        viewer.layers.selection.active = layers.get(loaded.session.active or "")
    except BaseException:
        _take_back(loaded, panel, layers)
        before.put_back()
        raise


def _take_back(loaded: Loaded, panel: SegmentationPanel, layers: dict[str, Layer]) -> None:
    """Remove what a session has brought so far."""
    viewer, ours = panel.desk.viewer, set(layers.values())
    with one_redraw(viewer, removes=True):
        tags = [(layer, tag_of(layer)) for layer in viewer.layers]
        case = loaded.case
        _remove(viewer, [one for one, tag in tags if one in ours or (tag is not None and tag.case is case)])


def _remove(viewer: ViewerModel, layers: Iterable[Layer]) -> None:
    """Remove layers, some of which go by themselves with others of them, as a mirror or a comparison does."""
    for layer in layers:
        if layer in viewer.layers:
            viewer.layers.remove(layer)


def _add_results(loaded: Loaded, panel: SegmentationPanel) -> Iterator[dict[str, Layer]]:
    """Add the layers of the results; yields those that are there, in steps."""
    stored, threshold = loaded.session.results, loaded.session.settings.threshold
    if stored is None and loaded.lesion is None:
        return
    viewer, results = panel.desk.viewer, panel.desk.results_of(loaded.case)
    if stored is None:
        threshold = results.threshold  # whether the reader has moved it is told with the model
    if loaded.lesion is not None:
        with selection_kept(viewer.layers):
            results.lesion.restore(*loaded.lesion, threshold)
        yield {}
    if stored is not None and loaded.recipe is not None and loaded.volumes is not None:
        with one_redraw(viewer, removes=False):
            results.take_over(
                loaded.recipe,
                loaded.volumes,
                threshold=threshold,
                sample=stored.sample,
                map_limits=stored.limits,
            )
        yield {}
    looks = {look.key: look for look in loaded.session.looks}
    there = {role: layer for role in Role if (layer := results.layer_of(role)) is not None}
    layers = {str(role.value): layer for role, layer in there.items() if role.value in looks}
    with one_redraw(viewer, removes=len(layers) < len(there)):
        for role, layer in there.items():
            if role.value in looks:
                give_look(layer, looks[role.value])
            else:
                # The user had removed it; the next run brings it back, the lesion with its edits.
                viewer.layers.remove(layer)
    yield layers


def _accept(accepted: Iterable[StoredAcceptance], layers: Mapping[str, Layer | None]) -> None:
    """Put the reader's marks back; one that is not of the very mask that is there does not count."""
    for mark in accepted:
        layer = layers.get(mark.key)
        if isinstance(layer, Labels):
            mark_again(layer, mark.when, mark.fingerprint)


def _put_in_order(layers: list[Layer], viewer: ViewerModel) -> None:
    """Put some layers on top of the others, the first at the bottom."""
    others = [layer for layer in viewer.layers if layer not in layers]
    if [*others, *layers] != list(viewer.layers):
        # All of them, since moving to the end by itself puts what is last already in the wrong place.
        viewer.layers.move_multiple([viewer.layers.index(layer) for layer in (*others, *layers)], 0)


def _show_results(panel: SegmentationPanel) -> None:
    """Let the panel's parts show the results as they are; nothing of them changes."""
    results = panel.desk.results
    if results is not None and results.recipe is not None and results.is_moved:
        panel.desk.set_threshold(results.threshold)
    panel.desk.results_changed.emit()
    if results is not None:
        panel.result_box.sample.setValue(results.sample + 1)
