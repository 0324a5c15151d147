"""The slice store: what is in it, how it goes on, and when it is refused."""

from __future__ import annotations

import gzip
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch

from napari_ddmd.case import CaseError, CaseFiles, load_case
from napari_ddmd.case.normalise import normalise
from napari_ddmd.model.frame import Frame
from src_training import prepare as prepare_module
from src_training.cases import FaultyCasesError
from src_training.census import Census
from src_training.prepare import prepare
from src_training.recipe import RecipeError
from src_training.run import Run

from .conftest import PATIENTS, tiny_recipe, write_patient


@pytest.fixture
def fresh(cohort: Path, tmp_path: Path) -> Run:
    return Run(tiny_recipe(cohort, tmp_path / "run"))


def count_loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    loaded: list[str] = []

    def load(files: CaseFiles) -> object:
        loaded.append(files.name)
        return load_case(files)

    monkeypatch.setattr(prepare_module, "load_case", load)
    return loaded


@pytest.fixture
def twins(cohort: Path, tmp_path: Path) -> tuple[Path, str]:
    """The patients, one of them under two names, and the second name."""
    data, other = tmp_path / "data", "Brats18_ABC_1"
    shutil.copytree(cohort, data)
    (data / other).mkdir()
    for file in (data / PATIENTS[0]).iterdir():
        shutil.copy(file, data / other / file.name.replace(PATIENTS[0], other))
    return data, other


@pytest.mark.parametrize("fold", ["final", "cv"])
def test_a_patient_under_two_names_is_kept_together(fold: str, twins: tuple[Path, str], tmp_path: Path) -> None:
    data, other = twins
    folds = tmp_path / "folds.json"
    folds.write_text(json.dumps({**{name: place % 2 for place, name in enumerate(PATIENTS)}, other: 1}))
    words = ("--slices.fold-file", str(folds), "--slices.folds", "2", "--fold", fold)
    run = Run(tiny_recipe(data, tmp_path / "run", *words))
    told = rf"^{folds}: {PATIENTS[0]} \(fold 0\) and {other} \(fold 1\) are of one patient, as their lesions tell; keep"
    for _again in range(2):
        with pytest.raises(RecipeError, match=told):
            prepare(run)
    with pytest.raises(RecipeError, match=told):
        Census.of(run)
    assert not run.index_path.exists(), "other folds can be given"


def test_a_store_that_parts_a_patient_is_refused(twins: tuple[Path, str], tmp_path: Path) -> None:
    data, other = twins
    run = Run(tiny_recipe(data, tmp_path / "run", "--slices.folds", "2", "--fold", "cv"))
    prepare(run)
    index = json.loads(run.index_path.read_text())
    index["cases"][other]["fold"] = 1 - index["cases"][PATIENTS[0]]["fold"]  # as an earlier version would have it
    run.index_path.write_text(json.dumps(index))
    for refused in (lambda: prepare(run), run.stored_folds, run.splits):
        with pytest.raises(RecipeError, match=r"index\.json [^\n]* are of one patient, as their lesions tell; keep"):
            refused()


def test_a_patient_under_two_names_is_dealt_out_once(twins: tuple[Path, str], tmp_path: Path) -> None:
    data, other = twins
    run = Run(tiny_recipe(data, tmp_path / "run", "--slices.folds", "2", "--fold", "cv"))
    told = Census.of(run).folds
    prepare(run)
    stored = run.stored_folds()
    assert stored == told
    assert stored[other] == stored[PATIENTS[0]]
    assert set(stored.values()) == {0, 1}


def test_a_case_that_is_called_as_the_index_is_refused(cohort: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(cohort, data)
    write_patient(data / "index", 9)
    with pytest.raises(RecipeError, match="a case is called 'index'; give its folder another name"):
        prepare(Run(tiny_recipe(data, tmp_path / "run")))


@pytest.mark.parametrize(
    "content",
    [
        "{}",
        '{"cases": {}}',
        "[" * 200_000,
        '{"fingerprint": 1, "cases": 2}',
        '{"fingerprint": {}, "cases": []}',
        '{"fingerprint": {}, "cases": {"a": {}}}',
        '{"fingerprint": {}, "cases": {"a": 3}}',
        '{"fingerprint": {}, "cases": {"a": {"fold": "0", "slices": [], "unhealthy": []}}}',
    ],
)
def test_an_index_that_is_none_is_one_line(content: str, cohort: Path, tmp_path: Path) -> None:
    run = Run(tiny_recipe(cohort, tmp_path / "run"))
    run.index_path.parent.mkdir(parents=True)
    run.index_path.write_text(content)
    with pytest.raises(RecipeError, match=r"index\.json: is damaged [^\n]*; delete"):
        run.index()
    with pytest.raises(RecipeError, match=r"^[^\n]*index\.json: [^\n]*$"):
        prepare(run)


@pytest.mark.parametrize("name", PATIENTS)
def test_slices_are_those_that_the_networks_see(name: str, cohort: Path, tiny_run: Run) -> None:
    entry = json.loads(tiny_run.index_path.read_text())["cases"][name]
    images = np.load(tiny_run.slices / f"{name}.images.npy", mmap_mode="r")
    masks = np.load(tiny_run.slices / f"{name}.masks.npy", mmap_mode="r")
    case = load_case(cohort / name)
    first, step, size = (
        entry["stored_from"],
        tiny_run.recipe.model.context.offsets(3.0)[-1],
        tiny_run.recipe.model.frame.size,
    )
    stored = range(max(0, min(entry["slices"]) - step), min(len(case.brain), max(entry["slices"]) + step + 1))
    count = len(stored)
    assert first == stored[0]
    assert entry["offsets"] == [0, -step, step]
    assert images.dtype == masks.dtype == np.uint8
    assert images.shape == (count, 4, size, size)
    assert masks.shape == (count, size, size)
    assert set(np.unique(masks)) == {0, 1}

    assert case.mask is not None
    assert Path(entry["folder"]) == cohort / name
    assert entry["unhealthy"] == [bool((case.mask[number] > 0).any()) for number in entry["slices"]]
    assert any(entry["unhealthy"])
    assert not all(entry["unhealthy"])
    assert not masks[np.array(entry["slices"])[~np.array(entry["unhealthy"])] - first].any()

    settings = tiny_run.recipe.model
    scaled = normalise(case.images, case.brain, lower=0.5, upper=99.5)[:, list(stored)].swapaxes(0, 1)
    framed = Frame.around(case.brain, case.spacing, settings.frame).to_frame(torch.from_numpy(scaled.copy()))
    np.testing.assert_allclose(images / 255, framed.numpy(), atol=0.5 / 255 + 1e-6)


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ("--slices.min-brain-mm2 1", range(1, 8)),
        ("--slices.min-brain-mm2 1000", range(2, 7)),
        ("--slices.min-brain-mm2 1 --slices.first-slice 3 --slices.last-slice 5", range(3, 6)),
    ],
)
def test_slices_hold_enough_brain_and_lie_in_the_band(options: str, kept: range, cohort: Path, tmp_path: Path) -> None:
    area = load_case(cohort / PATIENTS[0]).brain.sum(axis=(1, 2)) * 4.0  # voxels are 2 mm wide
    run = Run(tiny_recipe(cohort, tmp_path, *options.split()))
    prepare(run)

    assert (area[1:8] > 0).all()
    assert area[1] < 1000 <= area[2]
    assert json.loads(run.index_path.read_text())["cases"][PATIENTS[0]]["slices"] == list(kept)


def test_a_finished_store_is_left_alone(tiny_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = count_loads(monkeypatch)
    before = tiny_run.index_path.stat().st_mtime_ns
    prepare(tiny_run)

    assert loaded == []
    assert tiny_run.index_path.stat().st_mtime_ns == before


def test_images_that_were_stored_may_be_gone(cohort: Path, tiny_run: Run, tmp_path: Path) -> None:
    data = shutil.copytree(cohort, tmp_path / "data")
    (data / PATIENTS[0] / f"{PATIENTS[0]}_t2.nii.gz").unlink()
    prepare(Run(replace(tiny_run.recipe, data=data)))
    with pytest.raises(CaseError, match="no image for t2"):
        prepare(Run(replace(tiny_run.recipe, data=data, out=tmp_path / "run")))


def test_an_interrupted_store_keeps_its_finished_cases(
    fresh: Run, tiny_out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die_at_third(files: CaseFiles) -> object:
        if files.name == PATIENTS[2]:
            raise KeyboardInterrupt
        return load_case(files)

    monkeypatch.setattr(prepare_module, "load_case", die_at_third)
    with pytest.raises(KeyboardInterrupt):
        prepare(fresh)
    assert not fresh.index_path.exists()
    loaded = count_loads(monkeypatch)
    prepare(fresh)

    assert loaded == list(PATIENTS[2:])
    for file in (tiny_out / "slices").iterdir():
        assert (fresh.slices / file.name).read_bytes() == file.read_bytes()


def test_several_processes_leave_the_same_bytes(fresh: Run, tiny_out: Path) -> None:
    prepare(Run(replace(fresh.recipe, workers=2)))

    files = sorted(path.name for path in fresh.slices.iterdir())
    assert files == sorted(path.name for path in (tiny_out / "slices").iterdir())
    for name in files:
        assert (fresh.slices / name).read_bytes() == (tiny_out / "slices" / name).read_bytes()


def test_a_damaged_image_is_named_from_another_process(cohort: Path, tmp_path: Path) -> None:
    data = shutil.copytree(cohort, tmp_path / "data")
    for name in PATIENTS[1:3]:
        broken = data / name / f"{name}_t2.nii.gz"
        broken.write_bytes(broken.read_bytes()[:-200])
    run = Run(tiny_recipe(data, tmp_path / "run", "--workers", "1"))

    with pytest.raises(FaultyCasesError) as caught:
        prepare(run)
    *named, last = caught.value.lines
    assert [f"{name}_t2.nii.gz: " in line for name, line in zip(PATIENTS[1:3], named, strict=True)] == [True, True]
    assert last.startswith("2 cases are at fault; ")
    assert last.endswith("(the other cases are prepared and kept)")
    assert [(run.slices / f"{name}.json").exists() for name in PATIENTS] == [True, False, False, True]
    assert not run.index_path.exists()


def test_a_process_that_dies_is_named_in_one_line(fresh: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare_module, "partial", lambda *_: die)
    with pytest.raises(RecipeError, match=r"^[^\n]*prepared cases died, [^\n]*; call again with fewer --workers$"):
        prepare(Run(replace(fresh.recipe, workers=1)))


def die(_: CaseFiles) -> None:
    os._exit(1)


def test_other_settings_are_refused(cohort: Path, tiny_out: Path) -> None:
    for option in (
        ("--model.frame.size", "32"),
        ("--model.normalisation.upper-percentile", "99"),
        ("--slices.folds", "4"),
    ):
        with pytest.raises(RecipeError, match=r"index\.json: was made with other settings"):
            prepare(Run(tiny_recipe(cohort, tiny_out, *option)))


def test_other_settings_are_refused_for_a_half_made_store(cohort: Path, tiny_out: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_out / "slices", tmp_path / "slices", ignore=shutil.ignore_patterns("index.json"))

    with pytest.raises(RecipeError, match=rf"{PATIENTS[0]}\.json: was made with other settings \(frame\)"):
        prepare(Run(tiny_recipe(cohort, tmp_path, "--model.frame.size", "32")))


def test_folds_that_were_edited_are_refused(cohort: Path, tmp_path: Path) -> None:
    listed = tmp_path / "folds.json"
    listed.write_text(json.dumps({name: place % 3 for place, name in enumerate(PATIENTS)}))
    run = Run(tiny_recipe(cohort, tmp_path / "run", "--slices.fold-file", str(listed)))
    prepare(run)
    prepare(run)
    listed.write_text(json.dumps({name: (place + 1) % 3 for place, name in enumerate(PATIENTS)}))

    with pytest.raises(
        RecipeError, match=rf"folds\.json: has {PATIENTS[0]} in fold 1, the slice store in [^\n]*fold 0;"
    ):
        prepare(run)


def correct(mask: Path) -> None:
    """Take a voxel of the lesion out."""
    image = nibabel.load(mask)
    labels = np.asarray(image.dataobj).copy()
    labels[tuple(np.argwhere(labels)[0])] = 0
    nibabel.save(nibabel.Nifti1Image(labels, image.affine), mask)


@pytest.fixture
def stored(cohort: Path, tmp_path: Path) -> tuple[Path, Run]:
    """Cases of one's own, and a run that has stored their slices."""
    data = shutil.copytree(cohort, tmp_path / "data")
    run = Run(tiny_recipe(data, tmp_path / "run"))
    prepare(run)
    return data, run


def test_a_mask_that_was_corrected_since_is_refused(stored: tuple[Path, Run]) -> None:
    data, run = stored
    prepare(run)
    index = run.index_path.read_bytes()
    corrected = [data / name / f"{name}_seg.nii.gz" for name in PATIENTS[1:3]]
    correct(corrected[0])
    with pytest.raises(RecipeError, match=rf"^\S*{PATIENTS[1]}_seg\.nii\.gz: [^\n]*; choose another --out, [^\n]*$"):
        prepare(run)
    correct(corrected[1])
    with pytest.raises(RecipeError, match=rf"slices of {PATIENTS[1]} in [^\n]*\(and 1 more changed\)"):
        prepare(run)
    assert run.index_path.read_bytes() == index

    for path in run.slices.glob("*.json"):  # as earlier versions left it
        told = json.loads(path.read_text())
        told.pop("files", None)
        path.write_text(json.dumps(told))
    prepare(run)


def test_a_mask_that_is_packed_anew_is_the_same(stored: tuple[Path, Run]) -> None:
    data, run = stored
    mask = data / PATIENTS[1] / f"{PATIENTS[1]}_seg.nii.gz"
    image = nibabel.load(mask)
    labels = np.asarray(image.dataobj)
    packed = gzip.compress(nibabel.Nifti1Image(np.where(labels > 0, 3, 0).astype(np.uint8), image.affine).to_bytes(), 1)
    assert packed != mask.read_bytes()
    mask.write_bytes(packed)

    prepare(run)


def test_an_image_of_another_size_is_refused_and_one_in_another_form_is_not(stored: tuple[Path, Run]) -> None:
    data, run = stored
    image = data / PATIENTS[0] / f"{PATIENTS[0]}_t1.nii.gz"
    nibabel.save(nibabel.load(image), image.with_suffix(""))
    image.unlink()
    prepare(run)
    other = data / PATIENTS[0] / f"{PATIENTS[0]}_t2.nii.gz"
    shutil.copy(data / PATIENTS[1] / f"{PATIENTS[1]}_flair.nii.gz", other)
    with pytest.raises(RecipeError, match=rf"{PATIENTS[0]}_t2\.nii\.gz: is not the file that the slices"):
        prepare(run)


def test_a_mask_that_is_corrected_before_all_are_stored_is_stored_again(
    fresh: Run, cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = shutil.copytree(cohort, tmp_path / "data")
    run = Run(replace(fresh.recipe, data=data))
    prepare(run)
    run.index_path.unlink()
    correct(data / PATIENTS[1] / f"{PATIENTS[1]}_seg.nii.gz")
    loaded = count_loads(monkeypatch)
    prepare(run)

    assert loaded == [PATIENTS[1]]
    prepare(run)


def test_cases_without_mask_are_left_out_aloud(
    cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = shutil.copytree(cohort, tmp_path / "data")
    write_patient(data / "Unlabelled", 9, mask=False)
    run = Run(tiny_recipe(data, tmp_path / "run"))
    prepare(run)
    said = capsys.readouterr()

    assert sorted(json.loads(run.index_path.read_text())["cases"]) == sorted(PATIENTS)
    assert "Unlabelled: no mask, left out\n" in said.err
    assert said.out == ""


def test_no_mask_at_all_is_refused(tmp_path: Path) -> None:
    write_patient(tmp_path / "data" / "Unlabelled", 9, mask=False)

    with pytest.raises(RecipeError, match=r"data: no case has a mask; training needs \*_seg\.nii\.gz files"):
        prepare(Run(tiny_recipe(tmp_path / "data", tmp_path / "run")))


def test_a_band_without_brain_is_refused(cohort: Path, tmp_path: Path) -> None:
    with pytest.raises(FaultyCasesError, match=f"{PATIENTS[0]}: no slice between the first and last slice") as raised:
        prepare(Run(tiny_recipe(cohort, tmp_path, "--slices.first-slice", "50")))
    assert [patient for patient in PATIENTS if patient not in str(raised.value)] == []


def test_two_cases_of_one_name_are_refused(tmp_path: Path) -> None:
    for group in ("HGG", "LGG"):
        write_patient(tmp_path / "data" / group / "Same", 1)

    with pytest.raises(CaseError, match=r"LGG/Same: has the same name as [^\n]*HGG/Same; rename one, or move"):
        prepare(Run(tiny_recipe(tmp_path / "data", tmp_path / "run")))


def test_a_damaged_image_is_named(cohort: Path, tmp_path: Path) -> None:
    data = shutil.copytree(cohort, tmp_path / "data")
    broken = data / PATIENTS[1] / f"{PATIENTS[1]}_t2.nii.gz"
    broken.write_bytes(broken.read_bytes()[:100])

    with pytest.raises(CaseError, match=f"{PATIENTS[1]}_t2"):
        prepare(Run(tiny_recipe(data, tmp_path / "run")))


def test_images_in_folders_of_their_own_are_found_again(cohort: Path, tmp_path: Path) -> None:
    data = shutil.copytree(cohort, tmp_path / "data")
    case = data / PATIENTS[0]
    for file in list(case.iterdir()):
        kind = file.name.removesuffix(".nii.gz").rsplit("_", 1)[1]
        (case / kind).mkdir()
        file.rename(case / kind / file.name)
    run = Run(tiny_recipe(data, tmp_path / "run"))
    prepare(run)

    assert json.loads(run.index_path.read_text())["cases"][PATIENTS[0]]["folder"] == str(case)
