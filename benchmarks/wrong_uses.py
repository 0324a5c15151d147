"""Wrong uses of a right case, made on purpose: what `napari_ddmd.case.guards` has to notice."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_ddmd.case import MODALITIES, MODALITY_LABELS, Case
from napari_ddmd.case.guards import Finding, Kind
from src_training.perturbations import biased

Images = NDArray[np.float32]
Spacing = tuple[float, float, float]
Wrong = tuple[Images, Spacing]

_PLANES = {"axial": (2, 3), "coronal": (1, 3), "sagittal": (1, 2)}


@dataclass(frozen=True)
class WrongUse:
    """One way to use a case wrongly.

    Attributes
    ----------
    name
        What was done.
    kind
        What should be said of it; None for what images cannot tell, of which nothing should be said.
    make
        Makes ``(C, S, H, W)`` and the spacing from right ones; draws what it leaves to chance from the generator.
    names
        Modalities that should be named.
    """

    name: str
    kind: Kind | None
    make: Callable[[Images, Spacing, np.random.Generator], Wrong]
    names: tuple[str, ...] = ()

    def is_noticed(self, findings: Iterable[Finding]) -> bool:
        """Tell whether one of the findings is the right one."""
        return any(found.kind is self.kind and all(name in found.text for name in self.names) for found in findings)


def wrong_uses() -> Iterator[WrongUse]:
    """All of them."""
    yield from _swaps()
    yield from _turns()
    yield from _heads()
    yield from _geometry()
    yield from _values()


def _swaps() -> Iterator[WrongUse]:
    def taking(order: list[int]) -> Callable[..., Wrong]:
        return lambda images, spacing, _rng: (images[order], spacing)

    for pair in combinations(range(4), 2):
        order = list(range(4))
        order[pair[0]], order[pair[1]] = pair[1], pair[0]
        labels = [MODALITY_LABELS[MODALITIES[place]] for place in pair]
        yield WrongUse(f"swapped {' and '.join(labels)}", Kind.CONTRAST, taking(order), tuple(labels))
    yield WrongUse("all four named wrong", Kind.CONTRAST, taking([1, 2, 3, 0]))
    yield WrongUse("T1 pair and T2 pair swapped", Kind.CONTRAST, taking([2, 3, 0, 1]))
    for kept, lost in combinations(range(4), 2):
        order = list(range(4))
        order[lost] = kept
        labels = [MODALITY_LABELS[MODALITIES[place]] for place in (kept, lost)]
        yield WrongUse(f"{labels[0]} given as {labels[1]}, too", Kind.DUPLICATE, taking(order), tuple(labels))


def _turns() -> Iterator[WrongUse]:
    def turning(times: int, axes: tuple[int, int]) -> Callable[..., Wrong]:
        return lambda images, spacing, _rng: (np.rot90(images, times, axes), spacing)

    def mirroring(axis: int) -> Callable[..., Wrong]:
        return lambda images, spacing, _rng: (np.flip(images, axis), spacing)

    for plane, axes in _PLANES.items():
        for times in (1, 2, 3):
            yield WrongUse(f"turned {90 * times}°, {plane}", Kind.ORIENTATION, turning(times, axes))
    yield WrongUse("mirrored up-down", Kind.ORIENTATION, mirroring(1))
    yield WrongUse("mirrored front-back", Kind.ORIENTATION, mirroring(2))
    yield WrongUse("mirrored left-right", None, mirroring(3))


def _heads() -> Iterator[WrongUse]:
    def head(images: Images, spacing: Spacing, rng: np.random.Generator) -> Wrong:
        return with_head(images, spacing, rng), spacing

    def noisy_head(images: Images, spacing: Spacing, rng: np.random.Generator) -> Wrong:
        return with_noise(with_head(images, spacing, rng), rng), spacing

    yield WrongUse("skull and scalp, air 0", Kind.SKULL, head)
    yield WrongUse("skull and scalp, noisy air", Kind.SKULL, noisy_head)


def _geometry() -> Iterator[WrongUse]:
    def thinned(*sizes: float) -> Callable[..., Wrong]:
        def make(images: Images, spacing: Spacing, _rng: np.random.Generator) -> Wrong:
            steps = [max(1, round(size / own)) for size, own in zip(sizes, spacing, strict=True)]
            s, h, w = (own * step for own, step in zip(spacing, steps, strict=True))
            return images[(slice(None), *(slice(None, None, step) for step in steps))], (s, h, w)

        return make

    def claiming(factor: float) -> Callable[..., Wrong]:
        return lambda images, spacing, _rng: (images, (spacing[0] * factor, spacing[1] * factor, spacing[2] * factor))

    yield WrongUse("slices of 5 mm", Kind.SPACING, thinned(5, 1, 1))
    yield WrongUse("voxels of 4 mm", Kind.SPACING, thinned(4, 4, 4))
    yield WrongUse("voxels of 0.3 mm, by the header", Kind.SPACING, claiming(0.3))
    yield WrongUse("half the size", Kind.SIZE, lambda images, spacing, _rng: (images[:, ::2, ::2, ::2], spacing))
    yield WrongUse("1.3 times the size, by the header", Kind.SIZE, claiming(1.3))
    yield WrongUse("cut off 30 mm below the top", Kind.CROPPED, _cutting(0, 30, at_end=True))
    yield WrongUse("cut off 40 mm above the bottom", Kind.CROPPED, _cutting(0, 40, at_end=False))
    yield WrongUse("cut off 25 mm behind the front", Kind.CROPPED, _cutting(1, 25, at_end=False))
    yield WrongUse("cut off 25 mm from the left", Kind.CROPPED, _cutting(2, 25, at_end=True))
    yield WrongUse(
        "one modality shifted by 8 mm",
        Kind.ALIGNMENT,
        _one(lambda image, spacing: np.roll(image, math.ceil(8 / spacing[1]), 1)),
    )
    yield WrongUse("one modality turned 90°, axial", Kind.ALIGNMENT, _one(lambda image, _s: _turned(image, 1, (1, 2))))
    yield WrongUse("one modality upside down", Kind.ALIGNMENT, _one(lambda image, _s: image[::-1]))
    yield WrongUse(
        "one modality without its top 30 mm",
        Kind.ALIGNMENT,
        _one(lambda image, spacing: _cut(image, 0, round(30 / spacing[0]), True)),
    )


def _values() -> Iterator[WrongUse]:
    def each(change: Callable[[Images], Images]) -> Callable[..., Wrong]:
        return lambda images, spacing, _rng: (np.stack([change(image) for image in images]), spacing)

    def z_scored(image: Images) -> Images:
        brain = image != 0
        return np.where(brain, (image - image[brain].mean()) / image[brain].std(), 0).astype(np.float32)

    yield WrongUse("z-scored in the brain", Kind.NORMALISED, each(z_scored))
    yield WrongUse("z-scored, air and all", Kind.BACKGROUND, each(lambda image: (image - image.mean()) / image.std()))
    yield WrongUse("one modality with an offset", Kind.BACKGROUND, _one(lambda image, _s: image + image.max() / 20))
    yield WrongUse("noise around the brain", Kind.BACKGROUND, lambda images, s, rng: (with_noise(images, rng), s))
    yield WrongUse("one modality constant", Kind.FLAT, _one(lambda image, _s: (image != 0) * np.float32(100)))
    yield WrongUse("a mask as a modality", Kind.FLAT, _one(lambda image, _s: np.digitize(image, [1, image.max() / 3])))
    yield WrongUse("hardly a voxel", Kind.EMPTY, lambda images, s, _rng: (_speck(images), s))
    yield WrongUse("FLAIR is another T2", Kind.CONTRAST, _another_t2)
    for strength in (0.2, 0.4):
        yield WrongUse(f"bias fields, sd {strength:g} of their logarithm", Kind.UNEVEN, _biasing(strength))


def with_head(images: Images, spacing: Spacing, rng: np.random.Generator) -> Images:
    """A skull, 7 mm, and scalp around brains; they end where the image does."""
    # On a grid of 3 mm a distance is quick, and a head is smooth.
    steps = [max(1, round(3 / size)) for size in spacing]
    brain = (images != 0).any(axis=0)[tuple(slice(None, None, step) for step in steps)]
    sizes = [size * step for size, step in zip(spacing, steps, strict=True)]
    away = ndimage.distance_transform_edt(~brain, sizes)
    away = ndimage.zoom(away, steps, order=1, grid_mode=True, mode="nearest")
    away = away[tuple(slice(None, length) for length in images.shape[1:])].astype(np.float32)
    found = images.copy()
    for image in found:
        level = np.median(image[image != 0])
        bright = level * rng.uniform(0.8, 1.8)
        bone, fluid = level * rng.uniform(0.05, 0.25), level * rng.uniform(0.3, 0.9)
        shells = np.select([away < 3, away < 10, away < 17], [fluid, bone, bright], 0)
        shells *= 1 + 0.15 * rng.standard_normal(shells.shape, dtype=np.float32)
        image[:] = np.where(image == 0, np.maximum(shells, 0), image)
    return found


def with_noise(images: Images, rng: np.random.Generator) -> Images:
    """Noise of a magnitude image where there is nothing, 3 % of the brightest."""
    top = np.percentile(images, 99, axis=(1, 2, 3))[:, None, None, None]
    noise = np.hypot(*rng.standard_normal((2, *images.shape), dtype=np.float32)) * 0.03 * top
    return np.where(images == 0, noise, images).astype(np.float32)


def _cut(image: Images, axis: int, voxels: int, at_end: bool) -> Images:
    """An image without the outermost voxels of its brain."""
    there = np.flatnonzero((image != 0).any(axis=tuple(other for other in range(3) if other != axis)))
    rest = image.copy()
    gone: list[Any] = [slice(None)] * 3
    gone[axis] = slice(there[-1] + 1 - voxels, None) if at_end else slice(None, there[0] + voxels)
    rest[tuple(gone)] = 0
    return rest


def _cutting(axis: int, millimetres: int, *, at_end: bool) -> Callable[..., Wrong]:
    def make(images: Images, spacing: Spacing, _rng: np.random.Generator) -> Wrong:
        voxels = round(millimetres / spacing[axis])
        return np.stack([_cut(image, axis, voxels, at_end) for image in images]), spacing

    return make


def _biasing(strength: float) -> Callable[..., Wrong]:
    def make(images: Images, spacing: Spacing, rng: np.random.Generator) -> Wrong:
        s, h, w = spacing
        affine = np.array([[0, 0, -w, 0], [0, -h, 0, 0], [s, 0, 0, 0], [0, 0, 0, 1]])
        return biased(Case.from_arrays("made", images, affine), strength, rng).images, spacing

    return make


def _one(change: Callable[[Images, Spacing], Any]) -> Callable[..., Wrong]:
    """Change one modality, whichever chance says."""

    def make(images: Images, spacing: Spacing, rng: np.random.Generator) -> Wrong:
        found = images.copy()
        place = rng.integers(len(images))
        found[place] = change(images[place], spacing)
        return found, spacing

    return make


def _turned(image: Images, times: int, axes: tuple[int, int]) -> Images:
    """Turned in a plane, and cut or filled up to the shape that it had."""
    turned = np.rot90(image, times, axes)
    pads = [max(0, have - want) for have, want in zip(image.shape, turned.shape, strict=True)]
    padded = np.pad(turned, [(pad // 2, pad - pad // 2) for pad in pads])
    starts = [(have - want) // 2 for have, want in zip(padded.shape, image.shape, strict=True)]
    return padded[tuple(slice(start, start + want) for start, want in zip(starts, image.shape, strict=True))]


def _speck(images: Images) -> Images:
    found = np.zeros_like(images)
    middle = tuple(slice(length // 2, length // 2 + 4) for length in images.shape[1:])
    found[(slice(None), *middle)] = images.max()
    return found


def _another_t2(images: Images, spacing: Spacing, rng: np.random.Generator) -> Wrong:
    found = images.copy()
    t2 = images[MODALITIES.index("t2")]
    # Another echo time: other brightness of the same tissue, and noise of its own.
    again = t2.max() * (t2 / t2.max()) ** 0.7 * (1 + 0.1 * rng.standard_normal(t2.shape, dtype=np.float32))
    found[MODALITIES.index("flair")] = np.maximum(again, (t2 != 0) * 1.0)
    return found, spacing
