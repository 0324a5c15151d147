"""The series of a study: slices that belong together, in the order in which they lie in the patient."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_ddmd.case.header import LONGEST_AXIS, MOST_VOXELS
from napari_ddmd.dicom.errors import DicomError
from napari_ddmd.dicom.headers import SeriesFacts, SliceHeader, read_headers

_PLANES: Final = ("sagittal", "coronal", "axial")
# Share of a step by which the places of slices may differ from even ones: headers are rounded.
_UNEVEN: Final = 0.1
_SAME_DIRECTION: Final = 1e-3
# Finer than a case's, to whose voxels it is brought: 640×640×320, half a gigabyte.
_MOST_VOXELS: Final = 2**27


@dataclass(frozen=True, eq=False)
class Series:
    """Slices of one series that share size, direction and contrast, sorted along their normal.

    Parameters
    ----------
    slices : tuple of SliceHeader
        At least one.
    """

    slices: tuple[SliceHeader, ...]

    @property
    def facts(self) -> SeriesFacts:
        """What the header says."""
        return self.slices[0].facts

    @property
    def label(self) -> str:
        """How the series is called for people, as ``series 5 "t1_mprage"``."""
        number = "" if self.facts.number is None else f" {self.facts.number}"
        return f'series{number} "{self.facts.description or self.facts.protocol or "without description"}"'

    @property
    def numbered(self) -> str:
        """The series without the words of its header, as ``series 5``."""
        return "series without a number" if self.facts.number is None else f"series {self.facts.number}"

    @property
    def plane(self) -> str:
        """The plane of the body that is nearest to the slices: sagittal, coronal or axial."""
        return _PLANES[int(np.abs(self._normal).argmax())]

    @property
    def size(self) -> tuple[int, int, int]:
        """Columns, rows and slices."""
        rows, columns = self.slices[0].shape
        return columns, rows, len(self.slices)

    @cached_property
    def spacing(self) -> tuple[float, float, float]:
        """Millimetres between columns, rows and slices; the last is 0 for a single slice.

        That of even slices is told by the first and the last of them: what headers round would add up over the stack.
        """
        rows, columns = self.slices[0].spacing
        if len(self.slices) < 2:
            return columns, rows, 0.0
        step = float(np.median(self._steps))
        is_even = bool((np.abs(self._steps - step) <= _UNEVEN * step).all())
        return columns, rows, float(self._steps.mean()) if is_even else step

    @cached_property
    def affine(self) -> NDArray[np.float64]:
        """From voxel indices (column, row, slice) to LPS millimetres, ``(4, 4)``."""
        first = self.slices[0]
        affine = np.eye(4)
        for axis, direction in enumerate(np.reshape(first.orientation, (2, 3))):
            affine[:3, axis] = direction / np.linalg.norm(direction) * self.spacing[axis]
        affine[:3, 2] = self._normal * (self.spacing[2] or 1.0)
        affine[:3, 3] = first.position
        return affine

    @cached_property
    def problem(self) -> str | None:
        """Say why the slices make no volume, None where they do."""
        if len(self.slices) < 2:
            return "holds a single slice"
        extent = np.multiply(self.size, self.spacing)
        if is_too_much(extent):
            return f"covers {'×'.join(f'{length:.0f}' for length in extent)} mm, more than a head"
        step = float(np.median(self._steps))
        if step <= 0 or (self._steps < _UNEVEN * max(step, 0.1)).any():
            return "holds several images at one place (time points or echoes)"
        if max(self.size) > LONGEST_AXIS or math.prod(self.size) > _MOST_VOXELS:
            return f"holds {'×'.join(map(str, self.size))} voxels, more than can be used"
        gaps = self._steps / step
        uneven = np.flatnonzero(np.abs(gaps - 1) > _UNEVEN)
        if uneven.size:
            missing = np.rint(gaps[uneven]).astype(int) - 1
            after = f"after slice {uneven[0] + 1} of {len(self.slices)}"
            if (missing > 0).all() and np.allclose(gaps[uneven], missing + 1, atol=_UNEVEN):
                count = int(missing.sum())
                return f"lacks {count} slice{'' if count == 1 else 's'} ({after}); copy the whole series again"
            widths = f"{self._steps.min():.2f} to {self._steps.max():.2f} mm"
            return f"has slices at uneven distances ({widths}, {after})"
        places = np.array([header.position for header in self.slices])
        sideways = places - places[0] - np.outer((places - places[0]) @ self._normal, self._normal)
        if np.abs(sideways).max() > 0.5 * min(self.spacing[:2]):
            return "has slices that are shifted against each other (a tilted gantry)"
        return None

    @cached_property
    def _normal(self) -> NDArray[np.float64]:
        return _normal(self.slices[0])

    @cached_property
    def _steps(self) -> NDArray[np.float64]:
        return np.diff([np.dot(header.position, self._normal) for header in self.slices])


@dataclass(frozen=True, eq=False)
class Study:
    """What a study folder holds.

    Parameters
    ----------
    folder : Path
        Where it was read.
    series : tuple of Series
        By study and series number.
    unreadable : tuple of Path
        DICOM files that could not be read.
    """

    folder: Path
    series: tuple[Series, ...]
    unreadable: tuple[Path, ...] = ()

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the user should know of the folder, one line each, without names of files: they may be the patient's."""
        if not self.unreadable:
            return ()
        count = len(self.unreadable)
        return (f"{count} file{'' if count == 1 else 's'} could not be read and {_are(count)} left out",)


def find_study(folder: str | os.PathLike[str]) -> Study:
    """Find all series of MR or other images under a folder, from headers alone.

    Parameters
    ----------
    folder : path-like
        Searched to any depth; other files may lie in it.

    Raises
    ------
    DicomError
        If there is no such folder, no series in it, or the libraries are not installed.
    """
    place = Path(os.path.abspath(folder))  # noqa: PTH100 - a link keeps its name
    if not os.path.isdir(place):  # noqa: PTH112 - False, too, of a name that is too long for the system
        raise DicomError(f"{place}: no such folder; choose the folder of a DICOM study")
    headers = read_headers(place)
    series = group_slices(headers.slices)
    if not series:
        unreadable = f" ({headers.unreadable[0].name} cannot be read)" if headers.unreadable else ""
        raise DicomError(f"{place}: holds no DICOM images{unreadable}; choose the folder of a DICOM study")
    return Study(place, series, headers.unreadable)


def is_too_much(lengths: Sequence[float] | NDArray[np.float64]) -> bool:
    """Tell whether a volume has more cubes of 1 mm than the work on a case can do with."""
    longest, product = max(lengths), math.prod(map(float, lengths))
    return not (longest <= LONGEST_AXIS and product <= MOST_VOXELS)


def group_slices(slices: Iterable[SliceHeader]) -> tuple[Series, ...]:
    """Put slices together to series; copies of one image count once."""
    unique = {(header.uid, header.frame): header for header in slices}
    stacks: dict[object, list[list[SliceHeader]]] = {}
    for header in unique.values():
        facts = header.facts
        kind = (facts.study_uid, facts.uid, facts.image_type, facts.echo_time, facts.b_value, header.shape)
        # Orientations are compared, not rounded: those of one stack may differ in the last digit.
        for stack in stacks.setdefault(kind, []):
            if np.allclose(stack[0].orientation, header.orientation, rtol=0, atol=_SAME_DIRECTION):
                stack.append(header)
                break
        else:
            stacks[kind].append([header])
    found = [Series(_sorted(stack)) for same_kind in stacks.values() for stack in same_kind]
    # Frames of a multi-frame file are as good as files; of equal numbers the longest stack comes first.
    return tuple(sorted(found, key=lambda one: (one.facts.study_uid, one.facts.number or 0, -len(one.slices))))


def _sorted(stack: list[SliceHeader]) -> tuple[SliceHeader, ...]:
    normal = _normal(stack[0])
    return tuple(sorted(stack, key=lambda header: float(np.dot(header.position, normal))))


def _normal(header: SliceHeader) -> NDArray[np.float64]:
    normal = np.cross(header.orientation[:3], header.orientation[3:])
    length = float(np.linalg.norm(normal))
    return np.asarray(normal / length if length else (0.0, 0.0, 1.0), dtype=np.float64)


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
