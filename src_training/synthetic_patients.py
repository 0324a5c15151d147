"""Synthetic patients: any number of them, with every size, place and contrast of a tumour that few real ones show."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from napari_ddmd.synthetic import write_case
from napari_ddmd.whole_files import sweep
from src_training import distributed
from src_training.anatomy_files import anatomy_files
from src_training.case_bar import case_bar
from src_training.files import write_json
from src_training.prepare import prepare
from src_training.processes import each
from src_training.run import Run

Patient = tuple[int, Path | None]
"""Seed of a synthetic patient and the label map that its anatomy comes from, if any."""


def prepare_synthetic(run: Run) -> None:
    """Make the synthetic patients that the recipe asks for and their slice store, unless they are there."""
    synthetic = run.synthetic()
    if run.patients_path.exists():
        run.check_patients()
    elif distributed.is_main():
        write_json(run.patients_path, {"fingerprint": run.patients_fingerprint})
    if distributed.on_main(synthetic.index_path.exists):
        return
    if distributed.is_main():
        print("synthetic patients are made and prepared first", file=sys.stderr)
    recipe = run.recipe
    anatomy_files(recipe.pretraining)  # they are there
    maps = run.anatomy_maps()
    make_patients(synthetic.recipe.data, recipe.pretraining.patients, run.patients_seed, recipe.workers, maps)
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
    missing = distributed.share(distributed.on_main(lambda: _missing(folder, _patients(count, seed, maps))))
    task = f"{folder}: a process that made synthetic patients"
    done = each(partial(_make_patient, folder), missing, workers, task=task)
    with case_bar(done, "synthetic patients", len(missing)) as bar:
        list(bar)
    distributed.barrier()


def patient_names(run: Run) -> list[str]:
    """What the synthetic patients of a run are called."""
    return [_name(seed) for seed, _map in _patients(run.recipe.pretraining.patients, run.patients_seed, ())]


def seconds_a_patient(run: Run) -> float:
    """Make the first synthetic patient of a run in a folder that is removed again, to see how long that takes."""
    recipe = run.recipe
    first = _patients(recipe.pretraining.patients, run.patients_seed, run.anatomy_maps())[0]
    with TemporaryDirectory(prefix="napari-ddmd-") as folder:
        started = time.perf_counter()
        _make_patient(Path(folder), first)
        return time.perf_counter() - started


def _patients(count: int, seed: int, maps: Sequence[Path]) -> list[Patient]:
    return [(1000 * (seed + 1) + n, maps[n // 2 % len(maps)] if maps and n % 2 else None) for n in range(count)]


def _missing(folder: Path, patients: Sequence[Patient]) -> list[Patient]:
    """The patients that are not there, those of one map in a row; what was left half-written is deleted."""
    sweep(folder)
    for unfinished in folder.glob(".*.part"):  # of earlier versions
        shutil.rmtree(unfinished, ignore_errors=True)
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
