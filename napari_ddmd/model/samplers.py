"""From noise to a mask: one pure function for each sampler.

The few formulas stand here, in double precision, and are not left to the schedulers of `diffusers`: those
hold state, round their tables to float32 and split a one-channel mask's learned variance off wrongly. The
tests hold the two side by side.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from napari_ddmd.model.schedule import NoiseSchedule, at_least_float32
from napari_ddmd.model.settings import Prediction

Denoise = Callable[[Tensor, Tensor], tuple[Tensor, Tensor | None]]
"""``denoise(x_t (B, 1, H, W), t (B,))`` gives output and learned variance v or None, each (B, 1, H, W).

For ``prediction="x0"`` the output is the estimate of the clean mask itself, not its logits.
"""

NoiseSource = Callable[[int], Tensor]
"""``noise(step)`` gives standard normal noise (B, 1, H, W) for a step counted from 0.

The caller seeds each element of the batch, so that a mask does not depend on what else is in its batch.
"""

Callback = Callable[[int, int, Tensor], None]
"""``callback(step, total, x0_estimate)`` runs after each denoiser evaluation, ``step`` counted from 0.

It may raise to end the sampling.
"""

SAMPLERS: tuple[str, ...] = ("ddim", "dpm-solver++", "ddpm")
"""Names that :func:`sample` knows."""


def sample(
    name: str,
    denoise: Denoise,
    x_T: Tensor,
    schedule: NoiseSchedule,
    *,
    prediction: Prediction,
    noise: NoiseSource | None = None,
    steps: int | None = None,
    clip: bool = True,
    callback: Callback | None = None,
) -> Tensor:
    """Sample masks with the sampler of the given name.

    Parameters
    ----------
    name
        One of :data:`SAMPLERS`.
    denoise, x_T, schedule, prediction, steps, clip, callback
        As in :func:`sample_ddpm`.
    noise
        Needed by "ddpm" alone; the others are deterministic here.

    Returns
    -------
    Tensor
        Masks x_0, shape (B, 1, H, W).

    Raises
    ------
    ValueError
        When the name is unknown, the number of steps impossible, or "ddpm" gets no noise.
    """
    if name == "ddpm":
        if noise is None:
            raise ValueError("the ddpm sampler needs a source of noise")
        return sample_ddpm(
            denoise,
            x_T,
            schedule,
            prediction=prediction,
            noise=noise,
            steps=steps,
            clip=clip,
            callback=callback,
        )
    if name not in SAMPLERS:
        raise ValueError(f"sampler must be one of {', '.join(SAMPLERS)}, got {name!r}")
    deterministic = sample_ddim if name == "ddim" else sample_dpm_solver_pp
    return deterministic(denoise, x_T, schedule, prediction=prediction, steps=steps, clip=clip, callback=callback)


@torch.no_grad()
def sample_ddpm(
    denoise: Denoise,
    x_T: Tensor,
    schedule: NoiseSchedule,
    *,
    prediction: Prediction,
    noise: NoiseSource,
    steps: int | None = None,
    clip: bool = True,
    callback: Callback | None = None,
) -> Tensor:
    """Ancestral sampling, t = T … 1 (Algorithm 2; Eq 17 with the ᾱ_t of Eq 8).

    Parameters
    ----------
    denoise
        The denoiser; where it gives a variance v, σ_t is the learned one, else σ_t² = β̃_t.
    x_T
        Standard normal noise to start from, shape (B, 1, H, W).
    schedule
        The schedule of the training.
    prediction
        What the denoiser's output stands for.
    noise
        The z of each step; not asked for the last step, where z = 0.
    steps
        Number of denoiser evaluations; None for all T. With fewer, the schedule is respaced as in Improved
        DDPM.
    clip
        Whether to clip each estimate of the clean mask to [−1, 1].
    callback
        Called after each evaluation.

    Returns
    -------
    Tensor
        Masks x_0, shape (B, 1, H, W), float32 at least; the last estimate of the clean mask.

    Raises
    ------
    ValueError
        When ``steps`` is not in 1 … T.
    """
    times = _visited(schedule, steps)
    short = schedule.respaced(times.flip(0))
    x = at_least_float32(x_T)
    for step, (timestep, is_last) in enumerate(_marked(times)):
        x0, variance = _estimate(denoise, x, timestep, schedule, prediction, clip)
        if callback is not None:
            callback(step, len(times), x0)
        if is_last:
            # The mean of the last reverse step is the estimate itself, and z = 0.
            x = x0
        else:
            t = torch.full((len(x),), len(times) - 1 - step, device=x.device)
            log_variance = (
                short.posterior_log_variance(t, x) if variance is None else short.learned_log_variance(variance, t)
            )
            x = short.posterior_mean(x0, x, t) + (0.5 * log_variance).exp() * noise(step).to(x)
    return x


@torch.no_grad()
def sample_ddim(
    denoise: Denoise,
    x_T: Tensor,
    schedule: NoiseSchedule,
    *,
    prediction: Prediction,
    noise: NoiseSource | None = None,
    steps: int | None = None,
    eta: float = 0.0,
    clip: bool = True,
    callback: Callback | None = None,
) -> Tensor:
    """DDIM sampling (Song et al. 2021, Eq 12); a learned variance is ignored.

    Parameters
    ----------
    denoise, x_T, schedule, prediction, steps, clip, callback
        As in :func:`sample_ddpm`. After clipping, the noise is worked out anew from the clipped mask.
    noise
        Needed where ``eta`` is above 0.
    eta
        0 is deterministic, 1 has the variance of ancestral sampling.

    Returns
    -------
    Tensor
        Masks x_0, shape (B, 1, H, W), float32 at least; the last estimate of the clean mask.

    Raises
    ------
    ValueError
        When ``steps`` is not in 1 … T, ``eta`` not in [0, 1], or noise is needed and not given.
    """
    if not 0 <= eta <= 1:
        raise ValueError(f"eta must lie between 0 and 1, got {eta}")
    if eta > 0 and noise is None:
        raise ValueError("DDIM with eta above 0 needs a source of noise")
    times = _visited(schedule, steps)
    cumprods = _cumprods_at(schedule, times)
    x = at_least_float32(x_T)
    for step, (timestep, is_last) in enumerate(_marked(times)):
        x0, _ = _estimate(denoise, x, timestep, schedule, prediction, clip)
        if callback is not None:
            callback(step, len(times), x0)
        if is_last:
            x = x0
        else:
            here, there = cumprods[step], cumprods[step + 1]
            variance = eta**2 * (1 - there) / (1 - here) * (1 - here / there)
            epsilon = (x - math.sqrt(here) * x0) / math.sqrt(1 - here)
            x = math.sqrt(there) * x0 + math.sqrt(1 - there - variance) * epsilon
            if noise is not None and eta > 0:
                x = x + math.sqrt(variance) * noise(step).to(x)
    return x


@torch.no_grad()
def sample_dpm_solver_pp(
    denoise: Denoise,
    x_T: Tensor,
    schedule: NoiseSchedule,
    *,
    prediction: Prediction,
    steps: int | None = None,
    clip: bool = True,
    callback: Callback | None = None,
) -> Tensor:
    """DPM-Solver++(2M), the second-order multistep solver (Lu et al. 2022, Algorithm 2); deterministic.

    The first and the last step are of first order: before the first there is no older estimate, and at the
    last the logarithmic signal-to-noise ratio goes to infinity.

    Parameters
    ----------
    denoise, x_T, schedule, prediction, steps, clip, callback
        As in :func:`sample_ddpm`; a learned variance is ignored.

    Returns
    -------
    Tensor
        Masks x_0, shape (B, 1, H, W), float32 at least; the last estimate of the clean mask.

    Raises
    ------
    ValueError
        When ``steps`` is not in 1 … T.
    """
    times = _visited(schedule, steps)
    cumprods = _cumprods_at(schedule, times)
    # λ = log(sqrt(ᾱ) / sqrt(1 − ᾱ)), half the logarithm of the signal-to-noise ratio.
    lambdas = [0.5 * math.log(cumprod / (1 - cumprod)) for cumprod in cumprods]
    x = at_least_float32(x_T)
    older: Tensor | None = None
    for step, (timestep, is_last) in enumerate(_marked(times)):
        x0, _ = _estimate(denoise, x, timestep, schedule, prediction, clip)
        if callback is not None:
            callback(step, len(times), x0)
        if is_last:
            x = x0
        else:
            here, there = cumprods[step], cumprods[step + 1]
            h = lambdas[step + 1] - lambdas[step]
            direction = x0
            if older is not None:
                ratio = (lambdas[step] - lambdas[step - 1]) / h
                direction = x0 + (x0 - older) / (2 * ratio)
            x = math.sqrt((1 - there) / (1 - here)) * x - math.sqrt(there) * math.expm1(-h) * direction
            older = x0
    return x


def _visited(schedule: NoiseSchedule, steps: int | None) -> Tensor:
    return schedule.timesteps_for(schedule.timesteps if steps is None else steps)


def _marked(times: Tensor) -> Iterator[tuple[int, bool]]:
    """Timesteps to visit, each with whether it is the last."""
    for step, timestep in enumerate(times.tolist()):
        yield timestep, step == len(times) - 1


def _cumprods_at(schedule: NoiseSchedule, times: Tensor) -> list[float]:
    values: list[float] = schedule.alphas_cumprod[times].tolist()
    return values


def _estimate(
    denoise: Denoise,
    x: Tensor,
    timestep: int,
    schedule: NoiseSchedule,
    prediction: Prediction,
    clip: bool,
) -> tuple[Tensor, Tensor | None]:
    """One denoiser evaluation: the estimate of the clean mask and the learned variance, if any."""
    t = torch.full((len(x),), timestep, device=x.device)
    output, variance = denoise(x, t)
    x0 = schedule.predict_x0(output, x, t, prediction)
    return x0.clamp(-1, 1) if clip else x0, variance
