"""Stage ``autoencoders``: AE-1 on all slices, AE-2 on healthy slices, for each set of patients that is needed.

A dozen patients show AE-2 few healthy slices from the height of a lesion, and both ensembles learn a blurred average
brain. Where the recipe has synthetic patients, the ensembles therefore start from those that have learned from them,
and go on with batches of both.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import Dataset

from napari_ddmd.model.autoencoder import Ensemble, reconstruction_loss
from napari_ddmd.model.discrepancy import resize_for_autoencoders
from napari_ddmd.model.settings import ModelSettings
from src_training import distributed
from src_training.checkpoint import forget_states
from src_training.dataset import Slices, draw_epochs
from src_training.files import read_tensors, write_tensors
from src_training.fingerprints import NO_LONGER_TOLD
from src_training.loop import LoopSettings, make_fabric, train
from src_training.preview import flair, side_by_side
from src_training.recipe import RecipeError, meets_synthetic, synthetic_autoencoder_slices
from src_training.run import Run, Split
from src_training.start import start_of
from src_training.synthetic_patients import prepare_synthetic

KINDS = ("ae_1", "ae_2")
CHECKPOINT_EVERY = 500
"""Steps between two resumable states."""


def train_autoencoders(run: Run) -> None:
    """Train the ensembles of every split that the run asks for.

    A split needs the ensembles of all its training patients and, for out-of-fold maps, those without each of its
    folds. They are kept by the set of patients they have seen, so that splits share them: five-fold cross-validation
    and the final training need 16 pairs of ensembles in all, not 31. A training that starts from a model has its.
    """
    train_sets([(split, cases) for split in run.splits() for cases in needed_sets(split)])


def needed_sets(split: Split) -> list[list[str]]:
    """Sets of patients whose ensembles a split needs, its own training patients first; none of a model's are needed.

    Raises
    ------
    RecipeError
        If nobody is left to learn from once a fold is left out.
    """
    if split.run.recipe.start_from is not None:
        return []
    sets = [split.cases_without()]
    if split.run.recipe.discrepancies.out_of_fold:
        sets += [split.cases_without([fold]) for fold in split.training_folds]
    if not all(sets):
        raise RecipeError(
            f"{split.name}: too few folds to compute maps out of fold; use more folds or --discrepancies.no-out-of-fold"
        )
    return sets


def train_sets(sets: Sequence[tuple[Split, Sequence[str]]]) -> None:
    """Train the ensembles of some sets of patients that are not there yet.

    They are many small trainings that know nothing of each other: each is done whole by one process, so that the
    number of processes does not change a bit of them. Of a training that starts from a model, none are.
    """
    sets = [one for one in sets if one[0].run.recipe.start_from is None]

    def missing() -> list[tuple[int, str]]:
        paths = {_folder(*one) / f"{kind}.safetensors": (i, kind) for i, one in enumerate(sets) for kind in KINDS}
        return [work for path, work in paths.items() if not path.exists()]

    work = distributed.on_main(missing)
    if work:
        run = sets[0][0].run
        make_fabric(run.recipe, alone=True)  # what is to be refused is refused before hours of work
        for number, kind in work:
            _learned_rows(Slices.learned_from(*sets[number]), kind)
        _train_start(run)
    for number, kind in distributed.share(work):
        _ensemble(*sets[number], kind)
    distributed.barrier()


def _train_start(run: Run) -> None:
    """Make the synthetic patients and train their ensembles, where those of the run's patients start from them."""
    if meets_synthetic(run.recipe):
        prepare_synthetic(run)
        if distributed.is_main():
            print("autoencoders: those of the synthetic patients come first, if they are not there", file=sys.stderr)
        train_sets([_starting_set(run)])


def _starting_set(run: Run) -> tuple[Split, list[str]]:
    """All synthetic patients."""
    split = run.synthetic().split("final")
    return split, split.training_cases


def load_ensembles(split: Split, cases: Sequence[str]) -> tuple[Ensemble, Ensemble]:
    """AE-1 and AE-2 of a set of patients, trained now unless they were before; in evaluation mode.

    Those of the model that the training starts from, if from any: it has seen none of these patients, or says so.
    """
    start = start_of(split.run.recipe)
    if start is not None:
        return start.networks.ae_1, start.networks.ae_2
    one, two = (_ensemble(split, cases, kind) for kind in KINDS)
    return one, two


def has_ensembles(split: Split, cases: Sequence[str]) -> bool:
    """Whether the ensembles of a set of patients were trained, or need not be."""
    return split.run.recipe.start_from is not None or all(
        (_folder(split, cases) / f"{kind}.safetensors").exists() for kind in KINDS
    )


def _folder(split: Split, cases: Sequence[str]) -> Path:
    """Where the ensembles of a set of patients are kept: its name is a digest of all that they depend on."""
    settings, usual = split.run.recipe.to_dict(), ModelSettings().to_dict()
    # What is as usual is left out: it was, in runs of earlier versions.
    window = {key: settings["model"][key] for key in ("frame", "normalisation")}
    fingerprint = (
        {key: value for key, value in window.items() if value != usual[key]}
        | {
            "cases": sorted(cases),
            "autoencoder": settings["model"]["autoencoder"],
            "training": settings["autoencoders"],
            "slices": NO_LONGER_TOLD | split.run.slices_as_stored(),
            "seed": split.run.recipe.seed,
        }
        | split.run.synthetic_fingerprint
    )
    return split.run.ensembles / hashlib.sha256(json.dumps(fingerprint, sort_keys=True).encode()).hexdigest()[:12]


def _ensemble(split: Split, cases: Sequence[str], kind: str) -> Ensemble:
    run, recipe = split.run, split.run.recipe
    folder = _folder(split, cases)
    torch.manual_seed(recipe.seed * 2 + KINDS.index(kind))
    ensemble = Ensemble(recipe.model.autoencoder)
    path = folder / f"{kind}.safetensors"
    if not path.exists():
        if meets_synthetic(run.recipe):
            ensemble.load_state_dict(_ensemble(*_starting_set(run), kind).state_dict())
        _train(folder, kind, ensemble, Slices.learned_from(split, sorted(cases)), run, make_fabric(recipe, alone=True))
        write_tensors(path, ensemble.state_dict())
        forget_states(folder / kind)
    ensemble.load_state_dict(read_tensors(path))
    return ensemble.eval().requires_grad_(False)


class ReconstructionTask:
    """Eq 9 and Eq 10.

    Parameters
    ----------
    mirror
        Exchange left and right of half of the slices.
    """

    def __init__(self, *, mirror: bool) -> None:
        self.mirror = mirror

    def draw(self, batch: tuple[Tensor, ...], generator: torch.Generator) -> tuple[Tensor, ...]:
        """Mirror each of ``(B, C, h, w)`` slices or not."""
        (images,) = batch
        if not self.mirror:
            return (images,)
        flipped = torch.rand(len(images), 1, 1, 1, generator=generator, device=images.device) < 0.5
        return (torch.where(flipped, images.flip(-1), images),)

    def loss(self, net: nn.Module, drawn: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """The ensemble's squared error."""
        (images,) = drawn
        return {"loss": reconstruction_loss(net(images), images)}

    def preview(self, net: nn.Module, drawn: tuple[Tensor, ...]) -> Tensor | None:
        """FLAIR of slices and of the first member's reconstructions, side by side."""
        (images,) = drawn
        return side_by_side([flair(images), flair(net(images)[0])])


def _train(folder: Path, kind: str, ensemble: Ensemble, slices: Slices, run: Run, fabric: Fabric) -> None:
    recipe = run.recipe.autoencoders
    rows = _learned_rows(slices, kind)
    batches = ReconstructionBatches(
        _small_slices(slices, rows, run.recipe.model.autoencoder.size).to(fabric.device),
        _Synthetic.of(run, kind),
        epochs=recipe.epochs,
        size=recipe.batch_size,
        seed=run.recipe.seed,
    )
    settings = LoopSettings.of(
        run.recipe,
        steps=len(batches),
        learning_rate=recipe.learning_rate,
        cosine=recipe.cosine,
        checkpoint_every=CHECKPOINT_EVERY,
    )
    train(
        folder / kind,
        ensemble.to(memory_format=torch.channels_last),  # a fifth faster on a CPU
        batches,
        ReconstructionTask(mirror=recipe.mirror),
        settings,
        fabric=fabric,
        seed=run.recipe.seed,
        workers=0,
        name=f"{kind} {folder.name}",
        facts={"Patients": len(slices.cases), "Slices learned from": len(rows)},
    )


@dataclass(frozen=True)
class _Synthetic:
    """The synthetic slices of a batch; they are read one batch at a time, because there are ten times as many."""

    slices: Slices
    rows: NDArray[np.int64]
    count: int
    size: int
    seed: int

    @classmethod
    def of(cls, run: Run, kind: str) -> _Synthetic | None:
        """Those of which AE-1 or AE-2 learns beside real ones; None where it learns from real ones alone."""
        count = synthetic_autoencoder_slices(run.recipe)
        if not count:
            return None
        slices = Slices.learned_from(*_starting_set(run))
        return cls(slices, _learned_rows(slices, kind), count, run.recipe.model.autoencoder.size, run.recipe.seed)

    def draw(self, step: int) -> Tensor:
        """Slices ``(count, C, size, size)`` of one step."""
        drawn = np.random.default_rng([self.seed, step, 1]).choice(self.rows, self.count)
        return resize_for_autoencoders(self.slices.image(drawn), self.size)


class ReconstructionBatches(Dataset[tuple[Tensor, ...]]):
    """Batches of slices, all passed through in a new order each epoch, and synthetic ones; an index is a step.

    Parameters
    ----------
    small
        ``(N, C, h, w)``: the slices of the set.
    synthetic
        What fills the rest of each batch, if anything.
    epochs
        Passes over the slices of the set.
    size
        Slices a batch, synthetic ones included.
    seed
        Of the order.
    """

    def __init__(self, small: Tensor, synthetic: _Synthetic | None, *, epochs: int, size: int, seed: int) -> None:
        self.small, self.synthetic, self.seed = small, synthetic, seed
        self.size = min(size - (synthetic.count if synthetic else 0), len(small))
        self.steps = epochs * max(1, len(small) // self.size)

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> tuple[Tensor, ...]:
        real = self.small[draw_epochs(len(self.small), self.size, step, self.seed)]
        if self.synthetic is None:
            return (real,)
        return (torch.cat([real, self.synthetic.draw(step).to(real)]),)


def _learned_rows(slices: Slices, kind: str) -> NDArray[np.int64]:
    """What AE-1 or AE-2 learns from: all slices, or the healthy ones.

    Raises
    ------
    RecipeError
        If there are none.
    """
    rows = np.arange(len(slices.rows)) if kind == "ae_1" else np.flatnonzero(~slices.unhealthy)
    if rows.size == 0:
        raise RecipeError("no healthy slice in the training patients; AE-2 cannot be trained (widen the slice band)")
    return rows


def _small_slices(slices: Slices, rows: NDArray[np.int64], size: int) -> Tensor:
    """All slices of the set at the autoencoders' size ``(N, C, size, size)``: they fit into memory as bytes do not."""
    parts: list[Any] = [
        resize_for_autoencoders(slices.image(rows[start : start + 64]), size) for start in range(0, len(rows), 64)
    ]
    return torch.cat(parts).contiguous(memory_format=torch.channels_last)
