from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from napari_ddmd.dicom import find_study
from napari_ddmd.dicom.target import TargetGrid, share_grid
from napari_ddmd.dicom.volume import affine_of, read_volume
from tests.dicom.studies import StudyWriter, flat


def test_the_grid_holds_all_of_a_series() -> None:
    image = flat((10, 8, 6))
    image.SetOrigin((-5, 7, 40))
    target = TargetGrid.covering(affine_of(image), image.GetSize())
    # Voxels of 2 mm reach from 1 mm before the first centre to 1 mm behind the last.
    assert target.size == (20, 16, 12)
    assert target.first == (-5.5, 6.5, 39.5)
    assert target.grid.spacing == (1, 1, 1)
    assert target.grid.shape == (12, 16, 20)
    # Up, back, left.
    assert target.grid.translate == (39.5, 6.5, -5.5)


def test_a_turned_series_fits_into_it() -> None:
    image = flat((10, 10, 4))
    cosine, sine = np.cos(0.4), np.sin(0.4)
    image.SetDirection((1, 0, 0, 0, cosine, -sine, 0, sine, cosine))
    target = TargetGrid.covering(affine_of(image), image.GetSize())
    expected = (20, 20 * cosine + 8 * sine, 20 * sine + 8 * cosine)
    assert target.size == tuple(int(np.rint(length)) for length in expected)


def test_resampling_keeps_points_in_place() -> None:
    image = flat((10, 8, 6))
    image.SetOrigin((-5, 7, 40))
    target = TargetGrid.covering(affine_of(image), image.GetSize())
    resampled = target.resample(image, None)
    middle = image.TransformIndexToPhysicalPoint((4, 4, 3))
    there = resampled.TransformPhysicalPointToContinuousIndex(middle)
    values = sitk.GetArrayFromImage(resampled)
    x, y, z = (int(np.floor(place)) for place in there)
    assert values[z : z + 2, y, x].mean() == pytest.approx(image[4, 4, 3], abs=0.3)


def test_what_an_image_covers(writer: StudyWriter) -> None:
    writer.series(flat((10, 10, 10)))
    half = flat((10, 10, 5))
    (series,) = find_study(writer.folder).series
    target = TargetGrid.covering(series.affine, series.size)
    nowhere = sitk.TranslationTransform(3, (500, 0, 0))
    same = sitk.Transform(3, sitk.sitkIdentity)
    for image, way, share in ((flat((10, 10, 10)), same, 1), (half, same, 0.5), (half, nowhere, 0)):
        assert target.cover(affine_of(image), image.GetSize(), way, series) == pytest.approx(share, abs=0.03)


def test_series_on_one_grid(writer: StudyWriter) -> None:
    shifted, shorter = flat(), flat((12, 14, 11))
    shifted.SetOrigin((0.5, 0, 0))
    nearly = flat()
    nearly.SetOrigin((0.05, 0, 0))
    for image in (flat(), flat(value=50), nearly, shifted, shorter):
        writer.series(image)
    writer.series(flat(), FrameOfReferenceUID="1.2.3")
    first, second, rounded, beside, short, elsewhere = find_study(writer.folder).series
    assert share_grid([first, second, rounded])
    for other in (beside, short, elsewhere):
        assert not share_grid([first, other])
    assert read_volume(first).GetSize() == (12, 14, 12)


def test_no_frame_of_reference_is_no_common_one(writer: StudyWriter) -> None:
    for _ in range(2):
        writer.series(flat(), FrameOfReferenceUID=None)
    assert not share_grid(find_study(writer.folder).series)
