"""What cannot be trained is refused at once and in one line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from src_training.__main__ import parse
from src_training.checks import check_recipe
from src_training.recipe import PRESETS, RecipeError, preset

from .conftest import tiny_recipe


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody has a run in the folder that is the default."""
    monkeypatch.chdir(tmp_path)


def test_presets_are_sound() -> None:
    for name in PRESETS:
        check_recipe(preset(name))
    check_recipe(tiny_recipe(Path("data"), Path("run")))


@pytest.mark.parametrize(("setting", "its"), [("scaled-input", "x0"), ("learned-variance", "epsilon")])
@pytest.mark.parametrize("prediction", ["x0", "v", "epsilon"])
def test_some_settings_go_with_one_prediction_only(setting: str, its: str, prediction: str) -> None:
    recipe = parse([f"--model.diffusion.{setting}", "--model.diffusion.prediction", prediction])

    if prediction == its:
        check_recipe(recipe)
        return
    with pytest.raises(RecipeError, match=rf"^model.diffusion.{setting} .*, not {prediction}: [^\n]*$"):
        check_recipe(recipe)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ("--fold five", "fold 'five' does not exist; choose final, cv or a fold's number"),
        ("--fold ²", "fold '²' does not exist"),
        ("--seed -1", "seed must be 0 to 2147483647, not -1"),
        ("--slices.folds 1", "slices.folds must be at least 2"),
        ("--slices.unhealthy-fraction 1.5", "slices.unhealthy-fraction must be 0 to 1, not 1.5"),
        ("--slices.first-slice 9 --slices.last-slice 8", "slices.first-slice 9 is after"),
        ("--autoencoders.epochs 0", "autoencoders.epochs must be at least 1"),
        ("--autoencoders.batch-size 0", "autoencoders.batch-size must be at least 1"),
        ("--pretraining.patients 1", "pretraining.patients must be 0 .none. or at least 2, not 1"),
        ("--pretraining.share 1", "pretraining.share must be 0 or more and less than 1, not 1.0"),
        (
            "--pretraining.patients 2 --autoencoders.batch-size 1 --diffusion.batch-size 4",
            "pretraining.share 0.5 makes 0 of autoencoders.batch-size 1 slices synthetic; choose a share",
        ),
        ("--pretraining.iterations 0", "pretraining.iterations must be at least 1"),
        ("--diffusion.iterations 0", "diffusion.iterations must be at least 1"),
        ("--diffusion.batch-size 0", "diffusion.batch-size must be at least 1"),
        ("--diffusion.checkpoint-every 0", "diffusion.checkpoint-every must be at least 1"),
        ("--diffusion.timestep-power 0", "diffusion.timestep-power must be more than 0"),
        ("--diffusion.timestep-power nan", "diffusion.timestep-power must be more than 0"),
        ("--autoencoders.learning-rate 0", "autoencoders.learning-rate must be above 0, not 0.0"),
        ("--pretraining.learning-rate inf", "pretraining.learning-rate must be above 0, not inf"),
        ("--diffusion.learning-rate nan", "diffusion.learning-rate must be above 0, not nan"),
        ("--baselines.learning-rate -1", "baselines.learning-rate must be above 0, not -1.0"),
        ("--diffusion.weight-decay -0.1", "diffusion.weight-decay must be 0 or more, not -0.1"),
        ("--diffusion.lambda-vlb inf", "diffusion.lambda-vlb must be 0 or more, not inf"),
        ("--diffusion.warmup -1", "diffusion.warmup must be 0 or more, not -1"),
        ("--diffusion.ema-decay 1", "diffusion.ema-decay must be 0 or more and less than 1, not 1.0"),
        ("--slices.min-brain-mm2 nan", "slices.min-brain-mm2 must be 0 or more, not nan"),
        ("--workers -1", "workers must be 0 or more, not -1"),
        ("--slices.first-slice -5", "slices.first-slice must be 0 or more, not -5"),
        ("--fold 01", "fold '01' does not exist"),
        (
            "--model.autoencoder.size 16 --accumulate 16 --autoencoders.batch-size 16 --pretraining.no-autoencoders",
            "autoencoders.batch-size must be at least 32 where model.autoencoder.size is 16",
        ),
        ("--model.sampling.samples 0", "model.sampling.samples must be at least 1"),
        ("--model.context.slices -1", "model.context.slices must be 0 or more, not -1"),
        ("--model.context.step-mm 0", "model.context.step-mm must be above 0, not 0.0"),
        ("--model.context.step-mm nan", "model.context.step-mm must be above 0, not nan"),
        (
            "--model.sampling.healthy-below 0.5",
            "model.sampling.healthy-below must be 0 to below the threshold of 0.5, not 0.5",
        ),
        (
            "--model.sampling.healthy-below -0.1",
            "model.sampling.healthy-below must be 0 to below the threshold of 0.5, not -0.1",
        ),
        ("--model.sampling.min-part 1.1", "model.sampling.min-part must be 0 to 1, not 1.1"),
        ("--model.sampling.min-peak 1", "model.sampling.min-peak must be 0 to below 1, not 1.0"),
        ("--model.sampling.steps 1001", "model.sampling.steps must be 1 to 1000, not 1001"),
        ("--model.autoencoder.members 0", "model.autoencoder.members must be at least 1"),
        ("--model.autoencoder.members 1", "model.variant full needs model.autoencoder.members of at least 2"),
        ("--model.normalisation.lower-percentile 100", "model.normalisation needs"),
        ("--model.diffusion.inter-scale 2", "model.diffusion.inter-scale is measured on the training patients' maps"),
        ("--model.frame.size 100", "model: frame size 100 is not a multiple of 16"),
        ("--model.autoencoder.size 40", "model: autoencoder size 40 is not a multiple of 16"),
        ("--model.denoiser.channels 30 64", "model: num_channels"),
        ("--model.diffusion.timesteps 5 --model.sampling.steps 1", "model: .*more timesteps"),
    ],
)
def test_each_fault_is_named_in_one_line(options: str, complaint: str) -> None:
    with pytest.raises(RecipeError, match=f"^{complaint}") as caught:
        check_recipe(parse(options.split()))

    assert "\n" not in str(caught.value)


def test_batches_need_to_suit_the_processes_only_where_a_denoiser_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("src_training.checks.world_size", lambda: 3)
    recipe = parse(["--diffusion.batch-size", "16"])
    for stage in ("all", "pretrain", "diffusion", "table"):
        with pytest.raises(RecipeError, match="on each of 3 processes"):
            check_recipe(recipe, stage)
    for system in ("cimd", "ddmd", "unet-tuned"):
        with pytest.raises(RecipeError, match="on each of 3 processes"):
            check_recipe(recipe, "baseline", system)
    check_recipe(recipe, "baseline", "segnet")
    check_recipe(replace(recipe, systems=("unet", "segnet")), "table")
    for stage in ("prepare", "discrepancies", "evaluate", "robustness", "publish", "figures"):
        check_recipe(recipe, stage)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("--preset small --pretraining.share 0.3 --pretraining.anatomy x", "pretraining.share, pretraining.anatomy: "),
        ("--pretraining.patients 0 --pretraining.learning-rate 0.1", "pretraining.learning-rate: there are no"),
        ("--bundle compact --model.sampling.steps 20", r"model\.\*: --bundle judges a model as it was published"),
        ("--bundle compact --slices.first-slice 80 --diffusion.iterations 9", r"slices\.\*, diffusion\.\*: --bundle"),
    ],
)
def test_options_that_would_change_nothing_are_refused(options: str, told: str) -> None:
    with pytest.raises(RecipeError, match=f"^{told}"):
        parse(options.split())


def test_options_that_change_something_are_not_refused() -> None:
    parse(["--preset", "small", "--pretraining.share", "0.3", "--pretraining.patients", "4"])
    parse(["--pretraining.patients", "0"])
    parse(["--pretraining.patients", "0", "--pretraining.share", "0", "--pretraining.no-autoencoders"])
    check_recipe(parse(["--start-from", "compact", "--pretraining.patients", "0", "--pretraining.share", "0"]))
    parse(["--preset", "paper", "--bundle", "compact", "--seed", "3", "--fold", "cv"])


def test_one_autoencoder_is_enough_where_no_spread_is_asked_for() -> None:
    check_recipe(parse(["--model.autoencoder.members", "1", "--model.variant", "light"]))


def test_a_name_leaves_room_for_that_of_the_model_of_synthetic_patients() -> None:
    longest = "n" * 90
    check_recipe(parse(["--name", longest]))
    with pytest.raises(RecipeError, match=r"^name must be 90 letters at most, not 91: [^\n]* as NAME-synthetic$"):
        check_recipe(parse(["--name", longest + "n"]))
    check_recipe(parse(["--name", "n" * 100, "--pretraining.patients", "0"]))
    check_recipe(parse(["--name", "n" * 100, "--pretraining.no-autoencoders"]))
