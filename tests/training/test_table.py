"""The comparison: all systems over all folds, resumed, refused and written in the fixed form."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from napari_ddmd.model import Denoiser, load_bundle
from src_training import evaluate as evaluate_module
from src_training import table as table_module
from src_training.__main__ import main, parse
from src_training.baselines import training as baseline_training
from src_training.baselines.cimd import CimdNetwork
from src_training.baselines.training import check_network, load_baseline, load_cimd_denoiser
from src_training.metrics import METRICS
from src_training.recipe import SYSTEMS, RecipeError
from src_training.run import Run
from src_training.systems import for_system

from .conftest import PATIENTS, TINY, write_patient

# SegNet and the U-Net halve their input five times.
SMALL = (
    *TINY,
    *("--model.frame.size", "32", "--model.variant", "light"),
    *("--diffusion.iterations", "2", "--diffusion.batch-size", "2"),
    *("--baselines.iterations", "2", "--baselines.batch-size", "2", "--autoencoders.epochs", "1"),
    *("--slices.folds", "2", "--discrepancies.no-out-of-fold"),
)
SMOKE = ("--preset", "smoke", "--slices.first-slice", "0", "--slices.last-slice", "9")
"""The preset, with all slices of patients that have nine."""


def words(data: Path, out: Path, *more: str) -> list[str]:
    return ["--data", str(data), "--out", str(out), *SMALL, *more]


@pytest.fixture(scope="module")
def compared(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a run with every system trained and judged on two folds. Not to be changed."""
    out = tmp_path_factory.mktemp("runs") / "compared"
    assert main(["table", *words(cohort, out)]) == 0
    return out


@pytest.fixture
def copied(compared: Path, tmp_path: Path) -> Path:
    return shutil.copytree(compared, tmp_path / "copy")


def test_metrics_have_the_fixed_form(compared: Path) -> None:
    summary = json.loads((compared / "metrics.json").read_text())

    assert list(summary["systems"]) == list(SYSTEMS)
    for name, figures in summary["systems"].items():
        assert set(METRICS) <= set(figures), name
        for metric in METRICS:
            assert {"mean", "std", "per_patient"} <= set(figures[metric])
            assert set(figures[metric]["per_patient"]) == set(PATIENTS)
    assert summary["budget"]["segnet"]["parameters"] > summary["budget"]["ddmd"]["parameters"] > 0
    assert {entry["iterations"] for entry in summary["budget"].values()} == {2}
    assert {len(entry["minutes"]) for entry in summary["budget"].values()} == {2}


def test_the_table_has_a_row_for_every_system(compared: Path) -> None:
    page, rows = (compared / "table.md").read_text(), (compared / "table.csv").read_text().splitlines()

    assert all(page.count(f"\n| {name} |") >= 3 for name in SYSTEMS)
    assert {row.split(",")[0] for row in rows[1:]} == set(SYSTEMS)


def test_systems_have_folders_of_their_own(compared: Path) -> None:
    for fold in ("fold0", "fold1"):
        assert (compared / fold / "bundle" / "model.json").exists(), "the recipe's own variant, ddmd-light"
        others = {folder.name for folder in (compared / fold / "systems").iterdir()}
        assert others == set(SYSTEMS) - {"ddmd-light"}


def test_calling_again_computes_nothing(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("computed again")

    for module, name in (
        (baseline_training, "train"),
        (evaluate_module, "evaluate_case"),
        (evaluate_module, "evaluate_network"),
    ):
        monkeypatch.setattr(module, name, refuse)
    page = (copied / "table.md").read_text()

    assert main(["table", "--out", str(copied)]) == 0
    assert (copied / "table.md").read_text() == page


def counting(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the baselines that are trained from now on."""
    trained: list[str] = []
    train: Callable[..., Any] = baseline_training.train

    def count(*arguments: Any, **options: Any) -> Any:
        trained.append(options["name"])
        return train(*arguments, **options)

    monkeypatch.setattr(baseline_training, "train", count)
    return trained


def test_only_what_is_missing_is_made_up_for(
    copied: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = copied / "fold1" / "systems" / "unet-tuned" / "training" / "network.safetensors"
    before = weights.read_bytes()
    weights.unlink()
    trained = counting(monkeypatch)

    assert main(["table", "--out", str(copied)]) == 0
    assert trained == ["unet-tuned fold1"]
    assert f"table: {2 * len(SYSTEMS)} of {2 * len(SYSTEMS)}, unet-tuned, fold1\n" in capsys.readouterr().err
    assert weights.read_bytes() == before


def test_some_systems_alone(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["table", "--out", str(copied), "--systems", "cimd", "ddmd"]) == 0
    assert parse(["--out", str(copied)]).systems == SYSTEMS, "what one call compares is its own affair"
    capsys.readouterr()

    assert main(["table", "--out", str(copied), "--systems", "net"]) == 2
    assert "system 'net' does not exist; choose one of unet" in capsys.readouterr().err.splitlines()[-1]


def test_other_settings_are_refused(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call = ["table", "--out", str(copied), "--systems", "segnet", "--baselines.learning-rate", "0.1"]

    assert main(call) == 2
    assert "was made with other settings (baselines)" in capsys.readouterr().err.splitlines()[-1]


def test_a_window_that_cannot_be_halved(cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call = ["baseline", "segnet", *words(cohort, tmp_path / "run", "--model.frame.size", "48")]

    assert main(call) == 2
    assert "model.frame.size must be a multiple of 32 for segnet, not 48" in capsys.readouterr().err


@pytest.mark.parametrize("encoder", ["mit_b0", "resnext101_32x32d"])
def test_encoders_that_cannot_be_made_without_memory_are_not_refused(encoder: str) -> None:
    check_network(parse(["--preset", "small", "--baselines.encoder", encoder]), "unet")


@pytest.mark.parametrize(
    ("more", "refusal"),
    [
        (("--model.frame.size", "48"), "model.frame.size must be a multiple of 32 for unet, not 48"),
        (("--accumulate", "2"), "baselines.batch-size must be a multiple of 2"),
        (("--model.autoencoder.members", "1"), "ddmd needs model.autoencoder.members of at least 2"),
        (("--baselines.encoder", "none-such"), "segmentation-models-pytorch has no encoder 'none-such'"),
    ],
)
def test_what_one_system_cannot_do_is_refused_before_any_is_trained(
    more: tuple[str, ...], refusal: str, cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = ["table", *words(cohort, tmp_path / "run", *more), "--systems", "cimd", "ddmd", "unet"]

    assert main(call) == 2
    assert refusal in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_baseline_alone(cohort: Path, compared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    assert main(["baseline", "unet-tuned", *words(cohort, out, "--fold", "0")]) == 0
    summary = json.loads((out / "metrics.json").read_text())
    place = "fold0/systems/unet-tuned/training/network.safetensors"

    assert list(summary["systems"]) == ["unet-tuned"]
    assert (out / place).read_bytes() == (compared / place).read_bytes()
    assert not (out / "ensembles").exists(), "it needs no autoencoders"


@pytest.mark.parametrize(
    ("name", "problem"),
    [([], "'baseline' needs the name of a system"), (["net"], "system 'net' does not exist")],
)
def test_a_baseline_needs_a_name(
    name: list[str], problem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["baseline", *name, "--out", str(tmp_path / "run")]) == 2
    assert f"{problem}; choose one of unet, segnet" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_cimd_is_published_as_a_model(compared: Path, cohort: Path) -> None:
    run = Run(parse(["--out", str(compared), "--fold", "0"])).for_system("cimd")
    (split,) = run.splits()
    bundle = load_bundle(split.work / "bundle")
    network = load_baseline(split)
    assert isinstance(network, CimdNetwork)

    assert bundle.variant == "mini"
    assert bundle.provenance["system"] == "cimd"
    assert [len(entry["patients"]) for entry in bundle.provenance["evaluations"]] == [2]
    published, trained = bundle.networks.denoiser.state_dict(), load_cimd_denoiser(split).state_dict()
    assert isinstance(load_cimd_denoiser(split), Denoiser)
    assert all(published[key].equal(value.half().float()) for key, value in trained.items())


def test_each_system_has_its_own_settings(compared: Path) -> None:
    run = Run(parse(["--out", str(compared)]))

    assert for_system(run, "ddmd-light") is run
    assert for_system(run, "ddmd").recipe.model.variant == "full"
    assert for_system(for_system(run, "ddmd"), "unet").recipe.model.variant == "light"
    assert for_system(for_system(run, "ddmd"), "ddmd-light") is run
    with pytest.raises(RecipeError, match="choose one of"):
        for_system(run, "nnunet")


def test_smoke_makes_its_own_patients(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def make(folder: Path, count: int, seed: int, workers: int) -> None:
        for number in range(count):
            write_patient(folder / f"Made_{number}", number)

    monkeypatch.setattr(table_module, "make_patients", make)
    call = ["table", *SMOKE, *words(tmp_path / "data", tmp_path / "run")]

    assert main([*call, "--systems", "unet-tuned"]) == 0
    said = capsys.readouterr()
    assert "does not exist; synthetic patients are made there" in said.err
    assert "| Made_2 |" in said.out


def test_smoke_goes_on_with_patients_that_were_not_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def make(folder: Path, patient: tuple[int, Path | None]) -> None:
        seed, _ = patient
        made.append(folder.name)
        if len(made) == 3:
            raise KeyboardInterrupt
        write_patient(folder / f"Synthetic_{seed:06d}", seed)

    monkeypatch.setattr("src_training.synthetic_patients._make_patient", make)
    call = ["table", *SMOKE, *words(tmp_path / "data", tmp_path / "run"), "--systems", "unet-tuned"]

    assert main(call) == 130
    assert not (tmp_path / "data").exists()
    assert main(call) == 0
    assert len(made) == 4, "two that were there already are not made again"
    assert len(list((tmp_path / "data").iterdir())) == 3


def test_a_run_for_the_final_model_is_compared_over_all_folds(copied: Path) -> None:
    assert main(["table", "--out", str(copied), "--fold", "final", "--systems", "unet-tuned"]) == 0
    found = json.loads((copied / "metrics.json").read_text())

    assert set(found["systems"]["unet-tuned"]["dice_volume"]["per_fold"]) == {"0", "1"}


def test_pretraining_serves_the_tuned_u_net_too(cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "src_training.synthetic_patients._make_patient",
        lambda folder, made: write_patient(folder / f"Made_{made[0]}", made[0]),
    )
    trained = counting(monkeypatch)
    call = words(
        cohort, tmp_path / "run", "--fold", "0", "--pretraining.patients", "2", "--pretraining.iterations", "2"
    )
    assert main(["baseline", "unet-tuned", *call]) == 0

    assert trained == ["unet-tuned final", "unet-tuned fold0"]
    assert (tmp_path / "run" / "synthetic" / "final" / "systems" / "unet-tuned" / "training").is_dir()
