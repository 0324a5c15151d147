"""Scores, their histograms, and slices of like height, on hand-made numbers."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from napari_ddmd.case import MODALITIES
from napari_ddmd.segment import segment
from src_training.autoencoders import load_ensembles
from src_training.figures.scores import (
    KINDS,
    WHOLE,
    ScoredSlices,
    brain_means,
    height_matched,
    histograms,
    join_slices,
    normalised,
    overlap,
    score_patient,
    slice_heights,
)
from src_training.figures.trained import Patient


def test_scores_are_brought_to_one_range() -> None:
    assert normalised(np.array([2.0, 3.0, 4.0])).tolist() == [0, 0.5, 1]
    assert normalised(np.array([2.0, 2.0])).tolist() == [0, 0]


def test_histograms_are_shares_of_their_own_kind() -> None:
    scores, abnormal = np.array([0.1, 0.1, 0.9, 1.0]), np.array([False, False, False, True])
    healthy, sick = histograms(scores, abnormal, 2)

    assert healthy.tolist() == pytest.approx([2 / 3, 1 / 3])
    assert sick.tolist() == [0, 1]
    assert overlap(healthy, sick) == pytest.approx(1 / 3)


def test_overlap_of_equal_and_of_disjoint_histograms() -> None:
    one = np.array([0.25, 0.75, 0.0])
    assert overlap(one, one) == 1
    assert overlap(one, np.array([0.0, 0.0, 1.0])) == 0
    assert math.isnan(overlap(one, np.zeros(3)))


def test_slices_are_matched_for_height() -> None:
    heights = np.array([0.0, 10.0, 12.0, 14.0, 50.0, 100.0])
    abnormal = np.array([False, True, False, False, True, False])

    rows = height_matched(heights, abnormal)
    assert len(rows) == 2
    assert 1 in rows, "the slice at 50 mm has no partner"
    assert set(rows.tolist()) <= {1, 2, 3}
    assert {tuple(height_matched(heights, abnormal, seed=seed)) for seed in range(20)} == {(1, 2), (1, 3)}
    assert height_matched(heights, abnormal, seed=3).tolist() == height_matched(heights, abnormal, seed=3).tolist()


def test_no_slice_is_in_two_pairs_and_no_pair_is_lost() -> None:
    # Whoever gives the slice at 4 mm to that at 0 mm leaves none to that at 8 mm.
    heights = np.array([0.0, 8.0, -4.0, 4.0])
    abnormal = np.array([True, True, False, False])
    for seed in range(10):
        assert height_matched(heights, abnormal, seed=seed).tolist() == [0, 1, 2, 3]
    assert height_matched(np.array([0.0, 1.0, 2.0]), np.array([True, True, False])).size == 2


def test_without_one_kind_nothing_is_matched() -> None:
    assert height_matched(np.arange(3.0), np.ones(3, bool)).size == 0


def test_means_are_over_the_brain() -> None:
    images = torch.zeros(1, 4, 2, 2)
    images[0, 2, 0] = 0.5
    maps = torch.tensor([[[[1.0, 3.0], [100.0, 100.0]]]])

    assert brain_means(maps, images).tolist() == [[2.0]]


def test_scores_are_those_of_the_pipeline(patients: list[Patient]) -> None:
    patient = patients[0]
    split = patient.split
    scored = score_patient(split, patient.name, load_ensembles(split, split.training_cases))
    kept = json.loads(split.run.index_path.read_text())["cases"][patient.name]["slices"]
    results = list(segment(patient.load(), patient.bundle("ddmd"), slices=kept, steps=1, samples=1, device="cpu"))

    assert len(scored.abnormal) == len(kept)
    for place, result in enumerate(results):
        assert result.scores is not None
        # The store has eight bits and the bundle half precision.
        assert scored.scores["inter"][WHOLE][place] == pytest.approx(result.scores.inter, rel=0.05)
        assert scored.scores["intra"]["t2"][place] == pytest.approx(result.scores.per_modality["t2"]["intra"], rel=0.05)


def test_heights_follow_the_files(patients: list[Patient]) -> None:
    split, name = patients[0].split, patients[0].name
    case, heights = patients[0].load(), slice_heights(split, name)
    kept = json.loads(split.run.index_path.read_text())["cases"][name]["slices"]

    # The third axis of these files runs downwards from 20 mm in steps of 3 mm.
    assert heights.tolist() == [20 - 3 * case.grid.file_slice(index) for index in kept]


def scored(scores: list[float], abnormal: list[bool], fold: str = "fold0") -> ScoredSlices:
    values: NDArray[np.float64] = np.array(scores)
    return ScoredSlices(
        {kind: dict.fromkeys((*MODALITIES, WHOLE), values) for kind in KINDS},
        np.array(abnormal),
        np.zeros(len(scores)),
        1,
        np.full(len(scores), fold),
    )


def test_patients_are_joined() -> None:
    joined = join_slices([scored([1, 2], [True, False]), scored([3], [True], "fold1")])

    assert joined.patients == 2
    assert joined.scores["intra"]["flair"].tolist() == [1, 2, 3]
    assert joined.abnormal.tolist() == [True, False, True]
    assert joined.folds.tolist() == ["fold0", "fold0", "fold1"]
    assert joined.only(np.array([2])).scores["inter"][WHOLE].tolist() == [3]
