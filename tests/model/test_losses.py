from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.distributions import Bernoulli, Normal, kl_divergence

from napari_ddmd.model.losses import (
    dice_cross_entropy,
    discretised_log_likelihood,
    gaussian_kl,
    hybrid_loss,
    logits_to_x0,
    simple_loss,
    vlb_terms,
)
from napari_ddmd.model.schedule import NoiseSchedule, Prediction


@pytest.fixture(scope="module")
def schedule() -> NoiseSchedule:
    return NoiseSchedule.linear()


def draws(schedule: NoiseSchedule, t: Tensor, side: int = 4) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Masks, noise, noisy masks, and an output and a variance of no particular meaning."""
    generator = torch.Generator().manual_seed(1)
    shape = (len(t), 1, side, side)
    noise, output, variance = (torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(3))
    x0 = torch.randn(shape, generator=generator, dtype=torch.float64).sign()
    return x0, noise, schedule.add_noise(x0, noise, t), output, variance.tanh()


class TestSimpleLoss:
    def test_is_the_mean_square(self) -> None:
        epsilon, noise = torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, 4.0]])
        assert simple_loss(epsilon, noise).item() == pytest.approx((1 + 4) / 2)

    def test_half_precision_is_compared_in_float32(self) -> None:
        loss = simple_loss(torch.full((4,), 1.0, dtype=torch.bfloat16), torch.full((4,), 1.001))
        assert loss.dtype == torch.float32
        assert loss.item() == pytest.approx(1e-6, rel=1e-2)


class TestGaussianKl:
    @settings(deadline=None)
    @given(
        means=st.tuples(st.floats(-5, 5), st.floats(-5, 5)),
        log_variances=st.tuples(st.floats(-10, 5), st.floats(-10, 5)),
    )
    def test_agrees_with_torch(self, means: tuple[float, float], log_variances: tuple[float, float]) -> None:
        ours = gaussian_kl(double(means[0]), double(log_variances[0]), double(means[1]), double(log_variances[1]))
        p, q = (Normal(double(m), (double(v) / 2).exp()) for m, v in zip(means, log_variances, strict=True))
        torch.testing.assert_close(ours, kl_divergence(p, q), rtol=1e-9, atol=1e-9)

    def test_is_zero_for_the_same_distribution(self) -> None:
        assert gaussian_kl(double(0.3), double(-2.0), double(0.3), double(-2.0)).item() == 0


class TestDiscretisedLikelihood:
    @settings(deadline=None)
    @given(levels=st.sampled_from([2, 3, 256]), mean=st.floats(-1.5, 1.5), log_variance=st.floats(-4, 2))
    def test_probabilities_of_all_levels_sum_to_one(self, levels: int, mean: float, log_variance: float) -> None:
        grid = torch.linspace(-1, 1, levels, dtype=torch.float64)
        logs = discretised_log_likelihood(
            grid, torch.full_like(grid, mean), torch.full_like(grid, log_variance), levels
        )
        assert logs.exp().sum().item() == pytest.approx(1, abs=1e-6)

    @pytest.mark.parametrize(("x", "low", "high"), [(-1.0, -math.inf, -254 / 255), (1.0, 254 / 255, math.inf)])
    def test_masks_ask_for_the_tails(self, x: float, low: float, high: float) -> None:
        normal = Normal(double(0.4), double(0.8))
        ours = discretised_log_likelihood(double(x), double(0.4), double(2 * math.log(0.8)))
        torch.testing.assert_close(ours.exp(), normal.cdf(double(high)) - normal.cdf(double(low)))

    def test_agrees_with_improved_ddpm_within_its_approximate_cdf(self) -> None:
        def approximate_cdf(z: Tensor) -> Tensor:
            return 0.5 * (1 + torch.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3)))

        x = torch.linspace(-1, 1, 256, dtype=torch.float64)
        mean, sigma = 0.9 * x + 0.05, 0.1
        upper, lower = (approximate_cdf((x - mean + side / 255) / sigma) for side in (1, -1))
        theirs = torch.where(x < -0.999, upper, torch.where(x > 0.999, 1 - lower, upper - lower)).log()
        ours = discretised_log_likelihood(x, mean, torch.full_like(x, 2 * math.log(sigma)))
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0.02)

    def test_hopeless_pixels_have_a_floor_and_no_gradient(self) -> None:
        mean = torch.tensor([-1.0, 1.0, 0.0], dtype=torch.float64, requires_grad=True)
        x = torch.tensor([1.0, -1.0, 1.0], dtype=torch.float64)
        log = discretised_log_likelihood(x, mean, torch.full_like(x, -12.0))
        torch.testing.assert_close(log, torch.full_like(x, math.log(1e-12)))
        (gradient,) = torch.autograd.grad(log.sum(), mean)
        assert torch.equal(gradient, torch.zeros(3, dtype=torch.float64))

    def test_gradients_are_finite_everywhere(self) -> None:
        x = torch.tensor([-1.0, 0.0, 1.0]).repeat_interleave(5)
        mean = torch.tensor([-30.0, -1.0, 0.0, 1.0, 30.0]).repeat(3).requires_grad_()
        log_variance = torch.full((15,), -9.0, requires_grad=True)
        discretised_log_likelihood(x, mean, log_variance).sum().backward()
        assert mean.grad is not None
        assert log_variance.grad is not None
        assert torch.isfinite(mean.grad).all()
        assert torch.isfinite(log_variance.grad).all()


class TestVlbTerms:
    @pytest.mark.parametrize("prediction", ["epsilon", "x0", "v"])
    def test_are_the_divergence_of_the_reverse_step_in_bits(
        self, schedule: NoiseSchedule, prediction: Prediction
    ) -> None:
        t = torch.tensor([1, 30, 500, 999])
        x0, _, x_t, output, variance = draws(schedule, t)
        terms = vlb_terms(output, variance, x0, x_t, t, schedule, prediction=prediction)
        # Worked out again row by row from the definitions, without the schedule's own tables.
        for row, step in enumerate(t.tolist()):
            beta = schedule.betas[step].item()
            here, before = (math.prod(1 - b for b in schedule.betas[:n].tolist()) for n in (step + 1, step))
            implied = {
                "epsilon": (x_t - math.sqrt(1 - here) * output) / math.sqrt(here),
                "x0": output,
                "v": math.sqrt(here) * x_t - math.sqrt(1 - here) * output,
            }[prediction][row]
            tilde = beta * (1 - before) / (1 - here)

            def mean(
                x: Tensor, row: int = row, beta: float = beta, here: float = here, before: float = before
            ) -> Tensor:
                weighted = math.sqrt(before) * beta * x + math.sqrt(1 - beta) * (1 - before) * x_t[row]
                return weighted / (1 - here)

            sigma = (0.25 * ((variance[row] + 1) * math.log(beta) + (1 - variance[row]) * math.log(tilde))).exp()
            true = Normal(mean(x0[row]), math.sqrt(tilde))
            expected = kl_divergence(true, Normal(mean(implied), sigma)).mean() / math.log(2)
            assert terms[row].item() == pytest.approx(expected.item(), rel=1e-8)

    def test_perfect_reverse_step_costs_nothing(self, schedule: NoiseSchedule) -> None:
        t = torch.tensor([1, 500, 999])
        x0, noise, x_t, _, _ = draws(schedule, t)
        terms = vlb_terms(noise, torch.full_like(noise, -1.0), x0, x_t, t, schedule)
        torch.testing.assert_close(terms, torch.zeros(3, dtype=torch.float64), rtol=0, atol=1e-9)

    def test_first_term_is_the_likelihood_of_the_mask(self, schedule: NoiseSchedule) -> None:
        t = torch.tensor([0])
        x0, _, x_t, output, variance = draws(schedule, t)
        terms = vlb_terms(0.005 * output + x0, variance, x0, x_t, t, schedule, prediction="x0")
        mean = 0.005 * output + x0
        sigma = (schedule.learned_log_variance(variance, t) / 2).exp()
        # A mask's pixel is right when the sample falls on its side of ±254/255.
        below = Normal(mean * x0, sigma).cdf(torch.full_like(mean, 254 / 255))
        assert terms.item() == pytest.approx(-(1 - below).log2().mean().item(), rel=1e-6)

    def test_only_the_first_term_is_a_likelihood(self, schedule: NoiseSchedule) -> None:
        t = torch.tensor([0, 1])
        x0, _, x_t, output, variance = draws(schedule, t)
        both = vlb_terms(output, variance, x0, x_t, t, schedule)
        for row in range(2):
            one = slice(row, row + 1)
            alone = vlb_terms(output[one], variance[one], x0[one], x_t[one], t[one], schedule)
            torch.testing.assert_close(both[one], alone)

    def test_float32_is_close_to_float64(self, schedule: NoiseSchedule) -> None:
        t = torch.tensor([0, 1, 10, 500, 999])
        x0, _, x_t, output, variance = draws(schedule, t)
        exact = vlb_terms(output, variance, x0, x_t, t, schedule)
        single = vlb_terms(output.float(), variance.float(), x0.float(), x_t.float(), t, schedule)
        assert single.dtype == torch.float32
        torch.testing.assert_close(single.double(), exact, rtol=2e-3, atol=1e-4)

    def test_bound_is_least_at_the_true_spread(self, schedule: NoiseSchedule) -> None:
        # When the mean is off by d, the best variance is β̃ + d²: between the ends, and v finds it.
        t = torch.tensor([5])
        x0, _, x_t, _, _ = draws(schedule, t)
        low, high = schedule.posterior_variance[5].item(), schedule.betas[5].item()
        best = math.sqrt(low * high)
        weight = schedule.posterior_mean(torch.ones_like(x0), torch.zeros_like(x0), t)
        output = x0 + math.sqrt(best - low) / weight
        variance = torch.zeros_like(x0, requires_grad=True)
        terms = vlb_terms(output, variance, x0, x_t, t, schedule, prediction="x0")
        (gradient,) = torch.autograd.grad(terms.sum(), variance)
        torch.testing.assert_close(gradient, torch.zeros_like(gradient), rtol=0, atol=1e-9)


class TestHybridLoss:
    @pytest.mark.parametrize("timesteps", [1000, 250])
    @pytest.mark.parametrize("prediction", ["epsilon", "x0", "v"])
    def test_is_the_sum_with_the_bound_over_all_timesteps(self, timesteps: int, prediction: Prediction) -> None:
        schedule = NoiseSchedule.linear(timesteps)
        t = torch.tensor([0, 17, timesteps - 1])
        x0, noise, x_t, output, variance = draws(schedule, t)
        target = {"epsilon": noise, "x0": x0, "v": schedule.velocity(x0, noise, t)}[prediction]
        terms = vlb_terms(output, variance, x0, x_t, t, schedule, prediction=prediction)
        expected = ((output - target) ** 2).mean() + timesteps / 1000 * terms.mean()
        loss = hybrid_loss(output, variance, x0, x_t, noise, t, schedule, prediction=prediction)
        torch.testing.assert_close(loss, expected)

    def test_bound_trains_the_variance_alone(self, schedule: NoiseSchedule) -> None:
        t = torch.tensor([0, 17, 999])
        x0, noise, x_t, output, variance = draws(schedule, t)
        output, variance = output.requires_grad_(), variance.requires_grad_()
        loss = hybrid_loss(output, variance, x0, x_t, noise, t, schedule)
        of_output, of_variance = torch.autograd.grad(loss, (output, variance))
        torch.testing.assert_close(of_output, 2 * (output.detach() - noise) / noise.numel())
        terms = vlb_terms(output.detach(), variance, x0, x_t, t, schedule)
        (expected,) = torch.autograd.grad(terms.mean(), variance)
        torch.testing.assert_close(of_variance, expected)
        assert bool((of_variance != 0).flatten(1).any(1)[1:].all())

    def test_without_weight_the_bound_is_out(self, schedule: NoiseSchedule) -> None:
        t = torch.tensor([3, 900])
        x0, noise, x_t, output, variance = draws(schedule, t)
        loss = hybrid_loss(output, variance, x0, x_t, noise, t, schedule, lambda_vlb=0.0)
        torch.testing.assert_close(loss, simple_loss(output, noise))

    def test_half_precision_outputs_give_a_finite_float32_loss(self, schedule: NoiseSchedule) -> None:
        t = torch.tensor([0, 17, 999])
        x0, noise, x_t, output, variance = (tensor.float() for tensor in draws(schedule, t))
        loss = hybrid_loss(output.bfloat16(), variance.bfloat16(), x0, x_t, noise, t, schedule)
        assert loss.dtype == torch.float32
        assert torch.isfinite(loss)


class TestLogitsToX0:
    @settings(deadline=None)
    @given(logit=st.floats(-50, 50))
    def test_is_twice_the_probability_less_one(self, logit: float) -> None:
        logits = double(logit)
        torch.testing.assert_close(logits_to_x0(logits), 2 * torch.sigmoid(logits) - 1)

    def test_half_precision_is_taken_to_float32(self) -> None:
        x0 = logits_to_x0(torch.tensor([3.0], dtype=torch.bfloat16))
        assert x0.dtype == torch.float32
        assert x0.item() == pytest.approx(math.tanh(1.5), rel=1e-6)


class TestDiceCrossEntropy:
    LESION = torch.tensor([[1.0, 1.0], [-1.0, -1.0]]).reshape(1, 1, 2, 2)
    EMPTY = torch.full((1, 1, 2, 2), -1.0)

    def test_value_by_hand(self) -> None:
        # p = 1/2 everywhere: Dice (2·1 + 1) / (2 + 2 + 1), cross-entropy log 2.
        loss = dice_cross_entropy(torch.zeros(1, 1, 2, 2), self.LESION)
        assert loss.item() == pytest.approx(1 - 3 / 5 + math.log(2))

    def test_parts_are_weighed(self) -> None:
        logits = torch.tensor([[0.4, -2.0], [1.0, 3.0]]).reshape(1, 1, 2, 2)
        cross_entropy = dice_cross_entropy(logits, self.LESION, dice_weight=0.0)
        dice = dice_cross_entropy(logits, self.LESION, cross_entropy_weight=0.0)
        expected = -Bernoulli(logits=logits).log_prob((self.LESION + 1) / 2).mean()
        torch.testing.assert_close(cross_entropy, expected)
        both = dice_cross_entropy(logits, self.LESION, dice_weight=2.0, cross_entropy_weight=3.0)
        torch.testing.assert_close(both, 2 * dice + 3 * cross_entropy)

    @pytest.mark.parametrize("target", [LESION, EMPTY, -EMPTY], ids=["lesion", "empty", "full"])
    @pytest.mark.parametrize("batch_dice", [False, True])
    def test_perfect_answers_cost_nothing(self, target: Tensor, batch_dice: bool) -> None:
        loss = dice_cross_entropy(100 * target, target, batch_dice=batch_dice)
        assert loss.item() == pytest.approx(0, abs=1e-6)

    def test_wrong_answers_cost_all_of_the_dice(self) -> None:
        dice = dice_cross_entropy(-100 * self.LESION, self.LESION, smooth=1e-6, cross_entropy_weight=0.0)
        assert dice.item() == pytest.approx(1, abs=1e-5)

    def test_empty_slices_rise_smoothly_with_the_false_area(self) -> None:
        def cost(area: int, smooth: float = 1.0) -> float:
            answer = torch.full((1, 1, 8, 8), -100.0)
            answer.view(-1)[:area] = 100
            target = torch.full_like(answer, -1.0)
            return dice_cross_entropy(answer, target, smooth=smooth, cross_entropy_weight=0.0).item()

        assert [cost(area) for area in (0, 1, 3)] == pytest.approx([0, 1 / 2, 3 / 4], abs=1e-6)
        assert cost(3, smooth=9.0) == pytest.approx(1 / 4)

    def test_each_slice_has_its_own_dice_unless_they_are_pooled(self) -> None:
        logits = torch.cat([100 * self.LESION, -100 * self.EMPTY])
        target = torch.cat([self.LESION, self.EMPTY])
        own = dice_cross_entropy(logits, target, cross_entropy_weight=0.0)
        pooled = dice_cross_entropy(logits, target, batch_dice=True, cross_entropy_weight=0.0)
        assert own.item() == pytest.approx((0 + (1 - 1 / 5)) / 2, abs=1e-6)
        assert pooled.item() == pytest.approx(1 - (2 * 2 + 1) / (2 + 2 + 4 + 1), abs=1e-6)

    @settings(deadline=None)
    @given(target=st.lists(st.sampled_from([-1, 1]), min_size=6, max_size=6), extreme=st.floats(-200, 200))
    def test_is_finite_with_finite_gradients(self, target: list[int], extreme: float) -> None:
        logits = torch.full((2, 1, 1, 3), extreme, requires_grad=True)
        loss = dice_cross_entropy(logits, torch.tensor(target).reshape(2, 1, 1, 3))
        loss.backward()
        assert torch.isfinite(loss)
        assert logits.grad is not None
        assert torch.isfinite(logits.grad).all()

    def test_learning_goes_the_right_way(self) -> None:
        logits = torch.zeros(1, 1, 2, 2, requires_grad=True)
        dice_cross_entropy(logits, self.LESION).backward()
        assert logits.grad is not None
        assert torch.equal(logits.grad.sign(), -self.LESION)

    def test_half_precision_logits_give_a_float32_loss(self) -> None:
        logits = torch.tensor([[0.4, -2.0], [1.0, 3.0]]).reshape(1, 1, 2, 2).bfloat16()
        loss = dice_cross_entropy(logits, self.LESION)
        assert loss.dtype == torch.float32
        torch.testing.assert_close(loss, dice_cross_entropy(logits.float(), self.LESION))


def double(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)
