"""Where images are unevenly bright the networks see them without their field; everybody else sees what there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from threading import Event

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from napari_ddmd import evened
from napari_ddmd.case import MODALITIES, Case
from napari_ddmd.case.bias_field import BiasField
from napari_ddmd.case.guards import Finding, Kind
from napari_ddmd.case_sampler import CancelledError, CaseSampler
from napari_ddmd.denoising import denoising_sequence
from napari_ddmd.evened import even_out, is_evened, looks_before
from napari_ddmd.model import Bundle, load_bundle, untrained_bundle
from napari_ddmd.results import SliceResult
from napari_ddmd.segment import segment
from napari_ddmd.synthetic.case import make_small_case
from src_training.metrics import dice
from src_training.perturbations import biased


@pytest.fixture(scope="module")
def even() -> Case:
    made = make_small_case(0, (60, 60, 40))
    return Case.from_arrays("even", [made.images[name] for name in MODALITIES], made.affine, made.mask)


@pytest.fixture
def unseen(even: Case) -> Case:
    """A case of its own for each test: what is known of its field is kept with it."""
    return replace(biased(even, 0.3, np.random.default_rng(1)), name="uneven")


@pytest.fixture(scope="module")
def findings(even: Case) -> tuple[Finding, ...]:
    return replace(biased(even, 0.3, np.random.default_rng(1)), name="uneven").findings


@pytest.fixture
def uneven(unseen: Case, findings: tuple[Finding, ...]) -> Case:
    """The same, at which the guards have looked already, once for all tests."""
    vars(unseen)["findings"] = findings
    return unseen


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return untrained_bundle("full")


@pytest.fixture
def nothing_suspected(monkeypatch: pytest.MonkeyPatch) -> None:
    """Untrained networks see lesion everywhere, and nothing would be left to find a field in."""
    monkeypatch.setattr(evened, "_suspected", lambda run, *_: np.zeros_like(run.case.brain))


def run_of(case: Case, bundle: Bundle, **others: Event) -> CaseSampler:
    run = CaseSampler(
        case=case,
        bundle=bundle,
        device=torch.device("cpu"),
        samples=1,
        steps=1,
        sampler=None,
        seed=0,
        **others,  # type: ignore[arg-type]
    )
    run.prepare()
    return run


def setting(bundle: Bundle, *, evens_out: bool = True, prediction: str = "x0") -> Bundle:
    settings = bundle.settings
    sampling = replace(settings.sampling, evens_out=evens_out)
    diffusion = replace(settings.diffusion, prediction=prediction)  # type: ignore[arg-type]
    return replace(bundle, settings=replace(settings, sampling=sampling, diffusion=diffusion))


def test_the_guards_tell_of_a_field(even: Case, unseen: Case) -> None:
    assert Kind.UNEVEN not in {finding.kind for finding in even.findings}
    (told,) = (finding for finding in unseen.findings if finding.kind is Kind.UNEVEN)
    assert "brighter in one part of the head than in another" in told.text
    assert all(name in told.text for name in ("T1", "T2", "FLAIR"))


def test_only_an_uneven_case_is_evened_and_only_by_a_model_that_does(even: Case, uneven: Case, bundle: Bundle) -> None:
    assert is_evened(uneven, bundle)
    assert not is_evened(even, bundle)
    assert not is_evened(uneven, setting(bundle, evens_out=False))
    assert not is_evened(uneven, setting(bundle, prediction="epsilon"))


@pytest.mark.usefixtures("nothing_suspected")
def test_a_run_sees_the_case_without_its_field(uneven: Case, bundle: Bundle) -> None:
    run = run_of(uneven, bundle)
    before, raw = run.window.normalised.copy(), uneven.images.copy()
    told: list[str] = []
    even_out(run, tell=told.append)

    looking, done = told
    assert looking.startswith("Uneven brightness: looking for the bias field")
    assert done.startswith("Uneven brightness: taken out of T1")
    assert done.endswith("FLAIR for the model (N4).")
    assert not np.array_equal(run.window.normalised, before)
    np.testing.assert_array_equal(uneven.images, raw)


def test_an_even_case_is_not_looked_at_twice(even: Case, bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_of(even, bundle)
    window = run.window
    monkeypatch.setattr(evened, "find_bias_field", lambda *_args, **_more: pytest.fail("there is nothing to find"))

    even_out(run, tell=pytest.fail)
    assert run.window is window


def test_what_the_first_look_suspects_is_left_out(
    uneven: Case, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[NDArray[np.bool_]] = []
    refined = BiasField.refined

    def watched(self: BiasField, lesion: NDArray[np.bool_]) -> BiasField:
        seen.append(lesion)
        return refined(self, lesion)

    def results(self: CaseSampler, indices: Sequence[int]) -> dict[int, object]:
        assert (self.samples, self.steps) == (1, 1)
        found = {index: self.empty(index) for index in indices}
        for index in (20, 21):
            if index in found:
                found[index].samples[0, 30, 30] = 0.2
        return dict(found)

    assert is_evened(uneven, bundle)  # which looks for a field, too
    monkeypatch.setattr(BiasField, "refined", watched)
    monkeypatch.setattr(CaseSampler, "results", results)
    even_out(run_of(uneven, bundle))

    lesion, again = seen
    np.testing.assert_array_equal(lesion, again)
    assert lesion.shape == uneven.brain.shape
    looked = set(uneven.brain_slices[:: round(6 / uneven.spacing[0])])
    there = set(np.flatnonzero(lesion[:, 30, 30]).tolist())
    assert there & {20, 21}
    assert looked & {20, 21} <= there
    assert lesion.sum() == len(there)
    assert all(abs(index - other) <= 2 for index in there for other in (20, 21))


@pytest.mark.usefixtures("nothing_suspected")
def test_a_field_is_looked_for_once(uneven: Case, bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    even_out(first := run_of(uneven, bundle))
    monkeypatch.setattr(evened, "find_bias_field", lambda *_args, **_more: pytest.fail("it is known"))
    even_out(second := run_of(uneven, bundle))

    np.testing.assert_array_equal(first.window.normalised, second.window.normalised)


@pytest.mark.usefixtures("nothing_suspected")
def test_looks_are_foretold_where_the_next_run_takes_them(even: Case, unseen: Case, bundle: Bundle) -> None:
    uneven = unseen
    assert looks_before(uneven, bundle) == 0, "the guards have not looked yet, and nobody waits for them"
    assert is_evened(uneven, bundle)
    assert not is_evened(even, bundle)
    slices = len(uneven.brain_slices[:: round(6 / uneven.spacing[0])])
    assert looks_before(uneven, bundle) == 2 * slices
    assert looks_before(even, bundle) == looks_before(uneven, setting(bundle, evens_out=False)) == 0
    even_out(run_of(uneven, bundle))
    assert looks_before(uneven, bundle) == 0, "the field is known"


def test_a_cancelled_run_is_not_looked_at(uneven: Case, bundle: Bundle) -> None:
    cancel = Event()
    run = run_of(uneven, bundle, cancel=cancel)
    cancel.set()

    with pytest.raises(CancelledError):
        even_out(run)


def test_a_case_that_is_all_suspect_is_left_as_it_is(uneven: Case, bundle: Bundle) -> None:
    """As untrained networks see it: too little is left to find a field in."""
    told: list[str] = []
    run = run_of(uneven, bundle)
    before = run.window.normalised.copy()
    even_out(run, tell=told.append)

    np.testing.assert_array_equal(run.window.normalised, before)
    assert told[-1] == "Uneven brightness: left as it is."
    assert run.evened == ()


def test_a_look_takes_no_more_memory_at_once_than_a_slice(
    uneven: Case, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute = CaseSampler.results

    def one_fits(self: CaseSampler, indices: list[int]) -> dict[int, SliceResult]:
        if len(indices) > 1:
            raise MemoryError
        return compute(self, indices)

    monkeypatch.setattr(CaseSampler, "results", one_fits)
    monkeypatch.setattr("napari_ddmd.footing.worker_count", lambda _device: 2)  # with more threads each has one slice
    remarks: list[str] = []
    results = list(segment(uneven, bundle, slices=[17, 18, 19, 20, 21, 22], samples=1, steps=1, remark=remarks.append))

    assert len(results) == 6
    assert any(text.startswith("Memory was short: went on with 1 slice at a time") for text in remarks)


@pytest.mark.usefixtures("nothing_suspected")
def test_a_run_says_so_and_gives_the_same_masks_whichever_slices(uneven: Case, bundle: Bundle) -> None:
    remarks: list[str] = []
    some = [18, 24]
    results = {
        result.index: result
        for result in segment(uneven, bundle, slices=[17, *some, 25], samples=2, steps=2, remark=remarks.append)
    }
    again = list(segment(replace(uneven), bundle, slices=some, samples=2, steps=2))

    assert remarks[-1].startswith("Uneven brightness: taken out of T1")
    assert {result.evened for result in results.values()} == {("t1", "t1ce", "t2", "flair")}
    for result in again:
        np.testing.assert_array_equal(result.samples, results[result.index].samples)
    without = list(segment(uneven, setting(bundle, evens_out=False), slices=some, samples=2, steps=2))
    assert any(not np.array_equal(one.samples, results[one.index].samples) for one in without)
    assert {one.evened for one in without} == {()}


@pytest.mark.usefixtures("nothing_suspected")
def test_the_sequence_is_that_of_the_run(uneven: Case, bundle: Bundle) -> None:
    (result,) = segment(uneven, bundle, slices=[20], samples=1, steps=3, sampler="ddpm", seed=2)
    sequence = denoising_sequence(uneven, bundle, 20, steps=3, sampler="ddpm", seed=2)

    np.testing.assert_allclose(sequence.estimates[-1], result.samples[0], atol=2e-2)


@pytest.mark.torture
def test_the_published_model_loses_less_to_a_field() -> None:
    made = make_small_case(3, (120, 120, 77))
    case = Case.from_arrays("made", [made.images[name] for name in MODALITIES], made.affine, made.mask)
    worse = biased(case, 0.4, np.random.default_rng(0))
    assert case.mask is not None
    lesion, rows = case.mask > 0, list(case.brain_slices)[::2]

    def found(seen: Case, model: Bundle) -> float:
        mask = np.zeros(lesion.shape, bool)
        for result in segment(seen, model, slices=rows, samples=1):
            mask[result.index] = result.probability > 0.5
        return dice(mask[rows], lesion[rows])

    compact = load_bundle("compact")
    assert compact.settings.sampling.evens_out
    assert found(worse, compact) > found(worse, setting(compact, evens_out=False)) + 0.05
