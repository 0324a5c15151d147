"""Load a case: check all headers, then read all files at once."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from pathlib import Path

import numpy as np
from nibabel.affines import apply_affine
from nibabel.orientations import aff2axcodes
from numpy.typing import NDArray

from napari_ddmd.case.case import Case
from napari_ddmd.case.errors import CaseError, CaseWarning, MissingImagesError
from napari_ddmd.case.files import CaseFiles, find_case_files
from napari_ddmd.case.grid import AxialGrid
from napari_ddmd.case.naming import MODALITIES, missing_remark
from napari_ddmd.case.nifti import NiftiFile, open_nifti
from napari_ddmd.case.plain_header import plain_header

# Larger images (twice those of the challenge) are read one after the other, which takes less memory at once.
_LARGE = 2**24
# Share of a voxel by which corners of one and the same grid may differ: headers are rounded.
_SAME_PLACE = 0.1


def load_case(
    path: str | os.PathLike[str] | CaseFiles,
    *,
    assignment: Mapping[str, Path] | None = None,
    allow_missing: bool = False,
    remark: Callable[[str], None] | None = None,
) -> Case:
    """Load one patient.

    All headers are read and checked before any voxel is, then the images and the mask are read in parallel.

    Parameters
    ----------
    path : path-like or CaseFiles
        Folder of the case in any BRATS naming, any one of its files, or what `find_cases` found.
    assignment : mapping of str to Path, optional
        Files that are known already, by modality (or ``"seg"``); they win over what the names say.
    allow_missing : bool
        Take a case that lacks one modality, which is then 0 everywhere; a remark says so.
    remark : callable, optional
        Is told what would be warned of otherwise; `Case.warnings` has it in any case.

    Returns
    -------
    Case
        Raw intensities ``(C, S, H, W)`` on the axial grid.

    Raises
    ------
    CaseError
        If anything is wrong with a file; one line says which one and what to do.

    Warns
    -----
    CaseWarning
        If the mask's origin is not the images', a header does not tell the orientation, or a modality is missing.
    """
    files = path if isinstance(path, CaseFiles) else find_case_files(path, assignment=assignment)
    images, mask_file, mask_grid, remarks = _opened(files, allow_missing=allow_missing)
    reference = next(iter(images.values()))
    grid = reference.grid()

    try:
        volumes, labels = _read_all(images, mask_file, grid)
        mask = None if labels is None else mask_grid.to_axial(labels)
    except MemoryError as error:
        raise CaseError(f"{reference.path}: does not fit into memory; close other programs or crop it") from error
    _refuse_copies(volumes, images)

    for text in remarks:
        (remark or _warn)(text)
    return Case(files.name, volumes, grid, files, plain_header(reference.header), mask, tuple(remarks))


def check_headers(files: CaseFiles) -> None:
    """Check of a case all that can be told without reading a voxel: its images are there, and lie on one grid.

    Raises
    ------
    CaseError
        As `load_case` would.
    """
    _opened(files, allow_missing=False)


def check_complete(files: CaseFiles, *, allow_missing: bool) -> None:
    """Check of a case that its images were found; one may be missing where that is allowed.

    Raises
    ------
    MissingImagesError
        One line: which are missing.
    """
    _missing(files, most=1 if allow_missing else 0)


def _opened(
    files: CaseFiles, *, allow_missing: bool
) -> tuple[dict[str, NiftiFile], NiftiFile | None, AxialGrid, list[str]]:
    """The images' headers by modality, the mask's and the grid to read it with, and what there is to remark."""
    missing = _missing(files, most=1 if allow_missing else 0)
    images = {modality: open_nifti(files.images[modality]) for modality in MODALITIES if modality not in missing}
    reference = next(iter(images.values()))
    grid = reference.grid()
    for image in images.values():
        _refuse_other_grid(image, reference)
    remarks = [remark for image in images.values() for remark in image.remarks]
    remarks += _orientation_remarks(reference)
    remarks += [missing_remark(files.name, modality) for modality in missing]
    if files.mask is None:
        return images, None, grid, remarks
    mask_file = open_nifti(files.mask)
    mask_grid, mask_remarks = _place_mask(mask_file, grid)
    return images, mask_file, mask_grid, [*remarks, *mask_file.remarks, *mask_remarks]


def _read_all(
    images: Mapping[str, NiftiFile], mask_file: NiftiFile | None, grid: AxialGrid
) -> tuple[NDArray[np.float32], NDArray[np.uint8] | None]:
    """Read the images onto the axial grid, ``(C, S, H, W)``, and the mask in its own file's order."""
    # Allocated once; each thread fills its own part, so that no second copy of the case is ever held.
    volumes = np.zeros((len(MODALITIES), *grid.shape), dtype=np.float32)

    def read(modality: str, image: NiftiFile) -> None:
        volumes[MODALITIES.index(modality)] = grid.to_axial(image.read_image())

    at_once = 1 if volumes[0].size > _LARGE else len(MODALITIES) + 1
    with ThreadPoolExecutor(max_workers=at_once, thread_name_prefix="load_case") as pool:
        reads = [pool.submit(read, modality, image) for modality, image in images.items()]
        labels = None if mask_file is None else pool.submit(mask_file.read_labels)
        try:
            for done in reads:
                done.result()
            return volumes, None if labels is None else labels.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def load_mask(
    path: str | os.PathLike[str],
    grid: AxialGrid,
    *,
    most: int = 4,
    remark: Callable[[str], None] | None = None,
) -> NDArray[np.uint8]:
    """Load a mask onto the grid of a case.

    Parameters
    ----------
    path : path-like
        A NIfTI file with labels, of any number type.
    grid : AxialGrid
        The case's grid. A mask that covers the same voxels in another axis order is put in order.
    most : int
        The highest label that there may be, 255 at most.
    remark : callable, optional
        Is told what would be warned of otherwise.

    Returns
    -------
    (S, H, W) ndarray of uint8
        The labels.

    Raises
    ------
    CaseError
        If the file cannot be read, holds anything but labels, or lies on another grid.

    Warns
    -----
    CaseWarning
        If the mask has the same voxel grid but another origin; it is taken voxel by voxel.
    """
    mask_file = open_nifti(Path(path))
    mask_grid, remarks = _place_mask(mask_file, grid)
    remarks += mask_file.remarks
    labels: NDArray[np.uint8] = mask_grid.to_axial(mask_file.read_labels(most))
    for text in remarks:
        (remark or _warn)(text)
    return labels


def _warn(text: str) -> None:
    warnings.warn(CaseWarning(text), stacklevel=3)


def _missing(files: CaseFiles, most: int) -> list[str]:
    """Modalities that were not found; more than ``most`` are refused."""
    missing = [modality for modality in MODALITIES if modality not in files.images]
    if len(missing) > most:
        folder = next(iter(files.images.values())).parent if files.images else Path(files.name)
        names = " and ".join(missing)
        ends = " and ".join(f"_{modality}.nii.gz" for modality in missing)
        remedy = f"add {'it' if len(missing) == 1 else 'them'}, or rename to end in {ends}"
        if most:
            remedy += "; no more than one may be missing"
        raise MissingImagesError(f"{folder}: no image for {names}; {remedy}", missing)
    return missing


def _refuse_other_grid(image: NiftiFile, reference: NiftiFile) -> None:
    if image.shape != reference.shape:
        raise CaseError(
            f"{image.path}: its shape is {_times(image.shape)}, that of {reference.path.name} is "
            f"{_times(reference.shape)}; resample it to the same grid"
        )
    if not _same_place(image.affine, reference.affine, reference.shape):
        raise CaseError(
            f"{image.path}: lies elsewhere in space than {reference.path.name}; register it to the same grid"
        )


def _refuse_copies(volumes: NDArray[np.float32], images: Mapping[str, NiftiFile]) -> None:
    """Refuse one image under two names: what is found would rest on a contrast that was never seen."""
    for first, second in combinations(images, 2):
        if np.array_equal(volumes[MODALITIES.index(first)], volumes[MODALITIES.index(second)]):
            raise CaseError(
                f"{images[second].path}: holds the same image as {images[first].path.name}; give the {second} image"
            )


def _orientation_remarks(image: NiftiFile) -> list[str]:
    if image.has_orientation:
        return []
    return [
        f"{image.path}: the header does not tell the orientation, so left and right may be swapped; "
        "check it against another viewer"
    ]


def _place_mask(mask: NiftiFile, grid: AxialGrid) -> tuple[AxialGrid, list[str]]:
    """Return the grid to read a mask with so that it lies on `grid`, and what there is to remark."""
    own = mask.grid()
    if own.shape == grid.shape and _same_place(own.axial_affine, grid.axial_affine, grid.shape):
        return own, []
    same_voxels = mask.shape == grid.source_shape
    if same_voxels and not mask.has_orientation:
        return grid, [f"{mask.path}: the mask's header tells no position; it is taken voxel by voxel"]
    if own.shape != grid.shape:
        raise CaseError(
            f"{mask.path}: the mask's shape is {_times(mask.shape)}, that of the images is "
            f"{_times(grid.source_shape)}; resample it to the images' grid"
        )
    directions = (own.affine[:3, :3], grid.affine[:3, :3])
    if same_voxels and np.allclose(*directions, rtol=0, atol=1e-3 * min(grid.spacing)):
        return grid, [
            f"{mask.path}: the mask's origin {_position(own)} is not the images' {_position(grid)}; "
            "the voxel grids agree, so it is taken voxel by voxel"
        ]
    raise CaseError(
        f"{mask.path}: the mask lies on another grid ({_axes(own)}) than the images ({_axes(grid)}); "
        "resample it to the images' grid"
    )


def _same_place(first: NDArray[np.float64], second: NDArray[np.float64], shape: tuple[int, ...]) -> bool:
    """Tell whether two affines put all corners of an array at the same points."""
    corners = np.stack(np.meshgrid(*[(0, length - 1) for length in shape], indexing="ij"), axis=-1)
    distance = np.linalg.norm(apply_affine(first, corners) - apply_affine(second, corners), axis=-1)
    voxel = np.linalg.norm(second[:3, :3], axis=0).min()
    return bool(distance.max() <= _SAME_PLACE * voxel)


def _times(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))


def _position(grid: AxialGrid) -> str:
    return "(" + ", ".join(f"{coordinate:g}" for coordinate in grid.affine[:3, 3]) + ")"


def _axes(grid: AxialGrid) -> str:
    spacing = "×".join(f"{size:g}" for size in np.linalg.norm(grid.affine[:3, :3], axis=0))
    return f"{''.join(aff2axcodes(grid.affine))}, {spacing} mm"
