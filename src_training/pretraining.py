"""Stage ``pretrain``: the denoiser's first lessons come from synthetic patients, of whom there can be any number.

Few labelled patients show few tumours in few places. The synthetic ones hold every size, place and contrast; what only
real images show is learned after that. No fold is involved, so that all splits of a run start from the same weights.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from tqdm import tqdm

from napari_ddmd.synthetic import write_case
from napari_ddmd.whole_files import sweep
from src_training import distributed
from src_training.diffusion import has_denoisers, load_denoisers, train_diffusion
from src_training.discrepancies import make_discrepancies
from src_training.files import write_json
from src_training.prepare import prepare
from src_training.processes import each
from src_training.run import Run, anatomy_files

Patient = tuple[int, Path | None]
"""Seed of a synthetic patient and the label map that its anatomy comes from, if any."""


def pretrain(run: Run) -> None:
    """Write ``synthetic/``: patients, and a run over them that ends with ``final/diffusion/denoiser.safetensors``.

    What is there already is kept. Nothing is done when the recipe asks for no synthetic patients. When all is done,
    the patients' images in ``synthetic/patients`` may be deleted.
    """
    if not run.recipe.pretraining.patients:
        return
    synthetic = run.synthetic()
    if run.patients_path.exists() and synthetic.index_path.exists():
        run.check_patients()
        split = synthetic.split("final")
        if has_denoisers(split):
            load_denoisers(split)  # refuses those of other settings
            return
    prepare_synthetic(run)
    # The autoencoders that the maps need are trained where the maps are made.
    for stage in (make_discrepancies, train_diffusion):
        stage(synthetic)


def prepare_synthetic(run: Run) -> None:
    """Make the synthetic patients that the recipe asks for and their slice store, unless they are there."""
    synthetic = run.synthetic()
    if run.patients_path.exists():
        run.check_patients()
    elif distributed.is_main():
        write_json(run.patients_path, {"fingerprint": run.patients_fingerprint})
    print("pretrain: these stages run over synthetic patients", file=sys.stderr)
    if synthetic.index_path.exists():
        return
    recipe = run.recipe
    maps = anatomy_files(recipe.pretraining)
    make_patients(synthetic.recipe.data, recipe.pretraining.patients, recipe.seed, recipe.workers, maps)
    prepare(synthetic)


def make_patients(folder: Path, count: int, seed: int, workers: int, maps: Sequence[Path] = ()) -> None:
    """Write BRATS folders of widely varied synthetic patients, those that are missing; each process its share.

    Parameters
    ----------
    folder
        Where the patients' folders lie.
    count
        Number of patients.
    seed
        Patient n is made with the seed ``1000 (seed + 1) + n``, away from those that one gives a sample case.
    workers
        Processes to make them in, of about 1.7 GB each; 0 takes this one.
    maps
        Tissue label maps, which every second patient's anatomy comes from, one map after another.

    Raises
    ------
    CaseError
        If a label map cannot be used.
    RecipeError
        If a process dies, most likely for want of memory.
    """
    missing = distributed.share(distributed.on_main(lambda: _missing(folder, count, seed, maps)))
    task = f"{folder}: a process that made synthetic patients"
    done = each(partial(_make_patient, folder), missing, workers, task=task)
    if missing:
        # Closed before an error is told, which would stand in the bar's own line.
        with tqdm(done, total=len(missing), desc="synthetic patients", unit="case") as bar:
            list(bar)
    distributed.barrier()


def _missing(folder: Path, count: int, seed: int, maps: Sequence[Path]) -> list[Patient]:
    """The patients that are not there, those of one map in a row; what was left half-written is deleted."""
    sweep(folder)
    for unfinished in folder.glob(".*.part"):  # of earlier versions
        shutil.rmtree(unfinished, ignore_errors=True)
    patients: list[Patient] = [
        (1000 * (seed + 1) + n, maps[n // 2 % len(maps)] if maps and n % 2 else None) for n in range(count)
    ]
    # A map takes seconds to read, and the last one is kept.
    return sorted(
        (patient for patient in patients if not (folder / _name(patient[0])).exists()),
        key=lambda patient: str(patient[1] or ""),
    )


def _make_patient(folder: Path, patient: Patient) -> None:
    seed, anatomy = patient
    write_case(folder / _name(seed), seed, _name(seed), wide=True, anatomy=anatomy)


def _name(seed: int) -> str:
    return f"Synthetic_{seed:06d}"
