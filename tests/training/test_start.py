"""A training goes on from a published model."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_ddmd.model import load_bundle, save_bundle
from napari_ddmd.model.denoiser import Denoiser
from napari_ddmd.model.discrepancy import discrepancy_maps
from napari_ddmd.synthetic import case as room
from napari_ddmd.synthetic import make_small_case
from src_training.__main__ import main, parse
from src_training.checks import check_recipe
from src_training.dataset import Slices
from src_training.dry_run import dry_run
from src_training.files import read_array
from src_training.fingerprints import are_same
from src_training.publish import published
from src_training.recipe import PretrainingRecipe, Recipe, RecipeError, preset
from src_training.run import Run
from src_training.start import PATIENTS_APART, STARTED_PATIENTS, STARTED_RATE, start_of

from .conftest import PATIENTS, succeed, tiny_words, write_patient

OWN = (
    *("--device", "cpu", "--precision", "32-true", "--slices.folds", "3", "--slices.min-brain-mm2", "150"),
    *("--diffusion.iterations", "2", "--diffusion.batch-size", "4", "--pretraining.patients", "0"),
)
"""Options of a training that starts from a model: those of its networks are the model's."""


@pytest.fixture(scope="session")
def fold0(tiny_out: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that has not seen the patients of fold 0, with a denoiser that no training here begins with."""
    bundle = load_bundle(tiny_out / "fold0" / "bundle")
    with torch.random.fork_rng():
        torch.manual_seed(9)
        bundle.networks.denoiser.load_state_dict(Denoiser(bundle.settings).state_dict())
    return save_bundle(tmp_path_factory.mktemp("models") / "fold0", bundle)


@pytest.fixture(scope="session")
def started_out(fold0: Path, cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a run that started from that model and holds the same fold out. Not to be changed."""
    out = tmp_path_factory.mktemp("started") / "run"
    succeed(["--data", str(cohort), "--out", str(out), "--start-from", str(fold0), "--fold", "0", *OWN])
    return out


def words(start: Path | str, cohort: Path, out: Path, *more: str) -> list[str]:
    return ["--data", str(cohort), "--out", str(out), "--start-from", str(start), *OWN, *more]


def test_the_networks_are_the_models(fold0: Path, cohort: Path, tmp_path: Path) -> None:
    recipe = parse(["--data", str(cohort), "--out", str(tmp_path), "--start-from", str(fold0)])

    assert recipe.model.denoiser.channels == load_bundle(fold0).settings.denoiser.channels
    assert (recipe.pretraining.patients, recipe.fold, recipe.name) == (STARTED_PATIENTS, "final", "compact-adapted")
    assert parse(["--start-from", str(fold0), "--pretraining.patients", "7"]).pretraining.patients == 7


def test_a_model_learns_on_at_a_lower_rate_than_from_nothing(fold0: Path) -> None:
    def rate(*more: str) -> float:
        return parse(["--start-from", str(fold0), *more]).diffusion.learning_rate

    assert rate("--preset", "small") == rate() == STARTED_RATE < preset("small").diffusion.learning_rate
    assert rate("--preset", "paper") == preset("paper").diffusion.learning_rate < STARTED_RATE
    assert rate("--preset", "small", "--diffusion.learning-rate", "1e-3") == 1e-3


def test_autoencoders_and_scales_are_kept_and_the_denoiser_learns_on(fold0: Path, started_out: Path) -> None:
    before, after = load_bundle(fold0), load_bundle(started_out / "fold0" / "bundle")

    assert not (started_out / "ensembles").exists()
    for kind in ("ae_1", "ae_2"):
        old, new = (getattr(bundle.networks, kind).state_dict() for bundle in (before, after))
        assert all(torch.equal(old[key], new[key]) for key in old)
    assert after.settings == before.settings
    torch.manual_seed(0)
    drawn = Denoiser(before.settings)
    learned, known, unlearned = (net.state_dict() for net in (after.networks.denoiser, before.networks.denoiser, drawn))
    assert 0 < far(learned, known) < far(learned, unlearned) / 20  # two steps away from it


def far(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    """Largest difference of a weight."""
    return max(float((one[key] - other[key]).abs().max()) for key in one)


def test_maps_of_all_patients_come_from_the_models_autoencoders(fold0: Path, started_out: Path) -> None:
    split, networks = Run(parse(["--out", str(started_out)])).split("0"), load_bundle(fold0).networks

    for case in split.training_cases:
        images = Slices.of(split, [case]).image(np.arange(len(Slices.of(split, [case]).rows)))
        found = discrepancy_maps(images, networks.ae_1, networks.ae_2, size=16)
        made = torch.from_numpy(
            read_array(started_out / "fold0" / "maps" / f"{case}.npy", remedy="").astype(np.float32)
        )
        assert torch.allclose(made, torch.stack([found.inter, found.intra], dim=1), atol=2e-3)
        assert not torch.allclose(made, torch.stack([found.intra, found.inter], dim=1), atol=2e-3)


def test_the_model_and_its_card_tell_where_it_started(fold0: Path, started_out: Path) -> None:
    folder = started_out / "fold0" / "bundle"
    start, bundle = load_bundle(fold0), load_bundle(folder)

    assert bundle.provenance["start"] == {
        "name": start.name,
        "version": start.version,
        "sha256": start.sha256,
        "training_cases": start.provenance["training_cases"],
    }
    assert f"Starts from {start.name} (version 1), and goes on with 2 labelled patients" in bundle.card
    page = (folder / "README.md").read_text()
    assert f"kept as {start.name} (version 1) has them" in page
    assert "discrepancy maps of the training slices in sample for 2 of 2 cases, which compact had seen" in page


def test_who_the_first_model_has_seen_is_judged_by_no_later_one(tiny_out: Path, tmp_path: Path) -> None:
    cohort, out = tmp_path / "cohort", tmp_path / "out"
    for seed in range(2):
        write_patient(cohort / f"BraTS2021_9100{seed}", 10 + seed)
    succeed(words(tiny_out / "final" / "bundle", cohort, out, "--slices.folds", "2"))

    seen = load_bundle(out / "final" / "bundle").provenance["training_cases"]
    assert sorted(seen) == sorted((*PATIENTS, "BraTS2021_91000", "BraTS2021_91001"))
    assert "goes on with 2 labelled patients" in load_bundle(out / "final" / "bundle").card
    assert "discrepancy maps of the training slices out of fold" in (out / "final" / "bundle" / "README.md").read_text()


def test_patients_that_the_model_has_seen_are_not_held_out(
    fold0: Path, cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(fold0, cohort, tmp_path / "out", "--fold", "1")) == 2

    last = capsys.readouterr().err.splitlines()[-1]
    assert "fold1: holds out patients that compact has learned from (BraTS2021_9000" in last
    assert "--fold final" in last
    assert not (tmp_path / "out").exists()  # before a volume was read


def test_patients_whom_the_model_has_seen_under_other_names_are_not_held_out(
    tiny_out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cohort, start, out = tmp_path / "cohort", tiny_out / "final" / "bundle", tmp_path / "out"
    for seed in (1, 10, 11):  # the first is one of the training
        write_patient(cohort / f"BraTS-GLI-9100{seed:02d}-000", seed)
    folds = {f"BraTS-GLI-9100{seed:02d}-000": place for place, seed in enumerate((1, 10, 11))}
    (tmp_path / "folds.json").write_text(json.dumps(folds))
    given = ("--slices.fold-file", str(tmp_path / "folds.json"))
    succeed(["prepare", *words(start, cohort, out, *given, "--fold", "1")])
    assert main(["discrepancies", *words(start, cohort, out, *given, "--fold", "0")]) == 2
    assert "fold0: holds out patients that compact has learned from (BraTS-GLI-910001)" in capsys.readouterr().err

    for stage in ("discrepancies", "diffusion", "publish"):
        succeed([stage, *words(start, cohort, out, *given, "--fold", "1")])
    folder = out / "fold1" / "bundle"
    assert "in sample for 1 of 2 cases, which compact had seen" in (folder / "README.md").read_text()
    told = load_bundle(folder).provenance["lesions"]
    assert told.keys() == {*PATIENTS, *(name for name, fold in folds.items() if fold != 1)}
    assert told["BraTS-GLI-910001-000"] == told[PATIENTS[1]]

    bundle = load_bundle(start)  # as earlier versions published it
    apart = {key: value for key, value in bundle.provenance.items() if key != "lesions"}
    save_bundle(tmp_path / "earlier", replace(bundle, provenance=apart))
    succeed(["prepare", *words(tmp_path / "earlier", cohort, tmp_path / "second", *given, "--fold", "0")])
    succeed(["discrepancies", *words(tmp_path / "earlier", cohort, tmp_path / "second", *given, "--fold", "0")])


def test_other_networks_are_refused(
    fold0: Path, cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(fold0, cohort, tmp_path / "out", "--model.frame.size", "32")) == 2

    assert "its networks have other settings (model.frame) than are given" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    check_recipe(parse(words(fold0, cohort, tmp_path / "out", "--model.sampling.samples", "1")))


def test_the_same_command_goes_on_and_another_start_is_refused(
    fold0: Path, started_out: Path, tiny_out: Path, cohort: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = started_out / "fold0" / "diffusion" / "denoiser.safetensors"
    time = weights.stat().st_mtime_ns
    succeed(["--out", str(started_out)])
    assert weights.stat().st_mtime_ns == time

    # The same networks but other weights; as to who was seen, it would do.
    other = tiny_out / "fold0" / "bundle"
    assert main(["discrepancies", *words(other, cohort, started_out, "--fold", "0")]) == 2
    assert "was made with other settings (start)" in capsys.readouterr().err
    assert json.loads((started_out / "recipe.json").read_text())["start_from"] == str(fold0)


def test_a_run_that_was_begun_without_a_model_stays_so(
    fold0: Path, tiny_copy: Path, cohort: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (tiny_copy / "recipe.json").read_bytes()

    assert main(words(fold0, cohort, tiny_copy)) == 2
    assert "was begun without --start-from; choose another --out" in capsys.readouterr().err
    assert (
        main(["--out", str(tiny_copy), "--start-from", str(tiny_copy / "fold0" / "bundle"), "--preset", "small"]) == 2
    )
    assert "holds the model that the training is to start from" in capsys.readouterr().err
    assert (tiny_copy / "recipe.json").read_bytes() == before


def test_a_folder_is_not_taken_for_an_installed_model(
    tiny_out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = {
        place: shutil.copytree(tiny_out / fold / "bundle", tmp_path / place / "mine")
        for place, fold in (("installed", "fold1"), ("here", "fold0"))
    }
    monkeypatch.setenv("NAPARI_DDMD_MODELS", str(tmp_path / "installed"))
    monkeypatch.chdir(tmp_path / "here")

    for word, place in (("mine", "installed"), ("mine/", "here"), ("./mine", "here")):
        start = start_of(parse(["--start-from", word]))
        assert start is not None
        assert start.sha256 == load_bundle(folders[place]).sha256


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"training_cases": "BraTS2021_90001"}, "does not say as it should who it has learned from"),
        ({"training_cases": None}, "does not say as it should who it has learned from"),
        ({"system": "cimd"}, "another method (cimd)"),
    ],
)
def test_a_model_that_no_training_can_start_from_is_refused_at_once(
    change: dict[str, object], said: str, fold0: Path, cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = load_bundle(fold0)
    save_bundle(tmp_path / "model", replace(bundle, provenance=bundle.provenance | change))

    assert main(words(tmp_path / "model", cohort, tmp_path / "out")) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert not (tmp_path / "out").exists()


def test_the_option_may_be_written_with_underscores(fold0: Path) -> None:
    assert parse(["--start_from", str(fold0)]) == parse(["--start-from", str(fold0)])


def test_an_installed_model_may_have_the_name_of_the_runs_folder(
    fold0: Path, cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(fold0, tmp_path / "models" / "mine")
    monkeypatch.setenv("NAPARI_DDMD_MODELS", str(tmp_path / "models"))
    monkeypatch.chdir(tmp_path)
    for _ in range(2):  # the folder is there the second time
        succeed(["prepare", *words("mine", cohort, Path("mine"))])


def test_synthetic_patients_whom_nothing_would_read_are_refused(
    fold0: Path, cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ("--pretraining.patients", "2", "--pretraining.share", "0")
    assert main(words(fold0, cohort, tmp_path / "out", *more)) == 2
    assert "give --pretraining.patients 0, too" in capsys.readouterr().err


def test_a_bundle_of_another_start_is_not_taken_for_this_runs(fold0: Path, started_out: Path, tmp_path: Path) -> None:
    out = shutil.copytree(started_out, tmp_path / "out")
    split = Run(parse(["--out", str(out)])).split("0")
    assert published(split).provenance["start"]["sha256"] == load_bundle(fold0).sha256
    bundle = load_bundle(out / "fold0" / "bundle")
    start = bundle.provenance["start"] | {"sha256": "0" * 64}
    save_bundle(out / "fold0" / "bundle", replace(bundle, provenance=bundle.provenance | {"start": start}))
    with pytest.raises(RecipeError, match="publish it again"):
        published(split)


def test_a_kept_start_that_is_no_text_is_named(
    started_out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").mkdir()
    kept = json.loads((started_out / "recipe.json").read_text()) | {"start_from": 5}
    (tmp_path / "out" / "recipe.json").write_text(json.dumps(kept))
    assert main(["--out", str(tmp_path / "out")]) == 2
    assert "start_from is 5" in capsys.readouterr().err


def test_how_maps_are_made_is_the_models_affair(
    fold0: Path, cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(fold0, cohort, tmp_path / "out", "--discrepancies.no-scale-maps")) == 2
    assert "leave these out" in capsys.readouterr().err


@pytest.mark.parametrize(
    "option",
    [
        ("--autoencoders.epochs", "3"),
        ("--autoencoders.no-cosine",),
        ("--pretraining.iterations", "3"),
        ("--pretraining.learning-rate", "0.5"),
        ("--pretraining.autoencoder-epochs", "3"),
        ("--pretraining.no-autoencoders",),
    ],
)
def test_options_that_would_go_unused_are_refused(
    option: tuple[str, ...],
    fold0: Path,
    started_out: Path,
    cohort: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = option[0].removeprefix("--").replace(".no-", ".")
    for given in (words(fold0, cohort, tmp_path / "out", *option), ["--out", str(started_out), *option]):
        assert main(given) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"src_training: {name}: a training that starts from a model keeps its autoencoders")
        assert line.endswith("leave these out")
    assert not (tmp_path / "out").exists()


def test_what_a_run_was_begun_with_is_no_option(fold0: Path, started_out: Path, tmp_path: Path) -> None:
    """Presets may change from version to version; the run goes on all the same."""
    kept = json.loads((started_out / "recipe.json").read_text())
    kept["autoencoders"]["epochs"] += 1
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "recipe.json").write_text(json.dumps(kept))
    recipe = parse(["--out", str(tmp_path / "out"), "--start-from", str(fold0)])
    assert recipe.autoencoders.epochs == kept["autoencoders"]["epochs"]


def test_lessons_that_another_training_has_had_are_no_setting_of_a_start(fold0: Path) -> None:
    """An earlier version took these options, told of them, and made nothing of them."""
    lessons = PretrainingRecipe(patients=2, iterations=7, learning_rate=7e-3, autoencoder_epochs=7)
    run, other = (
        Run(Recipe(start_from=str(fold0), pretraining=settings))
        for settings in (lessons, PretrainingRecipe(patients=2))
    )
    assert run.pretraining_fingerprint == other.pretraining_fingerprint
    before = run.pretraining_fingerprint | {"iterations": 7, "learning_rate": 7e-3, "autoencoder_epochs": 7}
    assert are_same(before, other.pretraining_fingerprint)


@pytest.mark.parametrize(
    ("start", "said"),
    [("nowhere", "no such model"), (".", "model.json")],
)
def test_a_start_that_is_no_model_is_named(
    start: str, said: str, cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(tmp_path / start, cohort, tmp_path / "out")) == 2

    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert said in lines[0]


def test_comparisons_start_from_nothing(
    fold0: Path, cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["baseline", "unet", *words(fold0, cohort, tmp_path / "out")]) == 2
    assert "choose another --out, without --start-from" in capsys.readouterr().err


def test_what_it_takes_is_told_before(fold0: Path, cohort: Path, tmp_path: Path) -> None:
    page = dry_run(parse(words(fold0, cohort, tmp_path / "out", "--fold", "0")), budget_s=0.01)

    assert "the model's are kept" in page
    assert "2 iterations of 4 slices" in page


SYNTHETIC = ("--slices.min-brain-mm2", "1000", "--pretraining.patients", "2")


@pytest.fixture
def small_patients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "make_case", partial(make_small_case, shape=(40, 40, 26)))


@pytest.mark.usefixtures("small_patients")
def test_pretraining_leaves_a_model_to_start_from_and_new_patients_are_beside(cohort: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    lessons = ("--pretraining.iterations", "3", "--pretraining.autoencoder-epochs", "1")
    succeed(["pretrain", *tiny_words(cohort, first, *SYNTHETIC, *lessons)])
    bundle = load_bundle(first / "synthetic" / "final" / "bundle")

    assert bundle.name == "compact-synthetic"
    assert bundle.provenance["training_cases"] == ["Synthetic_001000", "Synthetic_001001"]
    assert "Trained on 2 synthetic patients (3 iterations at 16 pixels) and on no real one" in bundle.card

    # A further denoiser, or other weights: the model is made anew.
    more = ("--model.denoiser.members", "2", "--model.sampling.samples", "2")
    succeed(["pretrain", *tiny_words(cohort, first, *SYNTHETIC, *lessons, *more)])
    assert len(load_bundle(first / "synthetic" / "final" / "bundle").networks.denoisers) == 2

    # It has seen nobody, so that every fold may be held out.
    for stage in ("prepare", "pretrain", "discrepancies", "diffusion"):
        succeed([stage, *words(first / "synthetic" / "final" / "bundle", cohort, second, *SYNTHETIC, "--fold", "cv")])
    made = sorted(folder.name for folder in (second / "synthetic" / "patients").iterdir())
    assert made == [f"Synthetic_{1000 * (PATIENTS_APART + 1) + n:06d}" for n in range(2)]
    assert (second / "synthetic" / "final" / "maps" / "summary.json").exists()
    assert not (second / "synthetic" / "final" / "diffusion").exists()
    assert (second / "fold2" / "diffusion" / "denoiser.safetensors").exists()


@pytest.mark.usefixtures("small_patients")
def test_synthetic_patients_without_maps_are_told_of(
    fold0: Path, cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = words(fold0, cohort, tmp_path / "out", *SYNTHETIC, "--fold", "0")
    for stage in ("prepare", "discrepancies"):
        succeed([stage, *given])
    assert main(["diffusion", *given]) == 2
    assert "the stage 'pretrain' makes what is missing" in capsys.readouterr().err
