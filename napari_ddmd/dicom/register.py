"""Rigid registration of one series to another, by mutual information."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    import SimpleITK as sitk

_WORKING_SPACING: Final = 2.0
_SHRINK: Final = (4, 2, 1)
_SMOOTH: Final = (4.0, 2.0, 0.0)
_SAMPLED: Final = (0.5, 0.25, 0.12)
_BINS: Final = 48
_SEED: Final = 1
# Several threads would be no faster here, and would take the sums in another order each time.
_THREADS: Final = 1
_ITERATIONS: Final = 100


@dataclass(frozen=True, eq=False)
class Registration:
    """Where the points of one image lie in another.

    Parameters
    ----------
    transform : SimpleITK.Transform
        From points of the reference to points of the moved image, LPS millimetres.
    distance : float
        How far the centre of the reference moves, millimetres.
    angle : float
        By how much it turns, degrees.
    has_converged : bool
        The images agree better than before; otherwise the transform is the one from before.
    """

    transform: sitk.Transform
    distance: float
    angle: float
    has_converged: bool


def register(reference: sitk.Image, moving: sitk.Image, *, same_frame: bool) -> Registration:
    """Find the rigid motion between two images of one head.

    Mattes mutual information on voxels of 2 mm, from coarse to fine, with a fixed seed: the same images give the same
    result.

    Parameters
    ----------
    reference, moving : SimpleITK.Image
        float32; of any contrast and geometry.
    same_frame : bool
        Both lie in one frame of reference: start where the scanner says. Otherwise start with their centres of mass
        on each other.
    """
    import SimpleITK as sitk

    fixed, other = _working(reference), _working(moving)
    start = sitk.Euler3DTransform()
    start.SetCenter(_centre(fixed))
    if not same_frame:
        moments = sitk.CenteredTransformInitializer(
            fixed, other, start, sitk.CenteredTransformInitializerFilter.MOMENTS
        )
        start = sitk.Euler3DTransform(moments)
    method = sitk.ImageRegistrationMethod()
    method.SetNumberOfWorkUnits(_THREADS)
    method.SetMetricAsMattesMutualInformation(_BINS)
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentagePerLevel(list(_SAMPLED), _SEED)
    method.SetMetricFixedMask(_foreground(fixed))
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=2.0, minStep=0.005, numberOfIterations=_ITERATIONS, gradientMagnitudeTolerance=1e-6
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel(list(_SHRINK))
    method.SetSmoothingSigmasPerLevel(list(_SMOOTH))
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    method.SetInitialTransform(start, inPlace=False)
    try:
        found = sitk.Euler3DTransform(sitk.CompositeTransform(method.Execute(fixed, other)).GetBackTransform())
    except RuntimeError:  # the images do not overlap, or one of them is flat
        return _registration(start, fixed, has_converged=False)
    if _agreement(fixed, other, found) <= _agreement(fixed, other, start):
        return _registration(start, fixed, has_converged=same_frame)
    return _registration(found, fixed, has_converged=True)


def _registration(transform: sitk.Euler3DTransform, fixed: sitk.Image, *, has_converged: bool) -> Registration:
    centre = _centre(fixed)
    distance = float(np.linalg.norm(np.subtract(transform.TransformPoint(centre), centre)))
    rotation = np.reshape(transform.GetMatrix(), (3, 3))
    angle = float(np.degrees(np.arccos(np.clip((np.trace(rotation) - 1) / 2, -1, 1))))
    return Registration(transform, distance, angle, has_converged)


def _working(image: sitk.Image) -> sitk.Image:
    """Resample to cubes: the steps from coarse to fine shrink all axes alike, which thick slices would not stand."""
    import SimpleITK as sitk

    spacing = np.array(image.GetSpacing())
    # What the coarser grid cannot show is blurred away first, axis by axis.
    sigmas = np.where(spacing < _WORKING_SPACING, 0.5 * _WORKING_SPACING, 1e-3).tolist()
    smooth = sitk.DiscreteGaussian(image, [sigma**2 for sigma in sigmas], 16, 0.01, True)
    size = np.maximum(np.ceil(np.array(image.GetSize()) * spacing / _WORKING_SPACING), 8).astype(int).tolist()
    # The first voxel's corner stays where it is.
    shift = (np.full(3, _WORKING_SPACING) - spacing) / 2 / spacing
    origin = image.TransformContinuousIndexToPhysicalPoint(shift.tolist())
    grid = (size, sitk.Transform(), sitk.sitkLinear, origin, [_WORKING_SPACING] * 3, image.GetDirection())
    # Beyond the first and the last slice the picture goes on, so that thick slices are seen in full.
    return sitk.Resample(smooth, *grid, 0.0, sitk.sitkFloat32, True)


def _foreground(image: sitk.Image) -> sitk.Image:
    """Return the head and what is near: the air would only add noise."""
    import SimpleITK as sitk

    # The threshold lies between dark and bright tissue; half of it still parts tissue from air.
    threshold = sitk.OtsuThresholdImageFilter()
    threshold.Execute(image)
    near: sitk.Image = sitk.BinaryDilate(image > 0.5 * threshold.GetThreshold(), [4] * 3, sitk.sitkBox)
    return near


def _agreement(fixed: sitk.Image, moving: sitk.Image, transform: sitk.Transform) -> float:
    import SimpleITK as sitk

    method = sitk.ImageRegistrationMethod()
    method.SetNumberOfWorkUnits(_THREADS)
    method.SetMetricAsMattesMutualInformation(_BINS)
    method.SetMetricFixedMask(_foreground(fixed))
    method.SetInterpolator(sitk.sitkLinear)
    method.SetInitialTransform(transform)
    try:
        return -float(method.MetricEvaluate(fixed, moving))
    except RuntimeError:
        return -np.inf


def _centre(image: sitk.Image) -> tuple[float, ...]:
    middle = [(length - 1) / 2 for length in image.GetSize()]
    return tuple(image.TransformContinuousIndexToPhysicalPoint(middle))
