"""One seed gives one mask, bit for bit, however a run is cut, batched, ordered, spread over threads or gone on with.

`test_same_elsewhere` compares processes, precisions, processors and devices; `viewer/widgets/test_same_mask` the panel
with the command line and with Python.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from threading import Event
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_ddmd.case import Case
from napari_ddmd.model import Bundle, ModelSettings
from napari_ddmd.model.bundle import DdmdNetworks, new_bundle
from napari_ddmd.model.settings import AutoencoderSettings, ContextSettings, DenoiserSettings, FrameSettings
from napari_ddmd.segment import SAMPLERS, SliceResult, brain_slices, segment

SEED = 7


@dataclass(frozen=True)
class Kind:
    """A model and how it samples: each setting of the format that decides what a mask is."""

    variant: str = "full"
    prediction: str = "x0"
    learned_variance: bool = False
    neighbours: int = 1
    centre: str = "brain"
    attention: bool = False
    patch: int = 2
    members: int = 3
    shared_guess: bool = True
    healthy_below: float = 0.02
    sampler: str = "ddim"
    steps: int = 2

    @property
    def bundle(self) -> Bundle:
        architecture = replace(self, shared_guess=False, healthy_below=0.0, sampler="ddim", steps=2)
        bundle = _bundle(architecture)
        sampling = replace(bundle.settings.sampling, shared_guess=self.shared_guess, healthy_below=self.healthy_below)
        return replace(bundle, settings=replace(bundle.settings, sampling=sampling))


@cache
def _bundle(kind: Kind) -> Bundle:
    base = ModelSettings()
    chosen: Any = replace(
        base,
        variant=kind.variant,  # type: ignore[arg-type]
        frame=FrameSettings(size=32, centre=kind.centre),  # type: ignore[arg-type]
        context=ContextSettings(slices=kind.neighbours),
        autoencoder=AutoencoderSettings(size=16, widths=(8,) * 4, hidden=16, latent=4, members=kind.members),
        denoiser=DenoiserSettings(
            channels=(8, 16), patch=kind.patch, attention_levels=(1,) if kind.attention else (), dropout=0.1
        ),
        diffusion=replace(
            base.diffusion,
            prediction=kind.prediction,
            learned_variance=kind.learned_variance,  # type: ignore[arg-type]
        ),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        networks = DdmdNetworks(chosen)
    return new_bundle(chosen, networks, name="kind", version="0", provenance={}, card="")


KINDS = st.builds(
    Kind,
    variant=st.sampled_from(["full", "light", "mini"]),
    prediction=st.sampled_from(["x0", "epsilon", "v"]),
    learned_variance=st.booleans(),
    neighbours=st.integers(0, 2),
    centre=st.sampled_from(["brain", "image"]),
    attention=st.booleans(),
    patch=st.sampled_from([2, 4]),
    members=st.sampled_from([3, 1]),
    shared_guess=st.booleans(),
    # A random network says 0.5 everywhere: with the higher bound some slices end with their first guess.
    healthy_below=st.sampled_from([0.0, 0.02, 0.55]),
    sampler=st.sampled_from(SAMPLERS),
    steps=st.integers(1, 4),
)


@dataclass(frozen=True)
class Way:
    """One of the ways in which the same masks can be asked for; slices are places among those with brain."""

    places: tuple[int, ...]
    batch_size: int
    threads: int
    samples: int
    cancel_after: int | None


WAYS = st.builds(
    Way,
    places=st.lists(st.integers(0, 5), min_size=1, max_size=7).map(tuple),  # any subset, any order, some twice
    batch_size=st.integers(1, 7),
    threads=st.integers(1, 4),
    samples=st.integers(1, 5),
    cancel_after=st.none() | st.integers(0, 5),
)


@contextmanager
def running(threads: int, dtype: torch.dtype) -> Iterator[None]:
    """Some of torch's threads, and a precision, whatever this processor multiplies."""
    before = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        for user in ("masks", "workers"):
            patch.setattr(f"napari_ddmd.{user}.inference_dtype", lambda device: dtype)
        torch.set_num_threads(threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)


@cache
def reference(case: Case, kind: Kind, dtype: torch.dtype) -> dict[int, SliceResult]:
    """Every slice by itself in one thread, with the most masks that are asked for."""
    with running(1, dtype):
        stream = segment(
            case, kind.bundle, samples=5, steps=kind.steps, sampler=kind.sampler, seed=SEED, batch_size=1, device="cpu"
        )
        return {result.index: result for result in stream}


def asked_for(
    case: Case, kind: Kind, way: Way, slices: list[int], cancel: Event | None = None
) -> Iterator[SliceResult]:
    return segment(
        case,
        kind.bundle,
        slices=slices,
        samples=way.samples,
        steps=kind.steps,
        sampler=kind.sampler,
        seed=SEED,
        batch_size=way.batch_size,
        device="cpu",
        cancel=cancel,
    )


def in_this_way(case: Case, kind: Kind, way: Way, dtype: torch.dtype) -> list[SliceResult]:
    """Results of a run, which may be cancelled once and goes on with what is missing."""
    brain = brain_slices(case)
    slices = [brain[place % len(brain)] for place in way.places]
    found: list[SliceResult] = []
    with running(way.threads, dtype):
        if way.cancel_after is not None:
            cancel = Event()
            for result in asked_for(case, kind, way, slices, cancel):
                found.append(result)
                if len(found) > way.cancel_after:
                    cancel.set()
        found += asked_for(case, kind, way, slices[len(found) :])
    assert [result.index for result in found] == slices
    return found


def assert_same(case: Case, kind: Kind, way: Way, dtype: torch.dtype) -> None:
    alone = reference(case, kind, dtype)
    for result in in_this_way(case, kind, way, dtype):
        expected = alone[result.index]
        np.testing.assert_array_equal(result.samples, expected.samples[: way.samples])
        np.testing.assert_array_equal(result.probability, expected.samples[: way.samples].mean(axis=0))
        np.testing.assert_array_equal(result.inter, expected.inter)
        assert (result.intra is None) == (expected.intra is None)
        if result.intra is not None:
            np.testing.assert_array_equal(result.intra, expected.intra)
        assert result.scores == expected.scores


def holds(examples: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])


@pytest.mark.fault("Same result", count=4)
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_one_seed_is_one_mask_in_any_company(sampler: str, small_case: Case) -> None:
    @holds(4)
    @given(way=WAYS, shared=st.booleans())
    def check(way: Way, shared: bool) -> None:
        assert_same(small_case, Kind(sampler=sampler, steps=3, shared_guess=shared), way, torch.float32)

    check()


@pytest.mark.torture
@pytest.mark.fault("Same result")
@DTYPES
def test_one_seed_is_one_mask_whatever_the_model(
    small_case: Case, dtype: torch.dtype, record_property: Callable[[str, object], None]
) -> None:
    tried = 0

    @holds(80)
    @given(kind=KINDS, way=WAYS)
    def check(kind: Kind, way: Way) -> None:
        nonlocal tried
        tried += 1
        assert_same(small_case, kind, way, dtype)

    check()
    record_property("faults", tried)
