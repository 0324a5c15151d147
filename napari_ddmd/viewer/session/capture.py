"""Take a session from the window: quickly what may change, later and elsewhere the rest."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from napari.layers import Labels, Layer
from numpy.typing import NDArray

from napari_ddmd import __version__
from napari_ddmd.case import Case
from napari_ddmd.case.plain_header import plain_header
from napari_ddmd.viewer.acceptance import acceptance_of
from napari_ddmd.viewer.case_choice import open_cases
from napari_ddmd.viewer.drawn_for import is_drawing_of
from napari_ddmd.viewer.layer_tag import Role, is_of, tag_of
from napari_ddmd.viewer.mask_tools import is_expert, is_original
from napari_ddmd.viewer.session.archive import SessionError, write_session
from napari_ddmd.viewer.session.case_files import has_files, stored_images
from napari_ddmd.viewer.session.dicom_origin import stored_origin
from napari_ddmd.viewer.session.fields import three, three_numbers
from napari_ddmd.viewer.session.looks import look_of
from napari_ddmd.viewer.session.stored import (
    FORMAT,
    MOST_NUMBERS,
    Session,
    StoredResults,
    StoredScores,
    arrays_of,
    mask_key,
    version_for,
)
from napari_ddmd.viewer.session.stored_case import StoredCase
from napari_ddmd.viewer.session.stored_window import (
    Integers,
    StoredAcceptance,
    StoredLook,
    StoredMask,
    StoredSettings,
)
from napari_ddmd.viewer.session.views import view_of

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_ddmd.editing import Numbering
    from napari_ddmd.viewer.result_layers import ResultLayers
    from napari_ddmd.viewer.widgets.panel import SegmentationPanel
    from napari_ddmd.volumes import Volumes

_MASKS = mask_key(0).rstrip("0")
_INTEGERS = get_args(Integers)
# Made anew whenever they are wanted.
_PASSING = (Role.MIRROR, Role.DENOISING, Role.COMPARISON)


@dataclass(frozen=True)
class Snapshot:
    """A session at one moment.

    Attributes
    ----------
    case
        The patient.
    has_files
        Whether the case can be read again from files.
    volumes
        Results. Not copied: a slice that is done is not written again, and results of other settings go into other
        arrays.
    parts
        The session but for its case.
    copies
        The arrays that the user may change at any time, by their names in the file.
    left_out
        Names of the layers that are not part of the session.
    """

    case: Case
    has_files: bool
    volumes: Volumes | None
    parts: Mapping[str, Any]
    copies: Mapping[str, NDArray[Any]]
    left_out: tuple[str, ...]

    @property
    def masks(self) -> list[NDArray[Any]]:
        """The lesion and the further masks ``(S, H, W)``, as they go into the file."""
        return [array for name, array in self.copies.items() if name == "lesion" or name.startswith(_MASKS)]


def capture(panel: SegmentationPanel) -> Snapshot:
    """Take the session of the case that a panel shows.

    Raises
    ------
    SessionError
        If no case is open.
    """
    case, results = panel.desk.case, panel.desk.results
    if case is None:
        raise SessionError("There is no case to save: open one first.")
    viewer = panel.desk.viewer
    keys, left_out = _keys(panel, case)
    masks = [layer for layer, key in keys.items() if isinstance(layer, Labels) and key.startswith(_MASKS)]
    copies: dict[str, NDArray[Any]] = {mask_key(n): layer.data.copy() for n, layer in enumerate(masks)}
    lesion = None if results is None else results.lesion
    if lesion is not None and lesion.layer is not None:  # which may be away: the next run brings it back with its edits
        copies |= {"lesion": lesion.data.copy(), "written": lesion.written.copy()}
    if (numbering := _numbering(panel, keys)) is not None:
        copies["numbers"] = numbering.places
    if case.mask is not None:
        copies["expert"] = case.mask.copy()
    parts = {
        "results": None if results is None else stored_results(results),
        "has_lesion": "lesion" in copies,
        "masks": tuple(_stored_mask(layer) for layer in masks),
        "looks": tuple(_looks(panel, keys)),
        "active": keys.get(viewer.layers.selection.active),
        "in_hand": keys.get(panel.desk.mask),
        "settings": _settings(panel),
        "view": view_of(viewer, case),
        "accepted": tuple(_accepted(keys if lesion is None else {**keys, lesion.layer: Role.LESION.value})),
        "highest_number": 0 if numbering is None else numbering.highest,
    }
    volumes = None if results is None else results.volumes
    return Snapshot(case, is_on_disk(case, viewer), volumes, parts, copies, tuple(left_out))


def is_on_disk(case: Case, viewer: ViewerModel) -> bool:
    """Tell whether a case can be read again from files: it was opened from them, and not put together since."""
    return has_files(case) and case in open_cases(viewer.layers)


def save(
    snapshot: Snapshot,
    path: Path,
    *,
    with_images: bool,
    progress: Callable[[float], None] | None = None,
    place: Path | None = None,
) -> Path:
    """Write a snapshot; takes a while.

    Parameters
    ----------
    snapshot
        What to write.
    path
        The file; an existing one is replaced in one step.
    with_images
        Whether the images go into it; those of a case without files always do.
    progress
        Called with the share that is written.
    place
        Where the file will lie in the end, if not where it is written: files are named from there.

    Raises
    ------
    SessionError
        If the file cannot be written.
    """
    is_embedded = with_images or not snapshot.has_files
    parts: Any = snapshot.parts
    session = Session(
        format=FORMAT,  # type: ignore[arg-type]
        version=version_for(parts["results"], parts["masks"], has_numbers="numbers" in snapshot.copies),  # type: ignore[arg-type]
        package=__version__,
        case=_stored_case(snapshot.case, place or path, is_embedded=is_embedded),
        **parts,
    )
    return write_session(path, session, _arrays(snapshot, session), progress)


def _arrays(snapshot: Snapshot, session: Session) -> Iterator[tuple[str, NDArray[Any]]]:
    """One after the other, so that no more than one is in memory a second time."""
    done = [] if session.results is None else list(session.results.done)
    for name in arrays_of(session):
        if name in snapshot.copies:
            yield name, snapshot.copies[name]
        elif name == "images":
            yield name, _smallest(snapshot.case.images)
        elif name == "samples":
            assert snapshot.volumes is not None
            yield name, snapshot.volumes.samples[:, done]
        else:
            yield name, getattr(snapshot.volumes, name)[done]


def _smallest(images: NDArray[np.float32]) -> NDArray[Any]:
    """Intensities in half the bytes where they are whole numbers, as those of scanners are."""
    for dtype in (np.int16, np.uint16):
        with np.errstate(invalid="ignore"):
            small = images.astype(dtype)
        if np.array_equal(small, images):
            return small
    return images


def _stored_case(case: Case, path: Path, *, is_embedded: bool) -> StoredCase:
    rows = [[float(value) for value in row] for row in case.grid.affine]
    return StoredCase(
        name=case.name,
        source_shape=case.grid.source_shape,
        affine=tuple(tuple(row) for row in rows),  # type: ignore[arg-type]
        header=_header(case) if is_embedded else None,
        warnings=case.remarks,
        images=() if is_embedded else stored_images(case, path),
        mask_file=None if is_embedded or case.files.mask is None else case.files.mask.name,
        has_expert=case.mask is not None,
        origin=stored_origin(case, path),
    )


def _header(case: Case) -> str:
    return base64.b64encode(plain_header(case.header).binaryblock).decode("ascii")


def stored_results(results: ResultLayers) -> StoredResults | None:
    """Word what runs have said of a case; None where that is nothing, or all of it was taken back."""
    volumes, recipe = results.volumes, results.recipe
    # What was taken back is left out: nothing is undone or done again in a session that was opened.
    done = tuple(sorted(results.done))
    if volumes is None or recipe is None or not done:
        return None
    return StoredResults(
        model_sha256=recipe.model_sha256,
        sampling=recipe.sampling,
        min_part=recipe.cut.min_part,
        min_peak=recipe.cut.min_peak,
        own_threshold=recipe.cut.threshold,
        shared_guess=recipe.shared_guess,
        healthy_below=recipe.healthy_below,
        evens_out=recipe.evens_out,
        done=done,
        samples=results.samples,
        has_inter=volumes.inter is not None,
        has_intra=volumes.intra is not None,
        scores=tuple(_stored_scores(index, volumes.scores[index]) for index in done if index in volumes.scores),
        sample=results.sample,
        limits=results.map_limits,
        devices=volumes.devices,
        evened=volumes.evened,  # type: ignore[arg-type]
    )


def _stored_scores(index: int, scores: Any) -> StoredScores:
    return StoredScores(slice=index, inter=scores.inter, intra=scores.intra, per_modality=scores.per_modality)


def _stored_mask(layer: Labels) -> StoredMask:
    return StoredMask(
        tagged=tag_of(layer) is not None,
        dtype=layer.data.dtype.name,
        scale=three_numbers(layer.scale),
        translate=three_numbers(layer.translate),
        units=three(str(unit) for unit in layer.units),
        expert=is_expert(layer),
    )


def _keys(panel: SegmentationPanel, case: Case) -> tuple[dict[Layer | None, str], list[str]]:
    """What each layer of the case is called, bottom first, and the names of the layers that are left out."""
    results = panel.desk.results
    own = {combo.value: modality for modality, combo in panel.case_box.modalities.items()}
    if results is not None:
        own |= {results.layer_of(role): role.value for role in Role}
    own.pop(None, None)
    keys: dict[Layer | None, str] = {}
    left_out, count = [], 0
    for layer in panel.desk.viewer.layers:
        tag = tag_of(layer)
        if layer in own:
            keys[layer] = own[layer]
        elif tag is not None and tag.role in _PASSING:
            continue
        elif tag is not None and tag.case is case and is_original(layer) and Role.EXPERT not in keys.values():
            keys[layer] = Role.EXPERT.value
        elif _is_mask(layer, case):
            keys[layer] = mask_key(count)
            count += 1
        else:
            left_out.append(str(layer.name))
    return keys, left_out


def _is_mask(layer: Layer, case: Case) -> bool:
    """Tell whether a layer holds labels on the case's grid, of the case or of nobody."""
    return (
        isinstance(layer, Labels)
        and (is_of(layer, case) or is_drawing_of(layer, case))
        and isinstance(layer.data, np.ndarray)
        and layer.data.shape == case.grid.shape
        and layer.data.dtype.name in _INTEGERS
    )


def _looks(panel: SegmentationPanel, keys: Mapping[Layer | None, str]) -> Iterator[StoredLook]:
    # As without the arrangement, which is made again from there.
    shown = panel.four_panels.shown_in_single()
    away = panel.lesion_tab.compare_box.away  # hidden for a comparison, which is not kept
    for layer, key in keys.items():
        if layer is not None:
            yield look_of(layer, key, visible=layer in away or shown.get(layer, layer.visible))


def _accepted(keys: Mapping[Layer | None, str]) -> Iterator[StoredAcceptance]:
    for layer, key in keys.items():
        mark = acceptance_of(layer) if isinstance(layer, Labels) else None
        if mark is not None:
            yield StoredAcceptance(key=key, when=mark.when, fingerprint=mark.fingerprint)


def _numbering(panel: SegmentationPanel, keys: Mapping[Layer | None, str]) -> Numbering | None:
    """What gives the lesions of the mask in hand their numbers, where it is not their size alone."""
    box, layer = panel.lesion_box, panel.lesion_box.layer
    numbering = box.numbering()
    if layer is None or numbering is None or layer not in keys or not 0 < numbering.highest <= MOST_NUMBERS:
        return None
    numbers = [] if box.measurement is None else [lesion.label for lesion in box.measurement.lesions]
    are_by_size = numbers == list(range(1, numbering.highest + 1))
    # The measurement may be of the mask of a moment ago, and a place that has no lesion any more remembers one.
    are_all_there = np.array_equal(numbering.places != 0, np.asarray(layer.data) != 0)
    return None if are_by_size and are_all_there else numbering


def _settings(panel: SegmentationPanel) -> StoredSettings:
    choice, bundle, results = panel.slice_box.choice, panel.desk.bundle, panel.desk.results
    return StoredSettings(
        slice_mode=choice.mode,
        first=choice.first,
        last=choice.last,
        sampling=panel.sampling_box.sampling,
        model_name=panel.model_box.model_list.currentText(),
        model_sha256=None if bundle is None else bundle.sha256,
        threshold=panel.desk.threshold if results is None else results.threshold,
        tab=panel.tabs.tabText(panel.tabs.currentIndex()),
        arrangement=panel.four_panels.arrangement.value,
    )
