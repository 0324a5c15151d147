"""A whole synthetic case: made in memory, or written as a BRATS folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_ddmd.new_folder import free_folder, new_folder, refuse_new_folder
from napari_ddmd.synthetic.acquisition import acquire
from napari_ddmd.synthetic.anatomy import Template, load_template, sample_anatomy
from napari_ddmd.synthetic.contrasts import render
from napari_ddmd.synthetic.deformation import random_deformation
from napari_ddmd.synthetic.grid import Grid, Mask
from napari_ddmd.synthetic.label_maps import load_label_map
from napari_ddmd.synthetic.tumour import grow, settle
from napari_ddmd.synthetic.variety import TYPICAL, draw_variety
from napari_ddmd.synthetic.vessels import draw_vessels

BRATS_SHAPE = (240, 240, 155)
_COARSE_SHAPE = (120, 120, 78)
"""Grid of all that is smooth: displacements, growth, distances."""


@dataclass(frozen=True)
class SyntheticCase:
    """Four registered modalities of a brain that nobody has, and its expert mask.

    Parameters
    ----------
    images : dict of str to ndarray
        "t1", "t1ce", "t2" and "flair", each (I, J, K) int16, zero outside the brain and only there.
    mask : ndarray, shape (I, J, K), uint8
        0 healthy, 1 necrosis, 2 oedema, 4 enhancing tumour.
    affine : ndarray, shape (4, 4)
        Voxel to RAS mm.
    """

    images: dict[str, NDArray[np.int16]]
    mask: NDArray[np.uint8]
    affine: NDArray[np.float64]


def make_case(seed: int = 0, *, wide: bool = False, template: Template | None = None) -> SyntheticCase:
    """Make a case of 240x240x155 voxels of 1 mm, as the BRATS challenges ship them.

    Parameters
    ----------
    seed : int
        Source of chance: the same seed makes the same case.
    wide : bool
        Draw the patient from a widely varied cohort, for training, instead of a typical one.
    template : Template, optional
        The brain that the patient's is deformed from, mirrored by chance; without it the symmetric ICBM152 average.
    """
    return _make(seed, Grid.covering(BRATS_SHAPE), Grid.covering(_COARSE_SHAPE), wide, template)


def make_small_case(
    seed: int = 0,
    shape: tuple[int, int, int] = (60, 60, 40),
    *,
    wide: bool = False,
    template: Template | None = None,
) -> SyntheticCase:
    """Make a case of few and large voxels that cover the same field of view, for quick tests.

    Parameters
    ----------
    seed : int
        Source of chance.
    shape : tuple of int
        Voxels along each axis, at least (40, 40, 26).
    wide : bool
        As for `make_case`.
    template : Template, optional
        As for `make_case`.

    Raises
    ------
    ValueError
        If `shape` is coarser than that.
    """
    grid = Grid.covering(shape)
    coarse = Grid.covering(_COARSE_SHAPE)
    return _make(seed, grid, grid if grid.spacing > coarse.spacing else coarse, wide, template)


def _make(seed: int, grid: Grid, coarse: Grid, wide: bool, template: Template | None) -> SyntheticCase:
    heads, tissues, lesions, looks, cohort, sides = np.random.default_rng(seed).spawn(6)
    variety = draw_variety(cohort) if wide else TYPICAL
    if template is None:
        template = load_template()
    elif sides.random() < 0.5:
        template = template.mirrored()
    healthy = random_deformation(heads, template, coarse)
    points = healthy.template_points(coarse)
    anatomy = sample_anatomy(template, points, coarse, tissues)
    growth = grow(anatomy, points, coarse, lesions, variety)
    box = _box(anatomy.brain, coarse, grid)
    inner = grid.crop(box)
    deformation = healthy.pushed(growth.push)
    anatomy = sample_anatomy(template, deformation.template_points(inner), inner, tissues)
    tumour = settle(growth, anatomy, inner, lesions, variety)
    vessels = draw_vessels(anatomy, inner, deformation.template_points(coarse), coarse, looks)
    images = {}
    for modality, ideal in render(anatomy, tumour, vessels, inner, looks, variety).items():
        images[modality] = np.zeros(grid.shape, np.int16)
        images[modality][box] = acquire(ideal, anatomy.brain, inner, looks)
    mask = np.zeros(grid.shape, np.uint8)
    mask[box] = tumour.labels
    return SyntheticCase(images, mask, grid.affine)


def _box(brain: Mask, coarse: Grid, grid: Grid) -> tuple[slice, slice, slice]:
    """Return the part of `grid` that holds the brain of the grid `coarse`, with a margin."""
    margin, ratio = 6.0 / grid.spacing, coarse.spacing / grid.spacing
    box = ndimage.find_objects(brain.astype(np.uint8))[0]
    i, j, k = (
        slice(max(0, int(s.start * ratio - margin)), min(n, int(s.stop * ratio + margin) + 1))
        for s, n in zip(box, grid.shape, strict=True)
    )
    return i, j, k


def refuse_place(folder: str | os.PathLike[str]) -> Path:
    """See to it that a case can be written there, before it is made, and leave nothing.

    Returns
    -------
    Path
        The folder's absolute path, links followed.

    Raises
    ------
    ExportError
        If it cannot.
    """
    return refuse_new_folder(folder, ["Synthetic_000_t1ce.nii.gz"])


def write_case(
    folder: str | os.PathLike[str],
    seed: int = 0,
    name: str | None = None,
    *,
    wide: bool = False,
    anatomy: Path | None = None,
) -> Path:
    """Make a full case and write it in BRATS form: `<name>_t1.nii.gz`, `_t1ce`, `_t2`, `_flair`, `_seg`.

    The folder appears when all its files are written, or not at all. `seed` and `wide` are those of `make_case`;
    without a name the case is called after its seed, as in `Synthetic_000`. `anatomy` is a label map whose brain the
    patient's is deformed from, as `load_label_map` reads it.

    Returns
    -------
    Path
        The folder of the case.

    Raises
    ------
    ExportError
        If `folder` holds anything, or cannot be written.
    CaseError
        If the label map cannot be used.
    """
    free_folder(folder)
    case = make_case(seed, wide=wide, template=None if anatomy is None else load_label_map(anatomy))
    name = f"Synthetic_{seed:03d}" if name is None else name
    with new_folder(folder) as (place, target):
        for kind, volume in {**case.images, "seg": case.mask}.items():
            image = nib.nifti1.Nifti1Image(volume, case.affine)
            image.header.set_xyzt_units("mm")
            image.set_qform(case.affine, 1)
            image.set_sform(case.affine, 1)
            nib.save(image, place / f"{name}_{kind}.nii.gz")
    return target
