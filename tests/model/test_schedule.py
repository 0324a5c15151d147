from __future__ import annotations

import math
from typing import get_args

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from napari_ddmd.model.schedule import NoiseSchedule, Prediction, at_least_float32

PREDICTIONS = get_args(Prediction)


@pytest.fixture(scope="module")
def schedule() -> NoiseSchedule:
    return NoiseSchedule.linear()


def masks_and_noise(batch: int = 3, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x0 = torch.randn(batch, 1, 4, 4, generator=generator, dtype=dtype).sign()
    return x0, torch.randn(batch, 1, 4, 4, generator=generator, dtype=dtype)


def gaussian_posterior(
    prior_mean: float, prior_variance: float, gain: float, noise: float, seen: float
) -> tuple[float, float]:
    """Bayes' rule for x ~ N(prior), y = gain x + N(0, noise): mean and variance of x given y."""
    precision = 1 / prior_variance + gain**2 / noise
    return (prior_mean / prior_variance + gain * seen / noise) / precision, 1 / precision


class TestLinear:
    def test_end_points_are_the_papers(self, schedule: NoiseSchedule) -> None:
        assert schedule.timesteps == 1000
        assert schedule.betas.dtype == torch.float64
        assert schedule.betas[0].item() == pytest.approx(1e-4, rel=1e-12)
        assert schedule.betas[-1].item() == pytest.approx(0.02, rel=1e-12)
        assert schedule.betas[1:].diff().std().item() == pytest.approx(0, abs=1e-15)

    def test_last_timestep_is_nearly_pure_noise(self, schedule: NoiseSchedule) -> None:
        # The well-known value of the DDPM schedule.
        assert schedule.alphas_cumprod[-1].item() == pytest.approx(4.0358e-5, rel=1e-4)

    @pytest.mark.parametrize("timesteps", [50, 100, 250, 4000])
    def test_other_lengths_are_scaled_to_end_about_as_noisy(self, timesteps: int) -> None:
        betas = NoiseSchedule.linear(timesteps).betas
        assert betas[-1].item() == pytest.approx(0.02 * 1000 / timesteps, rel=1e-12)
        assert betas[0].item() == pytest.approx(1e-4 * 1000 / timesteps, rel=1e-12)
        assert NoiseSchedule.linear(timesteps).alphas_cumprod[-1].item() < 1e-4

    @pytest.mark.parametrize("timesteps", [1, 10, 20])
    def test_too_few_timesteps_are_refused(self, timesteps: int) -> None:
        with pytest.raises(ValueError, match="too few"):
            NoiseSchedule.linear(timesteps)

    @pytest.mark.parametrize("beta_end", [0.08, 0.2, 0.9])
    def test_a_schedule_that_leaves_nothing_of_the_mask_is_refused(self, beta_end: float) -> None:
        with pytest.raises(ValueError, match="leaves nothing of the mask"):
            NoiseSchedule.linear(1000, 1e-4, beta_end)

    @pytest.mark.parametrize("steps", [1, 2, 50])
    def test_the_noisiest_schedule_that_is_taken_can_be_respaced(self, steps: int) -> None:
        schedule = NoiseSchedule.linear(1000, 1e-4, 0.07)
        respaced = schedule.respaced(schedule.timesteps_for(steps).flip(0))
        assert respaced.timesteps == steps

    def test_no_timesteps_are_refused(self) -> None:
        with pytest.raises(ValueError, match="at least one timestep"):
            NoiseSchedule.linear(0)

    @pytest.mark.parametrize("betas", [[], [0.0, 0.1], [0.1, 1.0], [-0.1], [[0.1]], [math.nan]])
    def test_impossible_betas_are_refused(self, betas: list[float]) -> None:
        with pytest.raises(ValueError, match="betas"):
            NoiseSchedule(torch.tensor(betas))


class TestTables:
    def test_cumprod_is_the_product(self, schedule: NoiseSchedule) -> None:
        for t in (0, 1, 499, 999):
            expected = math.prod(1 - beta for beta in schedule.betas[: t + 1].tolist())
            assert schedule.alphas_cumprod[t].item() == pytest.approx(expected, rel=1e-12)

    def test_previous_cumprod_starts_at_one(self, schedule: NoiseSchedule) -> None:
        assert schedule.alphas_cumprod_prev[0].item() == 1
        torch.testing.assert_close(schedule.alphas_cumprod_prev[1:], schedule.alphas_cumprod[:-1])

    def test_adding_noise_step_by_step_gives_the_same_variance_as_at_once(self, schedule: NoiseSchedule) -> None:
        # Eq 1 again and again: the variance goes v -> (1 - beta) v + beta.
        variance, signal = 0.0, 1.0
        for t, beta in enumerate(schedule.betas.tolist()):
            variance, signal = (1 - beta) * variance + beta, signal * math.sqrt(1 - beta)
            if t in (0, 10, 500, 999):
                assert 1 - schedule.alphas_cumprod[t].item() == pytest.approx(variance, rel=1e-10)
                assert schedule.alphas_cumprod[t].sqrt().item() == pytest.approx(signal, rel=1e-10)

    @pytest.mark.parametrize("t", [1, 2, 77, 500, 999])
    def test_posterior_is_bayes_rule(self, schedule: NoiseSchedule, t: int) -> None:
        # q(x_{t-1} | x_t, x_0) from the prior q(x_{t-1} | x_0) and the likelihood q(x_t | x_{t-1}).
        x0, x_t = -0.7, 1.3
        before, beta = schedule.alphas_cumprod[t - 1].item(), schedule.betas[t].item()
        mean, variance = gaussian_posterior(math.sqrt(before) * x0, 1 - before, math.sqrt(1 - beta), beta, x_t)
        ours = schedule.posterior_mean(pixel(x0), pixel(x_t), torch.tensor([t]))
        assert ours.item() == pytest.approx(mean, rel=1e-10)
        assert schedule.posterior_variance[t].item() == pytest.approx(variance, rel=1e-10)
        log_variance = schedule.posterior_log_variance(torch.tensor([t]), pixel(0.0))
        assert log_variance.item() == pytest.approx(math.log(variance), rel=1e-10)

    def test_first_posterior_is_the_clean_mask(self, schedule: NoiseSchedule) -> None:
        mean = schedule.posterior_mean(pixel(0.3), pixel(-5.0), torch.tensor([0]))
        assert mean.item() == pytest.approx(0.3, rel=1e-10)
        assert schedule.posterior_variance[0].item() == 0

    def test_first_log_variance_repeats_the_second(self, schedule: NoiseSchedule) -> None:
        clipped = schedule.posterior_log_variance_clipped
        assert clipped[0] == clipped[1]
        assert torch.isfinite(clipped).all()

    def test_a_single_timestep_has_finite_tables(self) -> None:
        single = NoiseSchedule(torch.tensor([0.9]))
        assert torch.isfinite(single.posterior_log_variance_clipped).all()
        assert single.posterior_mean(pixel(0.3), pixel(9.0), torch.tensor([0])).item() == pytest.approx(0.3)

    @pytest.mark.parametrize("t", [1, 300, 999])
    def test_posterior_mean_of_the_implied_mask_is_eq_8(self, schedule: NoiseSchedule, t: int) -> None:
        x_t, epsilon = pixel(0.8), pixel(-1.1)
        beta, cumprod = schedule.betas[t].item(), schedule.alphas_cumprod[t].item()
        expected = (0.8 - beta / math.sqrt(1 - cumprod) * -1.1) / math.sqrt(1 - beta)
        times = torch.tensor([t])
        x0 = schedule.predict_x0(epsilon, x_t, times, "epsilon")
        assert schedule.posterior_mean(x0, x_t, times).item() == pytest.approx(expected, rel=1e-9)


class TestConversions:
    def test_add_noise_is_eq_14_and_agrees_with_diffusers(self, schedule: NoiseSchedule) -> None:
        x0, noise = masks_and_noise()
        t = torch.tensor([0, 321, 999])
        x_t = schedule.add_noise(x0, noise, t)
        for row, step in enumerate(t.tolist()):
            cumprod = schedule.alphas_cumprod[step].item()
            expected = math.sqrt(cumprod) * x0[row] + math.sqrt(1 - cumprod) * noise[row]
            torch.testing.assert_close(x_t[row], expected)
        torch.testing.assert_close(DDPMScheduler().add_noise(x0, noise, t), x_t, rtol=1e-4, atol=1e-5)

    def test_velocity_agrees_with_diffusers(self, schedule: NoiseSchedule) -> None:
        x0, noise = masks_and_noise()
        t = torch.tensor([0, 321, 999])
        theirs = DDIMScheduler().get_velocity(x0, noise, t)
        torch.testing.assert_close(theirs, schedule.velocity(x0, noise, t), rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize("prediction", PREDICTIONS)
    def test_the_target_gives_mask_and_noise_back(self, schedule: NoiseSchedule, prediction: Prediction) -> None:
        x0, noise = masks_and_noise(4)
        t = torch.tensor([0, 1, 500, 999])
        x_t = schedule.add_noise(x0, noise, t)
        output = schedule.target(x0, noise, t, prediction)
        torch.testing.assert_close(schedule.predict_x0(output, x_t, t, prediction), x0)
        torch.testing.assert_close(schedule.predict_epsilon(output, x_t, t, prediction), noise)

    @settings(deadline=None)
    @given(
        t=st.integers(0, 999),
        x_t=st.floats(-10, 10),
        output=st.floats(-10, 10),
        prediction=st.sampled_from(PREDICTIONS),
    )
    def test_mask_and_noise_of_any_output_make_up_x_t(
        self, t: int, x_t: float, output: float, prediction: Prediction
    ) -> None:
        schedule, times = NoiseSchedule.linear(), torch.tensor([t])
        x0 = schedule.predict_x0(pixel(output), pixel(x_t), times, prediction)
        noise = schedule.predict_epsilon(pixel(output), pixel(x_t), times, prediction)
        assert schedule.add_noise(x0, noise, times).item() == pytest.approx(x_t, abs=1e-9)

    def test_noise_prediction_in_float32_is_stable_at_the_noisiest_timestep(self, schedule: NoiseSchedule) -> None:
        # sqrt(cumprod) is 0.006 there, so errors of x_t grow 157-fold; they must stay invisible in a mask.
        x0, noise = masks_and_noise(dtype=torch.float32)
        t = torch.full((3,), 999)
        x_t = schedule.add_noise(x0, noise, t)
        assert x_t.dtype == torch.float32
        torch.testing.assert_close(schedule.predict_x0(noise, x_t, t, "epsilon"), x0, rtol=0, atol=2e-4)

    @pytest.mark.parametrize("prediction", PREDICTIONS)
    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
    def test_half_precision_outputs_are_taken_to_float32(
        self, schedule: NoiseSchedule, prediction: Prediction, dtype: torch.dtype
    ) -> None:
        x0, noise = masks_and_noise(dtype=torch.float32)
        t = torch.tensor([10, 500, 999])
        half = noise.to(dtype)
        for predict in (schedule.predict_x0, schedule.predict_epsilon):
            result = predict(half, x0, t, prediction)
            assert result.dtype == torch.float32
            torch.testing.assert_close(result, predict(half.float(), x0, t, prediction))
        assert schedule.learned_log_variance(half, t).dtype == torch.float32

    def test_integer_masks_can_be_noised(self, schedule: NoiseSchedule) -> None:
        x0, noise = masks_and_noise(dtype=torch.float32)
        t = torch.tensor([5, 50, 500])
        torch.testing.assert_close(schedule.add_noise(x0.to(torch.int8), noise, t), schedule.add_noise(x0, noise, t))

    def test_each_row_has_its_own_timestep(self, schedule: NoiseSchedule) -> None:
        x0, noise = masks_and_noise(2)
        both = schedule.add_noise(x0, noise, torch.tensor([100, 900]))
        for row, t in enumerate((100, 900)):
            alone = schedule.add_noise(x0[row : row + 1], noise[row : row + 1], torch.tensor([t]))
            assert torch.equal(both[row : row + 1], alone)

    def test_unknown_predictions_are_refused(self, schedule: NoiseSchedule) -> None:
        x0, noise = masks_and_noise()
        t = torch.zeros(3, dtype=torch.long)
        for call in (schedule.predict_x0, schedule.predict_epsilon, schedule.target):
            arguments = (x0, noise, t, "score")
            with pytest.raises(ValueError, match="epsilon, x0, v, got 'score'"):
                call(*arguments)  # type: ignore[arg-type]


class TestLearnedVariance:
    def test_runs_from_the_posterior_variance_to_beta(self, schedule: NoiseSchedule) -> None:
        t = torch.tensor([1, 400, 999])
        ends = [schedule.learned_log_variance(torch.full((3, 1, 1, 1), v).double(), t) for v in (-1.0, 1.0)]
        torch.testing.assert_close(ends[0].flatten().exp(), schedule.posterior_variance[t])
        torch.testing.assert_close(ends[1].flatten().exp(), schedule.betas[t])

    def test_midway_is_the_geometric_mean(self, schedule: NoiseSchedule) -> None:
        middle = schedule.learned_log_variance(pixel(0.0), torch.tensor([7])).exp().item()
        assert middle == pytest.approx(
            math.sqrt(schedule.posterior_variance[7].item() * schedule.betas[7].item()), rel=1e-12
        )

    @pytest.mark.parametrize("t", [1, 500, 999])
    def test_agrees_with_diffusers(self, schedule: NoiseSchedule, t: int) -> None:
        variance = torch.linspace(-1, 1, 9).reshape(1, 1, 3, 3)
        theirs = DDPMScheduler(variance_type="learned_range")._get_variance(t, predicted_variance=variance)
        ours = schedule.learned_log_variance(variance, torch.tensor([t]))
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


class TestRespacing:
    @pytest.mark.parametrize("steps", [1, 2, 3, 5, 7, 10, 25, 30, 50, 100, 333, 500, 1000])
    def test_timesteps_are_those_of_diffusers(self, schedule: NoiseSchedule, steps: int) -> None:
        theirs = DDIMScheduler(timestep_spacing="trailing")
        theirs.set_timesteps(steps)
        assert torch.equal(schedule.timesteps_for(steps), theirs.timesteps)

    @settings(deadline=None)
    @given(data=st.data(), total=st.integers(1, 3000))
    def test_timesteps_fall_from_the_noisiest(self, data: st.DataObject, total: int) -> None:
        steps = data.draw(st.integers(1, total))
        times = NoiseSchedule(torch.full((total,), 0.01)).timesteps_for(steps)
        assert times.dtype == torch.int64
        assert len(times) == steps
        assert times[0] == total - 1
        assert times[-1] >= 0
        gaps = -times.diff()
        assert bool((gaps >= 1).all())
        assert steps < 2 or bool(((gaps - total / steps).abs() <= 1).all())

    @pytest.mark.parametrize("steps", [-1, 0, 1001])
    def test_impossible_numbers_of_steps_are_refused(self, schedule: NoiseSchedule, steps: int) -> None:
        with pytest.raises(ValueError, match=f"between 1 and the 1000 .* got {steps}"):
            schedule.timesteps_for(steps)

    @settings(deadline=None)
    @given(steps=st.integers(1, 1000))
    def test_respaced_schedule_is_as_noisy_at_the_timesteps_kept(self, steps: int) -> None:
        schedule = NoiseSchedule.linear()
        kept = schedule.timesteps_for(steps).flip(0)
        short = schedule.respaced(kept)
        torch.testing.assert_close(short.alphas_cumprod, schedule.alphas_cumprod[kept], rtol=1e-9, atol=0)

    def test_respaced_beta_is_the_noise_of_the_steps_skipped(self, schedule: NoiseSchedule) -> None:
        short = schedule.respaced(torch.tensor([2, 5]))
        for beta, skipped in zip(short.betas, (schedule.betas[:3], schedule.betas[3:6]), strict=True):
            assert beta.item() == pytest.approx(1 - math.prod(1 - b for b in skipped.tolist()), rel=1e-10)

    def test_keeping_all_timesteps_changes_nothing(self, schedule: NoiseSchedule) -> None:
        assert torch.equal(schedule.respaced(torch.arange(1000)).betas, schedule.betas)


def test_at_least_float32_keeps_double_precision() -> None:
    assert at_least_float32(torch.zeros(1, dtype=torch.float64)).dtype == torch.float64
    assert at_least_float32(torch.zeros(1, dtype=torch.bfloat16)).dtype == torch.float32
    assert at_least_float32(torch.zeros(1, dtype=torch.uint8)).dtype == torch.float32


def test_tables_follow_the_tensors_device(schedule: NoiseSchedule) -> None:
    x0, noise = masks_and_noise(dtype=torch.float32)
    there = schedule.add_noise(x0.to("meta"), noise.to("meta"), torch.tensor([1, 500, 999], device="meta"))
    assert there.is_meta
    assert there.shape == x0.shape


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_another_device_adds_the_same_noise(schedule: NoiseSchedule) -> None:
    x0, noise = masks_and_noise(dtype=torch.float32)
    t = torch.tensor([1, 500, 999])
    there = schedule.add_noise(x0.cuda(), noise.cuda(), t.cuda())
    assert there.is_cuda
    torch.testing.assert_close(there.cpu(), schedule.add_noise(x0, noise, t))


def pixel(value: float) -> Tensor:
    return torch.full((1, 1, 1, 1), value, dtype=torch.float64)
