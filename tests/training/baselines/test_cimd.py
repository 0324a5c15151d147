"""CIMD: the divergence of its two encoders, what it teaches the denoiser, and masks from the denoiser alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from napari_ddmd.masks import sample_masks
from napari_ddmd.model import Denoiser, ModelSettings, untrained_bundle
from napari_ddmd.model.losses import dice_cross_entropy, gaussian_kl, hybrid_loss, simple_loss
from napari_ddmd.model.schedule import NoiseSchedule
from napari_ddmd.model.settings import ContextSettings
from src_training.baselines.cimd import KL_WEIGHT, LATENT, CimdNetwork, CimdTask, GaussianEncoder
from src_training.diffusion import DiffusionTask, implied_mask
from src_training.recipe import DiffusionRecipe

PLAIN = DiffusionRecipe(augment=False, timestep_power=1.0)
KINDS = [("x0", False), ("v", False), ("epsilon", False), ("epsilon", True)]


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def settings_of(prediction: str = "x0", learned_variance: bool = False) -> ModelSettings:
    bundle = untrained_bundle("full", frame_size=16, prediction=prediction, learned_variance=learned_variance)
    return replace(bundle.settings, context=ContextSettings(slices=0))


def network(settings: ModelSettings, seed: int = 0) -> CimdNetwork:
    torch.manual_seed(seed)
    return CimdNetwork(settings)


def toy_batch() -> tuple[Tensor, ...]:
    """Images that show the lesion as plain as can be, ``(8, ., 16, 16)``."""
    masks = torch.zeros(8, 1, 16, 16)
    for number in range(8):
        masks[number, 0, number : number + 6, 9 - number : 15 - number] = 1
    return masks.repeat(1, 4, 1, 1), 0.1 * masks.repeat(1, 2, 1, 1), masks


def sampled(net: CimdNetwork, images: Tensor, seed: int, sampler: str = "ddim") -> Tensor:
    """Masks ``(R, h, w)`` in [0, 1], sampled as those of DDMD-mini."""
    shown = 2 * images - 1
    return sample_masks(
        lambda x_t, t: net.denoiser(x_t, t, shown),
        [(number, 0) for number in range(len(images))],
        net.settings,
        sampler=sampler,
        steps=3,
        seed=seed,
        device=torch.device("cpu"),
    )


class Prophet(nn.Module):
    """A denoiser that is sure of the masks that it was given."""

    def __init__(self, x0: Tensor) -> None:
        super().__init__()
        self.x0 = x0

    def forward(self, x_t: Tensor, t: Tensor, conditioning: Tensor) -> tuple[Tensor, None]:
        return 40 * self.x0, None


@pytest.mark.parametrize(("prediction", "learned_variance"), KINDS)
def test_an_evaluation_has_output_variance_and_divergence(prediction: str, learned_variance: bool) -> None:
    settings = settings_of(prediction, learned_variance)
    net, task = network(settings), CimdTask(settings, PLAIN)
    images, _, x0, t, noise = task.draw(toy_batch(), generator(0))
    output, variance, divergence = net(noise, t, images, x0)

    assert output.shape == (8, 1, 16, 16)
    assert (variance is not None) == learned_variance
    if variance is not None:
        assert variance.shape == (8, 1, 16, 16)
    assert divergence.shape == (8,)
    assert (divergence > 0).all()
    masks = sampled(net, images, 0, "ddpm")
    assert masks.shape == (8, 16, 16)
    assert 0 <= masks.min() <= masks.max() <= 1


def test_the_denoiser_is_that_of_ddmd_mini() -> None:
    settings = settings_of()
    torch.manual_seed(7)
    mini = Denoiser(replace(settings, variant="mini"))
    own = network(settings, 7).denoiser.state_dict()

    assert own.keys() == mini.state_dict().keys()
    assert all(torch.equal(own[key], value) for key, value in mini.state_dict().items())


@pytest.mark.parametrize("patch", [1, 2])
def test_an_encoder_gives_a_gaussian_of_slice_and_mask(patch: int) -> None:
    torch.manual_seed(0)
    encoder = GaussianEncoder(patch, images=4, widths=(4, 8))
    conditioning, mask = torch.randn(3, 4, 16, 16), torch.randn(3, 1, 16, 16)
    gaussian = encoder(conditioning, mask)

    assert gaussian.mean.shape == (3, LATENT)
    assert (gaussian.variance > 0).all()
    for changed in (encoder(conditioning + 1, mask), encoder(conditioning, mask + 1)):
        assert not torch.allclose(changed.mean, gaussian.mean)
        assert not torch.allclose(changed.variance, gaussian.variance)


def test_the_divergence_is_that_of_the_posterior_from_the_prior() -> None:
    net, task = network(settings_of()), CimdTask(settings_of(), PLAIN)
    images, _, x0, t, noise = task.draw(toy_batch(), generator(0))
    x_t = net.schedule.add_noise(x0, noise, t)
    output, _, divergence = net(x_t, t, images, x0)
    q, p = net.posterior(2 * images - 1, x0), net.prior(2 * images - 1, torch.tanh(output / 2))
    terms = gaussian_kl(q.mean, q.variance.log(), p.mean, p.variance.log())

    torch.testing.assert_close(divergence, terms.sum(1))
    assert not torch.allclose(divergence, gaussian_kl(p.mean, p.variance.log(), q.mean, q.variance.log()).sum(1))


def test_equal_encoders_agree_on_a_perfect_prediction_alone() -> None:
    net, (images, _, masks) = network(settings_of()), toy_batch()
    # Larger, since the encoders' zero padding blurs out 16 pixels.
    images, masks = (tensor.repeat_interleave(4, 2).repeat_interleave(4, 3) for tensor in (images, masks))
    net.prior.load_state_dict(net.posterior.state_dict())
    x0, t = 2 * masks - 1, torch.zeros(8, dtype=torch.long)

    net.denoiser = Prophet(x0)
    torch.testing.assert_close(net(x0, t, images, x0)[2], torch.zeros(8))
    net.denoiser = Prophet(-x0)
    assert (net(x0, t, images, x0)[2] > 1e-3).all()


@pytest.mark.parametrize(("prediction", "learned_variance"), KINDS)
def test_every_parameter_learns(prediction: str, learned_variance: bool) -> None:
    settings = settings_of(prediction, learned_variance)
    net, task = network(settings), CimdTask(settings, PLAIN)
    task.loss(net, task.draw(toy_batch(), generator(0)))["loss"].backward()

    assert all(parameter.grad is not None for parameter in net.parameters())
    for part in (net.denoiser, net.prior, net.posterior):
        assert any(bool(parameter.grad.any()) for parameter in part.parameters())


@pytest.mark.parametrize("prediction", ["x0", "v", "epsilon"])
def test_the_divergence_teaches_the_denoiser(prediction: str) -> None:
    net, task = network(settings_of(prediction)), CimdTask(settings_of(prediction), PLAIN)
    task.loss(net, task.draw(toy_batch(), generator(0)))["kl"].backward()

    assert any(bool(p.grad.any()) for p in net.denoiser.parameters() if p.grad is not None)


@pytest.mark.parametrize(("prediction", "learned_variance"), KINDS)
def test_the_loss_is_ddmds_with_the_divergence(prediction: str, learned_variance: bool) -> None:
    settings = settings_of(prediction, learned_variance)
    net, task = network(settings), CimdTask(settings, PLAIN)
    images, _, x0, t, noise = drawn = task.draw(toy_batch(), generator(0))
    losses = task.loss(net, drawn)
    schedule = NoiseSchedule.linear()
    x_t = schedule.add_noise(x0, noise, t)
    output, variance, divergence = net(x_t, t, images, x0)

    torch.testing.assert_close(losses["kl"], divergence.mean())
    torch.testing.assert_close(losses["loss"], losses["diffusion"] + KL_WEIGHT * losses["kl"])
    if prediction == "x0":
        torch.testing.assert_close(losses["diffusion"], dice_cross_entropy(output, x0))
    elif variance is not None:
        torch.testing.assert_close(losses["diffusion"], hybrid_loss(output, variance, x0, x_t, noise, t, schedule))
    elif prediction == "epsilon":
        torch.testing.assert_close(losses["diffusion"], simple_loss(output, noise))
    else:
        assert losses["diffusion"] > losses["velocity"] > 0


def test_parts_of_a_batch_have_its_loss_on_average() -> None:
    net, task = network(settings_of("v")), CimdTask(settings_of("v"), PLAIN)
    drawn = task.draw(toy_batch(), generator(0))
    whole = task.loss(net, drawn)
    halves = [task.loss(net, tuple(tensor[rows] for tensor in drawn)) for rows in (slice(4), slice(4, 8))]

    for key, value in whole.items():
        torch.testing.assert_close((halves[0][key] + halves[1][key]) / 2, value)


@pytest.mark.parametrize("changed", [True, False])
def test_it_learns_from_the_very_draws_of_ddmd(changed: bool) -> None:
    recipe, batch = replace(PLAIN, augment=changed), toy_batch()
    own = CimdTask(settings_of(), recipe).draw(batch, generator(3))
    other = DiffusionTask(settings_of(), recipe).draw(batch, generator(3))

    assert all(torch.equal(a, b) for a, b in zip(own, other, strict=True))


def test_it_does_without_maps() -> None:
    images, maps, masks = toy_batch()
    net, task = network(settings_of()), CimdTask(settings_of(), replace(PLAIN, augment=True))
    drawn = task.draw((images, maps[:, :0], masks), generator(0))

    assert torch.isfinite(task.loss(net, drawn)["loss"])


def test_a_few_steps_lower_both_losses() -> None:
    settings = settings_of()
    net, task = network(settings), CimdTask(settings, PLAIN)
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)

    def values() -> tuple[float, float]:
        with torch.no_grad():
            losses = task.loss(net, task.draw(toy_batch(), generator(0)))
        return float(losses["diffusion"]), float(losses["kl"])

    before = values()
    for step in range(30):
        optimizer.zero_grad()
        task.loss(net, task.draw(toy_batch(), generator(100 + step)))["loss"].backward()
        optimizer.step()
    after = values()

    assert after[0] < 0.75 * before[0]
    assert after[1] < 0.75 * before[1]


def test_masks_come_from_the_noise_and_the_denoiser_alone() -> None:
    net, (images, _, _) = network(settings_of("epsilon", True)).eval(), toy_batch()
    first, other = sampled(net, images, 0, "ddpm"), sampled(net, images, 1, "ddpm")
    assert not torch.allclose(first, other)

    for encoder in (net.prior, net.posterior):
        for parameter in encoder.parameters():
            nn.init.constant_(parameter, torch.nan)
    assert torch.equal(sampled(net, images, 0, "ddpm"), first)
    nn.init.zeros_(next(net.denoiser.parameters()))
    assert not torch.allclose(sampled(net, images, 0, "ddpm"), first)


@pytest.mark.parametrize("prediction", ["v", "epsilon"])
def test_a_right_prediction_implies_the_mask(prediction: str) -> None:
    schedule, settings = NoiseSchedule.linear(), settings_of(prediction).diffusion
    x0, t = 2 * toy_batch()[2] - 1, torch.arange(0, 800, 100)
    noise = torch.randn(x0.shape, generator=generator(0))
    x_t = schedule.add_noise(x0, noise, t)
    right = schedule.target(x0, noise, t, settings.prediction)

    torch.testing.assert_close(implied_mask(right, x_t, t, schedule, settings.prediction), x0, atol=1e-3, rtol=0)
    assert implied_mask(right + 9, x_t, t, schedule, settings.prediction).abs().max() <= 1


def test_lost_weights_show_in_the_loss() -> None:
    net, task = network(settings_of()), CimdTask(settings_of(), PLAIN)
    nn.init.constant_(net.prior.head.bias, torch.nan)

    assert not torch.isfinite(task.loss(net, task.draw(toy_batch(), generator(0)))["loss"])


def test_a_preview_shows_image_mask_and_prediction() -> None:
    net, task = network(settings_of()), CimdTask(settings_of(), PLAIN)
    images, maps, masks = toy_batch()
    images = images * torch.tensor([0.1, 0.2, 0.3, 0.4]).view(1, 4, 1, 1)
    drawn = task.draw((images, maps, masks), generator(0))
    net.denoiser = Prophet(2 * masks - 1)
    pictures = task.preview(net, drawn)

    assert pictures.shape == (8, 3, 16, 80), "FLAIR, mask, noisy mask, prediction and sample"
    for place, expected in ((0, images[:, 3:]), (1, masks), (3, masks), (4, masks)):
        shown = pictures[..., 16 * place : 16 * (place + 1)]
        torch.testing.assert_close(shown, expected.expand(-1, 3, -1, -1))
