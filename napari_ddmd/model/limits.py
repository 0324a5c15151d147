"""What a model's settings may be: far beyond any sensible model, and small enough that none exhausts a computer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_ddmd.model.settings import ModelSettings

LIMITS: dict[str, tuple[float, float]] = {
    "normalisation.lower_percentile": (0, 100),
    "normalisation.upper_percentile": (0, 100),
    "frame.size": (8, 1024),
    "frame.extent_mm": (16, 512),
    "context.slices": (0, 8),
    "context.step_mm": (0.1, 100),
    "autoencoder.size": (2, 1024),
    "autoencoder.widths": (1, 4096),
    "autoencoder.hidden": (1, 65_536),
    "autoencoder.latent": (1, 65_536),
    "autoencoder.members": (1, 64),
    "denoiser.channels": (1, 4096),
    "denoiser.layers_per_block": (1, 8),
    "denoiser.attention_levels": (0, 7),
    "denoiser.patch": (1, 16),
    "denoiser.norm_groups": (1, 4096),
    "denoiser.dropout": (0, 0.99),
    "denoiser.members": (1, 64),
    "diffusion.timesteps": (1, 100_000),
    "diffusion.beta_start": (1e-9, 0.999),
    "diffusion.beta_end": (1e-9, 0.999),
    "diffusion.inter_scale": (1e-6, 1e6),
    "diffusion.intra_scale": (1e-6, 1e6),
    "sampling.steps": (1, 100_000),
    "sampling.samples": (1, 1000),
    "sampling.threshold": (0, 1),
    "sampling.min_part": (0, 1),
    "sampling.min_peak": (0, 1),
}
"""Least and most of every number, and of each entry of a list."""

MOST_ENTRIES = 8
"""Of a list: layers of an autoencoder, levels of the denoiser."""


def refuse_impossible(settings: ModelSettings) -> None:
    """Refuse settings of the right types that no model can have.

    Raises
    ------
    ValueError
        One line: which setting, and what it may be.
    """
    problem = next(_problems(settings), None)
    if problem is not None:
        raise ValueError(f"settings.{problem}")


def _problems(settings: ModelSettings) -> Iterator[str]:
    for name, (least, most) in LIMITS.items():
        group, _dot, entry = name.partition(".")
        value: Any = getattr(getattr(settings, group), entry)
        is_list = isinstance(value, tuple)
        if is_list and len(value) > MOST_ENTRIES:
            yield f"{name} must have {MOST_ENTRIES} entries at most, not {len(value)}"
        for number in value if is_list else (value,):
            if not least <= number <= most:  # true of NaN, too
                yield f"{name} must be {least:g} to {most:g}, not {number!r}"
    if not 0 <= settings.sampling.healthy_below < 1:
        yield f"sampling.healthy_below must be 0 to below 1, not {settings.sampling.healthy_below}"
    for name in ("autoencoder.widths", "denoiser.channels"):
        group, _dot, entry = name.partition(".")
        if not getattr(getattr(settings, group), entry):
            yield f"{name} must have an entry"
    normalisation, denoiser, sampling = settings.normalisation, settings.denoiser, settings.sampling
    if normalisation.lower_percentile >= normalisation.upper_percentile:
        yield "normalisation.lower_percentile must be below the upper one"
    if settings.diffusion.scaled_input and settings.diffusion.prediction != "x0":
        yield f"diffusion.scaled_input goes with prediction x0 only, not {settings.diffusion.prediction}"
    if any(level >= len(denoiser.channels) for level in denoiser.attention_levels):
        yield f"denoiser.attention_levels must be below {len(denoiser.channels)}, the number of levels"
    if sampling.steps > settings.diffusion.timesteps:
        yield f"sampling.steps must be {settings.diffusion.timesteps} at most, not {sampling.steps}"
    for name, limit in (("threshold", sampling.threshold), ("min_peak", sampling.min_peak)):
        if limit == 1:
            yield f"sampling.{name} must be below 1"
