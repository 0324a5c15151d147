"""Brightness that changes smoothly across the head, as a receive coil leaves it: found by N4, and taken out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from threading import Lock
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import block_reduce

from napari_ddmd.case.naming import MODALITIES

Images = NDArray[np.float32] | Sequence[NDArray[np.float32]]
Item = TypeVar("Item")
Result = TypeVar("Result")

_PITCH_MM: Final = 8.0
"""Side of the blocks of voxels whose means N4 sees: a field is far coarser."""
_CELL_MM: Final = 40.0
"""Side of a cell of the spline that a field is made of."""
_ITERATIONS: Final = 50
_CONVERGENCE: Final = 1e-3
_FEWEST_BLOCKS: Final = 300
"""A seventh of a brain; from fewer no field can be told."""
_CONSTANT: Final = 1e-3
"""Range of the logarithms of an image below which it is none."""
_THINNEST: Final = 4
"""Blocks along an axis, which a cubic spline takes."""
ANATOMY: Final = 0.1
"""Strength of what N4 takes for a field where there is none: brains are not equally bright everywhere.

Of the 15 labelled BRATS patients 0.03 to 0.16 a modality, 0.09 on average.
"""

_one_at_a_time = Lock()


@dataclass(frozen=True, eq=False)
class _Blocks:
    """Means of blocks of voxels of each image, which are all that N4 sees."""

    means: NDArray[np.float32]  # (C, s, h, w)
    tissue: NDArray[np.bool_]  # (C, s, h, w), where an image shows any
    box: tuple[slice, ...]  # of the brain, in voxels
    size: tuple[int, ...]  # voxels along S, H and W
    spacing: tuple[float, ...]  # millimetres from one block to the next

    @classmethod
    def of(cls, images: Images, spacing: tuple[float, float, float]) -> _Blocks:
        brain = np.any([image != 0 for image in images], axis=0)
        (box,) = ndimage.find_objects(brain.view(np.uint8)) or [(slice(0, 1),) * 3]
        size = tuple(max(1, round(_PITCH_MM / mm)) for mm in spacing)

        def of_one(image: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
            seen = np.maximum(image[box], 0)
            share = block_reduce(seen > 0, size, np.mean)
            sums = block_reduce(seen, size, np.mean, func_kwargs={"dtype": np.float64})  # as large as float32 goes
            means = sums / np.maximum(share, np.finfo(np.float32).tiny)
            return means.astype(np.float32), share > 0.5

        means, tissue = zip(*_side_by_side(of_one, images), strict=True)
        sides = tuple(count * mm for count, mm in zip(size, spacing, strict=True))
        return cls(np.stack(means), np.stack(tissue), box, size, sides)


@dataclass(frozen=True, eq=False)
class BiasField:
    """The bias field of each modality of a case: what its images are to be divided by."""

    _blocks: _Blocks
    _logarithms: NDArray[np.float32]  # (C, s, h, w)

    @property
    def strengths(self) -> tuple[float, ...]:
        """Standard deviation of each field's logarithm over the brain; 0 where there is no image, or too little."""
        return tuple(
            float(field[there].std()) if there.any() else 0.0
            for field, there in zip(self._logarithms, self._blocks.tissue, strict=True)
        )

    @property
    def strength(self) -> float:
        """Root mean square of the strengths of all modalities that have a field."""
        return _root_mean_square([strength for strength in self.strengths if strength > 0])

    @property
    def relative_strength(self) -> float:
        """The same of each strength as a share of what tissue differs by: the middle 90 % of the logarithms without it.

        Another contrast, as a power of the brightness, changes it little.
        """
        blocks, found = self._blocks, []
        for mean, field, there, strength in zip(
            blocks.means, self._logarithms, blocks.tissue, self.strengths, strict=True
        ):
            if strength > 0:
                differs = _range(np.log(mean[there]) - field[there])
                if differs > _CONSTANT:
                    found.append(strength / differs)
        return _root_mean_square(found)

    def refined(self, lesion: NDArray[np.bool_] | None) -> BiasField:
        """Add to the field what N4 still finds in images that are divided by it.

        Parameters
        ----------
        lesion
            ``(S, H, W)``, left out of the estimate, which would take a large lesion for a bright part of the field.
        """
        blocks = self._blocks
        apart = None if lesion is None else block_reduce(lesion[blocks.box], blocks.size, np.any)

        def rest(channel: int) -> NDArray[np.float32]:
            tissue = blocks.tissue[channel]
            even: NDArray[np.float32] = blocks.means[channel] * np.exp(-self._logarithms[channel])
            return _n4(even, tissue if apart is None else tissue & ~apart, blocks.spacing)

        with _one_thread_each():
            found = _side_by_side(rest, range(len(blocks.means)))
        return replace(self, _logarithms=self._logarithms + np.stack(found))

    def taken_out(self, images: NDArray[np.float32], *, wholly: bool = False) -> NDArray[np.float32]:
        """Images ``(C, S, H, W)`` without their fields; what is 0 stays 0.

        Parameters
        ----------
        images
            Those that the field was found in.
        wholly
            Without what anatomy alone would show, too. By default the share 1 - (ANATOMY / s)² of a field of strength s
            is taken out: Wiener's filter, where the field that was there and the anatomy's are independent.
        """
        blocks, strengths, even = self._blocks, self.strengths, images.copy()

        def divide(channel: int) -> None:
            share = 1.0 if wholly else 1 - (ANATOMY / max(strengths[channel], ANATOMY)) ** 2
            if share > 0:
                inside = even[channel][blocks.box]
                field = ndimage.zoom(self._logarithms[channel], blocks.size, order=1, mode="nearest", grid_mode=True)
                inside *= np.exp(-share * field[tuple(map(slice, inside.shape))])

        _side_by_side(divide, range(len(images)))
        return even


def find_bias_field(
    images: Images,
    spacing: tuple[float, float, float],
    *,
    lesion: NDArray[np.bool_] | None = None,
) -> BiasField:
    """Find the bias field of each modality by N4 (Tustison et al., IEEE Trans. Med. Imaging 29:1310, 2010).

    Parameters
    ----------
    images
        ``(C, S, H, W)``, 0 outside the brain.
    spacing
        Millimetres along S, H and W.
    lesion
        ``(S, H, W)``, left out of the estimate.

    Returns
    -------
    BiasField
        The same for any number of threads; none where there is too little to tell it from.
    """
    blocks = _Blocks.of(images, spacing)
    return BiasField(blocks, np.zeros_like(blocks.means)).refined(lesion)


def _n4(image: NDArray[np.float32], seen: NDArray[np.bool_], spacing: tuple[float, ...]) -> NDArray[np.float32]:
    """Logarithm of the field of one image of blocks, as those tell that are seen; its mean over these is 0."""
    if seen.sum() < _FEWEST_BLOCKS or min(image.shape) < _THINNEST or _range(np.log(image[seen])) <= _CONSTANT:
        return np.zeros(image.shape, np.float32)
    import SimpleITK as sitk

    method = sitk.N4BiasFieldCorrectionImageFilter()
    method.SetMaximumNumberOfIterations([_ITERATIONS])
    method.SetConvergenceThreshold(_CONVERGENCE)
    cells = [max(1, round(length * mm / _CELL_MM)) for length, mm in zip(image.shape, spacing, strict=True)]
    method.SetNumberOfControlPoints([count + 3 for count in reversed(cells)])
    given = sitk.GetImageFromArray(image.astype(np.float32))
    method.Execute(given, sitk.GetImageFromArray(seen.astype(np.uint8)))
    field: NDArray[np.float32] = sitk.GetArrayFromImage(method.GetLogBiasFieldAsImage(given)).astype(np.float32)
    field -= field[seen].mean()
    return field


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Let ITK split no sum among threads in the block: its digits would depend on their number.

    The filter's own number does not reach the splines that it fits; the number for all is that of the process, and is
    put back.
    """
    from SimpleITK import ProcessObject

    with _one_at_a_time:
        before = ProcessObject.GetGlobalDefaultNumberOfThreads()
        ProcessObject.SetGlobalDefaultNumberOfThreads(1)
        try:
            yield
        finally:
            ProcessObject.SetGlobalDefaultNumberOfThreads(before)


def _range(values: NDArray[np.float32]) -> float:
    """What the middle 90 % of values differ by."""
    low, high = np.percentile(values, (5, 95))
    return float(high - low)


def _root_mean_square(values: list[float]) -> float:
    return float(np.sqrt(np.mean(np.square(values)))) if values else 0.0


def _side_by_side(work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Results for all modalities, each in a thread of its own."""
    with ThreadPoolExecutor(len(MODALITIES), "bias_field") as pool:
        return list(pool.map(work, items))
