"""The pipeline: a case and a model in, a stream of slice results out."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from threading import Event

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_ddmd.case import Case
from napari_ddmd.case.normalise import normalise
from napari_ddmd.device import default_batch_size, inference_dtype, pick_device
from napari_ddmd.model.bundle import Bundle, DdmdNetworks
from napari_ddmd.model.denoiser import condition
from napari_ddmd.model.discrepancy import DiscrepancyMaps, discrepancy_maps, join_maps
from napari_ddmd.model.frame import Frame
from napari_ddmd.model.losses import logits_to_x0
from napari_ddmd.model.samplers import SAMPLERS, sample
from napari_ddmd.model.schedule import NoiseSchedule
from napari_ddmd.results import Progress, SliceResult, binary_entropy

__all__ = ["SAMPLERS", "InferenceError", "Progress", "SliceResult", "brain_slices", "segment"]


class InferenceError(Exception):
    """A run that could not be finished; the message is one line. Never a RuntimeError (threads swallow those)."""


class _CancelledError(Exception):
    """Raised inside a sampler when the run is to stop."""


def brain_slices(case: Case) -> list[int]:
    """Numbers of the slices that hold any brain, ascending."""
    return [int(index) for index in np.flatnonzero(case.brain.any(axis=(1, 2)))]


def segment(
    case: Case,
    bundle: Bundle,
    *,
    slices: Sequence[int] | None = None,
    samples: int | None = None,
    steps: int | None = None,
    sampler: str | None = None,
    seed: int = 0,
    device: str = "auto",
    batch_size: int | None = None,
    cancel: Event | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Iterator[SliceResult]:
    """Segment a case slice by slice.

    The noise of a mask depends on the seed, the slice and the mask's number alone, so that the same request gives the
    same mask whichever slices it comes with.

    Parameters
    ----------
    case, bundle
        The patient and the model.
    slices
        Slices of the axial grid, in the order in which they are wanted; None means all that hold brain.
    samples, steps, sampler
        Masks a slice, denoiser evaluations a mask, and how they are spent; None means the model's own choice.
    seed
        Of the sampled noise.
    device
        ``auto``, ``cuda``, ``mps`` or ``cpu``.
    batch_size
        Slices at once; halved by itself when the memory does not suffice.
    cancel
        When set, the stream ends before the next denoiser evaluation.
    progress
        Called after every denoiser evaluation, from the thread that iterates.

    Yields
    ------
    SliceResult
        One for every slice that was asked for, in order.

    Raises
    ------
    ValueError
        If a setting is out of range, before anything is computed.
    InferenceError
        If the networks fail, or one slice alone does not fit into memory.
    """
    defaults = bundle.settings.sampling
    chosen = pick_device(device)
    run = _Run(
        case=case,
        bundle=bundle,
        device=chosen,
        samples=defaults.samples if samples is None else samples,
        steps=defaults.steps if steps is None else steps,
        sampler=defaults.sampler if sampler is None else sampler,
        seed=seed,
        cancel=cancel or Event(),
        progress=progress,
    )
    wanted = brain_slices(case) if slices is None else [int(index) for index in slices]
    size = default_batch_size(chosen) if batch_size is None else batch_size
    run.check(wanted, size)
    return run.stream(wanted, size)


class _Run:
    """One call of `segment`: what stays the same from slice to slice."""

    def __init__(
        self,
        *,
        case: Case,
        bundle: Bundle,
        device: torch.device,
        samples: int,
        steps: int,
        sampler: str,
        seed: int,
        cancel: Event,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self.case, self.bundle, self.device = case, bundle, device
        self.samples, self.steps, self.sampler, self.seed = samples, steps, sampler, seed
        self.cancel, self.progress = cancel, progress
        self.done = self.total = 0

    def check(self, slices: Sequence[int], batch_size: int) -> None:
        """Refuse what cannot be run."""
        depth, timesteps = self.case.images.shape[1], self.bundle.settings.diffusion.timesteps
        for index in slices:
            if not 0 <= index < depth:
                raise ValueError(f"slice {index} is outside {self.case.name}, which has slices 0 to {depth - 1}")
        if self.samples < 1:
            raise ValueError(f"samples must be at least 1, not {self.samples}")
        if not 1 <= self.steps <= timesteps:
            raise ValueError(f"steps must be 1 to {timesteps}, not {self.steps}")
        if self.sampler not in SAMPLERS:
            raise ValueError(f"sampler must be one of {', '.join(SAMPLERS)}, not {self.sampler!r}")
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, not {batch_size}")

    def stream(self, slices: list[int], batch_size: int) -> Iterator[SliceResult]:
        """Prepare the case, then sample batch after batch."""
        brain = self.case.brain
        full = {index for index in slices if brain[index].any()}
        self.total = len(full) * self.samples * self.steps
        self.started = time.perf_counter()
        try:
            self._prepare()
            position = 0
            while position < len(slices) and not self.cancel.is_set():
                chunk = slices[position : position + batch_size]
                done_before = self.done
                try:
                    results = self._batch([index for index in chunk if index in full])
                except (RuntimeError, MemoryError) as error:
                    if not _out_of_memory(error) or batch_size == 1:
                        raise
                    batch_size //= 2
                    self.done = done_before
                    _release(self.device)
                    continue
                position += len(chunk)
                for index in chunk:
                    yield results[index] if index in full else self._empty(index)
        except _CancelledError:
            return
        except (RuntimeError, MemoryError) as error:
            raise InferenceError(self._explain(error)) from error

    def _prepare(self) -> None:
        settings = self.bundle.settings
        self.images = normalise(
            self.case.images,
            self.case.brain,
            lower=settings.normalisation.lower_percentile,
            upper=settings.normalisation.upper_percentile,
        )
        self.frame = Frame.around(self.case.brain, self.case.spacing, settings.frame)
        self.networks: DdmdNetworks = self.bundle.networks.to(self.device)
        self.schedule: NoiseSchedule = self.bundle.schedule
        self.dtype = inference_dtype(self.device)

    @torch.no_grad()
    def _batch(self, indices: list[int]) -> dict[int, SliceResult]:
        """Results of some slices that hold brain."""
        if not indices:
            return {}
        settings = self.bundle.settings
        slices = torch.from_numpy(self.images[:, indices].swapaxes(0, 1).copy())
        images = self.frame.to_frame(slices).to(self.device)
        maps = self._maps(images)
        conditioning = condition(images, maps.inter, maps.intra, settings)
        masks = self._masks(indices, conditioning)
        on_slices = self.frame.to_slice(
            torch.cat([masks, maps.inter[:, None], maps.intra[:, None]], dim=1).float().cpu()
        )
        on_slices *= torch.from_numpy(self.case.brain[indices])[:, None]
        return {
            index: self._result(index, layers.numpy(), maps, row)
            for row, (index, layers) in enumerate(zip(indices, on_slices, strict=True))
        }

    def _maps(self, images: Tensor) -> DiscrepancyMaps:
        """Maps slice by slice: in a batch, the order of the sums and so the last digit depends on its size."""
        ae_1, ae_2 = self.networks.ae_1, self.networks.ae_2
        size = self.bundle.settings.autoencoder.size
        return join_maps([discrepancy_maps(image, ae_1, ae_2, size=size) for image in torch.split(images, 1)])

    def _masks(self, indices: list[int], conditioning: Tensor) -> Tensor:
        """Sampled masks in [0, 1], ``(B, K, size, size)``."""
        settings = self.bundle.settings
        keys = [(index, number) for index in indices for number in range(self.samples)]
        rows = conditioning.repeat_interleave(self.samples, dim=0)
        side = conditioning.shape[-1]

        def noise(step: int) -> Tensor:
            return torch.stack([self._noise(key, step, side) for key in keys]).to(self.device)

        def denoise(x_t: Tensor, t: Tensor) -> tuple[Tensor, Tensor | None]:
            if self.cancel.is_set():
                raise _CancelledError
            with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
                output, variance = self.networks.denoiser(x_t, t, rows)
            self._report(len(keys))
            output = output.float()
            if settings.diffusion.prediction == "x0":
                output = logits_to_x0(output)
            return output, None if variance is None else variance.float()

        x_0 = sample(
            self.sampler,
            denoise,
            noise(-1),
            self.schedule,
            prediction=settings.diffusion.prediction,
            noise=noise,
            steps=self.steps,
        )
        return ((x_0 + 1) / 2).clamp(0, 1).reshape(len(indices), self.samples, side, side)

    def _noise(self, key: tuple[int, int], step: int, side: int) -> Tensor:
        """Noise of one mask at one step; drawn on the CPU, so that every device gets the same."""
        digest = hashlib.blake2b(repr((self.seed, *key, step)).encode(), digest_size=8).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest, "little") >> 1)
        return torch.randn(1, side, side, generator=generator)

    def _result(self, index: int, layers: NDArray[np.float32], maps: DiscrepancyMaps, row: int) -> SliceResult:
        samples = layers[: self.samples].copy()
        probability = samples.mean(axis=0)
        return SliceResult(
            index=index,
            probability=probability,
            samples=samples,
            uncertainty=binary_entropy(probability),
            inter=layers[-2].copy(),
            intra=layers[-1].copy() if self.bundle.has_intra else None,
            scores=maps.scores(row, intra=self.bundle.has_intra),
        )

    def _empty(self, index: int) -> SliceResult:
        """A slice without brain has no lesion, no discrepancy and no doubt."""
        shape = self.case.images.shape[2:]
        blank = np.zeros(shape, np.float32)
        zeros = torch.zeros(1, self.case.images.shape[0])
        none = DiscrepancyMaps(torch.zeros(1, 1, 1), torch.zeros(1, 1, 1), zeros, zeros)
        return SliceResult(
            index=index,
            probability=blank,
            samples=np.zeros((self.samples, *shape), np.float32),
            uncertainty=blank.copy(),
            inter=blank.copy(),
            intra=blank.copy() if self.bundle.has_intra else None,
            scores=none.scores(0, intra=self.bundle.has_intra),
        )

    def _report(self, evaluations: int) -> None:
        self.done += evaluations
        if self.progress is None:
            return
        seconds = time.perf_counter() - self.started
        remaining = seconds / self.done * (self.total - self.done)
        message = f"{self.done} of {self.total} evaluations, {remaining:.0f} s left"
        self.progress(Progress(self.done, self.total, seconds, remaining, message))

    def _explain(self, error: BaseException) -> str:
        if _out_of_memory(error):
            return (
                f"{self.case.name}: not enough memory on {self.device} for one slice with {self.samples} samples; "
                "ask for fewer samples or choose another device"
            )
        reason = " ".join(str(error).split())[:300]
        return f"{self.case.name}: {self.bundle.name} failed on {self.device}: {reason}"


def _out_of_memory(error: BaseException) -> bool:
    text = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        "out of memory" in text or "can't allocate memory" in text or "not enough memory" in text
    )


def _release(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.empty_cache()
