"""Which layers are the four modalities, and the case they make."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image, Layer
from numpy.typing import NDArray

from napari_ddmd.case import MODALITIES, MODALITY_LABELS, Case, CaseError, guess_modality
from napari_ddmd.case.case import refuse_unusable_images
from napari_ddmd.viewer.layer_tag import tag_of

if TYPE_CHECKING:
    Assignment = Mapping[str, Image | None]

_ASSUMED = (
    "orientation is assumed from the layers' axes; open the files with napari-ddmd so that what is saved "
    "lies on their grid"
)


def modality_layers(layers: Iterable[Layer]) -> list[Image]:
    """Return the layers that can be a modality: 3-D images that are not results of ours."""
    return [
        layer
        for layer in layers
        if isinstance(layer, Image)
        and not layer.rgb
        and not layer.multiscale
        and layer.ndim == 3
        and ((tag := tag_of(layer)) is None or tag.role in MODALITIES)
    ]


def open_cases(layers: Iterable[Layer]) -> list[Case]:
    """Return the cases that image layers belong to, in the order of the layers."""
    cases: list[Case] = []
    for layer in modality_layers(layers):
        tag = tag_of(layer)
        if tag is not None and tag.case not in cases:
            cases.append(tag.case)
    return cases


def guess_assignment(layers: Iterable[Layer], case: Case | None) -> dict[str, Image | None]:
    """Guess which layer is which modality.

    Parameters
    ----------
    layers : iterable of Layer
        The viewer's layers.
    case : Case or None
        Only layers of this case, by their tags; None means layers that belong to no case, by their names.

    Returns
    -------
    dict of str to Image or None
        For each modality its layer, None where none fits.
    """
    assignment: dict[str, Image | None] = dict.fromkeys(MODALITIES)
    for layer in modality_layers(layers):
        tag = tag_of(layer)
        if (tag.case if tag else None) is not case:
            continue
        modality = tag.role if tag else guess_modality(layer.name)
        if modality in assignment and assignment[modality] is None:
            assignment[modality] = layer
    return assignment


def make_case(assignment: Assignment, *, allow_missing: bool = False) -> Case:
    """Make the case of an assignment.

    Layers as they were opened give back their own case. Otherwise the case is put together from the
    layers' data: on the grid of the first layer that knows its case, or, where none does, on the grid that
    the layers' scale and position describe, taken as axial slices, rows to the back and columns to the left;
    the case's warnings say so.

    Parameters
    ----------
    assignment : mapping of str to Image or None
        For each modality its layer.
    allow_missing : bool
        Whether one modality may have none; it is 0 everywhere then.

    Raises
    ------
    CaseError
        If a modality has no layer, one layer stands for two, the layers do not fit together, or one of them
        is not finite or zero throughout.
    """
    layers: dict[str, Image] = {}
    for modality in MODALITIES:
        layer = assignment.get(modality)
        if layer is None:
            if allow_missing and sum(other is not None for other in assignment.values()) == len(MODALITIES) - 1:
                continue
            raise CaseError(f"{modality}: no layer chosen; choose one, or open a case")
        for other, taken in layers.items():
            if taken is layer:
                raise CaseError(f'layer "{layer.name}" stands for {other} and {modality}; choose another one')
        layers[modality] = layer
    first = next(iter(layers.values()))
    for layer in layers.values():
        if layer.data.shape != first.data.shape:
            raise CaseError(
                f'layer "{layer.name}" has shape {_times(layer.data.shape)}, "{first.name}" has '
                f"{_times(first.data.shape)}; choose layers of one case"
            )
        is_there = np.allclose(layer.translate, first.translate, atol=0.1)
        if not (is_there and np.allclose(layer.scale, first.scale)):
            raise CaseError(f'"{layer.name}" lies elsewhere than "{first.name}"; choose layers of one case')
    return _own_case(layers) or _assembled_case(layers)


def _own_case(layers: Mapping[str, Image]) -> Case | None:
    """Return the case that all layers belong to, where each still is the modality that it was opened as."""
    tags = {modality: tag_of(layer) for modality, layer in layers.items()}
    case = next(iter(tags.values()))
    if case is None or any(case.case.images[MODALITIES.index(gone)].any() for gone in MODALITIES if gone not in layers):
        return None
    unchanged = all(
        tag is not None
        and tag.case is case.case
        and tag.role == modality
        and np.shares_memory(layers[modality].data, tag.case.images)
        for modality, tag in tags.items()
    )
    return case.case if unchanged else None


def _assembled_case(layers: Mapping[str, Image]) -> Case:
    gone = [place for place, modality in enumerate(MODALITIES) if modality not in layers]
    first = next(iter(layers.values()))
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused below
        # Another image stands for one that is missing until all have been looked at.
        shown = [layers.get(modality, first) for modality in MODALITIES]
        images = np.stack([np.asarray(layer.data, dtype=np.float32) for layer in shown])
    tags = [tag for layer in layers.values() if (tag := tag_of(layer)) is not None]
    if tags:
        known = tags[0].case
        if known.grid.shape != images.shape[1:]:
            raise CaseError(f"the layers no longer have the shape of {known.name}; open the case again")
        refuse_unusable_images(images, known.name)
        strangers = [name for name, layer in layers.items() if (tag := tag_of(layer)) is None or tag.case is not known]
        # Without the names of layers, which may tell who the patient is: the report says it, too.
        lies = "is not of this case and is taken to lie as its images do; if it does not, open its file"
        remarks = tuple(f"the layer for {MODALITY_LABELS[name]} {lies}" for name in strangers)
        images[gone] = 0
        return replace(known, images=images, mask=None, warnings=remarks)
    made = Case.from_arrays("layers", images, _axial_affine(first))
    made.images[gone] = 0
    return replace(made, warnings=(_ASSUMED,))


def _axial_affine(layer: Image) -> NDArray[np.float64]:
    """Affine of data ``(S, H, W)``, up, back and to the left, to RAS millimetres."""
    if not np.allclose(layer.affine.affine_matrix, np.eye(4)) or not np.allclose(layer.rotate, np.eye(3)):
        raise CaseError(f'layer "{layer.name}" is rotated or sheared; open its file with napari-ddmd instead')
    affine = np.eye(4)
    affine[:3, :3] = [[0, 0, -1], [0, -1, 0], [1, 0, 0]] * np.asarray(layer.scale)
    affine[:3, 3] = np.asarray(layer.translate)[::-1] * (-1, -1, 1)
    return affine


def _times(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))
