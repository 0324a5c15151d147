"""How many slices of which kind there are, in the slice store or in the cases themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_ddmd.case import CaseError, load_case
from src_training.case_bar import case_bar
from src_training.cases import FaultyCasesError, labelled_cases
from src_training.dataset import draw_balanced_set, rows_of
from src_training.folds import lesion_hash
from src_training.prepare import describe_slices, folds_of
from src_training.recipe import Recipe
from src_training.run import Run


@dataclass(frozen=True)
class Census:
    """How many slices of which kind each case has.

    Attributes
    ----------
    folds
        Fold of each case.
    unhealthy
        ``(n,)`` for each case: the image-level labels of the slices that are kept.
    judged
        Number of slices of each case that are judged when it is held out.
    """

    folds: dict[str, int]
    unhealthy: dict[str, NDArray[np.bool_]]
    judged: dict[str, int]

    @classmethod
    def of(cls, run: Run) -> Census:
        """Count in the slice store where there is one, else in the cases, which takes about a second each."""
        recipe = run.recipe
        if run.index_path.exists():
            folds = run.stored_folds()
            entries = run.index()
        else:
            labelled = labelled_cases(recipe.data)
            names = [files.name for files in labelled]
            run.splits(folds_of(recipe, names))  # what cannot be held out is refused before anything is read
            with case_bar(labelled, "count", len(labelled)) as bar:
                entries, faults, lesions = {}, [], dict[str, str | None]()
                for files in bar:
                    try:
                        entries[files.name] = describe_slices(load_case(files), recipe.slices)
                        lesions[files.name] = None if files.mask is None else lesion_hash(files.mask)
                    except CaseError as error:
                        faults.append(error)
            if faults:
                raise FaultyCasesError(faults)
            folds = folds_of(recipe, names, lesions)
            run.splits(folds, lesions)
        return cls(
            folds,
            {name: np.array(entry["unhealthy"], bool) for name, entry in entries.items()},
            {name: int(entry["judged"]) for name, entry in entries.items()},
        )

    def imagined(self, names: Sequence[str], recipe: Recipe) -> Census:
        """Patients who are still to be made, as if they had the slices of these, in turn."""
        known = sorted(self.unhealthy)
        twins = {name: known[place % len(known)] for place, name in enumerate(names)}
        return Census(
            folds_of(recipe, list(names)),
            {name: self.unhealthy[twin] for name, twin in twins.items()},
            {name: self.judged[twin] for name, twin in twins.items()},
        )

    def kinds(self, cases: Sequence[str]) -> tuple[int, int]:
        """Healthy and unhealthy slices of some cases."""
        labels = np.concatenate([self.unhealthy[case] for case in cases])
        return int((~labels).sum()), int(labels.sum())

    def learned_from(self, cases: Sequence[str], recipe: Recipe) -> tuple[int, int]:
        """The same of the training set that they make, balanced where the recipe asks for it."""
        if not recipe.slices.balance_sets:
            return self.kinds(cases)
        labels = [self.unhealthy[case] for case in cases]
        kept = draw_balanced_set(cases, rows_of([len(own) for own in labels]), np.concatenate(labels), recipe.seed)
        drawn = np.concatenate(labels)[kept]
        return int((~drawn).sum()), int(drawn.sum())
