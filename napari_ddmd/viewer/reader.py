"""The npe2 reader: a case from its folder or any of its files, a DICOM study, masks saved for a case that is open."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_ddmd.case import MODALITIES, Case, CaseError, CaseFiles, find_case_files, load_case, load_mask
from napari_ddmd.case.files import is_file, is_folder
from napari_ddmd.case.naming import guess_modality, is_nifti
from napari_ddmd.dicom import is_study
from napari_ddmd.viewer.case_layers import LayerData, case_layers
from napari_ddmd.viewer.case_names import name_for_saving
from napari_ddmd.viewer.current_viewer import current_viewer, viewer_in_window
from napari_ddmd.viewer.dicom_reader import open_study
from napari_ddmd.viewer.freed import free_frames
from napari_ddmd.viewer.layer_tag import Role, grid_arguments, tag_of
from napari_ddmd.viewer.mask_colors import SAVED_COLOR, one_color
from napari_ddmd.viewer.remarks import in_short, tell

if TYPE_CHECKING:
    from napari.layers import Layer

# What npe2 calls a file that was read and holds no layer.
_NOTHING: list[Any] = [(None,)]
# A mask that was drawn here may hold more labels than the challenge has: napari's key M takes a new one.
_MOST_LABEL = 255

ReaderFunction = Callable[[Any], list[LayerData]]


def get_reader(path: str | Sequence[str]) -> ReaderFunction | None:
    """Return a reader for a BRATS case, or None so that other plugins may try.

    Parameters
    ----------
    path : str or sequence of str
        A case's folder or any one of its files; several paths have to belong to one case. Also a mask that
        was saved for a case that is open, and the folder of a DICOM study. A folder of images that is no case, or
        one that is empty, gets a reader that says why.

    Returns
    -------
    callable or None
        Takes the path and returns layers; those that are open already are not opened twice, so that all
        files of a case may be dropped at once.
    """
    paths = [Path(entry) for entry in ([path] if isinstance(path, str | os.PathLike) else path)]
    if not paths:
        return None
    if len(paths) == 1 and (case := _case_of_saved_mask(paths[0])) is not None:
        return _reader(lambda: [_saved_mask_layer(paths[0], case)])
    found = [_find_case(entry) for entry in paths]
    files = found[0]
    if files is None and len(paths) == 1 and is_folder(paths[0]) and is_study(paths[0]):
        return _reader(lambda: open_study(paths[0]))
    if files is None and len(paths) == 1 and _is_ours_to_refuse(paths[0]):
        # Searched once more, so that the reader raises what is wrong with the folder.
        return _reader(lambda: open_case(find_case_files(paths[0]), tell))
    if files is None or any(other != files for other in found):
        return None
    return _reader(lambda: open_case(files, tell))


def _reader(read: Callable[[], list[LayerData]]) -> ReaderFunction:
    """Give what napari calls, with the path that is known already."""

    def layers(_path: Any) -> list[LayerData]:
        try:
            return read() or _NOTHING
        except CaseError as error:
            free_frames(error)
            if viewer_in_window() is not None:
                error.args = (in_short(str(error)),)
            raise

    return layers


def _find_case(path: Path) -> CaseFiles | None:
    """Return the case of a path; None for a file that is no part of a whole case."""
    try:
        files = find_case_files(path)
    except (CaseError, OSError):
        return None
    if is_folder(path):
        return files
    is_complete = set(files.images) == set(MODALITIES)
    is_part = any(_is_same(path, file) for file in (*files.images.values(), files.mask) if file is not None)
    return files if is_complete and is_part else None


def _is_same(path: Path, file: Path) -> bool:
    """Tell whether two paths are of one file; one that is lost, as the end of a dead link, is no other's."""
    try:
        return path.samefile(file)
    except OSError:
        return False


def _is_ours_to_refuse(path: Path) -> bool:
    """Tell whether a path is a folder with images in it, as the challenge has or had them, or with nothing at all.

    Images that are lost, or may not be looked at, count: the reader says what is wrong with them.
    """
    try:
        entries = [entry for entry in path.iterdir() if entry.name != ".DS_Store"]
        names = [entry.name for entry in entries if not entry.name.startswith(".") and not is_folder(entry)]
    except (OSError, ValueError):  # ValueError: a path that the system knows none like
        return False
    return not entries or any(is_nifti(name) or name.lower().endswith(".mha") for name in names)


def open_case(files: CaseFiles, remark: Callable[[str], None]) -> list[LayerData]:
    """Return the layers of a case, less those that are open already.

    Parameters
    ----------
    files : CaseFiles
        The case.
    remark : callable
        Is told what the user should know of its files.

    Raises
    ------
    CaseError
        If anything is wrong with a file.
    """
    open_layers = _tagged_layers()
    case = next((case for case in open_layers if case.files == files), None)
    if case is None:
        # The panel asks before it goes on without an image; what is there can be looked at.
        return case_layers(load_case(files, allow_missing=True, remark=remark))
    shown = open_layers[case]
    return [layer for layer in case_layers(case) if _role(layer) not in shown]


def still_to_open(layers: list[LayerData], open_layers: Iterable[Layer]) -> list[LayerData]:
    """Leave out layers of a case that somebody else has opened since it was read; the rest becomes of that one.

    Parameters
    ----------
    layers : list of LayerData
        Of one case.
    open_layers : iterable of Layer
        What is open now.
    """
    tag = tag_of(layers[0][1]["metadata"]) if layers else None
    if tag is None or not tag.case.files.images:  # a study's images are in no files that tell it from others
        return layers
    shown = _tagged(open_layers)
    case = next((case for case in shown if case.files == tag.case.files), None)
    if case is None:
        return layers
    wanted = {_role(layer) for layer in layers} - shown[case]
    return [layer for layer in (layers if case is tag.case else case_layers(case)) if _role(layer) in wanted]


def _role(layer: LayerData) -> str | None:
    tag = tag_of(layer[1]["metadata"])
    return None if tag is None else tag.role


def _tagged_layers() -> dict[Case, set[str]]:
    """Return the cases that are open in the viewer, each with the roles of its layers."""
    return _tagged(_open_layers())


def _tagged(layers: Iterable[Layer]) -> dict[Case, set[str]]:
    cases: dict[Case, set[str]] = {}
    for layer in layers:
        if (tag := tag_of(layer)) is not None:
            cases.setdefault(tag.case, set()).add(tag.role)
    return cases


def _open_layers() -> Sequence[Layer]:
    viewer = current_viewer()
    return () if viewer is None else viewer.layers


def _case_of_saved_mask(path: Path) -> Case | None:
    """Return the open case that a mask was saved for, by a name that it is known under."""
    if not is_file(path):
        return None
    namesakes = [case for case in _tagged_layers() if _name_in(path, case)]
    if len(namesakes) < 2:
        return namesakes[0] if namesakes else None
    # Patients' folders may hold cases of one name: the one in whose folder it lies, else the one that is on show.
    beside = [case for case in namesakes if _lies_beside(path, case)]
    shown = [case for case in namesakes if _is_shown(case)]
    return next((found[0] for found in (beside, shown) if len(found) == 1), None)


def _name_in(path: Path, case: Case) -> str:
    """Return the name of a case that a mask's file bears; empty where it bears none."""
    names = (case.name, name_for_saving(case))
    return next((name for name in names if path.name.startswith(f"{name}_mask.nii")), "")


def _lies_beside(path: Path, case: Case) -> bool:
    """Tell whether a file lies in the folder of a case's images."""
    images = case.files.images.values()
    folders = {case.files.folder, *(image.parent for image in images)} if images else ()
    return any(_is_same(path.parent, folder) for folder in folders)


def _lies_beside_another(path: Path, name: str) -> bool:
    """Tell whether a file lies beside images of a case of some name, in a folder of its own or among others."""
    try:
        # A folder with the files of several cases is none of a case: each image tells then.
        for place in (path.parent, *sorted(path.parent.glob(f"{escape(name)}*"))):
            if place == path.parent or guess_modality(place.name) in MODALITIES:
                with suppress(CaseError):
                    if find_case_files(place).name == name:
                        return True
    except OSError:  # a folder that tells nothing
        return False
    return False


def _is_shown(case: Case) -> bool:
    tags = ((tag_of(layer), layer.visible) for layer in _open_layers())
    return any(visible and tag is not None and tag.case is case for tag, visible in tags)


def _saved_mask_layer(path: Path, case: Case) -> LayerData:
    called = _name_in(path, case)
    # Of a case without files, as of a session that holds its images, nobody can tell where it is from.
    if case.files.images and not _lies_beside(path, case) and _lies_beside_another(path, called):
        raise CaseError(f"{path}: lies beside the images of another case called {called}; open that case first")
    mask = load_mask(path, case.grid, most=_MOST_LABEL, remark=tell)
    name = path.name.split(".nii")[0]
    looks = {"name": name, "opacity": 0.5, "colormap": one_color(SAVED_COLOR)}
    return mask, {**looks, **grid_arguments(case, Role.LESION)}, "labels"
