"""One patient: four modalities on one axial grid."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import nibabel
import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_ddmd.case.files import CaseFiles
from napari_ddmd.case.grid import AxialGrid
from napari_ddmd.case.naming import MODALITIES, MODALITY_LABELS
from napari_ddmd.case.nifti import as_labels, refuse_unusable

if TYPE_CHECKING:
    from napari_ddmd.case.guards import Finding

# From (S, H, W) at 1 mm to RAS: what arrays that are on the axial grid already have for an affine.
_AXIAL_AFFINE = np.array([[0, 0, -1, 0], [0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]], dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Case:
    """One patient's images.

    Parameters
    ----------
    name : str
        The case's identifier.
    images : (C, S, H, W) ndarray of float32
        Raw intensities as in the files, C in the order of `MODALITIES`.
    grid : AxialGrid
        Geometry, and the way back to the files' own grid.
    files : CaseFiles
        Where the images came from; without images for a case that was made from arrays.
    header : nibabel.Nifti1Header
        Geometry and display range of the first modality's file, the reference for what is saved beside it; whatever
        else its header says stays behind (`plain_header`).
    mask : (S, H, W) ndarray of uint8 or None
        The expert's labels; the lesion is where they are above 0.
    warnings : tuple of str
        What the user should know about the files, one line each; for the screen alone, see `remarks`.
    origin : object or None
        What the case was made from, where that were no NIfTI files; known to whoever can write in its form
        (`napari_ddmd.dicom`).
    """

    name: str
    images: NDArray[np.float32] = field(repr=False)
    grid: AxialGrid
    files: CaseFiles
    header: nibabel.Nifti1Header = field(repr=False)
    mask: NDArray[np.uint8] | None = field(default=None, repr=False)
    warnings: tuple[str, ...] = ()
    origin: object | None = field(default=None, repr=False)

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Voxel size in millimetres along S, H and W."""
        return self.grid.spacing

    @property
    def remarks(self) -> tuple[str, ...]:
        """The warnings without paths and names of files, which may tell who the patient is: for what is saved."""
        names = {file: f"the {MODALITY_LABELS[modality]} image" for modality, file in self.files.images.items()}
        if self.files.mask is not None:
            names[self.files.mask] = "the mask"
        words = {str(file): name for file, name in names.items()}
        words |= {str(file.parent): "the folder" for file in names}
        words |= {file.name: name for file, name in names.items()}
        found = self.warnings
        for private in sorted(words, key=len, reverse=True):
            found = tuple(text.replace(private, words[private]) for text in found)
        return found

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """What the images look like that models of BRATS cases do not expect; takes about a second when asked first."""
        from napari_ddmd.case.guards import check_images

        return check_images(dict(zip(MODALITIES, self.images, strict=True)), self.spacing)

    @property
    def cautions(self) -> tuple[str, ...]:
        """All that results of this case carry: remarks and findings, each once."""
        return tuple(dict.fromkeys((*self.remarks, *map(str, self.findings))))

    @cached_property
    def brain(self) -> NDArray[np.bool_]:
        """Where any modality is not zero, ``(S, H, W)``: BRATS images are skull-stripped."""
        brain: NDArray[np.bool_] = (self.images != 0).any(axis=0)
        return brain

    @cached_property
    def brain_slices(self) -> tuple[int, ...]:
        """Numbers of the axial slices that hold any brain, ascending."""
        return tuple(int(index) for index in np.flatnonzero(self.brain.any(axis=(1, 2))))

    @classmethod
    def from_arrays(
        cls, name: str, images: ArrayLike, affine: ArrayLike | None = None, mask: ArrayLike | None = None
    ) -> Case:
        """Make a case from arrays.

        Parameters
        ----------
        name : str
            The case's identifier.
        images : (C, i, j, k) array_like
            Intensities in the order of `MODALITIES`.
        affine : (4, 4) array_like, optional
            From voxel indices ``(i, j, k)`` to RAS millimetres. By default the arrays are on the axial grid
            already, ``(C, S, H, W)``, with voxels of 1 mm.
        mask : (i, j, k) array_like, optional
            The expert's labels.

        Raises
        ------
        CaseError
            If the affine is oblique, a modality is not finite or zero throughout, or the mask holds what are no labels
            (whole numbers 0 to 4).
        ValueError
            If the arrays' shapes do not fit.
        """
        with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused below
            volumes = np.asarray(images, dtype=np.float32)
        if volumes.ndim != 4 or len(volumes) != len(MODALITIES) or volumes.size == 0:
            raise ValueError(f"images must be ({len(MODALITIES)}, S, H, W), not {volumes.shape}")
        grid = AxialGrid.from_affine(_AXIAL_AFFINE if affine is None else affine, volumes.shape[1:])
        header = nibabel.Nifti1Image(np.broadcast_to(np.uint8(0), grid.source_shape), grid.affine).header
        labels = None if mask is None else grid.to_axial(as_labels(np.asarray(mask), f"{name}, the mask"))
        refuse_unusable_images(volumes, name)
        return cls(name, grid.to_axial(volumes), grid, CaseFiles(name, {}), header, labels)


def refuse_unusable_images(images: NDArray[np.float32], name: str, *, but: Collection[str] = ()) -> None:
    """Refuse the images ``(C, ...)`` of a case as those of files are refused, but for those that are missing.

    Raises
    ------
    CaseError
        If a modality is not finite, or zero throughout.
    """
    for modality, image in zip(MODALITIES, images, strict=True):
        if modality in but:
            continue
        refuse_unusable(image, f"{name}, {modality}", again="give the image again")
