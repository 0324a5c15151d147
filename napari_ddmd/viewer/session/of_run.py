"""A session of what a run without a window has found, to be read in one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari.components import ViewerModel
from napari.layers import Layer

from napari_ddmd.case import MODALITIES
from napari_ddmd.viewer.case_layers import case_layers
from napari_ddmd.viewer.layer_tag import Role, tag_of
from napari_ddmd.viewer.navigation import fullest_slice, go_to_slice
from napari_ddmd.viewer.result_layers import ResultLayers
from napari_ddmd.viewer.run_settings import RunRequest, Sampling, SliceMode
from napari_ddmd.viewer.session.capture import Snapshot, save, stored_results
from napari_ddmd.viewer.session.case_files import has_files
from napari_ddmd.viewer.session.looks import look_of
from napari_ddmd.viewer.session.stored_window import StoredSettings
from napari_ddmd.viewer.session.views import view_of
from napari_ddmd.viewer.sight import Sight
from napari_ddmd.viewer.viewer_links import ViewerLinks

if TYPE_CHECKING:
    from napari_ddmd.case import Case
    from napari_ddmd.model import Bundle
    from napari_ddmd.volumes import Volumes

_TAB = "Lesions"
_CANVAS = (600, 600)
"""Height and width that a window has for the image at the least: the brain is as large as fits there."""


def save_run(
    path: Path, case: Case, bundle: Bundle, volumes: Volumes, sampling: Sampling, *, threshold: float, place: Path
) -> Path:
    """Write a session as a window would that had run this, at the slice with most of the lesion.

    Parameters
    ----------
    path
        The file to write.
    case, bundle, volumes
        What was segmented, with what, and the result.
    sampling
        What the run was asked for.
    threshold
        The lesion is where the probability exceeds this.
    place
        Where the file will lie in the end: the images are named from there.

    Raises
    ------
    SessionError
        If the file cannot be written.
    """
    return save(_snapshot(case, bundle, volumes, sampling, threshold), path, with_images=False, place=place)


def _snapshot(case: Case, bundle: Bundle, volumes: Volumes, sampling: Sampling, threshold: float) -> Snapshot:
    viewer = ViewerModel()
    for data, arguments, kind in case_layers(case):
        viewer.add_layer(Layer.create(data, arguments, kind))
    results = ResultLayers(viewer, case)
    recipe = RunRequest(case, bundle, sampling, tuple(sorted(volumes.done))).recipe
    results.take_over(recipe, volumes, threshold=threshold, sample=0, map_limits={})
    lesion = results.lesion
    viewer.canvas.size = _CANVAS
    Sight(viewer, ViewerLinks()).fit(case)
    fullest = fullest_slice(lesion.data, 0)
    go_to_slice(viewer, case, case.grid.shape[0] // 2 if fullest is None else fullest)
    keys = {layer: str(tag.role) for layer in viewer.layers if (tag := tag_of(layer)) is not None}
    copies = {"lesion": lesion.data, "written": lesion.written}
    if case.mask is not None:
        copies["expert"] = case.mask
    parts = {
        "results": stored_results(results),
        "has_lesion": True,
        "masks": (),
        "looks": tuple(look_of(layer, key, visible=layer.visible) for layer, key in keys.items()),
        "active": next(key for key in reversed(list(keys.values())) if key in MODALITIES),
        "in_hand": Role.LESION.value,
        "settings": StoredSettings(
            slice_mode=SliceMode.BRAIN,
            first=0,
            last=case.grid.shape[0] - 1,
            sampling=sampling,
            model_name=bundle.name,
            model_sha256=bundle.sha256,
            threshold=threshold,
            tab=_TAB,
            arrangement="single",
        ),
        "view": view_of(viewer, case),
        "accepted": (),
        "highest_number": 0,
    }
    return Snapshot(case, has_files(case), volumes, parts, copies, ())
