"""The series of a study: slices that belong together, in the order in which they lie in the patient."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_ddmd.case.header import LONGEST_AXIS, MOST_VOXELS
from napari_ddmd.dicom.errors import DicomError
from napari_ddmd.dicom.headers import SeriesFacts, SliceHeader, read_headers
from napari_ddmd.dicom.parts import lie_alike, parts_remarks, with_rest

_PLANES: Final = ("sagittal", "coronal", "axial")
# Share of a step by which the places of slices may differ from even ones: headers are rounded.
_UNEVEN: Final = 0.1
# Milliseconds, or share of the longer one, by which echo times of one stack may differ, whichever is the larger.
_SAME_ECHO: Final = (1.0, 0.05)
# Slices elsewhere, as a share of a part's own, of which it may be the whole all the same, beside other images; and
# those by which others of the same pixels go on where it ends.
_MOST_ELSEWHERE: Final = 0.25
_MOST_BEYOND: Final = 0.1
# Finer than a case's, to whose voxels it is brought: 640×640×320, half a gigabyte.
_MOST_VOXELS: Final = 2**27


class Examination(NamedTuple):
    """What tells an examination from others, none of which may be mixed with it.

    Attributes
    ----------
    study_uid, patient
        As in the header's facts.
    name
        That of the patient, as in the facts, where the study has no identifier; elsewhere it may have been corrected.
    """

    study_uid: str
    patient: str
    name: str

    @classmethod
    def of(cls, facts: SeriesFacts) -> Examination:
        """The examination that a header is of."""
        return cls(facts.study_uid, facts.patient, "" if facts.study_uid else facts.patient_name)


@dataclass(frozen=True, eq=False)
class Series:
    """Slices of one series that share size, direction and contrast, sorted along their normal.

    Parameters
    ----------
    slices : tuple of SliceHeader
        At least one.
    elsewhere : int
        Slices of the same series, in the same plane, that lie where this part of it has none: their headers differ.
    beyond : int
        Those of them, of the same pixels, that go on where it ends.
    names : frozenset of str
        All that its examination bears, as in the header's facts.
    """

    slices: tuple[SliceHeader, ...]
    elsewhere: int = 0
    beyond: int = 0
    names: frozenset[str] = frozenset()

    @property
    def facts(self) -> SeriesFacts:
        """What the header says."""
        return self.slices[0].facts

    @property
    def examination(self) -> Examination:
        """The examination that it is of."""
        return Examination.of(self.facts)

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
        return _PLANES[int(np.abs(self.normal).argmax())]

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
        affine[:3, 2] = self.normal * (self.spacing[2] or 1.0)
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
        if self.is_doubled:
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
        sideways = places - places[0] - np.outer((places - places[0]) @ self.normal, self.normal)
        if np.abs(sideways).max() > 0.5 * min(self.spacing[:2]):
            return "has slices that are shifted against each other (a tilted gantry)"
        count = len(self.slices)
        if self.elsewhere > _MOST_ELSEWHERE * count or self.beyond > _MOST_BEYOND * count:
            return f"is part of a series whose headers differ: {self.elsewhere} of its slices lie elsewhere"
        return None

    @cached_property
    def is_doubled(self) -> bool:
        """Whether several slices lie at one place."""
        step = float(np.median(self._steps)) if self._steps.size else 1.0
        return step <= 0 or bool((self._steps < _UNEVEN * max(step, 0.1)).any())

    @cached_property
    def normal(self) -> NDArray[np.float64]:
        """Direction from slice to slice, of length 1, in LPS."""
        return _normal(self.slices[0])

    @cached_property
    def _steps(self) -> NDArray[np.float64]:
        return np.diff([np.dot(header.position, self.normal) for header in self.slices])


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

    @cached_property
    def remarks(self) -> tuple[str, ...]:
        """What the user should know of the folder, one line each, without names of files: they may be the patient's."""
        count = len(self.unreadable)
        left_out = f"{count} file{'' if count == 1 else 's'} could not be read and {_are(count)} left out"
        return (*dict.fromkeys(parts_remarks(self.series)), *([left_out] if count else []))


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
        what = "not a folder" if os.path.lexists(place) else "no such folder"
        raise DicomError(f"{place}: {what}; choose the folder of a DICOM study")
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
    """Put slices together to series; copies of one image count once.

    Slices of two patients, frames of reference, sizes or directions make no series together. Those whose image types
    differ, or whose echo times do a little, make one where they fill each other's gaps.
    """
    unique = {(header.uid, header.frame): header for header in slices}
    stacks: dict[object, list[list[SliceHeader]]] = {}
    frames = _frames_of_reference(unique.values())
    for header in unique.values():
        if not frames[header.facts.study_uid, header.facts.uid]:
            header = replace(header, facts=replace(header.facts, frame_of_reference=""))
        facts = header.facts
        kind = (Examination.of(facts), facts.uid, facts.frame_of_reference, facts.b_value, header.shape)
        # What is measured is compared, not rounded: slices of one stack may differ in the last digit.
        for stack in stacks.setdefault(kind, []):
            if lie_alike(stack[0], header):
                stack.append(header)
                break
        else:
            stacks[kind].append([header])
    parts = [part for same_kind in stacks.values() for stack in same_kind for part in _by_contrast(stack)]
    found = _with_names(list(with_rest(map(_series, parts))))
    # Frames of a multi-frame file are as good as files; of equal numbers the longest stack comes first.
    return tuple(sorted(found, key=lambda one: (one.facts.study_uid, one.facts.number or 0, -len(one.slices))))


def _frames_of_reference(slices: Iterable[SliceHeader]) -> dict[tuple[str, str], bool]:
    """Whether the frames of reference of a series tell anything: an anonymiser may give each file one of its own."""
    frames: dict[tuple[str, str], list[str]] = {}
    for header in slices:
        frames.setdefault((header.facts.study_uid, header.facts.uid), []).append(header.facts.frame_of_reference)
    return {series: len(told) < 2 or 2 * len(set(told)) <= len(told) for series, told in frames.items()}


def _with_names(parts: Sequence[Series]) -> Iterator[Series]:
    """Tell each series which names its examination bears."""
    names: dict[Examination, set[str]] = {}
    for part in parts:
        names.setdefault(part.examination, set()).update(header.facts.patient_name for header in part.slices)
    return (replace(part, names=frozenset(names[part.examination] - {""})) for part in parts)


def _by_contrast(stack: list[SliceHeader]) -> Iterator[list[SliceHeader]]:
    """Split slices of one geometry by image type and echo time, but for those that belong together all the same."""
    parts: dict[tuple[object, float | None], list[SliceHeader]] = {}
    for header in stack:
        parts.setdefault((header.facts.image_type, header.facts.echo_time), []).append(header)
    for like in _alike_in_echo({echo for _type, echo in parts}):
        near = {key: part for key, part in parts.items() if key[1] in like}
        together = list(chain.from_iterable(near.values()))
        if len(near) > 1 and _series(together).problem is None:
            yield together
            continue
        for image_type in dict.fromkeys(kind for kind, _echo in near):
            echoes = [part for (kind, _echo), part in near.items() if kind == image_type]
            whole = list(chain.from_iterable(echoes))
            # Slices at one place are of echoes that differ on purpose.
            yield from echoes if _series(whole).is_doubled else [whole]


def _alike_in_echo(times: set[float | None]) -> list[set[float | None]]:
    """Put echo times together that differ no more than headers of one series do."""
    groups: list[set[float | None]] = [{None}] if None in times else []
    shortest = -math.inf
    for time in sorted(time for time in times if time is not None):
        if time - shortest > max(_SAME_ECHO[0], _SAME_ECHO[1] * time):
            groups.append(set())
            shortest = time
        groups[-1].add(time)
    return groups


def _series(stack: list[SliceHeader]) -> Series:
    return Series(_sorted(stack))


def _sorted(stack: list[SliceHeader]) -> tuple[SliceHeader, ...]:
    normal = _normal(stack[0])
    return tuple(sorted(stack, key=lambda header: float(np.dot(header.position, normal))))


def _normal(header: SliceHeader) -> NDArray[np.float64]:
    normal = np.cross(header.orientation[:3], header.orientation[3:])
    length = float(np.linalg.norm(normal))
    return np.asarray(normal / length if length else (0.0, 0.0, 1.0), dtype=np.float64)


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
