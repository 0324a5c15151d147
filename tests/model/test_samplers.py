from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler
from torch import Tensor

from napari_ddmd.model.samplers import (
    SAMPLERS,
    Denoise,
    sample,
    sample_ddim,
    sample_ddpm,
    sample_dpm_solver_pp,
)
from napari_ddmd.model.schedule import NoiseSchedule
from napari_ddmd.model.settings import Prediction

PREDICTIONS: tuple[Prediction, ...] = ("epsilon", "x0", "v")
THEIR_NAMES = {"epsilon": "epsilon", "x0": "sample", "v": "v_prediction"}


@dataclass(frozen=True)
class GaussianData:
    """Data x_0 ~ N(mean, sigma²), for which the best denoiser and all marginals are known."""

    schedule: NoiseSchedule
    mean: float = 0.3
    sigma: float = 0.2

    def marginal(self, t: int) -> tuple[float, float]:
        """Mean and variance of x_t."""
        cumprod = self.schedule.alphas_cumprod[t].item()
        return math.sqrt(cumprod) * self.mean, cumprod * self.sigma**2 + 1 - cumprod

    def expected_x0(self, x_t: Tensor, t: int) -> Tensor:
        """E[x_0 | x_t]."""
        cumprod = self.schedule.alphas_cumprod[t].item()
        mean, variance = self.marginal(t)
        return self.mean + math.sqrt(cumprod) * self.sigma**2 / variance * (x_t - mean)

    def ode_solution(self, x_T: Tensor) -> Tensor:
        """Where the probability-flow ODE takes x_T: the same quantile of the data."""
        mean, variance = self.marginal(self.schedule.timesteps - 1)
        return self.mean + self.sigma / math.sqrt(variance) * (x_T - mean)

    def true_variance_output(self, t: int, before: int) -> float:
        """The v that gives the reverse step from t to an earlier timestep its true variance.

        The reverse step of Gaussian data is Gaussian: its variance is that of the posterior and, on top, what
        is not known of x_0. The sum lies between the two ends of the learned range.
        """
        here, there = (self.schedule.alphas_cumprod[i].item() for i in (t, before))
        beta = 1 - here / there
        tilde = beta * (1 - there) / (1 - here)
        unknown = self.sigma**2 * (1 - here) / self.marginal(t)[1]
        true = tilde + there * (beta / (1 - here)) ** 2 * unknown
        return 2 * math.log(true / tilde) / math.log(beta / tilde) - 1

    def denoiser(self, prediction: Prediction, steps: int | None = None, learned: bool = False) -> Denoise:
        """The best denoiser; with ``learned``, it knows the true variances of a sampling in ``steps`` too."""
        times = self.schedule.timesteps_for(steps or self.schedule.timesteps).tolist()

        def denoise(x_t: Tensor, t: Tensor) -> tuple[Tensor, Tensor | None]:
            now = int(t[0])
            assert (t == now).all()
            x0 = self.expected_x0(x_t, now)
            noise = self.schedule.predict_epsilon(x0, x_t, t, "x0")
            output = self.schedule.target(x0, noise, t, prediction)
            place = times.index(now)
            if not learned or place == len(times) - 1:
                return output, None
            return output, torch.full_like(x_t, self.true_variance_output(now, times[place + 1]))

        return denoise


class Unit:
    """Shows the affine map that a sampler is when its denoiser is affine and it works pixel by pixel.

    Pixel 0 has no noise at all, pixel 1 only a unit x_T, pixel n + 2 only a unit z at step n. So the result's
    first pixel is the mean of x_0 and the others, less the first, are the weights of the noises.
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def noise(self, place: int) -> Tensor:
        row = torch.zeros(self.steps + 2, dtype=torch.float64)
        row[place + 2] = 1
        return row.reshape(1, 1, 1, -1)

    @staticmethod
    def moments(x0: Tensor) -> tuple[float, float]:
        """Mean and variance of x_0 for standard normal noises."""
        mean, *others = x0.flatten().tolist()
        return mean, sum((other - mean) ** 2 for other in others)


def unlike_any(prediction: Prediction, *, learned: bool = False) -> Denoise:
    """A denoiser that is not affine, depends on the timestep, and leaves [−1, 1] at times."""

    def denoise(x_t: Tensor, t: Tensor) -> tuple[Tensor, Tensor | None]:
        phase = t.reshape(-1, 1, 1, 1) / 300
        output = torch.sin(2 * x_t + phase) + 0.8 * x_t
        return output, torch.cos(x_t + phase) if learned else None

    return denoise


def start(batch: int = 2, side: int = 5, dtype: torch.dtype = torch.float64, seed: int = 3) -> Tensor:
    return torch.randn(batch, 1, side, side, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def seeded(shape: torch.Size, seed: int = 4) -> Callable[[int], Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return lambda step: torch.randn(shape, generator=generator, dtype=torch.float32)


@pytest.fixture(scope="module")
def schedule() -> NoiseSchedule:
    return NoiseSchedule.linear()


def run(name: str, denoise: Denoise, x_T: Tensor, schedule: NoiseSchedule, **options: object) -> Tensor:
    noise = seeded(x_T.shape)
    return sample(name, denoise, x_T, schedule, noise=noise, **options)  # type: ignore[arg-type]


class TestEverySampler:
    @pytest.mark.parametrize("name", SAMPLERS)
    @pytest.mark.parametrize("prediction", PREDICTIONS)
    @pytest.mark.parametrize("clip", [False, True])
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_one_step_is_exactly_the_predicted_mask(
        self, schedule: NoiseSchedule, name: str, prediction: Prediction, clip: bool, dtype: torch.dtype
    ) -> None:
        x_T, denoise = start(dtype=dtype), unlike_any(prediction)
        t = torch.full((2,), 999)
        expected = schedule.predict_x0(denoise(x_T, t)[0], x_T, t, prediction)
        expected = expected.clamp(-1, 1) if clip else expected
        result = run(name, denoise, x_T, schedule, prediction=prediction, steps=1, clip=clip)
        assert torch.equal(result, expected)

    @pytest.mark.parametrize("name", SAMPLERS)
    @pytest.mark.parametrize("steps", [1, 2, 7, None])
    def test_visits_the_schedules_timesteps_and_reports_each(self, name: str, steps: int | None) -> None:
        schedule = NoiseSchedule.linear(30)
        seen: list[list[int]] = []
        estimates: list[Tensor] = []
        calls: list[tuple[int, int]] = []

        def denoise(x_t: Tensor, t: Tensor) -> tuple[Tensor, None]:
            seen.append(t.tolist())
            return x_t.tanh(), None

        def callback(step: int, total: int, x0: Tensor) -> None:
            calls.append((step, total))
            estimates.append(x0)

        result = run(name, denoise, start(), schedule, prediction="x0", steps=steps, callback=callback)
        total = steps or 30
        assert seen == [[t, t] for t in schedule.timesteps_for(total).tolist()]
        assert calls == [(step, total) for step in range(total)]
        assert torch.equal(estimates[-1], result)

    @pytest.mark.parametrize("name", SAMPLERS)
    def test_a_callback_that_raises_ends_the_sampling(self, schedule: NoiseSchedule, name: str) -> None:
        evaluations = 0

        def denoise(x_t: Tensor, t: Tensor) -> tuple[Tensor, None]:
            nonlocal evaluations
            evaluations += 1
            return x_t, None

        def callback(step: int, total: int, x0: Tensor) -> None:
            if step == 2:
                raise InterruptedError

        with pytest.raises(InterruptedError):
            run(name, denoise, start(), schedule, prediction="v", steps=10, callback=callback)
        assert evaluations == 3

    @pytest.mark.parametrize("name", SAMPLERS)
    @pytest.mark.parametrize("prediction", PREDICTIONS)
    @pytest.mark.parametrize("clip", [False, True])
    def test_clips_every_estimate_when_asked(
        self, schedule: NoiseSchedule, name: str, prediction: Prediction, clip: bool
    ) -> None:
        def denoise(x_t: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
            x0 = torch.full_like(x_t, 2.0)
            noise = schedule.predict_epsilon(x0, x_t, t, "x0")
            return schedule.target(x0, noise, t, prediction), torch.zeros_like(x_t)

        estimates: list[Tensor] = []
        result = run(
            name,
            denoise,
            start(),
            schedule,
            prediction=prediction,
            steps=20,
            clip=clip,
            callback=lambda step, total, x0: estimates.append(x0),
        )
        for x0 in (*estimates, result):
            torch.testing.assert_close(x0, torch.full_like(x0, 1.0 if clip else 2.0))

    @pytest.mark.parametrize("name", SAMPLERS)
    @pytest.mark.parametrize("prediction", PREDICTIONS)
    def test_clipping_keeps_wild_denoisers_in_bounds(
        self, schedule: NoiseSchedule, name: str, prediction: Prediction
    ) -> None:
        def wild(x_t: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
            return 50 * torch.sin(40 * x_t), torch.ones_like(x_t)

        result = run(name, wild, start(), schedule, prediction=prediction, steps=20)
        assert result.abs().max() <= 1

    @pytest.mark.parametrize("name", SAMPLERS)
    def test_all_predictions_of_one_denoiser_give_one_mask(self, schedule: NoiseSchedule, name: str) -> None:
        data = GaussianData(schedule)
        masks = [
            run(name, data.denoiser(prediction), start(), schedule, prediction=prediction, steps=12)
            for prediction in PREDICTIONS
        ]
        for mask in masks[1:]:
            torch.testing.assert_close(mask, masks[0], rtol=1e-9, atol=1e-9)

    @pytest.mark.parametrize("name", SAMPLERS)
    def test_masks_do_not_depend_on_the_batch(self, schedule: NoiseSchedule, name: str) -> None:
        x_T = start(batch=3)
        noises = [start(batch=3, seed=100 + step) for step in range(6)]
        denoise = unlike_any("epsilon", learned=True)

        def masks(rows: slice) -> Tensor:
            return sample(
                name,
                denoise,
                x_T[rows],
                schedule,
                prediction="epsilon",
                noise=lambda step: noises[step][rows],
                steps=6,
            )

        alone = [masks(slice(row, row + 1)) for row in range(3)]
        together = masks(slice(None))
        assert torch.equal(torch.cat(alone), together)

    @pytest.mark.parametrize("name", SAMPLERS)
    def test_half_precision_is_taken_to_float32(self, schedule: NoiseSchedule, name: str) -> None:
        def denoise(x_t: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
            assert x_t.dtype == torch.float32
            return x_t.tanh().bfloat16(), torch.zeros_like(x_t).bfloat16()

        def upcast(x_t: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
            return x_t.tanh().bfloat16().float(), torch.zeros_like(x_t)

        x_T = start().bfloat16()
        results = [run(name, each, x_T, schedule, prediction="x0", steps=5) for each in (denoise, upcast)]
        assert results[0].dtype == torch.float32
        assert torch.equal(*results)

    @pytest.mark.parametrize("name", SAMPLERS)
    def test_float32_is_close_to_float64(self, schedule: NoiseSchedule, name: str) -> None:
        denoise = GaussianData(schedule).denoiser("epsilon")
        exact, single = (
            run(name, denoise, start().to(dtype), schedule, prediction="epsilon", steps=50, clip=False)
            for dtype in (torch.float64, torch.float32)
        )
        assert single.dtype == torch.float32
        torch.testing.assert_close(single.double(), exact, rtol=0, atol=2e-4)

    @pytest.mark.parametrize("name", SAMPLERS)
    def test_keeps_no_graph_and_leaves_its_inputs(self, schedule: NoiseSchedule, name: str) -> None:
        x_T, weight = start(), torch.ones((), dtype=torch.float64, requires_grad=True)
        before = x_T.clone()
        result = run(name, lambda x_t, t: (weight * x_t.tanh(), None), x_T, schedule, prediction="x0", steps=3)
        assert not result.requires_grad
        assert torch.equal(x_T, before)

    @pytest.mark.parametrize("name", SAMPLERS)
    @pytest.mark.parametrize("steps", [0, 1001])
    def test_impossible_numbers_of_steps_are_refused(self, schedule: NoiseSchedule, name: str, steps: int) -> None:
        with pytest.raises(ValueError, match="steps must lie between"):
            run(name, unlike_any("x0"), start(), schedule, prediction="x0", steps=steps)


class TestDispatch:
    @pytest.mark.parametrize(("name", "sampler"), [("ddim", sample_ddim), ("dpm-solver++", sample_dpm_solver_pp)])
    def test_deterministic_samplers(self, schedule: NoiseSchedule, name: str, sampler: Callable[..., Tensor]) -> None:
        results = [
            call(unlike_any("v"), start(), schedule, prediction="v", steps=4, clip=False)
            for call in (sampler, lambda *args, **options: sample(name, *args, **options))
        ]
        assert torch.equal(*results)

    def test_ddpm(self, schedule: NoiseSchedule) -> None:
        x_T = start()
        expected = sample_ddpm(
            unlike_any("v"), x_T, schedule, prediction="v", noise=seeded(x_T.shape), steps=4, clip=False
        )
        assert torch.equal(run("ddpm", unlike_any("v"), x_T, schedule, prediction="v", steps=4, clip=False), expected)

    def test_ddpm_without_noise_is_refused(self, schedule: NoiseSchedule) -> None:
        with pytest.raises(ValueError, match="needs a source of noise"):
            sample("ddpm", unlike_any("x0"), start(), schedule, prediction="x0")

    def test_unknown_names_are_refused(self, schedule: NoiseSchedule) -> None:
        with pytest.raises(ValueError, match=r"one of ddim, dpm-solver\+\+, ddpm, got 'euler'"):
            sample("euler", unlike_any("x0"), start(), schedule, prediction="x0")


class TestDdpm:
    @pytest.mark.parametrize("prediction", PREDICTIONS)
    @pytest.mark.parametrize("steps", [2, 10, 50])
    def test_agrees_with_diffusers(self, schedule: NoiseSchedule, prediction: Prediction, steps: int) -> None:
        theirs = DDPMScheduler(prediction_type=THEIR_NAMES[prediction], timestep_spacing="trailing")
        theirs.set_timesteps(steps)
        denoise, x_T = unlike_any(prediction), start(dtype=torch.float32)
        x, generator = x_T, torch.Generator().manual_seed(4)
        for t in theirs.timesteps:
            output, _ = denoise(x, t.expand(2))
            step = theirs.step(output, t, x, generator=generator)
            x = step.prev_sample
        ours = run("ddpm", denoise, x_T, schedule, prediction=prediction, steps=steps)
        torch.testing.assert_close(ours, step.pred_original_sample, rtol=0, atol=2e-3)

    @pytest.mark.parametrize("steps", [10, 50])
    def test_learned_variance_agrees_with_diffusers(self, schedule: NoiseSchedule, steps: int) -> None:
        theirs = DDPMScheduler(timestep_spacing="trailing", variance_type="learned_range")
        theirs.set_timesteps(steps)
        denoise, x_T = unlike_any("epsilon", learned=True), start(dtype=torch.float32)
        x, generator = x_T, torch.Generator().manual_seed(4)
        for t in theirs.timesteps:
            output, variance = denoise(x, t.expand(2))
            assert variance is not None
            step = theirs.step(torch.cat([output, variance], dim=1), t, x, generator=generator)
            x = step.prev_sample
        ours = run("ddpm", denoise, x_T, schedule, prediction="epsilon", steps=steps)
        torch.testing.assert_close(ours, step.pred_original_sample, rtol=0, atol=2e-3)

    def test_a_step_is_algorithm_2(self) -> None:
        # All T steps of a short schedule, worked out with the printed formula (with the ᾱ of Eq 8).
        schedule = NoiseSchedule(torch.tensor([0.1, 0.2, 0.3, 0.4]).double())
        denoise, noises = unlike_any("epsilon"), [start(seed=seed) for seed in range(3)]
        x, cumprod = start(), [0.9, 0.9 * 0.8, 0.9 * 0.8 * 0.7, 0.9 * 0.8 * 0.7 * 0.6]
        for step, (t, beta) in enumerate(zip((3, 2, 1, 0), (0.4, 0.3, 0.2, 0.1), strict=True)):
            epsilon, _ = denoise(x, torch.full((2,), t))
            x = (x - beta / math.sqrt(1 - cumprod[t]) * epsilon) / math.sqrt(1 - beta)
            if t > 0:
                sigma = math.sqrt(beta * (1 - cumprod[t - 1]) / (1 - cumprod[t]))
                x = x + sigma * noises[step]
        ours = sample_ddpm(
            denoise, start(), schedule, prediction="epsilon", noise=lambda step: noises[step], clip=False
        )
        torch.testing.assert_close(ours, x, rtol=1e-6, atol=1e-6)

    def test_the_last_step_asks_for_no_noise(self, schedule: NoiseSchedule) -> None:
        asked: list[int] = []

        def noise(step: int) -> Tensor:
            asked.append(step)
            return start()

        sample_ddpm(unlike_any("x0"), start(), schedule, prediction="x0", noise=noise, steps=5)
        assert asked == [0, 1, 2, 3]

    @pytest.mark.parametrize("steps", [50, 200, 1000])
    def test_reproduces_gaussian_data_ever_better(self, schedule: NoiseSchedule, steps: int) -> None:
        data, unit = GaussianData(schedule), Unit(steps)
        x0 = sample_ddpm(
            data.denoiser("epsilon"),
            unit.noise(-1),
            schedule,
            prediction="epsilon",
            noise=unit.noise,
            steps=steps,
            clip=False,
        )
        mean, variance = unit.moments(x0)
        assert mean == pytest.approx(data.mean, abs=1e-6)
        # β̃ is too small a variance for data that is not a point; the fault goes with the step's length.
        assert data.sigma * (1 - 20 / steps) < math.sqrt(variance) < data.sigma

    def test_draws_of_gaussian_data_have_its_moments(self, schedule: NoiseSchedule) -> None:
        # The same with real draws: 20,000 pixels, all 1000 steps of Algorithm 2.
        data = GaussianData(schedule)
        generator = torch.Generator().manual_seed(0)

        def noise(step: int) -> Tensor:
            return torch.randn(2, 1, 100, 100, generator=generator)

        x0 = sample_ddpm(data.denoiser("epsilon"), noise(-1), schedule, prediction="epsilon", noise=noise, clip=False)
        # Three standard errors, and the 2 % by which β̃ falls short at this number of steps.
        assert x0.mean().item() == pytest.approx(data.mean, abs=3 * data.sigma / math.sqrt(20_000) + 1e-3)
        assert x0.std().item() == pytest.approx(data.sigma, rel=3 / math.sqrt(40_000) + 0.02)

    @pytest.mark.parametrize("steps", [4, 10, 50])
    def test_true_learned_variances_make_every_reverse_step_exact(self, schedule: NoiseSchedule, steps: int) -> None:
        # From the exact marginal at T, the true Gaussian reverse steps keep every marginal exact, however
        # long they are: x has the forward process's mean and variance at each timestep.
        data, unit = GaussianData(schedule), Unit(steps)
        mean, variance = data.marginal(999)
        seen: dict[int, tuple[float, float]] = {}
        inner = data.denoiser("x0", steps, learned=True)

        def denoise(x_t: Tensor, t: Tensor) -> tuple[Tensor, Tensor | None]:
            seen[int(t[0])] = unit.moments(x_t)
            return inner(x_t, t)

        sample_ddpm(
            denoise,
            mean + math.sqrt(variance) * unit.noise(-1),
            schedule,
            prediction="x0",
            noise=unit.noise,
            steps=steps,
            clip=False,
        )
        times = schedule.timesteps_for(steps).tolist()
        assert list(seen) == times
        for t in times:
            assert seen[t] == pytest.approx(data.marginal(t), rel=1e-9)


class TestDdim:
    @pytest.mark.parametrize("prediction", PREDICTIONS)
    @pytest.mark.parametrize("steps", [2, 5, 20])
    @pytest.mark.parametrize("eta", [0.0, 0.4, 1.0])
    @pytest.mark.parametrize("clip", [False, True])
    def test_agrees_with_diffusers(
        self, schedule: NoiseSchedule, prediction: Prediction, steps: int, eta: float, clip: bool
    ) -> None:
        theirs = DDIMScheduler(
            prediction_type=THEIR_NAMES[prediction],
            timestep_spacing="trailing",
            set_alpha_to_one=True,
            clip_sample=clip,
        )
        theirs.set_timesteps(steps)
        denoise, x_T = unlike_any(prediction), start(dtype=torch.float32)
        noise, x = seeded(x_T.shape), x_T
        for step, t in enumerate(theirs.timesteps):
            output, _ = denoise(x, t.expand(2))
            z = noise(step) if eta > 0 else None
            x = theirs.step(output, t, x, eta=eta, use_clipped_model_output=True, variance_noise=z).prev_sample
        ours = sample_ddim(
            denoise,
            x_T,
            schedule,
            prediction=prediction,
            noise=seeded(x_T.shape),
            steps=steps,
            eta=eta,
            clip=clip,
        )
        torch.testing.assert_close(ours, x, rtol=2e-3, atol=2e-3)

    def test_eta_one_is_ancestral_sampling(self, schedule: NoiseSchedule) -> None:
        x_T, denoise = start(), unlike_any("epsilon")
        options = {"prediction": "epsilon", "steps": 25}
        ddim = sample_ddim(denoise, x_T, schedule, eta=1.0, noise=seeded(x_T.shape), **options)  # type: ignore[arg-type]
        ddpm = sample_ddpm(denoise, x_T, schedule, noise=seeded(x_T.shape), **options)  # type: ignore[arg-type]
        torch.testing.assert_close(ddim, ddpm, rtol=1e-9, atol=1e-9)

    @pytest.mark.parametrize("eta", [-0.1, 1.1])
    def test_impossible_etas_are_refused(self, schedule: NoiseSchedule, eta: float) -> None:
        with pytest.raises(ValueError, match="eta must lie between 0 and 1"):
            sample_ddim(unlike_any("x0"), start(), schedule, prediction="x0", eta=eta)

    def test_eta_without_noise_is_refused(self, schedule: NoiseSchedule) -> None:
        with pytest.raises(ValueError, match="needs a source of noise"):
            sample_ddim(unlike_any("x0"), start(), schedule, prediction="x0", eta=0.5)

    def test_without_eta_no_noise_is_asked(self, schedule: NoiseSchedule) -> None:
        def noise(step: int) -> Tensor:
            raise AssertionError(step)

        sample_ddim(unlike_any("x0"), start(), schedule, prediction="x0", noise=noise, steps=5)


class TestDpmSolverPlusPlus:
    @pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")
    @pytest.mark.parametrize("prediction", PREDICTIONS)
    @pytest.mark.parametrize("steps", [2, 3, 5, 20])
    def test_agrees_with_diffusers(self, schedule: NoiseSchedule, prediction: Prediction, steps: int) -> None:
        theirs = DPMSolverMultistepScheduler(prediction_type=THEIR_NAMES[prediction], timestep_spacing="trailing")
        theirs.set_timesteps(steps)
        # A smooth denoiser: an unstable one would grow the float32 rounding of their tables.
        denoise, x_T = GaussianData(schedule, sigma=0.5).denoiser(prediction), start(dtype=torch.float32)
        x = x_T
        for t in theirs.timesteps:
            x = theirs.step(denoise(x, t.expand(2))[0], t, x).prev_sample
        ours = sample_dpm_solver_pp(denoise, x_T, schedule, prediction=prediction, steps=steps, clip=False)
        torch.testing.assert_close(ours, x, rtol=0, atol=2e-3)

    def test_two_steps_are_those_of_ddim(self, schedule: NoiseSchedule) -> None:
        # Both of its steps are of first order then, and first-order DPM-Solver++ is DDIM.
        two, ddim = (
            call(unlike_any("v"), start(), schedule, prediction="v", steps=2)
            for call in (sample_dpm_solver_pp, sample_ddim)
        )
        torch.testing.assert_close(two, ddim, rtol=1e-10, atol=1e-10)


class TestOrder:
    """Deterministic samplers solve the probability-flow ODE, whose solution is known for Gaussian data."""

    @staticmethod
    def fault(sampler: Callable[..., Tensor], schedule: NoiseSchedule, steps: int) -> float:
        data, x_T = GaussianData(schedule, sigma=0.5), start()
        x0 = sampler(data.denoiser("x0"), x_T, schedule, prediction="x0", steps=steps, clip=False)
        return float((x0 - data.ode_solution(x_T)).abs().max())

    def test_ddim_comes_closer_in_proportion_to_the_steps(self, schedule: NoiseSchedule) -> None:
        faults = [self.fault(sample_ddim, schedule, steps) for steps in (25, 50, 100, 200)]
        for coarse, fine in pairwise(faults):
            assert coarse / fine == pytest.approx(2, rel=0.25)

    def test_dpm_solver_is_closer_than_ddim(self, schedule: NoiseSchedule) -> None:
        # The last step, of first order, spans more of the way the fewer the steps: the gain grows with them.
        for steps, share in ((10, 0.8), (20, 0.4), (50, 0.1), (100, 0.1), (500, 0.02)):
            fault = self.fault(sample_dpm_solver_pp, schedule, steps)
            assert fault < share * self.fault(sample_ddim, schedule, steps)
