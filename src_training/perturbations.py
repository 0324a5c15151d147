"""What goes wrong with real images, in measured strengths: a case as another scanner would have shown it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_ddmd.case import MODALITIES, Case

FOREGROUND_PERCENTILE = 99.5
"""Of a modality's brain voxels; noise and gamma are told in units of this brightness."""


_LEAST = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True)
class Perturbation:
    """One way in which images differ, and how strongly.

    Attributes
    ----------
    name
        For people.
    unit
        What the strengths are counted in.
    strengths
        Those that are judged, from mild to strong.
    apply
        ``apply(case, strength, rng)``: the case as it would be.
    """

    name: str
    unit: str
    strengths: tuple[float, ...]
    apply: Callable[[Case, float, np.random.Generator], Case]


def scaled(case: Case, strength: float, rng: np.random.Generator) -> Case:
    """Multiply each modality by a factor of its own, ``strength`` to the power of -1 to 1."""
    factors = strength ** rng.uniform(-1, 1, (len(MODALITIES), 1, 1, 1))
    return replace(case, images=(case.images * factors).astype(np.float32))


def gamma_shifted(case: Case, strength: float, _rng: np.random.Generator) -> Case:
    """Raise intensities, in units of the modality's bright end, to the power of ``strength``."""

    def shift(image: NDArray[np.float32], top: float) -> NDArray[np.float32]:
        return np.asarray(top * (np.maximum(image, 0) / top) ** strength, np.float32)

    return _each(case, shift)


def blurred(case: Case, strength: float, _rng: np.random.Generator) -> Case:
    """Blur with a Gaussian of a full width at half maximum of ``strength`` mm; the brain keeps its border."""
    sigma = [strength / 2.355 / spacing for spacing in case.spacing]
    weight = np.maximum(ndimage.gaussian_filter(case.brain.astype(np.float32), sigma), 1e-3)

    def blur(image: NDArray[np.float32], _top: float) -> NDArray[np.float32]:
        return np.asarray(ndimage.gaussian_filter(image, sigma) / weight)

    return _each(case, blur)


def noisy(case: Case, strength: float, rng: np.random.Generator) -> Case:
    """Add Rician noise of a standard deviation of ``strength`` times the modality's bright end."""

    def add(image: NDArray[np.float32], top: float) -> NDArray[np.float32]:
        real, imaginary = strength * top * rng.standard_normal((2, *image.shape), dtype=np.float32)
        return np.asarray(np.hypot(image + real, imaginary), np.float32)

    return _each(case, add)


def biased(case: Case, strength: float, rng: np.random.Generator) -> Case:
    """Multiply by a smooth bias field, exp of a random field of standard deviation ``strength``, 60 mm coarse."""

    def bias(image: NDArray[np.float32], _top: float) -> NDArray[np.float32]:
        cells = [max(2, round(n * mm / 60) + 1) for n, mm in zip(image.shape, case.spacing, strict=True)]
        coarse = rng.standard_normal(cells)
        field = ndimage.zoom(coarse, [n / c for n, c in zip(image.shape, cells, strict=True)], order=3)
        field = field[tuple(slice(n) for n in image.shape)]
        inside = field[case.brain]
        return np.asarray(image * np.exp(strength * (field - inside.mean()) / inside.std()), np.float32)

    return _each(case, bias)


def thick_slices(case: Case, strength: float, _rng: np.random.Generator) -> Case:
    """Average neighbouring slices to slices of about ``strength`` mm; a voxel is lesion where half of it is."""
    step = max(1, round(strength / case.spacing[0]))
    count = case.images.shape[1] // step

    def thick(volume: NDArray[np.float32]) -> NDArray[np.float32]:
        kept = volume[..., : count * step, :, :]
        return np.asarray(kept.reshape(*volume.shape[:-3], count, step, *volume.shape[-2:]).mean(axis=-3))

    height, row, column = case.spacing
    affine = np.array([[0, 0, -column, 0], [0, -row, 0, 0], [height * step, 0, 0, 0], [0, 0, 0, 1.0]])
    mask = None if case.mask is None else (thick((case.mask > 0).astype(np.float32)) >= 0.5).astype(np.uint8)
    made = Case.from_arrays(case.name, np.zeros_like(case.images[:, :count]) + 1, affine)
    return replace(made, images=thick(case.images), mask=mask)


def without(modality: str) -> Callable[[Case, float, np.random.Generator], Case]:
    """Leave one modality out: it is 0 everywhere."""
    channel = MODALITIES.index(modality)

    def leave_out(case: Case, _strength: float, _rng: np.random.Generator) -> Case:
        images = case.images.copy()
        images[channel] = 0
        return replace(case, images=images)

    return leave_out


def _each(case: Case, change: Callable[[NDArray[np.float32], float], NDArray[np.float32]]) -> Case:
    """Change each modality, told its bright end; what is outside the brain stays 0, what is inside stays brain."""
    images = np.zeros_like(case.images)
    for channel, image in enumerate(case.images):
        own = case.brain & (image != 0)
        if own.any():
            top = max(float(np.percentile(image[own], FOREGROUND_PERCENTILE)), _LEAST)
            changed = change(image, top)
            images[channel] = np.where(own, np.where(changed == 0, _LEAST, changed), 0)
    return replace(case, images=images)


PERTURBATIONS: dict[str, Perturbation] = {
    "scale": Perturbation("intensities scaled", "times, at most", (10.0,), scaled),
    "gamma": Perturbation("gamma", "exponent", (0.6, 0.8, 1.25, 1.6), gamma_shifted),
    "blur": Perturbation("blur", "mm full width", (1.5, 2.5, 4.0), blurred),
    "noise": Perturbation("noise", "of the bright end", (0.03, 0.06, 0.12), noisy),
    "bias": Perturbation("bias field", "sd of its logarithm", (0.1, 0.2, 0.4), biased),
    "thickness": Perturbation("slice thickness", "mm", (3.0, 5.0), thick_slices),
    **{
        f"no_{modality}": Perturbation(f"no {modality}", "left out", (1.0,), without(modality))
        for modality in MODALITIES
    },
}
