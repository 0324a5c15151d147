"""The folder of a run: where each stage finds what the stage before it left."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from src_training.anatomy_files import anatomy_files, label_maps
from src_training.files import read_json
from src_training.fingerprints import in_words_of, told_slices
from src_training.folds import refuse_parted_patients
from src_training.recipe import DDMD_VARIANTS, PretrainingRecipe, Recipe, RecipeError, meets_synthetic, own_system
from src_training.slice_index import read_index
from src_training.start import LESSONS, PATIENTS_APART, refuse_seen, start_of


@dataclass(frozen=True)
class Run:
    """Paths of a run.

    ``slices/`` and ``ensembles/`` are shared by all splits; each split (``fold0`` … or ``final``) has a folder with its
    ``maps/``, and the ``diffusion/``, ``bundle/`` and ``evaluation/`` of the recipe's own variant. Other systems that
    the run compares with it have folders of their own in ``<split>/systems/``.

    Attributes
    ----------
    recipe
        The settings.
    system
        Name of another system of Table 1 than the recipe's own, or None.
    origin
        The run that another system's was made from.
    """

    recipe: Recipe
    system: str | None = None
    origin: Run | None = None

    @property
    def home(self) -> Run:
        """The run of the recipe's own variant."""
        return self.origin or self

    def for_system(self, name: str) -> Run:
        """The same run for another system of Table 1; a DDMD variant changes the model's settings with it."""
        recipe = self.home.recipe
        if name == own_system(recipe):
            return self.home
        if name in DDMD_VARIANTS:
            recipe = replace(recipe, model=replace(recipe.model, variant=DDMD_VARIANTS[name]))
        return Run(recipe, name, self.home)

    @property
    def root(self) -> Path:
        """The folder that the user named."""
        return self.recipe.out

    @property
    def slices(self) -> Path:
        """The slice store."""
        return self.root / "slices"

    @property
    def index_path(self) -> Path:
        """The list of cases and slices in the store."""
        return self.slices / "index.json"

    @property
    def ensembles(self) -> Path:
        """Trained AE-1 and AE-2, a folder for each set of patients."""
        return self.root / "ensembles"

    def synthetic(self) -> Run:
        """The run over synthetic patients that lies in ``synthetic/`` and has this run's settings."""
        recipe, settings, root = self.recipe, self.recipe.pretraining, self.root / "synthetic"
        return Run(
            replace(
                recipe,
                data=root / "patients",
                out=root,
                fold="final",
                slices=replace(recipe.slices, folds=2, fold_file=None),
                autoencoders=replace(recipe.autoencoders, epochs=settings.autoencoder_epochs),
                diffusion=replace(
                    recipe.diffusion, iterations=settings.iterations, learning_rate=settings.learning_rate
                ),
                pretraining=PretrainingRecipe(patients=0),
            ),
            self.system,
        )

    @property
    def patients_path(self) -> Path:
        """How many synthetic patients there are to be, and of which seed."""
        return self.root / "synthetic" / "patients.json"

    @property
    def patients_fingerprint(self) -> dict[str, Any]:
        """The settings that the synthetic patients depend on."""
        made = {"patients": self.recipe.pretraining.patients, "seed": self.patients_seed}
        return made | self._anatomy

    @property
    def patients_seed(self) -> int:
        """Of the synthetic patients: another one than others have where a model may have learned from theirs."""
        return self.recipe.seed + (PATIENTS_APART if self.recipe.start_from is not None else 0)

    @property
    def start_fingerprint(self) -> dict[str, Any]:
        """The weights that the training starts from, if from any."""
        start = start_of(self.recipe)
        return {} if start is None else {"start": [start.sha256, start.full_settings_sha256]}

    @property
    def pretraining_fingerprint(self) -> dict[str, Any]:
        """The settings of the pre-training, if any, with the names of its label maps in place of their folder."""
        if not self.recipe.pretraining.patients:
            return {"patients": 0}
        settings = self.recipe.to_dict()["pretraining"]
        apart = ["anatomy", "autoencoders"]  # the second stands in the fingerprints of ensembles and maps
        if self.recipe.start_from is not None:
            apart += LESSONS
        return {key: value for key, value in settings.items() if key not in apart} | self._anatomy

    @property
    def synthetic_fingerprint(self) -> dict[str, Any]:
        """What the ensembles of the run's patients depend on that is synthetic, if anything."""
        if not meets_synthetic(self.recipe):
            return {}
        settings = self.recipe.pretraining
        learned = {"epochs": settings.autoencoder_epochs, "share": settings.share}
        return {"synthetic": self.patients_fingerprint | learned}

    def anatomy_maps(self) -> list[Path]:
        """The label maps that the synthetic patients take their anatomy from.

        Once it is known whose these are, their folder may gain others, and be gone when all patients are made. One that
        has maps but lacks some of them is another folder.

        Raises
        ------
        RecipeError
            If the maps are not known yet, and the folder is missing or holds none.
        """
        settings = self.recipe.pretraining
        if settings.anatomy is None or not settings.patients:
            return []
        if self.patients_path.exists():
            made: dict[str, Any] = _kept_settings(self.patients_path)
            known = [settings.anatomy / name for name in made.get("anatomy", [])]
            found = label_maps(settings.anatomy)
            if known and (not found or set(known) <= set(found)):
                return known
        return anatomy_files(settings)

    @property
    def _anatomy(self) -> dict[str, Any]:
        names = [path.name for path in self.anatomy_maps()]
        return {"anatomy": names} if names else {}

    def check_patients(self) -> None:
        """Refuse synthetic patients that are missing, or other ones than the recipe asks for."""
        if not self.patients_path.exists():
            raise RecipeError(f"{self.patients_path.parent}: has no synthetic patients")
        self.check_fingerprint(self.patients_path, self.patients_fingerprint)

    @property
    def slices_fingerprint(self) -> dict[str, Any]:
        """The settings that the slice store depends on."""
        recipe = self.recipe.to_dict()
        return {
            "slices": told_slices(self.recipe, are_drawn=False),
            "frame": recipe["model"]["frame"],
            "context": recipe["model"]["context"],
            "normalisation": recipe["model"]["normalisation"],
        }

    @property
    def maps_fingerprint(self) -> dict[str, Any]:
        """The settings that the discrepancy maps depend on, beside the slice store."""
        recipe = self.recipe.to_dict()
        learned = () if self.recipe.start_from is not None else ("discrepancies", "autoencoders")
        kept = {key: recipe[key] for key in (*learned, "seed")}
        model = {"autoencoder": recipe["model"]["autoencoder"], "slices": told_slices(self.recipe, are_drawn=False)}
        return kept | model | self.synthetic_fingerprint | self.start_fingerprint

    def index(self) -> dict[str, Any]:
        """What the slice store says of each case."""
        cases: dict[str, Any] = self._store()["cases"]
        return cases

    def lesions(self) -> dict[str, str | None]:
        """Hash of each case's lesion, as far as there is a slice store that tells."""
        cases = self.index() if self.index_path.exists() else {}
        return {case: entry.get("lesion") for case, entry in cases.items()}

    def slices_as_stored(self) -> dict[str, Any]:
        """What the slice store says of the settings of its slices, in the words of the version that made it."""
        told: dict[str, Any] = self._store()["fingerprint"]["slices"]
        return told

    def _store(self) -> dict[str, Any]:
        return read_index(self.index_path)

    def stored_folds(self) -> dict[str, int]:
        """Fold of each case of the slice store; refuses one that was made with other settings or parts a patient."""
        if not self.index_path.exists():
            raise RecipeError(f"{self.root}: has no slice store; run the stage 'prepare' first")
        self.check_fingerprint(self.index_path, self.slices_fingerprint)
        folds = {case: int(entry["fold"]) for case, entry in self.index().items()}
        # One of an earlier version may part a patient who has two names.
        refuse_parted_patients(folds, self.lesions(), f"{self.index_path} (choose another --out)")
        return folds

    def split(
        self,
        name: str,
        folds: dict[str, int] | None = None,
        lesions: Mapping[str, str | None] | None = None,
    ) -> Split:
        """One split: ``final`` or a fold's number, of the slice store's folds and lesions unless others are given."""
        folds = self.stored_folds() if folds is None else folds
        if name == "final":
            return Split(self, "final", None, folds)
        if name not in map(str, folds.values()):
            known = ", ".join(map(str, sorted(set(folds.values()))))
            raise RecipeError(f"fold {name!r} does not exist; choose final, cv or one of {known}")
        split = Split(self, f"fold{name}", int(name), folds)
        lesions = self.lesions() if lesions is None else lesions
        start = start_of(self.recipe)
        if start is not None:
            refuse_seen(start, split.test_cases, split.name, lesions)
        return split

    def splits(
        self, folds: dict[str, int] | None = None, lesions: Mapping[str, str | None] | None = None
    ) -> list[Split]:
        """The splits that ``--fold`` asks for, of the slice store's folds and lesions unless others are given."""
        folds = self.stored_folds() if folds is None else folds
        lesions = self.lesions() if lesions is None else lesions
        names = map(str, sorted(set(folds.values()))) if self.recipe.fold == "cv" else [self.recipe.fold]
        return [self.split(name, folds, lesions) for name in names]

    def check_fingerprint(self, path: Path, wanted: dict[str, Any]) -> None:
        """Refuse to build on a result that was made with other settings."""
        made = _kept_settings(path)
        wanted = json.loads(json.dumps(wanted))
        made = in_words_of(made, wanted)
        wanted = {key: value for key, value in wanted.items() if key in made or key not in _NOT_ALWAYS_KEPT}
        if made != wanted:
            changed = sorted(key for key in made.keys() | wanted.keys() if made.get(key) != wanted.get(key))
            raise RecipeError(
                f"{path}: was made with other settings ({', '.join(changed)}); choose another --out or the old settings"
            )


_NOT_ALWAYS_KEPT = ("maps",)
"""What the markers of earlier versions do not tell."""


@dataclass(frozen=True)
class Split:
    """One division of the patients into those that are learned from and those that are held out."""

    run: Run
    name: str
    held_out: int | None
    folds: dict[str, int]

    @property
    def folder(self) -> Path:
        """Results of this split."""
        return self.run.root / self.name

    @property
    def work(self) -> Path:
        """Results of one system in this split: the split's own folder for the recipe's own variant."""
        return self.folder if self.run.system is None else self.folder / "systems" / self.run.system

    @property
    def training_cases(self) -> list[str]:
        """Cases that are learned from."""
        return self.cases_without()

    @property
    def test_cases(self) -> list[str]:
        """Cases that are held out; none in the final training."""
        return [case for case, fold in self.folds.items() if fold == self.held_out]

    def marker(self, fingerprint: dict[str, Any]) -> dict[str, Any]:
        """What is kept beside a result that this split's training cases have gone into."""
        return {"fingerprint": fingerprint, **self._origin}

    @property
    def _origin(self) -> dict[str, Any]:
        """Whose slices a result is made from, and how they were framed; other splits have other cases."""
        model = self.run.recipe.to_dict()["model"]
        return {
            "cases": sorted(self.training_cases),
            "frame": model["frame"],
            "normalisation": model["normalisation"],
        }

    def check_marker(self, path: Path, fingerprint: dict[str, Any]) -> None:
        """Refuse a result that was made with other settings, or from other cases than are learned from now.

        Who was learned from must be known: a patient whom the weights have seen is not to be judged with them. Results
        of earlier versions do not say it, and pass.
        """
        made = read_json(path, remedy=_again(path))
        other = set(made.get("cases", self.training_cases)) ^ set(self.training_cases)
        if other:
            raise RecipeError(
                f"{path}: was made from other cases than {self.name} learns from now ({', '.join(sorted(other)[:3])}); "
                f"{_again(path)}, or choose another --out"
            )
        self.run.check_fingerprint(path, fingerprint)
        changed = sorted(key for key, value in self._origin.items() if made.get(key, value) != value)
        if changed:
            raise RecipeError(f"{path}: was made with other settings ({', '.join(changed)}); {_again(path)}")

    @property
    def training_folds(self) -> list[int]:
        """Folds that are learned from."""
        return sorted({fold for fold in self.folds.values() if fold != self.held_out})

    def cases_without(self, excluded: Sequence[int] = ()) -> list[str]:
        """Training cases outside some folds."""
        return [case for case, fold in self.folds.items() if fold != self.held_out and fold not in set(excluded)]


def _kept_settings(path: Path) -> dict[str, Any]:
    """What a file says of the settings that it was made with."""
    settings = read_json(path, remedy=_again(path)).get("fingerprint")
    if not isinstance(settings, dict):
        raise RecipeError(f"{path}: is damaged (it does not say what it was made with); {_again(path)}")
    return settings


def _again(path: Path) -> str:
    return f"delete {path.parent} and give the same command again"
