"""What earlier runs of this user took, kept in the cache: settings, counts and seconds, nothing of any patient."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

import platformdirs

from napari_ddmd.whole_files import sweep, workplace

_FORMAT = 1
_MOST_RUNS, _MOST_PACES = 60, 20
_writing = Lock()


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How fast a model computes on a device, all threads side by side."""

    voxel_s: float
    """Preparing the case, for each of its voxels ``S × H × W``."""
    slice_s: float
    """Of one thread, for each slice: images, maps, and results on the case's grid."""
    call_s: float
    """Of one thread, for each call of the denoiser, whatever it is given."""
    row_s: float
    """Of one thread, for each mask in a call."""
    alone: float = 1.0
    """What is left of these when one thread computes by itself: cores share caches, or are two of one."""


@dataclass(frozen=True, kw_only=True)
class PastRun:
    """A run that was finished."""

    model: str
    """Hash of the weights."""
    device: str
    """As `napari_ddmd.device.device_line` words it."""
    slices: int
    """Slices with brain that were asked for."""
    samples: int
    steps: int
    sampler: str
    voxels: int
    """Of the case, ``S × H × W``."""
    computed: int
    """Evaluations of one mask that were really made."""
    seconds: float


_Kept = TypeVar("_Kept", Pace, PastRun)


def history_file() -> Path:
    """Where the history is kept."""
    return Path(platformdirs.user_cache_dir("napari-ddmd")) / "runs.json"


class RunHistory:
    """Paces that were measured, and the latest runs. A file that cannot be read or written does no harm.

    Parameters
    ----------
    path
        The JSON file; by default in the user's cache.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = history_file() if path is None else path

    def pace(self, key: str) -> Pace | None:
        """The pace that was measured under a key, None where none was."""
        return self._read()[0].get(key)

    def keep_pace(self, key: str, pace: Pace) -> None:
        """Keep a measured pace under a key."""

        def add(paces: dict[str, Pace], _runs: list[PastRun]) -> None:
            paces.pop(key, None)
            paces[key] = pace

        self._change(add)

    def runs(self, model: str, device: str) -> list[PastRun]:
        """Finished runs of a model on a device, the oldest first."""
        return [run for run in self._read()[1] if (run.model, run.device) == (model, device)]

    def keep_run(self, run: PastRun) -> None:
        """Keep a finished run; the oldest go."""
        self._change(lambda _paces, runs: runs.append(run))

    def _read(self) -> tuple[dict[str, Pace], list[PastRun]]:
        try:
            kept = json.loads(self.path.read_text(encoding="utf-8"))
            if kept["format"] != _FORMAT:
                raise ValueError("another format")
            paces = {str(key): _build(Pace, entry) for key, entry in kept["paces"].items()}
            return paces, [_build(PastRun, entry) for entry in kept["runs"]]
        except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
            return {}, []

    def _change(self, change: Callable[[dict[str, Pace], list[PastRun]], None]) -> None:
        with _writing:
            paces, runs = self._read()
            change(paces, runs)
            kept = {
                "format": _FORMAT,
                "paces": {key: asdict(pace) for key, pace in list(paces.items())[-_MOST_PACES:]},
                "runs": [asdict(run) for run in runs[-_MOST_RUNS:]],
            }
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                sweep(self.path.parent)
                with workplace(self.path.parent) as place:
                    fresh = place / self.path.name
                    fresh.write_text(json.dumps(kept, indent=1), encoding="utf-8")
                    # Not put on the disk at once: what a power cut empties is read as nothing learnt.
                    fresh.replace(self.path)
            except OSError:
                return  # an estimate that learns nothing is better than a run that fails


def _build(kind: type[_Kept], entry: Mapping[str, Any]) -> _Kept:
    """One entry of the file, refused unless every value is of the kind that was written."""
    wanted = {field.name: str(field.type) for field in fields(kind)}
    if set(entry) != set(wanted):
        raise ValueError(f"not a {kind.__name__}")
    for name, value in entry.items():
        if wanted[name] == "str":
            fits = isinstance(value, str)
        else:
            number = isinstance(value, int | float) and not isinstance(value, bool)
            fits = number and math.isfinite(value) and value >= 0
        if not fits:
            raise ValueError(f"{name} is {value!r}")
    return kind(**entry)
