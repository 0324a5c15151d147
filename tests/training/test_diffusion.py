"""The denoiser's training: timesteps, losses that fall, and settings that stay together."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from napari_ddmd.model import Denoiser, ModelSettings, untrained_bundle
from napari_ddmd.model.losses import dice_cross_entropy, hybrid_loss, simple_loss
from napari_ddmd.model.schedule import NoiseSchedule
from napari_ddmd.model.settings import ContextSettings
from src_training import diffusion
from src_training.diffusion import (
    ConditionedBatches,
    DiffusionTask,
    draw_timesteps,
    load_denoiser,
    model_settings,
    prediction_loss,
    train_diffusion,
)
from src_training.discrepancies import make_discrepancies
from src_training.fingerprints import told_process
from src_training.recipe import DiffusionRecipe, RecipeError
from src_training.run import Run

from .conftest import tiny_recipe

PLAIN = DiffusionRecipe(augment=False, timestep_power=1.0)
KINDS = [("x0", False), ("v", False), ("epsilon", False), ("epsilon", True)]


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def settings_of(prediction: str, learned_variance: bool, variant: str = "full") -> ModelSettings:
    bundle = untrained_bundle(variant, frame_size=16, prediction=prediction, learned_variance=learned_variance)
    return replace(bundle.settings, context=ContextSettings(slices=0))


def toy_batch() -> tuple[Tensor, ...]:
    """Images that show the lesion as plain as can be, ``(8, ., 16, 16)``."""
    masks = torch.zeros(8, 1, 16, 16)
    for number in range(8):
        masks[number, 0, number : number + 6, 9 - number : 15 - number] = 1
    return masks.repeat(1, 4, 1, 1), 0.1 * masks.repeat(1, 2, 1, 1), masks


def losses_of(task: DiffusionTask, net: nn.Module, batch: tuple[Tensor, ...], seed: int) -> dict[str, Tensor]:
    return task.loss(net, task.draw(batch, generator(seed)))


@pytest.mark.parametrize("power", [1.0, 3.0])
def test_timesteps_are_spread_as_a_power(power: float) -> None:
    t = draw_timesteps(200_000, 1000, power, generator(0)).numpy()

    assert t.dtype == np.int64
    assert t.min() >= 0
    assert t.max() == 999
    for share in (0.1, 0.25, 0.5, 0.75, 0.9):
        assert np.mean(t < 1000 * share) == pytest.approx(share**power, abs=0.005)


def test_the_last_timestep_is_never_passed() -> None:
    assert draw_timesteps(10_000, 3, 50.0, generator(0)).max() == 2


def test_timesteps_come_from_the_generator_alone() -> None:
    assert torch.equal(draw_timesteps(9, 100, 3.0, generator(1)), draw_timesteps(9, 100, 3.0, generator(1)))


def test_weights_of_before_there_was_a_scaled_input_are_those_of_a_plain_one() -> None:
    plain = settings_of("x0", False)
    scaled = replace(plain, diffusion=replace(plain.diffusion, scaled_input=True))

    assert told_process(plain).keys() == plain.to_dict()["diffusion"].keys() - {"scaled_input"}
    assert told_process(scaled) == scaled.to_dict()["diffusion"]


@pytest.mark.parametrize(("prediction", "learned_variance"), KINDS)
def test_a_few_steps_lower_the_loss(prediction: str, learned_variance: bool) -> None:
    settings = settings_of(prediction, learned_variance)
    task, batch = DiffusionTask(settings, PLAIN), toy_batch()
    torch.manual_seed(0)
    net = Denoiser(settings)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)

    def value() -> float:
        with torch.no_grad():
            return float(np.mean([float(losses_of(task, net, batch, seed)["loss"]) for seed in range(4)]))

    before = value()
    for step in range(30):
        optimizer.zero_grad()
        losses_of(task, net, batch, 100 + step)["loss"].backward()
        optimizer.step()

    assert value() < 0.75 * before


class Oracle(nn.Module):
    """Answers with what it is given, and keeps what it was asked."""

    def __init__(self, output: Tensor) -> None:
        super().__init__()
        self.output = output
        self.asked: list[tuple[Tensor, Tensor, Tensor]] = []

    def forward(self, x_t: Tensor, t: Tensor, conditioning: Tensor) -> tuple[Tensor, None]:
        self.asked.append((x_t, t, conditioning))
        return self.output, None


@pytest.mark.parametrize(("variant", "channels"), [("mini", 4), ("light", 5), ("full", 6)])
def test_the_denoiser_is_shown_noise_and_the_scaled_maps(variant: str, channels: int) -> None:
    settings = settings_of("epsilon", False, variant)
    settings = replace(settings, diffusion=replace(settings.diffusion, inter_scale=0.5, intra_scale=0.25))
    images, maps, masks = toy_batch()
    oracle = Oracle(torch.zeros_like(masks))
    losses = losses_of(DiffusionTask(settings, PLAIN), oracle, (images, maps, masks), 3)
    ((x_t, t, conditioning),) = oracle.asked

    drawn = generator(3)
    assert torch.equal(t, draw_timesteps(8, 1000, 1.0, drawn))
    noise = torch.randn(masks.shape, generator=drawn)
    torch.testing.assert_close(x_t, NoiseSchedule.linear().add_noise(2 * masks - 1, noise, t))
    torch.testing.assert_close(losses["loss"], noise.square().mean())
    assert conditioning.shape == (8, channels, 16, 16)
    torch.testing.assert_close(conditioning[:, :4], 2 * images - 1)
    expected = {"inter": maps[:, 0] / 0.5, "intra": maps[:, 1] / 0.25}
    for place, name in enumerate(["inter", "intra"][: channels - 4]):
        torch.testing.assert_close(conditioning[:, 4 + place], expected[name])


def test_augmented_batches_meet_the_denoiser_together(monkeypatch: pytest.MonkeyPatch) -> None:
    settings, (images, maps, masks) = settings_of("x0", False), toy_batch()

    def turn(images: Tensor, maps: Tensor, masks: Tensor, _: torch.Generator) -> tuple[Tensor, ...]:
        return images.flip(-1), maps.flip(-1), masks.flip(-1)

    monkeypatch.setattr(diffusion, "augment", turn)
    oracle = Oracle(40 * (2 * masks.flip(-1) - 1))
    task = DiffusionTask(settings, replace(PLAIN, augment=True))
    losses = losses_of(task, oracle, (images, maps, masks), 0)

    assert losses["loss"] < 1e-3
    torch.testing.assert_close(oracle.asked[0][2][:, :4], 2 * images.flip(-1) - 1)


@pytest.mark.parametrize("prediction", ["x0", "v"])
def test_parts_of_a_draw_have_its_loss_on_average(prediction: str) -> None:
    settings = settings_of(prediction, False)
    torch.manual_seed(0)
    net, task = Denoiser(settings), DiffusionTask(settings, PLAIN)
    drawn = task.draw(toy_batch(), generator(0))
    whole = task.loss(net, drawn)
    parts = [task.loss(net, tuple(tensor[part::4] for tensor in drawn)) for part in range(4)]

    for key, value in whole.items():
        torch.testing.assert_close(torch.stack([losses[key] for losses in parts]).mean(), value)


@pytest.mark.parametrize("prediction", ["x0", "v", "epsilon"])
def test_a_preview_shows_image_mask_noise_and_prediction(prediction: str) -> None:
    settings, (images, maps, masks) = settings_of(prediction, False), toy_batch()
    images = images * torch.tensor([0.1, 0.2, 0.3, 0.4]).view(1, 4, 1, 1)
    task = DiffusionTask(settings, PLAIN)
    drawn = task.draw((images, maps, masks), generator(0))
    _, _, x0, t, noise = drawn
    right = 40 * x0 if prediction == "x0" else task.schedule.target(x0, noise, t, settings.diffusion.prediction)
    pictures = task.preview(Oracle(right), drawn)

    assert pictures.shape == (8, 3, 16, 80), "and a sampled mask at the end"
    noisy = ((task.schedule.add_noise(x0, noise, t) + 1) / 2).clamp(0, 1)
    for place, expected in enumerate([images[:, 3:], masks, noisy, masks]):
        shown = pictures[..., 16 * place : 16 * (place + 1)]
        torch.testing.assert_close(shown, expected.expand(-1, 3, -1, -1), atol=2e-3, rtol=0)


def test_each_prediction_has_its_own_loss() -> None:
    schedule = NoiseSchedule.linear()
    x0 = 2 * toy_batch()[2] - 1
    noise, output, variance = (torch.randn(x0.shape, generator=generator(seed)) for seed in range(3))
    t = torch.arange(0, 800, 100)
    x_t = schedule.add_noise(x0, noise, t)

    def losses(prediction: str, output: Tensor, variance: Tensor | None = None) -> dict[str, Tensor]:
        settings = settings_of(prediction, variance is not None)
        return prediction_loss(output, variance, x0, x_t, noise, t, schedule, settings, PLAIN)

    assert losses("x0", output)["loss"] == dice_cross_entropy(output, x0)
    assert losses("epsilon", output)["loss"] == simple_loss(output, noise)
    learned = losses("epsilon", output, variance)
    expected = hybrid_loss(output, variance, x0, x_t, noise, t, schedule, lambda_vlb=PLAIN.lambda_vlb)
    assert learned["loss"] == expected > learned["simple"]
    right = losses("v", schedule.velocity(x0, noise, t))
    assert right["velocity"] == 0
    assert right["dice_cross_entropy"] < 1e-3
    wrong = losses("v", output)
    torch.testing.assert_close(wrong["loss"], wrong["velocity"] + wrong["dice_cross_entropy"])
    assert wrong["velocity"] > 1


def test_batches_hold_slices_with_their_own_maps(tiny_run: Run) -> None:
    split = tiny_run.split("final")
    batches = ConditionedBatches(split)
    images, maps, masks = batches[3]
    again = batches[3]

    assert len(batches) == tiny_run.recipe.diffusion.iterations
    assert (images.shape, maps.shape, masks.shape) == ((4, 12, 16, 16), (4, 2, 16, 16), (4, 3, 16, 16))
    assert all(torch.equal(a, b) for a, b in zip((images, maps, masks), again, strict=True))
    assert not torch.equal(batches[4][0], images)
    assert masks[:, 0].flatten(1).amax(1).sum() <= 2
    stored = {case: np.load(split.folder / "maps" / f"{case}.npy") for case in split.training_cases}
    slices = batches.real.slices
    for image, own in zip(images, maps, strict=True):
        everything = slices.image(np.arange(len(slices.rows)))
        row = int((everything - image[:4]).abs().flatten(1).amax(1).argmin())
        case, number = slices.rows[row]
        np.testing.assert_array_equal(own.numpy(), stored[slices.cases[case]][number].astype(np.float32))


def test_a_trained_split_knows_the_scales_of_its_maps(tiny_run: Run) -> None:
    split = tiny_run.split("1")
    settings = model_settings(split)
    scales = json.loads((split.folder / "maps" / "summary.json").read_text())["scales"]

    assert settings.diffusion.inter_scale == scales["inter"] != 1
    assert settings.diffusion.intra_scale == scales["intra"] != 1
    weights = load_file(split.folder / "diffusion" / "denoiser.safetensors")
    denoiser = load_denoiser(split)
    assert not denoiser.training
    assert all(torch.equal(weights[key], value) for key, value in denoiser.state_dict().items())


@pytest.mark.parametrize(
    "option",
    [
        ("--model.diffusion.prediction", "v"),
        ("--model.denoiser.channels", "16", "16"),
        ("--diffusion.learning-rate", "0.5"),
        ("--seed", "1"),
    ],
)
def test_other_settings_are_refused(option: tuple[str, ...], cohort: Path, tiny_out: Path) -> None:
    run = Run(tiny_recipe(cohort, tiny_out, *option, "--fold", "final"))
    refusal = r"(diffusion/recipe|maps/summary)\.json: was made with other settings \((model|diffusion|seed)\); [^\n]*$"

    with pytest.raises(RecipeError, match=refusal):
        train_diffusion(run)
    with pytest.raises(RecipeError, match=refusal):
        load_denoiser(run.split("final"))


def test_weights_that_have_seen_a_patient_do_not_judge_it(cohort: Path, tiny_copy: Path) -> None:
    run = Run(tiny_recipe(cohort, tiny_copy, "--fold", "0"))
    index = json.loads(run.index_path.read_text())
    held_out, seen = (next(c for c, entry in index["cases"].items() if entry["fold"] == fold) for fold in (0, 1))
    index["cases"][held_out]["fold"], index["cases"][seen]["fold"] = 1, 0
    run.index_path.write_text(json.dumps(index))
    (split,) = run.splits()
    names = ", ".join(sorted((held_out, seen)))
    refusal = rf"{{}}\.json: was made from other cases than fold0 learns from now \({names}\); delete [^\n]*$"

    for stage in (make_discrepancies, train_diffusion):
        with pytest.raises(RecipeError, match=refusal.format("maps/summary")):
            stage(run)
    (split.folder / "maps" / "summary.json").unlink()
    make_discrepancies(run)
    for refused in (lambda: train_diffusion(run), lambda: load_denoiser(split)):
        with pytest.raises(RecipeError, match=refusal.format("diffusion/recipe")):
            refused()


def test_markers_of_earlier_versions_pass(cohort: Path, tiny_copy: Path) -> None:
    run = Run(tiny_recipe(cohort, tiny_copy, "--fold", "0"))
    (split,) = run.splits()
    markers = [split.folder / "maps" / "summary.json", split.folder / "diffusion" / "recipe.json"]
    for marker in markers:
        made = json.loads(marker.read_text())
        assert made["cases"] == sorted(split.training_cases)
        marker.write_text(json.dumps({key: value for key, value in made.items() if key in ("fingerprint", "scales")}))
    before = [marker.read_bytes() for marker in markers]
    make_discrepancies(run)
    train_diffusion(run)
    load_denoiser(split)
    assert [marker.read_bytes() for marker in markers] == before, "nobody knows whom they learned from"


def test_maps_of_another_window_are_refused(cohort: Path, tiny_copy: Path) -> None:
    marker = tiny_copy / "fold0" / "maps" / "summary.json"
    made = json.loads(marker.read_text())
    made["frame"]["extent_mm"] = 99.0
    marker.write_text(json.dumps(made))
    with pytest.raises(RecipeError, match=r"summary\.json: was made with other settings \(frame\); delete [^\n]*maps"):
        make_discrepancies(Run(tiny_recipe(cohort, tiny_copy, "--fold", "0")))


def test_sampling_and_checkpoints_may_change(cohort: Path, tiny_out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diffusion, "train", None)  # nothing may be trained
    options = ("--model.sampling.steps", "7", "--diffusion.checkpoint-every", "3", "--fold", "final")
    run = Run(tiny_recipe(cohort, tiny_out, *options))
    train_diffusion(run)

    assert model_settings(run.split("final")).sampling.steps == 7
    load_denoiser(run.split("final"))


def test_stages_out_of_order_are_refused(cohort: Path, tiny_copy: Path) -> None:
    split = Run(tiny_recipe(cohort, tiny_copy)).split("final")
    (split.folder / "diffusion" / "denoiser.safetensors").unlink()
    with pytest.raises(RecipeError, match="final: has no trained denoiser; run the stage 'diffusion' first"):
        load_denoiser(split)
    (split.folder / "maps" / "summary.json").unlink()
    with pytest.raises(RecipeError, match="final: has no discrepancy maps; run the stage 'discrepancies' first"):
        model_settings(split)


def test_readers_in_other_processes_map_the_slices_and_maps_themselves(tiny_run: Run) -> None:
    """Where processes are not forked, as on macOS and Windows, each is sent the batches."""
    batches = ConditionedBatches(tiny_run.split("final"))
    arrays = [*batches.real.maps, *batches.real.slices.images, *batches.real.slices.masks]
    sent = pickle.dumps(batches)

    assert len(sent) < sum(array.nbytes for array in arrays) / 4
    assert not any(array[1].tobytes() in sent for array in arrays if array[1].any())
    for mine, theirs in zip(batches[3], pickle.loads(sent)[3], strict=True):
        assert torch.equal(mine, theirs)
