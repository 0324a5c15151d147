"""What runs have said, while the results of another are on screen: who takes that one back needs them again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_ddmd.viewer.layer_tag import Role

if TYPE_CHECKING:
    from napari_ddmd.viewer.run_settings import Recipe
    from napari_ddmd.volumes import Volumes

# A whole case in BRATS form with five samples and both maps takes some 200 MB.
MOST_RUNS, MOST_BYTES = 3, 768 * 2**20


@dataclass(frozen=True)
class KeptRun:
    """A run and how it was looked at.

    Attributes
    ----------
    recipe : Recipe
        Its settings.
    volumes : Volumes
        Its results.
    sample : int
        Which sampled mask was on screen, from 0.
    limits : dict of Role to (float, float)
        Between which its maps were displayed.
    """

    recipe: Recipe
    volumes: Volumes
    sample: int
    limits: dict[Role, tuple[float, float]]

    @classmethod
    def of(
        cls, recipe: Recipe | None, volumes: Volumes | None, sample: int, limits: dict[Role, tuple[float, float]]
    ) -> KeptRun | None:
        """A run, if there was one."""
        return None if recipe is None or volumes is None else cls(recipe, volumes, sample, limits)

    @property
    def nbytes(self) -> int:
        """Memory of its results."""
        return self.volumes.nbytes


class KeptRuns:
    """The runs before the one on screen, by their numbers: the latest few, within some memory.

    Parameters
    ----------
    most : int
        Runs that are kept.
    most_bytes : int
        What they may take together; the latest is kept in any case.
    """

    def __init__(self, most: int = MOST_RUNS, most_bytes: int = MOST_BYTES) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._runs: dict[int, KeptRun] = {}

    @property
    def numbers(self) -> frozenset[int]:
        """Of the runs that are kept."""
        return frozenset(self._runs)

    @property
    def recipes(self) -> list[Recipe]:
        """Of the runs that are kept."""
        return [run.recipe for run in self._runs.values()]

    def keep(self, number: int, run: KeptRun) -> None:
        """Keep a run that leaves the screen; those that have left it longest ago make room for it."""
        self._runs[number] = run
        while len(self._runs) > 1 and (len(self._runs) > self._most or self._nbytes > self._most_bytes):
            del self._runs[next(iter(self._runs))]

    def exchange(self, number: int, shown: int, run: KeptRun | None) -> KeptRun | None:
        """Give a run back for the one on screen, which is kept instead; None, and no more, where it is not there.

        Together they take as much memory as before: none has to go, which an undo or a redo to come would miss.

        Parameters
        ----------
        number : int
            Of the run that is wanted.
        shown : int
            Of the one on screen.
        run : KeptRun or None
            That one; None where nothing is on screen.
        """
        wanted = self._runs.pop(number, None)
        if wanted is not None and run is not None:
            self._runs[shown] = run
        return wanted

    def number_of(self, recipe: Recipe) -> int | None:
        """The number of the latest run that was made the same way; None where there is none."""
        same = (number for number in reversed(self._runs) if recipe.matches(self._runs[number].recipe))
        return next(same, None)

    def __getitem__(self, number: int) -> KeptRun:
        """The run of a number, which stays here."""
        return self._runs[number]

    @property
    def _nbytes(self) -> int:
        return sum(run.nbytes for run in self._runs.values())
