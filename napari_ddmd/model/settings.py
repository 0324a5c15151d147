"""Everything a trained model must remember to be used again: the settings inside a bundle."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, is_dataclass
from typing import Any, Literal, get_args, get_origin, get_type_hints

from napari_ddmd.model.limits import refuse_impossible
from napari_ddmd.model.older import brought_up_to_date, refuse_later

Variant = Literal["mini", "light", "full"]
Prediction = Literal["epsilon", "x0", "v"]
"""What a denoiser's output stands for: the noise, the clean mask, or the velocity between the two."""
SamplerName = Literal["ddim", "dpm-solver++", "ddpm"]


@dataclass(frozen=True, kw_only=True)
class NormalisationSettings:
    """Per volume and modality: clip to two percentiles of the brain voxels, then scale to [0, 1]."""

    lower_percentile: float = 0.5
    """Percentile of the brain's intensities that becomes 0."""
    upper_percentile: float = 99.5
    """Percentile of the brain's intensities that becomes 1."""


@dataclass(frozen=True, kw_only=True)
class FrameSettings:
    """The square window of a slice that the networks see."""

    size: int = 128
    """Side of the window in network pixels."""
    extent_mm: float = 192.0
    """Side of the window in millimetres. It grows where a brain is larger."""
    centre: Literal["brain", "image"] = "brain"
    """Centre the window on the brain's bounding box, or on the image (the paper pads 240 to 256)."""


@dataclass(frozen=True, kw_only=True)
class ContextSettings:
    """Neighbouring slices that the denoiser sees beside the one that it segments (2.5-D); not in the paper."""

    slices: int = 1
    """Neighbours on each side; 0 shows the slice alone."""
    step_mm: float = 3.0
    """Distance from one to the next, rounded to whole slices of the case, one at least."""

    @property
    def shown(self) -> int:
        """Slices that the denoiser sees."""
        return 2 * self.slices + 1

    def offsets(self, spacing_mm: float) -> tuple[int, ...]:
        """Offsets, in slices of a case, of all that is shown: the slice itself first, then below and above it."""
        step = max(1, round(self.step_mm / spacing_mm))
        return (0, *(sign * number * step for number in range(1, self.slices + 1) for sign in (-1, 1)))


@dataclass(frozen=True, kw_only=True)
class AutoencoderSettings:
    """One autoencoder, and how many make an ensemble."""

    size: int = 64
    """Side of the slices that the autoencoders see; the maps are scaled up to the frame."""
    widths: tuple[int, ...] = (16, 32, 64, 64)
    """Channels of the four convolutions."""
    hidden: int = 256
    """Width of the first fully connected layer."""
    latent: int = 64
    """Width of the bottleneck."""
    members: int = 3
    """L, the number of autoencoders in AE-1 and in AE-2."""


@dataclass(frozen=True, kw_only=True)
class DenoiserSettings:
    """The U-Net that predicts the noise, the clean mask or the velocity."""

    channels: tuple[int, ...] = (32, 64, 96, 128)
    """Channels of each level."""
    layers_per_block: int = 1
    """Residual blocks a level."""
    attention_levels: tuple[int, ...] = ()
    """Levels (0 is the finest) with self-attention."""
    patch: int = 2
    """Pixel-unshuffle factor of the stem: the first level has size / patch pixels a side."""
    norm_groups: int = 8
    """Groups of the group normalisation."""
    dropout: float = 0.0
    """Dropout inside the residual blocks."""
    members: int = 1
    """Denoisers that were trained apart and take turns in drawing the masks of a slice; one in the paper."""


@dataclass(frozen=True, kw_only=True)
class DiffusionSettings:
    """The forward process and what the network predicts of it."""

    timesteps: int = 1000
    """T."""
    beta_start: float = 1e-4
    """First variance of the linear schedule, for T = 1000."""
    beta_end: float = 0.02
    """Last variance of the linear schedule, for T = 1000."""
    prediction: Prediction = "x0"
    """What the network's output means. With ``x0`` it is the logit of the lesion probability."""
    learned_variance: bool = False
    """Whether a second output channel interpolates the reverse variance (Improved DDPM)."""
    scaled_input: bool = False
    """Whether the noisy mask enters the denoiser times √ᾱ_t, so that almost nothing enters where it is all noise.

    √ᾱ_t x_t is the best linear estimate of a clean mask of mean 0 and variance 1. Only with the prediction ``x0``; not
    in the paper.
    """
    inter_scale: float = 1.0
    """The inter map is divided by this before it enters the denoiser (1 in the paper)."""
    intra_scale: float = 1.0
    """The intra map is divided by this before it enters the denoiser (1 in the paper)."""


@dataclass(frozen=True, kw_only=True)
class SamplingSettings:
    """What ``segment`` does unless it is told otherwise."""

    sampler: SamplerName = "ddim"
    """Name of the sampler."""
    steps: int = 2
    """Denoiser evaluations a mask."""
    samples: int = 5
    """Masks a slice (five in the paper)."""
    shared_guess: bool = True
    """Whether the masks of a slice share the first estimate, each going on with its own noise (`FirstGuess`).

    Only where the clean mask is predicted and the sampler is not the ancestral one, which stays as in the paper.
    """
    healthy_below: float = 0.02
    """Slices whose shared first estimate stays below this probability everywhere keep it (0: none)."""
    evens_out: bool = True
    """Whether images that the guards find unevenly bright are seen without their bias field (`napari_ddmd.evened`).

    Only where the clean mask is predicted; not in the paper.
    """
    threshold: float = 0.5
    """The lesion is where the mean of the masks exceeds this."""
    min_part: float = 0.1
    """Connected parts of the lesion, in 3D, that are smaller than this share of the largest are left out (0: none)."""
    min_peak: float = 0.0
    """Connected parts of the lesion, in 3D, in which the probability exceeds this nowhere are left out (0: none).

    Above the threshold, it makes of the two a hysteresis: where a lesion begins is asked for more than how far it goes
    (`napari_ddmd.cut`).
    """

    def told(self) -> dict[str, Any]:
        """What results say of it: a setting that changes nothing is not told, as it was before there was one."""
        told = asdict(self)
        if self.min_peak <= self.threshold:
            del told["min_peak"]
        return told


_TOO_LARGE = 2**1000
"""JSON has whole numbers that no float can hold."""


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """All settings of a model."""

    variant: Variant = "full"
    """``mini`` sees the images, ``light`` also the inter map, ``full`` also the intra map."""
    normalisation: NormalisationSettings = field(default_factory=NormalisationSettings)
    frame: FrameSettings = field(default_factory=FrameSettings)
    context: ContextSettings = field(default_factory=ContextSettings)
    autoencoder: AutoencoderSettings = field(default_factory=AutoencoderSettings)
    denoiser: DenoiserSettings = field(default_factory=DenoiserSettings)
    diffusion: DiffusionSettings = field(default_factory=DiffusionSettings)
    sampling: SamplingSettings = field(default_factory=SamplingSettings)

    @property
    def uses_inter(self) -> bool:
        """Whether the denoiser is given the inter-discrepancy map."""
        return self.variant in ("light", "full")

    @property
    def uses_intra(self) -> bool:
        """Whether the denoiser is given the intra-discrepancy map."""
        return self.variant == "full"

    @property
    def evens_out(self) -> bool:
        """Whether unevenly bright images are seen without their bias field: the first look takes one evaluation."""
        return self.sampling.evens_out and self.diffusion.prediction == "x0"

    def to_dict(self) -> dict[str, Any]:
        """Plain containers, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Any) -> ModelSettings:
        """Inverse of `to_dict`.

        Raises
        ------
        ValueError
            If a key is unknown or missing, or a value has the wrong type or cannot be (`napari_ddmd.model.limits`).
        """
        if isinstance(data, dict):
            data = brought_up_to_date(data)
        settings: ModelSettings = _build(cls, data, "settings")
        refuse_impossible(settings)
        return settings


def _build(kind: Any, data: Any, where: str) -> Any:
    """Rebuild the dataclass ``kind`` from plain containers, checking every key and type."""
    if not isinstance(data, dict):
        raise ValueError(f"{where} must be an object, not {data!r}")
    hints = get_type_hints(kind)
    names = [entry.name for entry in fields(kind)]
    unknown, missing = set(data) - set(names), set(names) - set(data)
    if unknown:
        refuse_later(f"{where} has unknown keys: {', '.join(sorted(unknown))[:100]}")
    if missing:
        raise ValueError(f"{where} has missing keys: {', '.join(sorted(missing))}")
    return kind(**{name: _value(hints[name], data[name], f"{where}.{name}") for name in names})


def _value(kind: Any, value: Any, where: str) -> Any:
    if is_dataclass(kind):
        return _build(kind, value, where)
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            raise ValueError(f"{where} must be one of {', '.join(map(str, get_args(kind)))}, not {value!r}")
        return value
    if get_origin(kind) is tuple:
        if not isinstance(value, list | tuple):
            raise ValueError(f"{where} must be a list, not {value!r}")
        return tuple(_value(get_args(kind)[0], entry, where) for entry in value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool) and abs(value) < _TOO_LARGE:
        return float(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ValueError(f"{where} must be {kind.__name__}, not {value!r}")
    return value
