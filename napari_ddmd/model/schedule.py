"""The forward diffusion process: how much noise a mask carries at each timestep, and the way back."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import get_args

import torch
from torch import Tensor

from napari_ddmd.model.settings import DiffusionSettings, Prediction

# The number of steps for which the usual end points of the linear schedule were chosen.
_REFERENCE_TIMESTEPS = 1000
# ᾱ_T below about which 1 − ᾱ rounds to 1; that of the usual schedule is 4e-5.
_LEAST_SIGNAL = torch.finfo(torch.float64).eps


@dataclass(frozen=True, eq=False)
class NoiseSchedule:
    """Variances of the noise that the forward process adds, and what follows from them.

    Timesteps count from 0, so that timestep ``t`` here is the paper's ``t + 1``. All tables are float64;
    coefficients are rounded only when they meet a tensor. Results have the inputs' dtype, float32 at least.

    Parameters
    ----------
    betas
        Variance of the noise added at each timestep (Eq 1), shape (T,), each in (0, 1).

    Raises
    ------
    ValueError
        When ``betas`` is not a vector of numbers strictly between 0 and 1.
    """

    betas: Tensor

    def __post_init__(self) -> None:
        betas = self.betas.detach().to("cpu", torch.float64)
        if betas.ndim != 1 or len(betas) == 0 or not bool(((betas > 0) & (betas < 1)).all()):
            raise ValueError("betas must be a vector of at least one number, each strictly between 0 and 1")
        object.__setattr__(self, "betas", betas)

    @classmethod
    def linear(
        cls, timesteps: int = _REFERENCE_TIMESTEPS, beta_start: float = 1e-4, beta_end: float = 0.02
    ) -> NoiseSchedule:
        """Linear schedule, scaled by 1000 / T so that the last timestep is about as noisy for any T.

        Parameters
        ----------
        timesteps
            Number of timesteps T.
        beta_start, beta_end
            First and last variance at T = 1000; as in Improved DDPM, both are multiplied by 1000 / T.

        Raises
        ------
        ValueError
            When T is too small for the end points: the scaled variances must stay below 1. When so little of the mask
            is left at the end that float64 cannot tell it from none.
        """
        if timesteps < 1:
            raise ValueError(f"a schedule needs at least one timestep, got {timesteps}")
        scale = _REFERENCE_TIMESTEPS / timesteps
        if max(beta_start, beta_end) * scale >= 1:
            raise ValueError(
                f"{timesteps} timesteps are too few for a linear schedule with beta up to {beta_end:g} at "
                f"{_REFERENCE_TIMESTEPS}: train with more timesteps and sample with fewer steps"
            )
        schedule = cls(torch.linspace(scale * beta_start, scale * beta_end, timesteps, dtype=torch.float64))
        if schedule.alphas_cumprod[-1] < _LEAST_SIGNAL:
            raise ValueError(
                f"beta from {beta_start:g} to {beta_end:g} leaves nothing of the mask long before the last timestep: "
                "choose smaller ones"
            )
        return schedule

    @classmethod
    def of(cls, settings: DiffusionSettings) -> NoiseSchedule:
        """The schedule that a model's settings describe; raises as `linear` does."""
        return cls.linear(settings.timesteps, settings.beta_start, settings.beta_end)

    @property
    def timesteps(self) -> int:
        """Number of timesteps T."""
        return len(self.betas)

    @cached_property
    def alphas(self) -> Tensor:
        """Share of the variance that one step keeps, α_t = 1 − β_t, shape (T,)."""
        return 1 - self.betas

    @cached_property
    def alphas_cumprod(self) -> Tensor:
        """Share of the variance that is still the mask's, ᾱ_t (Eq 3), shape (T,)."""
        return torch.cumprod(self.alphas, dim=0)

    @cached_property
    def alphas_cumprod_prev(self) -> Tensor:
        """ᾱ one step earlier, shape (T,); the first entry is 1, for the clean mask."""
        return torch.cat([torch.ones(1, dtype=torch.float64), self.alphas_cumprod[:-1]])

    @cached_property
    def posterior_variance(self) -> Tensor:
        """Variance β̃_t of q(x_{t−1} | x_t, x_0), shape (T,); the first entry is 0."""
        return self.betas * (1 - self.alphas_cumprod_prev) / (1 - self.alphas_cumprod)

    @cached_property
    def posterior_log_variance_clipped(self) -> Tensor:
        """Logarithm of β̃_t, shape (T,); the first entry repeats the second, since log 0 is no number."""
        if self.timesteps == 1:
            return self.log_betas
        variance = self.posterior_variance
        return torch.cat([variance[1:2], variance[1:]]).log()

    @cached_property
    def log_betas(self) -> Tensor:
        """Logarithm of β_t, the upper end of the learned variance's range, shape (T,)."""
        return self.betas.log()

    @cached_property
    def _posterior_x0_weight(self) -> Tensor:
        return self.betas * self.alphas_cumprod_prev.sqrt() / (1 - self.alphas_cumprod)

    @cached_property
    def _posterior_x_t_weight(self) -> Tensor:
        return (1 - self.alphas_cumprod_prev) * self.alphas.sqrt() / (1 - self.alphas_cumprod)

    def add_noise(self, x0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """Noisy mask x_t = sqrt(ᾱ_t) x_0 + sqrt(1 − ᾱ_t) ε (Eq 14).

        Parameters
        ----------
        x0
            Clean masks in [−1, 1], shape (B, 1, H, W).
        noise
            Standard normal noise ε, same shape.
        t
            Timesteps counted from 0, shape (B,), int64.
        """
        x0, noise = at_least_float32(x0), at_least_float32(noise)
        signal, sigma = self._signal_and_sigma(x0, t)
        return signal * x0 + sigma * noise

    def velocity(self, x0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """Velocity v = sqrt(ᾱ_t) ε − sqrt(1 − ᾱ_t) x_0 (Salimans & Ho 2022), shape (B, 1, H, W)."""
        x0, noise = at_least_float32(x0), at_least_float32(noise)
        signal, sigma = self._signal_and_sigma(x0, t)
        return signal * noise - sigma * x0

    def target(self, x0: Tensor, noise: Tensor, t: Tensor, prediction: Prediction) -> Tensor:
        """Target that a denoiser with the given ``prediction`` is trained to put out, shape (B, 1, H, W)."""
        if prediction == "epsilon":
            return noise
        if prediction == "x0":
            return x0
        if prediction == "v":
            return self.velocity(x0, noise, t)
        raise _unknown_prediction(prediction)

    def predict_x0(self, output: Tensor, x_t: Tensor, t: Tensor, prediction: Prediction) -> Tensor:
        """Clean mask that a denoiser's output implies, not clipped, shape (B, 1, H, W).

        Parameters
        ----------
        output
            The denoiser's output, shape (B, 1, H, W); half precision is taken to float32 first.
        x_t
            Noisy masks, same shape.
        t
            Timesteps counted from 0, shape (B,), int64.
        prediction
            What ``output`` stands for.
        """
        output, x_t = at_least_float32(output), at_least_float32(x_t)
        if prediction == "x0":
            return output
        signal, sigma = self._signal_and_sigma(x_t, t)
        if prediction == "epsilon":
            return (x_t - sigma * output) / signal
        if prediction == "v":
            return signal * x_t - sigma * output
        raise _unknown_prediction(prediction)

    def predict_epsilon(self, output: Tensor, x_t: Tensor, t: Tensor, prediction: Prediction) -> Tensor:
        """Noise that a denoiser's output implies; parameters as in :meth:`predict_x0`, shape (B, 1, H, W)."""
        output, x_t = at_least_float32(output), at_least_float32(x_t)
        if prediction == "epsilon":
            return output
        signal, sigma = self._signal_and_sigma(x_t, t)
        if prediction == "x0":
            return (x_t - signal * output) / sigma
        if prediction == "v":
            return signal * output + sigma * x_t
        raise _unknown_prediction(prediction)

    def posterior_mean(self, x0: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        """Mean of q(x_{t−1} | x_t, x_0), shape (B, 1, H, W).

        With the x_0 that an ε implies, this is the mean of Eq 8 and Eq 17.
        """
        x0, x_t = at_least_float32(x0), at_least_float32(x_t)
        return self._at(self._posterior_x0_weight, t, x0) * x0 + self._at(self._posterior_x_t_weight, t, x_t) * x_t

    def posterior_log_variance(self, t: Tensor, like: Tensor) -> Tensor:
        """Clipped log β̃_t as (B, 1, H, W)-broadcastable tensor with the device and dtype of ``like``."""
        return self._at(self.posterior_log_variance_clipped, t, at_least_float32(like))

    def learned_log_variance(self, variance: Tensor, t: Tensor) -> Tensor:
        """Log σ_t² that the denoiser's variance output v stands for (Improved DDPM, Eq 15), (B, 1, H, W).

        The output interpolates, in logarithms, from β̃_t at v = −1 to β_t at v = 1.
        """
        variance = at_least_float32(variance)
        low = self._at(self.posterior_log_variance_clipped, t, variance)
        high = self._at(self.log_betas, t, variance)
        fraction = (variance + 1) / 2
        return fraction * high + (1 - fraction) * low

    def timesteps_for(self, steps: int) -> Tensor:
        """Timesteps to visit when sampling in fewer steps: descending, evenly spaced, the noisiest first.

        This is the "trailing" spacing: whatever ``steps`` is, sampling starts where the noise does, at T − 1.

        Parameters
        ----------
        steps
            How many timesteps to visit, 1 … T.

        Returns
        -------
        Tensor
            Timesteps counted from 0, shape (steps,), int64.
        """
        if not 1 <= steps <= self.timesteps:
            raise ValueError(f"steps must lie between 1 and the {self.timesteps} trained timesteps, got {steps}")
        kept = torch.arange(steps, 0, -1, dtype=torch.float64) * self.timesteps / steps
        return kept.round().long() - 1

    def respaced(self, timesteps: Tensor) -> NoiseSchedule:
        """Schedule that visits only some timesteps but has the same ᾱ there (Improved DDPM, Eq 19).

        Parameters
        ----------
        timesteps
            Timesteps to keep, in ascending order, counted from 0, shape (S,).
        """
        kept = self.alphas_cumprod[timesteps.cpu()]
        if len(kept) == self.timesteps:
            return self
        return NoiseSchedule(1 - kept / torch.cat([torch.ones(1, dtype=torch.float64), kept[:-1]]))

    def _signal_and_sigma(self, like: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        return (
            self._at(self.alphas_cumprod.sqrt(), t, like),
            self._at((1 - self.alphas_cumprod).sqrt(), t, like),
        )

    @staticmethod
    def _at(table: Tensor, t: Tensor, like: Tensor) -> Tensor:
        # The dtype changes before the device does: some accelerators have no float64.
        values = table.to(like.dtype).to(like.device)[t.to(like.device)]
        return values.reshape(-1, *(1,) * (like.ndim - 1))


def at_least_float32(tensor: Tensor) -> Tensor:
    """Take half precision (and integer masks) to float32; leave float32 and float64 as they are."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def _unknown_prediction(prediction: object) -> ValueError:
    return ValueError(f"prediction must be one of {', '.join(get_args(Prediction))}, got {prediction!r}")
