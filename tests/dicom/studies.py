"""Studies made for tests: DICOM files of volumes that are known."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid
from scipy import ndimage

from napari_ddmd.case import MODALITIES
from napari_ddmd.synthetic.case import SyntheticCase

PATIENT = "Doe^Jane"
SEQUENCES: dict[str, dict[str, Any]] = {
    "t1": {"ScanningSequence": "SE", "EchoTime": 9, "RepetitionTime": 500},
    "t1ce": {"ScanningSequence": "SE", "EchoTime": 9, "RepetitionTime": 500, "ContrastBolusAgent": "Gadolinium"},
    "t2": {"ScanningSequence": "SE", "EchoTime": 95, "RepetitionTime": 4500},
    "flair": {"ScanningSequence": ["SE", "IR"], "EchoTime": 120, "RepetitionTime": 9000, "InversionTime": 2500},
}
DESCRIPTIONS = {"t1": "t1_se_tra", "t1ce": "t1_se_tra_KM", "t2": "t2_tse_tra", "flair": "t2_tirm_tra_dark-fluid"}
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


@dataclass
class StudyWriter:
    """Writes series into one folder; the uids are those of one examination of one patient."""

    folder: Path
    study_uid: str = field(default_factory=generate_uid)
    frame_uid: str = field(default_factory=generate_uid)
    patient: str = PATIENT
    count: int = 0

    def series(
        self,
        image: sitk.Image,
        description: str = "t1_se_tra",
        *,
        left_out: Sequence[int] = (),
        shuffled: bool = False,
        **tags: Any,
    ) -> Path:
        """Write an image as a series of its slices; without some of them, or under names in another order."""
        self.count += 1
        place = self.folder / f"S{self.count:03d}"
        place.mkdir(parents=True)
        voxels = np.rint(sitk.GetArrayFromImage(image)).astype(np.int16)
        names = [f"IM{number:04d}" for number in range(len(voxels))]
        if shuffled:
            random.Random(0).shuffle(names)
        common = {"SeriesInstanceUID": generate_uid(), "SeriesNumber": self.count, "SeriesDescription": description}
        for number, (name, pixels) in enumerate(zip(names, voxels, strict=True)):
            if number not in left_out:
                dataset = self._slice(image, number, pixels, {**common, **tags})
                dataset.save_as(place / name, enforce_file_format=True)
        return place

    def _slice(self, image: sitk.Image, number: int, pixels: NDArray[np.int16], tags: Mapping[str, Any]) -> Dataset:
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        columns = np.reshape(image.GetDirection(), (3, 3))
        values = {
            "SOPClassUID": MRImageStorage,
            "SOPInstanceUID": generate_uid(),
            "StudyInstanceUID": self.study_uid,
            "FrameOfReferenceUID": self.frame_uid,
            "PatientName": self.patient,
            "PatientID": f"ID-{self.patient}",
            "PatientBirthDate": "19700102",
            "PatientSex": "F",
            "StudyDate": "20200304",
            "StudyTime": "050607",
            "StudyID": "77",
            "AccessionNumber": "4711",
            "Modality": "MR",
            "Manufacturer": "Tests",
            "ImageType": ["ORIGINAL", "PRIMARY", "M"],
            "MRAcquisitionType": "2D",
            "InstanceNumber": number + 1,
            "ImagePositionPatient": [round(x, 4) for x in image.TransformIndexToPhysicalPoint((0, 0, number))],
            "ImageOrientationPatient": [round(x, 6) for x in (*columns[:, 0], *columns[:, 1])],
            "PixelSpacing": [image.GetSpacing()[1], image.GetSpacing()[0]],
            "SliceThickness": image.GetSpacing()[2],
            "Rows": pixels.shape[0],
            "Columns": pixels.shape[1],
            "SamplesPerPixel": 1,
            "PhotometricInterpretation": "MONOCHROME2",
            "BitsAllocated": 16,
            "BitsStored": 16,
            "HighBit": 15,
            "PixelRepresentation": 1,
            "PixelData": pixels.tobytes(),
            **tags,
        }
        for name, value in values.items():
            if value is not None:
                setattr(dataset, name, value)
        return dataset

    def four(self, images: Mapping[str, sitk.Image], **more: Any) -> None:
        """Write the modalities that there are, with descriptions and sequences that tell them apart."""
        for modality in (name for name in MODALITIES if name in images):
            self.series(images[modality], DESCRIPTIONS[modality], **{**SEQUENCES[modality], **more})


def flat(size: Sequence[int] = (12, 14, 12), value: float = 100, spacing: float = 2.0) -> sitk.Image:
    """An image whose slices can be told from each other."""
    ramp = np.arange(size[2], dtype=np.float32)[:, None, None] + np.full(size[::-1], value, np.float32)
    image = sitk.GetImageFromArray(ramp)
    image.SetSpacing([spacing] * 3)
    return image


def as_images(case: SyntheticCase) -> dict[str, sitk.Image]:
    """The modalities of a synthetic case, in the patient's LPS coordinates."""
    images = {}
    for modality, volume in case.images.items():
        image = sitk.GetImageFromArray(volume.astype(np.float32).transpose(2, 1, 0))
        affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ case.affine
        spacing = nibabel.affines.voxel_sizes(affine)
        image.SetSpacing(spacing.tolist())
        image.SetDirection((affine[:3, :3] / spacing).ravel().tolist())
        image.SetOrigin(affine[:3, 3].tolist())
        images[modality] = image
    return images


def rigid(image: sitk.Image, degrees: Sequence[float], millimetres: Sequence[float]) -> sitk.Euler3DTransform:
    """A motion about the centre of an image."""
    motion = sitk.Euler3DTransform()
    middle = [(length - 1) / 2 for length in image.GetSize()]
    motion.SetCenter(image.TransformContinuousIndexToPhysicalPoint(middle))
    motion.SetRotation(*np.radians(degrees).tolist())
    motion.SetTranslation(list(millimetres))
    return motion


def resliced(
    image: sitk.Image,
    spacing: Sequence[float],
    motion: sitk.Transform | None = None,
    direction: Sequence[float] | None = None,
) -> sitk.Image:
    """The same head on another grid; where there is a motion, point p of the new image shows ``motion(p)``."""
    extent = np.multiply(image.GetSize(), image.GetSpacing())
    turn = np.eye(3) if direction is None else np.reshape(direction, (3, 3))
    size = np.ceil(np.abs(turn).T @ extent / spacing).astype(int)
    centre = image.TransformContinuousIndexToPhysicalPoint([(length - 1) / 2 for length in image.GetSize()])
    origin = np.array(centre) - turn @ ((size - 1) / 2 * np.array(spacing))
    way = sitk.Transform(3, sitk.sitkIdentity) if motion is None else motion
    grid = (origin.tolist(), list(spacing), turn.ravel().tolist())
    return sitk.Resample(image, size.tolist(), way, sitk.sitkLinear, *grid, 0.0, sitk.sitkFloat32)


def with_head(images: Mapping[str, sitk.Image]) -> dict[str, sitk.Image]:
    """Put skull, scalp and the noise of air around brains."""
    first = next(iter(images.values()))
    brain = sitk.GetArrayFromImage(first) > 0
    spacing = first.GetSpacing()[::-1]
    far = ndimage.distance_transform_edt(~brain, sampling=spacing)
    noise = np.random.default_rng(0)
    heads = {}
    for modality, image in images.items():
        voxels = sitk.GetArrayFromImage(image)
        voxels[~brain] = 1 + np.abs(noise.normal(0, 8, (~brain).sum()))
        scalp = (far > 7) & (far < 14)
        voxels[scalp] = 600 + noise.normal(0, 30, scalp.sum())
        head = sitk.GetImageFromArray(voxels)
        head.CopyInformation(image)
        heads[modality] = head
    return heads
