"""The unit of the curves of Dice against steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

from napari_ddmd.case import Case
from napari_ddmd.model import Bundle
from napari_ddmd.results import SliceResult
from src_training import few_steps
from src_training.few_steps import judge_steps


@pytest.fixture
def first_mask_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model whose first mask is the expert's, and whose others are empty."""

    def segment(case: Case, _: Bundle, *, slices: Sequence[int], samples: int, **__: object) -> Iterator[SliceResult]:
        assert case.mask is not None
        for index in slices:
            masks = np.zeros((samples, *case.images.shape[2:]), np.float32)
            masks[0] = case.mask[index] > 0
            yield SliceResult.of(index, masks)

    monkeypatch.setattr(few_steps, "segment", segment)


@pytest.mark.usefixtures("first_mask_only")
def test_fewer_samples_are_the_first_ones(small_case: Case, tiny_bundle: Bundle) -> None:
    outcome = judge_steps(small_case, tiny_bundle, sampler="ddim", steps=2, samples=[3, 1])

    assert outcome.dices == {1: 1.0, 3: 0.0}
    assert (outcome.case, outcome.sampler, outcome.steps) == (small_case.name, "ddim", 2)


@pytest.mark.usefixtures("first_mask_only")
def test_only_the_given_slices_count(small_case: Case, tiny_bundle: Bundle) -> None:
    assert small_case.mask is not None
    (sick, *_), (well, *_) = (np.flatnonzero((small_case.mask > 0).any(axis=(1, 2)) == label) for label in (1, 0))

    def judge(index: int) -> dict[int, float]:
        return judge_steps(small_case, tiny_bundle, sampler="ddim", steps=1, samples=[2], slices=[index]).dices

    assert judge(int(sick)) == {2: 0.0}
    assert judge(int(well)) == {2: 1.0}


def test_parts_that_are_sure_nowhere_are_left_out_as_from_any_mask_and_small_ones_kept(
    small_case: Case, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape = small_case.images.shape[1:]
    given = np.zeros(shape, np.float32)
    given[2:7, 3:9, 3:9] = 0.4  # goes from slice to slice, and is sure in one of them
    given[4, 5, 5] = 0.9
    given[2:7, 15:19, 15:19] = 0.4  # sure nowhere
    given[4, 20, 3] = 0.9  # small
    lesion = given.copy()
    lesion[2:7, 15:19, 15:19] = 0

    def segment(_: Case, __: Bundle, *, slices: Sequence[int], samples: int, **___: object) -> Iterator[SliceResult]:
        for index in slices:
            yield SliceResult.of(index, np.repeat(given[index][None], samples, axis=0))

    monkeypatch.setattr(few_steps, "segment", segment)
    sampling = replace(tiny_bundle.settings.sampling, threshold=0.3, min_part=0.1, min_peak=0.5)
    bundle = replace(tiny_bundle, settings=replace(tiny_bundle.settings, sampling=sampling))
    case = replace(small_case, mask=(lesion > 0).astype(np.uint8))

    for slices in (None, [2, 4, 6]):
        outcome = judge_steps(case, bundle, sampler="ddim", steps=1, samples=[1, 2], slices=slices)
        assert outcome.dices == {1: 1.0, 2: 1.0}


def test_a_case_without_mask_cannot_be_judged(small_case: Case, tiny_bundle: Bundle) -> None:
    with pytest.raises(ValueError, match="has no expert mask"):
        judge_steps(replace(small_case, mask=None), tiny_bundle, sampler="ddim", steps=1, samples=[1])
