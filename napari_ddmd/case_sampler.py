"""A case and a model brought together: maps and sampled masks of some slices."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from threading import Event, Lock
from typing import SupportsIndex

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_ddmd.case import MODALITIES, Case
from napari_ddmd.first_guess import FirstGuess, is_shared
from napari_ddmd.masks import Watch, sample_masks
from napari_ddmd.missing import missing_modalities
from napari_ddmd.model.bundle import Bundle, DdmdNetworks
from napari_ddmd.model.denoiser import condition
from napari_ddmd.model.discrepancy import DiscrepancyMaps, discrepancy_maps, join_maps
from napari_ddmd.model.samplers import SAMPLERS, Callback, Denoise
from napari_ddmd.results import SETTLED_S, Progress, SliceResult
from napari_ddmd.window import CaseWindow
from napari_ddmd.workers import rows_at_once

MOST_SAMPLES = 1000
"""Masks a slice; many more than anybody has a use for, and as many as whole heads still have room for in memory."""


def refuse_impossible_sampling(bundle: Bundle, *, samples: int, steps: int, sampler: str) -> None:
    """Refuse what no case can be sampled with: a `ValueError` in one line."""
    timesteps = bundle.settings.diffusion.timesteps
    if not 1 <= samples <= MOST_SAMPLES:
        raise ValueError(f"samples must be at least 1 and at most {MOST_SAMPLES}, not {samples}")
    if not 1 <= steps <= timesteps:
        raise ValueError(f"steps must be 1 to {timesteps}, not {steps}")
    if sampler not in SAMPLERS:
        raise ValueError(f"sampler must be one of {', '.join(SAMPLERS)}, not {sampler!r}")


class CancelledError(Exception):
    """Raised inside a sampler when the run is to stop."""


class CaseSampler:
    """What stays the same from slice to slice in one run.

    Parameters
    ----------
    case, bundle, device
        The patient, the model, and where its networks run.
    samples, steps, sampler
        Masks a slice, denoiser evaluations a mask, and how they are spent; None means the model's own choice.
    seed
        Of the sampled noise.
    cancel
        When set, the next evaluation raises `CancelledError`.
    in_background
        Leave the processor to whatever else wants it (`napari_ddmd.workers`).

    Attributes
    ----------
    evened
        Modalities whose bias field was taken out of the images.
    abandoned
        As ``cancel``, for who runs this: its results are not wanted any more.
    progress
        Called after every step of a batch's masks, from the thread that computes it; None, or set by who runs this.

    Notes
    -----
    Several threads may call `results` at once, after `prepare`.
    """

    def __init__(
        self,
        *,
        case: Case,
        bundle: Bundle,
        device: torch.device,
        samples: int | None,
        steps: int | None,
        sampler: str | None,
        seed: int,
        cancel: Event | None = None,
        in_background: bool = False,
    ) -> None:
        self.in_background = in_background
        self.case, self.bundle, self.device = case, bundle, device
        defaults = bundle.settings.sampling
        self.samples = defaults.samples if samples is None else samples
        self.steps = defaults.steps if steps is None else steps
        self.sampler = defaults.sampler if sampler is None else sampler
        self.seed, self.cancel, self.abandoned = seed, cancel or Event(), Event()
        self.evened: tuple[str, ...] = ()
        self.progress: Callable[[Progress], object] | None = None
        self.done = self.total = self.computed = 0
        self._counting = Lock()
        self.started = time.perf_counter()

    def check(self, slices: Sequence[int], batch_size: int | None = None) -> None:
        """Refuse what cannot be run."""
        numbers: dict[str, Sequence[object]] = {
            "samples": [self.samples],
            "steps": [self.steps],
            "seed": [self.seed],
            "batch_size": [] if batch_size is None else [batch_size],
            "slices": slices,
        }
        for name, given in numbers.items():
            odd = [number for number in given if not isinstance(number, SupportsIndex)]
            if odd:
                raise ValueError(f"{name}: {odd[0]!r} is no whole number")
        depth = self.case.images.shape[1]
        for index in slices:
            if not 0 <= index < depth:
                raise ValueError(f"slice {index} is outside {self.case.name}, which has slices 0 to {depth - 1}")
        refuse_impossible_sampling(self.bundle, samples=self.samples, steps=self.steps, sampler=self.sampler)
        if batch_size is not None and batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, not {batch_size}")

    def prepare(self) -> None:
        """Normalise the case and bring the networks to the device."""
        self.read_images()
        self.move_to(self.device)

    def read_images(self, images: NDArray[np.float32] | None = None, evened: Sequence[str] = ()) -> None:
        """Normalise the case, or other images of it ``(C, S, H, W)``, some of them without their bias field."""
        self.evened = tuple(evened)
        self.window = CaseWindow(self.case, self.bundle.settings, images=images)
        self.has_maps = not missing_modalities(self.case)

    def move_to(self, device: torch.device) -> None:
        """Bring the networks to a device, in the order in which convolutions are fastest; no thread may use them."""
        self.device = device
        self.networks: DdmdNetworks = self.bundle.networks.to(device)
        for denoiser in self.networks.denoisers:
            denoiser.to(memory_format=torch.channels_last)

    @torch.no_grad()
    def results(self, indices: list[int]) -> dict[int, SliceResult]:
        """Results of some slices that hold brain."""
        if not indices:
            return {}
        self._stop_if_unwanted()
        images = self.window.with_neighbours(indices).to(self.device)
        maps = self.maps(images[:, : len(MODALITIES)])
        masks = self.masks(indices, condition(images, maps.inter, maps.intra, self.bundle.settings))
        layers = torch.cat([masks, maps.inter[:, None], maps.intra[:, None]], dim=1)
        if not bool(torch.isfinite(layers).all()):
            # Weights can be finite and still be nonsense; what follows takes numbers for granted.
            raise RuntimeError("the model's results are not finite; copy or train it again")
        on_slices = self.window.on_slices(layers, indices)
        return {
            index: self._result(index, layers, maps, row)
            for row, (index, layers) in enumerate(zip(indices, on_slices, strict=True))
        }

    def maps(self, images: Tensor) -> DiscrepancyMaps:
        """Maps slice by slice: in a batch, the order of the sums and so the last digit depends on its size.

        They are 0 where the case lacks a modality, which the denoiser knows; the autoencoders have seen no such case.
        """
        ae_1, ae_2 = self.networks.ae_1, self.networks.ae_2
        size = self.bundle.settings.autoencoder.size
        found = join_maps([discrepancy_maps(image, ae_1, ae_2, size=size) for image in torch.split(images, 1)])
        return found if self.has_maps else found.emptied()

    @torch.no_grad()
    def masks(
        self,
        indices: list[int],
        conditioning: Tensor,
        *,
        watch: Watch | None = None,
        callback: Callback | None = None,
    ) -> Tensor:
        """Sampled masks in [0, 1], ``(B, K, size, size)``."""
        keys = [(index, number) for index in indices for number in range(self.samples)]
        denoiser = self._denoiser(conditioning)

        def denoise(x_t: Tensor, t: Tensor) -> tuple[Tensor, Tensor | None]:
            output = denoiser(x_t, t)
            self._report(len(keys))
            return output

        def before(x_t: Tensor, t: Tensor) -> None:
            self._stop_if_unwanted()
            if watch is not None:
                watch(x_t, t)

        masks = sample_masks(
            denoise,
            keys,
            self.bundle.settings,
            sampler=self.sampler,
            steps=self.steps,
            seed=self.seed,
            device=self.device,
            watch=before,
            callback=callback,
        )
        return masks.reshape(len(indices), self.samples, *masks.shape[1:])

    def _denoiser(self, conditioning: Tensor) -> Denoise:
        """The denoisers of all masks of some slices; few steps share their first guess where the model says so."""
        settings, denoisers = self.bundle.settings, self.networks.denoisers
        most = rows_at_once(self.device)
        patches = denoisers[0].patches(conditioning)  # which are the same to all

        def network(x_t: Tensor, t: Tensor, masks: Tensor) -> tuple[Tensor, Tensor | None]:
            each = torch.arange(len(masks), device=masks.device)
            turns = masks % self.samples % len(denoisers)
            found, places = [], []
            for turn, denoiser in enumerate(denoisers):
                own = each[turns == turn] if len(denoisers) > 1 else each
                for rows in torch.split(own, most or len(own)) if len(own) else ():
                    # A group's conditioning is made when it is its turn: that of all masks is most of the memory.
                    found.append(denoiser(x_t[rows], t[rows], patches[masks[rows] // self.samples]))
                    places.append(rows)
            outputs, variances = zip(*found, strict=True)
            back = torch.argsort(torch.cat(places))
            with self._counting:
                self.computed += len(x_t)
            return torch.cat(outputs)[back], None if variances[0] is None else torch.cat(variances)[back]

        if is_shared(settings, self.sampler, self.steps):
            return FirstGuess(network, len(conditioning), self.samples, settings.sampling.healthy_below, len(denoisers))
        masks = torch.arange(len(conditioning) * self.samples, device=conditioning.device)
        return lambda x_t, t: network(x_t, t, masks)

    def empty(self, index: int) -> SliceResult:
        """A slice without brain has no lesion, no discrepancy and no doubt."""
        layers = np.zeros((self.samples + 2, *self.case.images.shape[2:]), np.float32)
        zeros = torch.zeros(1, self.case.images.shape[0])
        return self._result(index, layers, DiscrepancyMaps(torch.zeros(1, 1, 1), torch.zeros(1, 1, 1), zeros, zeros), 0)

    def _result(self, index: int, layers: NDArray[np.float32], maps: DiscrepancyMaps, row: int) -> SliceResult:
        samples = layers[: self.samples].copy()
        if not self.has_maps:  # 0 would pass for a finding
            return SliceResult.of(index, samples, evened=self.evened)
        return SliceResult.of(
            index,
            samples,
            inter=layers[-2].copy(),
            intra=layers[-1].copy() if self.bundle.has_intra else None,
            scores=maps.scores(row, intra=self.bundle.has_intra),
            evened=self.evened,
        )

    def _stop_if_unwanted(self) -> None:
        if self.cancel.is_set() or self.abandoned.is_set():
            raise CancelledError

    def _report(self, evaluations: int) -> None:
        with self._counting:
            self.done += evaluations
            if self.progress is None:
                return
            seconds = time.perf_counter() - self.started
            remaining = seconds / self.done * (self.total - self.done)
            message = f"{self.done} of {self.total} evaluations"
            if seconds >= SETTLED_S:
                message += f", {remaining:.0f} s left"
            self.progress(Progress(self.done, self.total, seconds, remaining, message, self.computed, str(self.device)))
