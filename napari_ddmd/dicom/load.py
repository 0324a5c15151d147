"""Load a study: four series on one axial grid, and a plain account of what that took."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import nibabel
import numpy as np
from numpy.typing import NDArray

from napari_ddmd.case import MODALITIES, MODALITY_LABELS, AxialGrid, Case, CaseError, CaseFiles
from napari_ddmd.case.case import refuse_unusable_images
from napari_ddmd.case.guards.skull import WHOLE_HEAD
from napari_ddmd.case.naming import missing_remark
from napari_ddmd.dicom.errors import DicomError
from napari_ddmd.dicom.examinations import names_remark
from napari_ddmd.dicom.origin import DicomOrigin, pseudonym
from napari_ddmd.dicom.proposal import Assignment, assignment_problem
from napari_ddmd.dicom.register import register
from napari_ddmd.dicom.skull import is_skull_stripped, read_brain_mask
from napari_ddmd.dicom.study import Series
from napari_ddmd.dicom.target import TargetGrid, share_grid
from napari_ddmd.dicom.volume import affine_of, read_volume

if TYPE_CHECKING:
    import SimpleITK as sitk

_REFERENCES: Final = ("t1ce", "flair")
# Beyond this a patient has hardly moved between two series of one examination: millimetres, degrees.
_FAR, _TURNED = 20.0, 15.0
_LEAST_COVER: Final = 0.9

Tell = Callable[[str], None]


def load_study(
    assignment: Assignment, *, brain_mask: Path | None = None, tell: Tell | None = None, allow_missing: bool = False
) -> Case:
    """Make the case of four series, or of three.

    Series that share one grid are taken voxel by voxel. Otherwise T1ce or FLAIR, whichever has the smaller distance
    between slices, is the reference; the others are registered to it, rigidly, and all are resampled (linear, once) to
    axial slices of 1 mm in the frame of reference of that series.

    Parameters
    ----------
    assignment : mapping of str to Series
        The series of each of `MODALITIES`, or of all but one.
    brain_mask : Path, optional
        A NIfTI file that is above 0 in the brain, in the patient's coordinates; all else becomes 0.
    tell : callable, optional
        Is told in a few words what is being done.
    allow_missing : bool
        Whether one modality may have no series; its image is 0 everywhere then, and a warning says so.

    Returns
    -------
    Case
        Named by a pseudonym. Its ``warnings`` state what was done; its ``origin`` is a `DicomOrigin`.

    Raises
    ------
    DicomError
        If the series make no case, or cannot be read.
    CaseError
        If an image cannot be used.
    """
    problem = assignment_problem(assignment, allow_missing=allow_missing)
    if problem is not None:
        raise DicomError(problem)
    if brain_mask is not None and not brain_mask.is_file():
        what = "is a folder; give the NIfTI file" if brain_mask.is_dir() else "no such file; check the path"
        raise DicomError(f"{brain_mask}: {what} of the brain mask")
    series = {modality: assignment[modality] for modality in MODALITIES if modality in assignment}
    missing = [modality for modality in MODALITIES if modality not in series]
    references = [modality for modality in _REFERENCES if modality in series]
    reference = min(references, key=lambda modality: series[modality].spacing[2])
    origin = DicomOrigin(series, reference)
    build = _SharedGrid(origin) if share_grid(list(series.values())) else _Registered(origin)
    images, grid = build.images(tell or (lambda _text: None))
    name = pseudonym(series[reference])
    remarks = [*(missing_remark(name, modality) for modality in missing), *build.remarks]
    if brain_mask is not None:
        images *= read_brain_mask(brain_mask, grid)
        remarks.append("everything outside the brain mask that was given is set to 0")
    elif not build.is_stripped:
        remarks.append(WHOLE_HEAD)
    if len({one.examination for one in series.values()}) > 1:
        unknown = "" if series[reference].facts.patient else ", perhaps of different patients"
        remarks.append(
            f"the series are of different examinations{unknown}: what has changed between them looks like a difference"
        )
    several = names_remark(series.values())
    if several is not None:
        remarks.append(several)
    refuse_unusable_images(images, name, but=missing)
    header = nibabel.Nifti1Image(np.broadcast_to(np.uint8(0), grid.source_shape), grid.affine).header
    header.set_xyzt_units("mm")
    header.set_sform(grid.affine, "scanner")
    header.set_qform(grid.affine, "scanner")
    return Case(name, images, grid, CaseFiles(name, {}), header, None, tuple(remarks), origin)


class _Build(ABC):
    """Makes the images of a case."""

    def __init__(self, origin: DicomOrigin) -> None:
        self.origin = origin
        self.remarks: list[str] = []
        self.is_stripped = True

    @abstractmethod
    def images(self, tell: Tell) -> tuple[NDArray[np.float32], AxialGrid]:
        """Return ``(C, S, H, W)`` and its grid."""

    def _read(self, modality: str, tell: Tell) -> sitk.Image:
        import SimpleITK as sitk

        tell(f"Reading {MODALITY_LABELS[modality]}")
        image = read_volume(self.origin.series[modality])
        columns, rows, slices = image.GetSpacing()
        # One series with its skull is enough for the whole case not to be what the models know.
        if self.is_stripped:
            self.is_stripped = is_skull_stripped(sitk.GetArrayViewFromImage(image), (slices, rows, columns))
        return image

    def _target(self) -> TargetGrid:
        series = self.origin.reference_series
        return TargetGrid.covering(series.affine, series.size)


class _SharedGrid(_Build):
    """All series have one grid: nothing is registered."""

    def images(self, tell: Tell) -> tuple[NDArray[np.float32], AxialGrid]:
        import SimpleITK as sitk

        series = self.origin.reference_series
        grid = _as_it_is(series)
        volumes = {}
        for modality in self.origin.series:
            image = self._read(modality, tell)
            if grid is None:
                image = self._target().resample(image, None)
            volumes[modality] = sitk.GetArrayFromImage(image).transpose(2, 1, 0)
        if grid is None:
            spacing = "×".join(f"{size:.2g}" for size in series.spacing)
            self.remarks.append(
                f"all series share one {series.plane} grid of {spacing} mm and were resampled to axial slices of 1 mm"
            )
            grid = self._target().grid
        images = np.zeros((len(MODALITIES), *grid.shape), dtype=np.float32)
        for modality, volume in volumes.items():
            images[MODALITIES.index(modality)] = grid.to_axial(volume)
        return images, grid


class _Registered(_Build):
    """The series have grids of their own: all go to the target grid, each in one interpolation."""

    def images(self, tell: Tell) -> tuple[NDArray[np.float32], AxialGrid]:
        import SimpleITK as sitk

        origin, target = self.origin, self._target()
        grid = target.grid
        images = np.zeros((len(MODALITIES), *grid.shape), dtype=np.float32)
        fixed = self._read(origin.reference, tell)
        name = MODALITY_LABELS[origin.reference]
        self.remarks.append(f"{name} ({_thickness(origin.reference_series)}) was resampled to axial slices of 1 mm")
        for modality in origin.series:
            image, transform = fixed, None
            if modality != origin.reference:
                image = self._read(modality, tell)
                tell(f"Registering {MODALITY_LABELS[modality]} to {name}")
                transform = self._register(modality, fixed, image)
            resampled = target.resample(image, transform)
            images[MODALITIES.index(modality)] = grid.to_axial(sitk.GetArrayViewFromImage(resampled).transpose(2, 1, 0))
        return images, grid

    def _register(self, modality: str, fixed: sitk.Image, image: sitk.Image) -> sitk.Transform:
        series, reference = self.origin.series[modality], self.origin.reference_series
        frames = {series.facts.frame_of_reference, reference.facts.frame_of_reference}
        same_frame = len(frames) == 1 and "" not in frames
        found = register(fixed, image, same_frame=same_frame)
        label, name = MODALITY_LABELS[modality], MODALITY_LABELS[self.origin.reference]
        moved = f"moved by {found.distance:.1f} mm and {found.angle:.1f}°"
        self.remarks.append(
            f"{label} ({_thickness(series)}) was registered to {name} ({moved}) and resampled to its grid"
        )
        far = same_frame and (found.distance > _FAR or found.angle > _TURNED)
        if far or not found.has_converged:
            self.remarks.append(f"{label} may not be registered well to {name}: compare them before you trust a result")
        cover = self._target().cover(affine_of(image), image.GetSize(), found.transform, reference)
        if cover < _LEAST_COVER:
            self.remarks.append(f"{label} covers {cover:.0%} of {name}; outside it is 0")
        return found.transform


def _as_it_is(series: Series) -> AxialGrid | None:
    """Return the series' own grid where a model can use it as it is: along the body's axes, in voxels of 1 mm."""
    if not all(abs(size - 1) <= 0.1 for size in series.spacing):
        return None
    try:
        return AxialGrid.from_affine(np.diag([-1.0, -1.0, 1.0, 1.0]) @ series.affine, series.size)
    except CaseError:
        return None


def _thickness(series: Series) -> str:
    return f"{series.plane}, {series.spacing[2]:.1f} mm between slices"
