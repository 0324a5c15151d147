"""What a session file says of the patient."""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal

import nibabel
import numpy as np
from nibabel.spatialimages import HeaderDataError
from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from napari_ddmd.case import MODALITIES, AxialGrid
from napari_ddmd.viewer.session.fields import STRICT, Length, Row, Sha256, Text

_MOST_VOXELS = 2**31
_HEADERS = {348: nibabel.Nifti1Header, 540: nibabel.Nifti2Header}


@dataclass(frozen=True, config=STRICT)
class StoredImage:
    """An image file of the case, which stays where it is.

    Attributes
    ----------
    modality
        Which image it is.
    relative
        Its path from the session's folder, with forward slashes; None on another drive.
    absolute
        Its path.
    sha256
        Of its voxels as float32 in the order ``(S, H, W)``: a file that was moved or compressed anew is still the same.
    """

    modality: Literal["t1", "t1ce", "t2", "flair"]
    relative: Text | None
    absolute: Text
    sha256: Sha256


@dataclass(frozen=True, config=STRICT)
class StoredFolder:
    """A folder of a DICOM study.

    Attributes
    ----------
    relative
        Its path from the session's folder, with forward slashes; None on another drive.
    absolute
        Its path.
    """

    relative: Text | None
    absolute: Text


@dataclass(frozen=True, config=STRICT)
class StoredOrigin:
    """The DICOM series that a segmentation refers to, which stays where it is; nothing of what its headers say.

    Attributes
    ----------
    reference
        Which modality the series is.
    folders
        Where its files are.
    digest
        Of the identifiers of its images: another series, or one that has changed, is not taken for it.
    """

    reference: Literal["t1", "t1ce", "t2", "flair"]
    folders: Annotated[tuple[StoredFolder, ...], Field(min_length=1, max_length=10_000)]
    digest: Sha256


@dataclass(frozen=True, config=STRICT)
class StoredCase:
    """The patient.

    Attributes
    ----------
    name
        The case's identifier.
    source_shape, affine
        Of the grid of the case's files.
    header
        NIfTI header in base64, for a case whose images are inside; without the fields that may name somebody.
    warnings
        What the user was told about the files.
    images
        Where the images are; empty where they are inside.
    mask_file
        Name of the expert's mask beside the images.
    has_expert
        Whether the expert's mask is inside.
    origin
        The DICOM series that it was made from; None for another case.
    """

    name: Text
    source_shape: tuple[Length, Length, Length]
    affine: tuple[Row, Row, Row, Row]
    header: Annotated[str, Field(max_length=2000)] | None
    warnings: tuple[Text, ...]
    images: Annotated[tuple[StoredImage, ...], Field(max_length=len(MODALITIES))]
    mask_file: Text | None
    has_expert: bool
    origin: StoredOrigin | None = None

    @property
    def grid(self) -> AxialGrid:
        """Geometry; raises `CaseError` where it is none."""
        return AxialGrid.from_affine(self.affine, self.source_shape)

    @property
    def nifti_header(self) -> Any:
        """The header of images that are inside."""
        block: bytes = base64.b64decode(self.header or "", validate=True)
        kind: Any = _HEADERS.get(len(block))
        if kind is None:
            raise ValueError("header: is not that of a NIfTI file")
        try:
            header: Any = kind(block)
            shape = header.get_data_shape()
        except HeaderDataError as error:
            raise ValueError(f"header: {error}") from error
        if shape != self.source_shape:
            raise ValueError("header: has another shape than the case")
        return header

    @model_validator(mode="after")
    def _check(self) -> StoredCase:
        if np.prod(self.grid.shape, dtype=float) > _MOST_VOXELS:
            raise ValueError("source_shape: is no brain's")
        modalities = [image.modality for image in self.images]
        if len(set(modalities)) < len(modalities):
            raise ValueError("images: two files for one modality")
        if not self.images:
            self.nifti_header  # noqa: B018
        return self
