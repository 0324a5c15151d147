"""What the denoiser is trained to make small."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from napari_ddmd.model.schedule import NoiseSchedule, at_least_float32
from napari_ddmd.model.settings import Prediction

# Improved DDPM's floor under a discretised probability: a hopeless pixel has no gradient, not a huge one.
_LEAST_PROBABILITY = 1e-12


def simple_loss(epsilon: Tensor, noise: Tensor) -> Tensor:
    """Mean squared error between the predicted and the true noise (Eq 16).

    The squared norm is averaged over the pixels, as is usual, so that the value does not grow with the image.

    Parameters
    ----------
    epsilon
        The denoiser's prediction, shape (B, 1, H, W).
    noise
        The noise that was added, same shape. For other predictions, their own target.

    Returns
    -------
    Tensor
        A scalar, float32 at least.
    """
    return functional.mse_loss(at_least_float32(epsilon), at_least_float32(noise))


def vlb_terms(
    output: Tensor,
    variance: Tensor,
    x0: Tensor,
    x_t: Tensor,
    t: Tensor,
    schedule: NoiseSchedule,
    *,
    prediction: Prediction = "epsilon",
    levels: int = 256,
) -> Tensor:
    """Terms L_t of the variational bound, in bits per pixel (Improved DDPM, Eq 4 to 7).

    For t > 0 a term is the Kullback-Leibler divergence of the learned reverse step from the true posterior
    q(x_{t−1} | x_t, x_0); for t = 0 it is the negative log-likelihood of the mask under the last step.

    Parameters
    ----------
    output
        The denoiser's output, shape (B, 1, H, W).
    variance
        The denoiser's variance output v, same shape; −1 means β̃_t and 1 means β_t.
    x0, x_t
        Clean masks in [−1, 1] and noisy masks, same shape.
    t
        Timesteps counted from 0, shape (B,), int64.
    schedule
        The schedule that made ``x_t``.
    prediction
        What ``output`` stands for.
    levels
        Into how many grey levels [−1, 1] is divided for the likelihood at t = 0. As in Improved DDPM the
        outermost levels reach to infinity, so a mask of −1 and 1 only asks for the two tails.

    Returns
    -------
    Tensor
        One term for each element of the batch, shape (B,), float32 at least.
    """
    x0, x_t = at_least_float32(x0), at_least_float32(x_t)
    log_variance = schedule.learned_log_variance(variance, t)
    mean = schedule.posterior_mean(schedule.predict_x0(output, x_t, t, prediction), x_t, t)
    divergence = gaussian_kl(
        schedule.posterior_mean(x0, x_t, t), schedule.posterior_log_variance(t, x_t), mean, log_variance
    )
    surprise = -discretised_log_likelihood(x0, mean, log_variance, levels)
    first = (t == 0).to(x0.device)
    return torch.where(first, surprise.flatten(1).mean(1), divergence.flatten(1).mean(1)) / math.log(2)


def hybrid_loss(
    output: Tensor,
    variance: Tensor,
    x0: Tensor,
    x_t: Tensor,
    noise: Tensor,
    t: Tensor,
    schedule: NoiseSchedule,
    lambda_vlb: float = 0.001,
    *,
    prediction: Prediction = "epsilon",
) -> Tensor:
    """Hybrid loss L_simple + λ L_vlb of a denoiser with learned variance (Improved DDPM, Eq 16).

    L_vlb is the sum of the terms L_t over all T timesteps, estimated as T times the mean over the timesteps
    drawn; with λ = 0.001 this is the factor T / 1000 of the reference implementation ("rescaled MSE"). The
    bound trains the variance alone: its gradient stops at the mean.

    Parameters
    ----------
    output, variance, x0, x_t, t, schedule, prediction
        As in :func:`vlb_terms`.
    noise
        The noise in ``x_t``, shape (B, 1, H, W).
    lambda_vlb
        Weight λ of the bound.

    Returns
    -------
    Tensor
        A scalar, float32 at least.
    """
    simple = simple_loss(output, schedule.target(x0, noise, t, prediction))
    terms = vlb_terms(output.detach(), variance, x0, x_t, t, schedule, prediction=prediction)
    return simple + lambda_vlb * schedule.timesteps * terms.mean()


def logits_to_x0(logits: Tensor) -> Tensor:
    """Estimate of the clean mask, 2 σ(l) − 1 = tanh(l / 2), from the logits l of the lesion probability.

    Parameters
    ----------
    logits
        Any shape; half precision is taken to float32 first.

    Returns
    -------
    Tensor
        Values in [−1, 1], same shape.
    """
    return torch.tanh(at_least_float32(logits) / 2)


def dice_cross_entropy(
    logits: Tensor,
    target: Tensor,
    *,
    smooth: float = 1.0,
    batch_dice: bool = False,
    dice_weight: float = 1.0,
    cross_entropy_weight: float = 1.0,
) -> Tensor:
    """Soft Dice plus binary cross-entropy, for denoisers that predict the clean mask.

    Parameters
    ----------
    logits
        The denoiser's raw output, read as logits of the lesion probability (see :func:`logits_to_x0`), shape
        (B, 1, H, W).
    target
        Clean masks in [−1, 1], same shape.
    smooth
        Pixels added to both sides of the Dice ratio. An empty slice that is found empty is then perfect (0),
        and the loss of an empty slice rises smoothly with the area called lesion.
    batch_dice
        One Dice ratio over all pixels of the batch instead of the mean of one for each slice: small lesions
        and empty slices weigh less.
    dice_weight, cross_entropy_weight
        Weights of the two parts.

    Returns
    -------
    Tensor
        A scalar, float32 at least.
    """
    logits = at_least_float32(logits)
    truth = (target.to(logits.dtype) + 1) / 2
    cross_entropy = functional.binary_cross_entropy_with_logits(logits, truth)
    probability, flat_truth = torch.sigmoid(logits).flatten(1), truth.flatten(1)
    overlap, total = (probability * flat_truth).sum(1), (probability + flat_truth).sum(1)
    if batch_dice:
        overlap, total = overlap.sum(), total.sum()
    dice = ((2 * overlap + smooth) / (total + smooth)).mean()
    return dice_weight * (1 - dice) + cross_entropy_weight * cross_entropy


def gaussian_kl(mean_p: Tensor, log_variance_p: Tensor, mean_q: Tensor, log_variance_q: Tensor) -> Tensor:
    """Kullback-Leibler divergence D(p ‖ q) of two normal distributions, elementwise, in nats."""
    return 0.5 * (
        log_variance_q
        - log_variance_p
        - 1
        + (log_variance_p - log_variance_q).exp()
        + (mean_p - mean_q) ** 2 * (-log_variance_q).exp()
    )


def discretised_log_likelihood(x: Tensor, mean: Tensor, log_variance: Tensor, levels: int = 256) -> Tensor:
    """Log probability that a normal variable rounds to the grey level ``x``, elementwise, in nats.

    The levels divide [−1, 1] evenly and the two outermost reach to infinity (Ho et al. 2020, Eq 13).

    Parameters
    ----------
    x
        Values on the grey levels, in [−1, 1].
    mean, log_variance
        Of the normal distribution, same shape.
    levels
        Number of grey levels, 2 at least.
    """
    half_width = 1 / (levels - 1)
    inverse_sigma = (-0.5 * log_variance).exp()
    upper, lower = (x - mean + half_width) * inverse_sigma, (x - mean - half_width) * inverse_sigma
    floor = math.log(_LEAST_PROBABILITY)
    between = (torch.special.ndtr(upper) - torch.special.ndtr(lower)).clamp(min=_LEAST_PROBABILITY).log()
    below = torch.special.log_ndtr(upper).clamp(min=floor)
    above = torch.special.log_ndtr(-lower).clamp(min=floor)
    outermost = 1 - half_width
    return torch.where(x < -outermost, below, torch.where(x > outermost, above, between))
