"""Motions that are known must be found again: errors are distances of brain voxels, in millimetres."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from napari_ddmd.dicom.register import register
from tests.dicom.studies import flat, resliced, rigid, with_head


def errors(found: sitk.Transform, motion: sitk.Transform, brain: sitk.Image) -> np.ndarray:
    """How far voxels of the brain land from where they should."""
    back = motion.GetInverse()
    voxels = np.argwhere(sitk.GetArrayViewFromImage(brain) > 0)[::200, ::-1]
    points = [brain.TransformIndexToPhysicalPoint(voxel) for voxel in voxels.tolist()]
    return np.array([np.linalg.norm(np.subtract(found.TransformPoint(p), back.TransformPoint(p))) for p in points])


@pytest.mark.parametrize(
    ("modality", "spacing", "degrees", "millimetres", "same_frame", "skull"),
    [
        ("t2", (1.0, 1.0, 5.0), (4, -3, 5), (3, -4, 2), True, True),
        pytest.param("flair", (2.0, 2.0, 2.0), (-2, 3, 1), (-2, 1, 4), True, False, marks=pytest.mark.torture),
        ("t1", (1.0, 1.0, 3.0), (-6, 5, 8), (20, -15, 30), False, True),
        pytest.param("t2", (1.0, 1.0, 6.0), (0, 0, 0), (0, 0, 0), True, False, marks=pytest.mark.torture),
    ],
)
def test_a_known_motion_is_found_within_a_millimetre(
    images: dict[str, sitk.Image],
    modality: str,
    spacing: tuple[float, float, float],
    degrees: tuple[float, float, float],
    millimetres: tuple[float, float, float],
    same_frame: bool,
    skull: bool,
) -> None:
    heads = with_head(images) if skull else images
    motion = rigid(images["t1ce"], degrees, millimetres)
    moving = resliced(heads[modality], spacing, motion)
    found = register(heads["t1ce"], moving, same_frame=same_frame)

    wrong = errors(found.transform, motion, images["t1ce"])
    assert wrong.mean() < 0.5
    assert wrong.max() < 1.0
    assert found.has_converged
    assert found.distance == pytest.approx(np.linalg.norm(motion.GetInverse().GetTranslation()), abs=1)


def test_the_same_images_give_the_same_motion(images: dict[str, sitk.Image]) -> None:
    moving = resliced(images["t2"], (2, 2, 5), rigid(images["t2"], (2, 1, 3), (1, 2, 3)))
    found = [register(images["t1ce"], moving, same_frame=True).transform.GetParameters() for _ in range(2)]
    assert found[0] == found[1]


def test_images_that_do_not_meet_stay_where_they_are(images: dict[str, sitk.Image]) -> None:
    beside = sitk.Image(images["t2"])
    beside.SetOrigin((2000, 0, 0))
    found = register(images["t1ce"], beside, same_frame=True)
    assert not found.has_converged
    assert (found.distance, found.angle) == (0, 0)


def test_an_image_without_contrast_is_told(images: dict[str, sitk.Image]) -> None:
    blank = sitk.Image(images["t2"]) * 0 + 100
    found = register(images["t1ce"], blank, same_frame=True)
    assert found.distance < 1 or not found.has_converged
    assert register(flat(), flat(), same_frame=True).distance < 1
