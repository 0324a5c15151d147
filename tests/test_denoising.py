from __future__ import annotations

from threading import Event

import numpy as np
import pytest
import torch

from napari_ddmd.case import Case
from napari_ddmd.case_sampler import CancelledError, CaseSampler
from napari_ddmd.denoising import denoising_sequence
from napari_ddmd.model.bundle import untrained_bundle
from napari_ddmd.results import Progress
from napari_ddmd.segment import brain_slices, segment

BUNDLE = untrained_bundle()


@pytest.mark.parametrize("sampler", ["ddim", "ddpm"])
def test_the_last_step_is_the_mask_that_segment_gives(small_case: Case, sampler: str) -> None:
    index = brain_slices(small_case)[2]
    (result,) = segment(small_case, BUNDLE, slices=[index], samples=3, steps=4, sampler=sampler, seed=5)
    sequence = denoising_sequence(small_case, BUNDLE, index, number=1, steps=4, sampler=sampler, seed=5)

    np.testing.assert_allclose((sequence.noisy[-1] + 1) / 2, result.samples[1], atol=2e-2)
    np.testing.assert_allclose(sequence.estimates[-1], result.samples[1], atol=2e-2)


def test_it_starts_with_noise_at_the_noisiest_timestep(small_case: Case) -> None:
    index = brain_slices(small_case)[2]
    sequence = denoising_sequence(small_case, BUNDLE, index, steps=5)
    brain = small_case.brain[index]

    assert sequence.timesteps == (999, 799, 599, 399, 199)
    assert sequence.noisy.shape == (6, *brain.shape)
    assert sequence.estimates.shape == (5, *brain.shape)
    assert sequence.noisy[0][brain].std() > 0.4
    assert abs(sequence.noisy[0][brain].mean()) < 0.2
    assert not sequence.estimates[:, ~brain].any()
    assert (sequence.noisy[:, ~brain] == -1).all()
    assert 0 <= sequence.estimates.min() <= sequence.estimates.max() <= 1


def test_a_slice_without_brain_is_refused(small_case: Case) -> None:
    empty = next(i for i in range(small_case.images.shape[1]) if not small_case.brain[i].any())
    with pytest.raises(ValueError, match="holds no brain"):
        denoising_sequence(small_case, BUNDLE, empty)


def test_progress_counts_to_the_end(small_case: Case) -> None:
    heard: list[Progress] = []
    index = brain_slices(small_case)[2]
    denoising_sequence(small_case, BUNDLE, index, number=1, steps=3, progress=heard.append)

    # Two masks are drawn, of which the second is the one that is asked for.
    assert [(progress.done, progress.total) for progress in heard] == [(2, 6), (4, 6), (6, 6)]


def test_it_stops_between_steps(small_case: Case) -> None:
    cancel = Event()
    heard: list[Progress] = []

    def stop(progress: Progress) -> None:
        heard.append(progress)
        cancel.set()

    with pytest.raises(CancelledError):
        denoising_sequence(small_case, BUNDLE, brain_slices(small_case)[2], steps=5, cancel=cancel, progress=stop)
    assert len(heard) == 1


def test_the_networks_of_a_run_stay_where_they_are(small_case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    moved: list[object] = []
    move_to = CaseSampler.move_to

    def note(run: CaseSampler, device: torch.device) -> None:
        moved.append(run.bundle.networks)
        move_to(run, device)

    monkeypatch.setattr(CaseSampler, "move_to", note)
    denoising_sequence(small_case, BUNDLE, brain_slices(small_case)[2], steps=2)
    assert len(moved) == 1
    assert moved[0] is not BUNDLE.networks
