"""Slices between two that were drawn by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Gap:
    """Slices between two that were drawn, where shapes of the one have partners on the other.

    Attributes
    ----------
    low, high : int
        The two slices.
    pairs : sequence of pairs of (H, W) ndarrays of bool
        Shapes of the one and of the other that belong together.
    kept : frozenset of int
        Slices between that were drawn, too, and hold none of these shapes: what is there stays.
    """

    low: int
    high: int
    pairs: Sequence[tuple[Mask, Mask]]
    kept: frozenset[int]


def gaps_between(mask: Mask, drawn: Sequence[int], spacing: Sequence[float]) -> list[Gap]:
    """Find the gaps between slices that were drawn by hand, for each shape by itself.

    A shape goes on in those that it overlaps on the next slice drawn, else in the one that is nearest to it, and it to
    that one, if they are no farther apart than the smaller of them is wide. Where there are none, it is looked for on
    the slices after that, on which other lesions may be drawn alone: there, what it overlaps counts.

    Parameters
    ----------
    mask : (S, H, W) ndarray of bool
        The lesions.
    drawn : sequence of int
        The slices, ascending.
    spacing : sequence of float
        Voxel size in millimetres along S, H and W.
    """
    found: list[Gap] = []
    open_ends: dict[int, Mask] = {}  # shapes that have not gone on yet, by their slices
    for place, high in enumerate(drawn):
        left = mask[high]
        for low in sorted(open_ends, reverse=True):
            ends = open_ends[low]
            is_next = low == drawn[place - 1]
            if not (is_next or (ends & left).any()):
                continue
            if not (pairs := _pairs(ends, left, spacing[1:] if is_next and high - low > 1 else None)):
                continue
            first, last = (np.logical_or.reduce(shapes) for shapes in zip(*pairs, strict=True))
            open_ends[low], left = ends & ~first, left & ~last
            if high - low > 1:
                found.append(Gap(low, high, pairs, frozenset(drawn).intersection(range(low + 1, high))))
        open_ends = {low: ends for low, ends in open_ends.items() if ends.any()} | {high: mask[high]}
    return found


def interpolate(mask: Mask, gap: Gap, spacing: Sequence[float]) -> Mask:
    """Fill a gap with shapes that turn from one into the other.

    The signed distance to the outline is blended (Raya and Udupa, IEEE Trans Med Imaging 1990), for each pair of shapes
    by itself; those that do not overlap move along as they turn. Shapes without a partner, and other lesions, which lie
    wholly between the two slices, stay as they are.

    Parameters
    ----------
    mask : (S, H, W) ndarray of bool
        What the pairs have between them is replaced, but on slices that were drawn.
    gap : Gap
        Of this mask.
    spacing : sequence of float
        Voxel size in millimetres along S, H and W.
    """
    filled, low, high = mask.copy(), gap.low, gap.high
    filled[low + 1 : high] = _left_between(mask[low : high + 1], gap.pairs, spacing[1:])
    for index in gap.kept:
        filled[index] = mask[index]
    for first, last in gap.pairs:
        shift = np.zeros(2)
        if not (first & last).any():
            shift = np.subtract(ndimage.center_of_mass(last), ndimage.center_of_mass(first))
        window, margins = _window(first | last, shift)
        inside = tuple(slice(before, -after or None) for before, after in margins)
        start, end = (_signed_distance(np.pad(shape[window], margins), spacing[1:]) for shape in (first, last))
        for index in range(low + 1, high):
            share = (index - low) / (high - low)
            blend = (1 - share) * _moved(start, share * shift) + share * _moved(end, (share - 1) * shift)
            filled[index][window] |= blend[inside] > 0
    return filled


def _pairs(first: Mask, last: Mask, spacing: Sequence[float] | None) -> list[tuple[Mask, Mask]]:
    """Pair the shapes of two slices; one that falls apart into several is paired with all of them.

    Without a spacing, only those that overlap.
    """
    meets = np.ones((3, 3, 3), bool)
    meets[[0, 2]] = False
    meets[:, 1, 1] = True  # within a slice by a corner, too, from one to the other only what overlaps
    shapes, _count = ndimage.label([first, last], structure=meets)
    numbers = [np.unique(each[each > 0]) for each in shapes]
    both = np.intersect1d(numbers[0], numbers[1])
    pairs = [(number, number) for number in both]
    if spacing is not None:
        pairs += _near_each_other(shapes, [np.setdiff1d(each, both) for each in numbers], spacing)
    return [(shapes[0] == one, shapes[1] == other) for one, other in pairs]


def _near_each_other(
    shapes: NDArray[np.int32], alone: Sequence[NDArray[np.int32]], spacing: Sequence[float]
) -> list[tuple[int, int]]:
    """Pair shapes that overlap none: each is the nearest to the other."""
    if not all(map(len, alone)):
        return []
    nearest: list[dict[int, int]] = []
    for own, others, numbers, wanted in zip(shapes, shapes[::-1], alone, alone[::-1], strict=True):
        distance, places = ndimage.distance_transform_edt(
            ~np.isin(others, wanted), sampling=spacing, return_indices=True
        )
        ends = ndimage.minimum_position(distance, own, numbers)
        widths = [2 * np.sqrt(np.count_nonzero(own == number) * np.prod(spacing) / np.pi) for number in numbers]
        nearest.append(
            {
                int(number): int(others[tuple(places[:, *end])])
                for number, end, width in zip(numbers, ends, widths, strict=True)
                if distance[end] <= width
            }
        )
    return [(one, other) for one, other in nearest[0].items() if nearest[1].get(other) == one]


def _left_between(mask: Mask, pairs: Sequence[tuple[Mask, Mask]], spacing: Sequence[float]) -> Mask:
    """Return what stays between the first and the last slice: all but what belongs to the pairs."""
    own, count = ndimage.label(mask, structure=np.ones((3, 3, 3)))
    paired = [np.logical_or.reduce(shapes) for shapes in zip(*pairs, strict=True)]
    ends = own[0], own[-1]
    goes, is_shared = np.zeros(count + 1, bool), np.zeros(count + 1, bool)
    for end, of_pairs in zip(ends, paired, strict=True):
        goes[end[of_pairs]] = True
        is_shared[end[~of_pairs]] = True
    is_shared &= goes
    goes[0] = True  # where there is nothing
    own = own[1:-1]
    left: Mask = np.zeros(own.shape, bool) if goes.all() else ~goes[own]
    if is_shared.any():
        # Of a lesion that shapes without a partner belong to, too, what is nearer to those stays.
        shapes = mask[0] | mask[-1]
        places = ndimage.distance_transform_edt(~shapes, sampling=spacing, return_distances=False, return_indices=True)
        left |= is_shared[own] & ~(paired[0] | paired[1])[tuple(places)]
    return left


def _window(shapes: Mask, shift: NDArray[np.float64]) -> tuple[tuple[slice, ...], list[tuple[int, int]]]:
    """Return what of the image is needed where shapes move by some pixels, and how much beyond the image."""
    window, margins = [], []
    for axis, (reach, length) in enumerate(zip(np.ceil(np.abs(shift)).astype(int), shapes.shape, strict=True)):
        taken = np.flatnonzero(shapes.any(axis=1 - axis))
        first, last = int(taken[0] - reach) - 2, int(taken[-1] + reach) + 3
        window.append(slice(max(first, 0), min(last, length)))
        margins.append((max(-first, 0), max(last - length, 0)))
    return tuple(window), margins


def _signed_distance(shape: Mask, spacing: Sequence[float]) -> NDArray[np.float64]:
    """Millimetres to the outline, positive inside."""
    inside: NDArray[np.float64] = ndimage.distance_transform_edt(shape, sampling=spacing)
    outside: NDArray[np.float64] = ndimage.distance_transform_edt(~shape, sampling=spacing)
    return inside - outside


def _moved(field: NDArray[np.float64], shift: NDArray[np.float64]) -> NDArray[np.float64]:
    if not shift.any():
        return field
    moved: NDArray[np.float64] = ndimage.shift(field, shift, order=1, mode="nearest")
    return moved
