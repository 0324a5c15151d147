"""The parts of a series whose headers differ: what lies where one has nothing, and what is told of that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from napari_ddmd.dicom.headers import SliceHeader
    from napari_ddmd.dicom.study import Series

# Share by which the pixels of one stack may differ: a quarter of a pixel at the edge of 256.
_SAME_SPACING: Final = 2e-3
_SAME_DIRECTION: Final = 1e-3
# Share of a step, but for the thinnest, within which a slice lies where a part has one.
_NEAR: Final = 0.1
# Millimetres between slices that are counted apart.
_APART: Final = 0.1


def lie_alike(one: SliceHeader, other: SliceHeader) -> bool:
    """Whether two slices have the same directions and size of pixels; in one stack the last digit may differ."""
    return np.allclose(one.orientation, other.orientation, rtol=0, atol=_SAME_DIRECTION) and np.allclose(
        one.spacing, other.spacing, rtol=_SAME_SPACING, atol=0
    )


def with_rest(parts: Iterable[Series]) -> Iterator[Series]:
    """Tell each part of a series how many slices of the others lie where it has none, in its plane."""
    planes: dict[tuple[str, str], list[list[Series]]] = {}
    for part in parts:
        known = planes.setdefault((part.facts.study_uid, part.facts.uid), [])
        for plane in known:
            if np.allclose(plane[0].normal, part.normal, rtol=0, atol=_SAME_DIRECTION):
                plane.append(part)
                break
        else:
            known.append([part])
    return chain.from_iterable(map(_with_rest, chain.from_iterable(planes.values())))


def parts_remarks(series: Iterable[Series]) -> Iterator[str]:
    """Tell of each series that is in parts what lies beside the largest of them, and beside any that can be used."""
    parts: dict[tuple[str, str], list[Series]] = {}
    for one in series:
        parts.setdefault((one.facts.study_uid, one.facts.uid), []).append(one)
    for several in parts.values():
        largest = max(several, key=lambda part: len(part.slices))
        for part in several:
            if part.elsewhere and (part is largest or part.problem is None):
                which = "the largest" if part is largest else "one that can be used"
                count = len(part.slices)
                yield (
                    f"{part.numbered} is in parts whose headers differ: {which} has {count} "
                    f"slice{'' if count == 1 else 's'}, others {part.elsewhere} at other places"
                )


def _with_rest(plane: Sequence[Series]) -> Iterator[Series]:
    headers = list(chain.from_iterable(part.slices for part in plane))
    places = np.array([np.dot(header.position, plane[0].normal) for header in headers])
    shapes, spacings = (np.array([getattr(header, name) for header in headers]) for name in ("shape", "spacing"))
    patients = np.array([header.facts.patient for header in headers])
    first = 0
    for part in plane:
        own = np.sort(places[first : first + len(part.slices)])
        first += len(part.slices)
        after = np.searchsorted(own, places).clip(1, max(len(own) - 1, 1))
        nearest = np.minimum(abs(places - own[after - 1]), abs(places - own[after % len(own)]))
        others = nearest > _NEAR * max(part.spacing[2], 1.0)
        alike = (shapes == part.slices[0].shape).all(axis=1)
        alike &= np.isclose(spacings, part.slices[0].spacing, rtol=_SAME_SPACING, atol=0).all(axis=1)
        alike &= patients == part.facts.patient  # of another patient's nothing goes on here
        # Of what has no identifier of a series nothing tells that it is one.
        beyond = _beyond(own, places[others & alike], part.spacing[2]) if part.facts.uid else 0
        yield replace(part, elsewhere=_count(places[others]), beyond=beyond)


def _beyond(own: NDArray[np.float64], others: NDArray[np.float64], step: float) -> int:
    """Count the slices past either end of a stack where one of them lies about a step from it."""
    ends = (own[0] - others[others < own[0]], others[others > own[-1]] - own[-1])
    return sum(_count(far) for far in ends if (abs(far - step) < step / 2).any())


def _count(places: NDArray[np.float64]) -> int:
    return int(places.size and 1 + np.count_nonzero(np.diff(np.sort(places)) > _APART))
