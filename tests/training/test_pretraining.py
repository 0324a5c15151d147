"""The denoiser starts from what synthetic patients taught it."""

from __future__ import annotations

import errno
import json
import re
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from napari_ddmd.synthetic import case as room
from napari_ddmd.synthetic import make_small_case
from src_training import diffusion, loop, pretraining, processes, synthetic_patients
from src_training.__main__ import main
from src_training.autoencoders import train_autoencoders
from src_training.checkpoint import Checkpoint
from src_training.diffusion import ConditionedBatches, ConditionedSlices, load_denoiser, train_diffusion
from src_training.discrepancies import make_discrepancies
from src_training.prepare import prepare
from src_training.pretraining import pretrain
from src_training.recipe import PretrainingRecipe, Recipe, RecipeError, preset
from src_training.run import Run, anatomy_files
from src_training.synthetic_patients import make_patients
from tests.synthetic.heads import head, write_head

from .conftest import tiny_recipe, tiny_words

REAL_ALONE = ("--pretraining.no-autoencoders",)
"""The autoencoders learn from real patients alone."""
FAST = ("--pretraining.patients", "2", "--pretraining.iterations", "3", "--pretraining.autoencoder-epochs", "1")


@pytest.fixture(autouse=True)
def small_patients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "make_case", partial(make_small_case, shape=(40, 40, 26)))


def recipe_of(data: Path, out: Path, *more: str) -> Recipe:
    return tiny_recipe(data, out, "--slices.min-brain-mm2", "1000", *FAST, *more)


def test_patients_are_made_once(tmp_path: Path) -> None:
    make_patients(tmp_path, 2, seed=0, workers=0)
    first = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nii.gz")}
    make_patients(tmp_path, 3, seed=0, workers=0)

    assert len(first) == 10
    assert all(path.stat().st_mtime_ns == time for path, time in first.items())
    assert sorted(folder.name for folder in tmp_path.iterdir()) == [f"Synthetic_00100{n}" for n in range(3)]


def test_another_seed_makes_other_patients(tmp_path: Path) -> None:
    make_patients(tmp_path, 2, seed=4, workers=0)

    assert sorted(folder.name for folder in tmp_path.iterdir()) == ["Synthetic_005000", "Synthetic_005001"]


@pytest.fixture
def brains(tmp_path: Path) -> Path:
    """Folder of two label maps and of a file that is none."""
    folder = tmp_path / "brains"
    write_head(folder / "b.nii", head(5))
    write_head(folder / "a.nii.gz", head())
    (folder / "LICENSE.txt").write_text("CC0")
    return folder


def test_every_second_patient_has_the_anatomy_of_the_next_map(
    brains: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: dict[str, Path | None] = {}

    def remember(folder: Path, *_: object, anatomy: Path | None, **__: object) -> None:
        made[folder.name] = anatomy

    monkeypatch.setattr(synthetic_patients, "write_case", remember)
    files = anatomy_files(PretrainingRecipe(anatomy=brains))
    make_patients(tmp_path / "patients", 7, seed=0, workers=0, maps=files)

    assert [path.name for path in files] == ["a.nii.gz", "b.nii"]
    assert list(made.values()) == [
        None,
        None,
        None,
        None,
        *(brains / name for name in ("a.nii.gz", "a.nii.gz", "b.nii")),
    ]
    assert {name: path.name for name, path in made.items() if path} == {
        "Synthetic_001001": "a.nii.gz",
        "Synthetic_001003": "b.nii",
        "Synthetic_001005": "a.nii.gz",
    }


def test_a_patient_of_a_map_is_another_one_and_its_neighbour_is_not(brains: Path, tmp_path: Path) -> None:
    make_patients(tmp_path / "without", 2, seed=0, workers=0)
    make_patients(tmp_path / "with", 2, seed=0, workers=0, maps=[brains / "b.nii"])

    def same(patient: str) -> bool:
        ours, theirs = (nibabel.load(tmp_path / run / patient / f"{patient}_t1.nii.gz") for run in ("without", "with"))
        return bool((ours.get_fdata() == theirs.get_fdata()).all())

    assert same("Synthetic_001000")
    assert not same("Synthetic_001001")


def test_a_map_that_cannot_be_used_is_named(
    brains: Path, cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (brains / "a.nii.gz").write_bytes(b"nothing")
    words = tiny_words(cohort, tmp_path / "run", *FAST, "--pretraining.anatomy", str(brains))

    assert main(["pretrain", *words]) == 2
    assert re.search(r"^src_training: \S*a\.nii\.gz: not a NIfTI file", capsys.readouterr().err, re.MULTILINE)


@pytest.mark.parametrize("name", ["brains/LICENSE.txt", "none"])
def test_a_folder_without_maps_is_refused_at_once(
    name: str, brains: Path, cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = tiny_words(cohort, tmp_path / "run", *FAST, "--pretraining.anatomy", str(brains.parent / name))

    assert main(words) == 2
    assert "holds no label map (.nii or .nii.gz); choose another --pretraining.anatomy" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_the_maps_names_are_remembered_and_their_folder_may_move(brains: Path, cohort: Path, tmp_path: Path) -> None:
    plain = Run(recipe_of(cohort, tmp_path / "run"))
    run = Run(recipe_of(cohort, tmp_path / "run", "--pretraining.anatomy", str(brains)))
    fingerprints = run.patients_fingerprint, run.pretraining_fingerprint, diffusion.training_fingerprint(run)

    assert plain.patients_fingerprint == {"patients": 2, "seed": 0}
    assert "anatomy" not in plain.pretraining_fingerprint
    assert run.patients_fingerprint == {"patients": 2, "seed": 0, "anatomy": ["a.nii.gz", "b.nii"]}
    assert str(tmp_path) not in json.dumps(fingerprints)
    moved = Run(recipe_of(cohort, tmp_path / "run", "--pretraining.anatomy", str(brains.rename(tmp_path / "moved"))))
    assert fingerprints == (
        moved.patients_fingerprint,
        moved.pretraining_fingerprint,
        diffusion.training_fingerprint(moved),
    )


@pytest.mark.torture
def test_a_run_whose_patients_are_made_needs_their_maps_no_more(
    brains: Path, cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = tiny_words(
        cohort, tmp_path / "run", "--slices.min-brain-mm2", "1000", *FAST, "--pretraining.anatomy", str(brains)
    )
    assert main(words) == 0
    patients = tmp_path / "run" / "synthetic" / "patients"
    made = {path: path.stat().st_mtime_ns for path in patients.rglob("*.nii.gz")}

    write_head(brains / "aa.nii", head(7))
    assert main(words) == 0
    other = brains.rename(tmp_path / "gone")
    assert main(words) == 0
    brains.mkdir()  # as a drive that is not there leaves it
    assert main(words) == 0
    assert {path: path.stat().st_mtime_ns for path in patients.rglob("*.nii.gz")} == made

    (other / "a.nii.gz").unlink()
    assert main([*words[:-1], str(other)]) == 2
    assert "was made with other settings (anatomy)" in capsys.readouterr().err


def test_patients_that_are_half_made_go_on_with_the_maps_that_they_were_begun_with(
    brains: Path, cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(recipe_of(cohort, tmp_path / "run", "--pretraining.anatomy", str(brains)))
    monkeypatch.setattr(synthetic_patients, "make_patients", stop)
    with pytest.raises(KeyboardInterrupt):
        synthetic_patients.prepare_synthetic(run)
    given: list[Any] = []
    monkeypatch.setattr(synthetic_patients, "make_patients", lambda *arguments: given.append(arguments[-1]))
    write_head(brains / "aa.nii", head(7))
    monkeypatch.setattr(synthetic_patients, "prepare", lambda _: None)
    synthetic_patients.prepare_synthetic(run)
    assert given == [[brains / "a.nii.gz", brains / "b.nii"]]

    brains.rename(tmp_path / "gone")
    with pytest.raises(RecipeError, match="holds no label map"):
        synthetic_patients.prepare_synthetic(run)


def stop(*_: object) -> None:
    raise KeyboardInterrupt


def test_every_split_starts_from_the_same_pretrained_weights(
    cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(recipe_of(cohort, tmp_path / "run", "--fold", "cv"))
    for stage in (prepare, train_autoencoders, make_discrepancies, pretrain):
        stage(run)
    pretrained = load_file(tmp_path / "run" / "synthetic" / "final" / "diffusion" / "denoiser.safetensors")
    begun = []

    def remember(folder: Path, model: torch.nn.Module, *_: object, **__: object) -> None:
        begun.append({key: value.clone() for key, value in model.state_dict().items()})

    monkeypatch.setattr(diffusion, "train", remember)
    train_diffusion(run)

    assert len(begun) == 3
    for weights in begun:
        assert weights.keys() == pretrained.keys()
        assert all(torch.equal(weights[key], pretrained[key]) for key in weights)
    log = (tmp_path / "run" / "synthetic" / "final" / "diffusion" / "log.jsonl").read_text().splitlines()
    assert json.loads(log[-1])["step"] == 2


def test_half_of_a_batch_stays_synthetic(cohort: Path, tmp_path: Path) -> None:
    run = Run(recipe_of(cohort, tmp_path / "run", *REAL_ALONE))
    for stage in (prepare, train_autoencoders, make_discrepancies, pretrain):
        stage(run)
    split = run.split("final")
    images, maps, masks = ConditionedBatches(split)[1]
    alone, own_maps, own_masks = ConditionedBatches(replace(split, run=without_synthetic(run)))[1]

    assert len(images) == len(maps) == len(masks) == len(alone) == 4
    store = run.synthetic().split("final")
    known = [np.load(store.run.slices / f"{case}.images.npy") for case in store.training_cases]

    def is_synthetic(image: Tensor) -> bool:
        stored = (image[:4] * 255).round().byte().numpy()
        return any((stored == other).all((1, 2, 3)).any() for other in known)

    assert [is_synthetic(image) for image in images] == [False, False, True, True]
    assert not any(is_synthetic(image) for image in alone)
    assert own_maps.shape == (4, 2, 16, 16)
    assert own_masks.shape == (4, 3, 16, 16)


def test_synthetic_maps_come_at_the_size_of_the_real_ones(cohort: Path, tmp_path: Path) -> None:
    run = Run(recipe_of(cohort, tmp_path / "run"))
    for stage in (prepare, train_autoencoders, make_discrepancies, pretrain):
        stage(run)
    real, synthetic = (ConditionedSlices.of(r.split("final")) for r in (run, run.synthetic()))
    rows = np.arange(len(synthetic.slices.rows))
    brain = (synthetic.slices.image(rows).amax(1) > 0).float()
    mean = (synthetic.map(rows, real.scales) * brain[:, None]).sum((0, 2, 3)) / brain.sum()

    np.testing.assert_allclose(mean, real.scales, rtol=0.02)


def without_synthetic(run: Run) -> Run:
    return Run(replace(run.recipe, pretraining=PretrainingRecipe(patients=0)))


def test_an_interrupted_pretraining_goes_on_to_the_same_weights(
    cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = ("--diffusion.checkpoint-every", "1")
    straight = Run(recipe_of(cohort, tmp_path / "straight", *more))
    prepare(straight)
    pretrain(straight)
    broken = Run(recipe_of(cohort, tmp_path / "broken", *more))
    prepare(broken)

    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    for where in ((synthetic_patients, "prepare"), (pretraining, "make_discrepancies"), (loop, "_learning_rate")):
        with monkeypatch.context() as patch:
            patch.setattr(*where, stopped)
            with pytest.raises(KeyboardInterrupt):
                pretrain(broken)
    taken = []
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "save", stop_after(1, Checkpoint.save))
        with pytest.raises(KeyboardInterrupt):
            pretrain(broken)
    with monkeypatch.context() as patch:
        patch.setattr(diffusion, "train", counted(taken, diffusion.train))
        pretrain(broken)
    assert taken == ["ddmd final"]
    ours, theirs = (load_denoiser(run.synthetic().split("final")).state_dict() for run in (broken, straight))
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


def stop_after(count: int, function: Callable[..., None]) -> Callable[..., None]:
    """The function, which is interrupted once it has done its work ``count`` times."""
    calls = []

    def call(*arguments: object) -> None:
        function(*arguments)
        calls.append(1)
        if len(calls) == count:
            raise KeyboardInterrupt

    return call


def counted(names: list[str], function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: object, name: str, **options: object) -> object:
        names.append(name)
        return function(*arguments, name=name, **options)

    return call


def test_what_is_done_is_not_repeated_even_without_the_images(cohort: Path, tmp_path: Path) -> None:
    run = Run(recipe_of(cohort, tmp_path / "run"))
    prepare(run)
    pretrain(run)
    weights = tmp_path / "run" / "synthetic" / "final" / "diffusion" / "denoiser.safetensors"
    made = weights.stat().st_mtime_ns
    shutil.rmtree(tmp_path / "run" / "synthetic" / "patients")
    pretrain(run)

    assert weights.stat().st_mtime_ns == made
    assert not (tmp_path / "run" / "synthetic" / "patients").exists()


@pytest.mark.parametrize("change", [("--pretraining.patients", "3"), ("--seed", "1")])
def test_other_patients_are_refused_and_none_is_made(change: tuple[str, str], cohort: Path, tmp_path: Path) -> None:
    run = Run(recipe_of(cohort, tmp_path / "run"))
    for stage in (prepare, train_autoencoders, make_discrepancies, pretrain):
        stage(run)
    other = Run(recipe_of(cohort, tmp_path / "run", *change))
    for stage in (pretrain, partial(diffusion._first_weights, member=0)):
        with pytest.raises(RecipeError, match=r"patients\.json: was made with other settings"):
            stage(other)

    assert len(list((tmp_path / "run" / "synthetic" / "patients").iterdir())) == 2
    pretrain(run)
    train_diffusion(run)


def test_a_process_that_dies_is_named_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Dying(ThreadPoolExecutor):
        def __init__(self, workers: int, **_: object) -> None:
            super().__init__(workers)

        def map(self, *_: object, **__: object) -> Any:
            raise BrokenProcessPool

    monkeypatch.setattr(processes, "ProcessPoolExecutor", Dying)
    with pytest.raises(RecipeError, match=r"^[^\n]*want of memory; call again with fewer --workers$"):
        make_patients(tmp_path, 2, seed=0, workers=2)


def test_a_full_disk_is_one_line_while_patients_are_made(
    cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    words = tiny_words(cohort, tmp_path / "run", "--slices.min-brain-mm2", "1000", *FAST, "--workers", "0")
    monkeypatch.setattr(nibabel, "save", full)
    assert main(["pretrain", *words]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert re.match(r"src_training: \S+Synthetic_001000: cannot be written \(No space left on device\); choose", said)
    assert not (tmp_path / "run" / "synthetic" / "patients").exists()


def test_patients_are_the_same_from_several_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def pool(workers: int, **_: object) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(workers)

    (tmp_path / "b").mkdir()
    (tmp_path / "b" / ".Synthetic_001000.7.part").mkdir()
    make_patients(tmp_path / "a", 2, seed=0, workers=0)
    monkeypatch.setattr(processes, "ProcessPoolExecutor", pool)
    make_patients(tmp_path / "b", 2, seed=0, workers=2)

    names = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*"))
    assert names == sorted(path.relative_to(tmp_path / "b") for path in (tmp_path / "b").rglob("*"))
    for name in names:
        if name.suffix:
            ours, theirs = (nibabel.load(tmp_path / run / name).get_fdata() for run in ("a", "b"))
            np.testing.assert_array_equal(ours, theirs)


def test_all_stages_run_with_a_pretraining(cohort: Path, tmp_path: Path) -> None:
    words = tiny_words(cohort, tmp_path / "run", "--slices.min-brain-mm2", "1000", *FAST)
    assert main(words) == 0
    card = (tmp_path / "run" / "final" / "bundle" / "README.md").read_text()
    assert "3 iterations on 2 synthetic patients, who fill 50 % of each later batch" in card
    assert main(["pretrain", "--out", str(tmp_path / "run")]) == 0


def test_a_missing_pretraining_is_named(cohort: Path, tmp_path: Path) -> None:
    run = Run(recipe_of(cohort, tmp_path / "run", *REAL_ALONE))
    for stage in (prepare, train_autoencoders, make_discrepancies):
        stage(run)

    with pytest.raises(RecipeError, match=r"synthetic: has no synthetic patients; the stage 'pretrain' makes"):
        train_diffusion(run)
    train_diffusion(without_synthetic(run))  # what is refused leaves nothing that stands in the way


def test_another_pretraining_is_refused(cohort: Path, tmp_path: Path) -> None:
    run = Run(recipe_of(cohort, tmp_path / "run"))
    for stage in (prepare, train_autoencoders, make_discrepancies, pretrain, train_diffusion):
        stage(run)
    load_denoiser(run.split("final"))
    other = Run(recipe_of(cohort, tmp_path / "run", "--pretraining.iterations", "4"))

    with pytest.raises(RecipeError, match=r"made with other settings \(pretraining\)"):
        load_denoiser(other.split("final"))
    with pytest.raises(RecipeError, match=r"synthetic.*made with other settings \(diffusion\)"):
        pretrain(other)


def test_without_synthetic_patients_nothing_is_made(cohort: Path, tmp_path: Path) -> None:
    run = Run(tiny_recipe(cohort, tmp_path / "run"))
    prepare(run)
    pretrain(run)

    assert not (tmp_path / "run" / "synthetic").exists()
    assert preset("paper").pretraining.patients == 0
