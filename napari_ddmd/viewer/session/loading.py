"""Read a session and its case, away from the window."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ddmd.case import MODALITIES, Case, CaseFiles
from napari_ddmd.cut import Cut
from napari_ddmd.editing import Numbering
from napari_ddmd.torch_guard import keep_triton_out
from napari_ddmd.viewer.case_layers import LayerData, case_layers
from napari_ddmd.viewer.layer_tag import Role, grid_arguments, tag_of
from napari_ddmd.viewer.run_settings import Recipe
from napari_ddmd.viewer.session.archive import SessionError, read_arrays, refuse_too_large
from napari_ddmd.viewer.session.case_files import embedded_case, load_stored_case
from napari_ddmd.viewer.session.dicom_origin import find_origin
from napari_ddmd.viewer.session.stored import Session, StoredResults, StoredScores, mask_key
from napari_ddmd.viewer.session.stored_window import StoredMask
from napari_ddmd.volumes import Volumes

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Loaded:
    """A session that is ready for a window.

    Attributes
    ----------
    path
        Its file.
    session
        What it says.
    case
        The patient.
    layers
        Of the case and of the further masks, by their keys.
    recipe, volumes
        Results; None before the first run.
    lesion
        The mask as it was corrected, and what the model had written of it, each ``(S, H, W)``; None without one.
    remarks
        What is not as it was, one line each.
    numbering
        Gives the lesions of the mask in hand their numbers; None where they are numbered by size.
    """

    path: Path
    session: Session
    case: Case
    layers: dict[str, LayerData]
    recipe: Recipe | None
    volumes: Volumes | None
    lesion: tuple[NDArray[np.uint8], NDArray[np.uint8]] | None
    remarks: tuple[str, ...] = ()
    numbering: Numbering | None = None


def load(
    path: Path, session: Session, places: list[CaseFiles], progress: Callable[[float], None] | None = None
) -> Loaded:
    """Read the arrays of a session, and the case.

    Parameters
    ----------
    path
        The session's file.
    session
        What was read of it.
    places
        Where the case's images may be; not needed for a session that has them inside.
    progress
        Called with the share of the session's own arrays that is read; may raise `SessionError` to give up.

    Raises
    ------
    SessionError
        If the file is damaged, or the images are not those that it was saved with.
    CaseError
        If the images cannot be read.
    """
    refuse_too_large(path, _memory(session))
    arrays = read_arrays(path, session, progress)
    expert = arrays.get("expert")
    if session.case.images:
        case = load_stored_case(path, session.case, places, expert)
    else:
        case = embedded_case(session.case, arrays["images"], expert)
    remark = ""
    if session.case.origin is not None:
        origin, remark = find_origin(path, session.case.origin)
        case = replace(case, origin=origin)
    recipe = volumes = None
    if session.results is not None:
        recipe = _recipe(case, session.results)
        volumes = _volumes(case, session.results, arrays)
    lesion = (arrays["lesion"], arrays["written"]) if "lesion" in arrays else None
    remarks = (remark,) if remark else ()
    try:
        numbering = Numbering.going_on(arrays["numbers"], session.highest_number) if "numbers" in arrays else None
    except ValueError as error:
        raise SessionError(f"{path}: is damaged ({error})") from error
    return Loaded(path, session, case, _layers(case, session, arrays), recipe, volumes, lesion, remarks, numbering)


def _memory(session: Session) -> int:
    """Bytes that the images and the results take."""
    voxels = int(np.prod(session.case.grid.shape, dtype=np.int64))
    of_results = 0 if session.results is None else 4 * 4 + 3 + session.results.samples
    of_masks = sum(np.dtype(mask.dtype).itemsize for mask in session.masks)
    of_numbers = 2 * 4 if session.highest_number else 0
    return voxels * (4 * len(MODALITIES) + of_results + of_masks + of_numbers)


def _recipe(case: Case, stored: StoredResults) -> Recipe:
    return Recipe(
        case=case,
        model_sha256=stored.model_sha256,
        sampling=stored.sampling,
        cut=_cut(stored),
        shared_guess=stored.shared_guess,
        healthy_below=stored.healthy_below,
        evens_out=stored.evens_out,
    )


def _cut(stored: StoredResults) -> Cut:
    return Cut(stored.own_threshold, stored.min_part, stored.min_peak)


def _volumes(case: Case, stored: StoredResults, arrays: Arrays) -> Volumes:
    volumes = Volumes(
        case,
        stored.samples,
        intra=stored.has_intra,
        inter=stored.has_inter,
        cut=_cut(stored),
    )
    done = list(stored.done)
    for name in ("probability", "uncertainty", "inter", "intra"):
        if name in arrays:
            getattr(volumes, name)[done] = arrays[name]
    volumes.samples[:, done] = arrays["samples"]
    volumes.agreement[done] = arrays["samples"].sum(axis=0, dtype=volumes.agreement.dtype)
    volumes.done |= set(done)
    volumes.devices = stored.devices
    volumes.evened = stored.evened if stored.evens_out else ()
    volumes.scores |= {scores.slice: _scores(scores) for scores in stored.scores}
    return volumes


def _scores(stored: StoredScores) -> Any:
    # Here, because it imports torch.
    keep_triton_out()
    from napari_ddmd.model.discrepancy import DiscrepancyScores

    per_modality = {name: dict(scores) for name, scores in stored.per_modality.items()}
    return DiscrepancyScores(stored.inter, stored.intra, per_modality)  # type: ignore[arg-type]


def _layers(case: Case, session: Session, arrays: Arrays) -> dict[str, LayerData]:
    tagged = ((tag_of(layer[1]["metadata"]), layer) for layer in case_layers(case))
    layers = {str(tag.role): layer for tag, layer in tagged if tag is not None}
    names = {look.key: look.name for look in session.looks}
    for number, mask in enumerate(session.masks):
        key = mask_key(number)
        layers[key] = _mask_layer(case, mask, arrays[key], names.get(key, key))
    return layers


def _mask_layer(case: Case, mask: StoredMask, data: NDArray[Any], name: str) -> LayerData:
    placed: dict[str, Any] = {"scale": mask.scale, "translate": mask.translate, "units": mask.units}
    if mask.tagged:
        placed = grid_arguments(case, Role.EXPERT if mask.expert else Role.LESION)
    return data, {"name": name, **placed}, "labels"
