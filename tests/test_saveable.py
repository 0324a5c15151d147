from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_ddmd.case import Case
from napari_ddmd.editing import Numbering
from napari_ddmd.lesions import find_lesions
from napari_ddmd.model import Bundle
from napari_ddmd.saveable import ModelFacts, Saveable

from .results import finished, slice_result


def test_what_is_kept_does_not_change_with_the_run(small_case: Case) -> None:
    volumes = finished(small_case, slices=[2, 4])
    mask = volumes.mask()
    kept = Saveable(case=small_case, mask=mask, volumes=volumes).kept()
    before = volumes.probability.copy(), volumes.samples.copy()
    volumes.add(slice_result(small_case, 3))
    mask[:] = 9
    settled = kept.settled(("probability", "samples"))
    assert settled.volumes is not None
    assert settled.volumes.done == set(settled.volumes.scores) == {2, 4}
    np.testing.assert_array_equal(settled.volumes.probability, before[0])
    np.testing.assert_array_equal(settled.volumes.samples, before[1])
    np.testing.assert_array_equal(settled.mask, before[0] > 0.5)
    # What nobody reads is not copied.
    assert settled.volumes.uncertainty is volumes.uncertainty
    assert volumes.done == {2, 3, 4}


def test_maps_that_there_are_not_stay_away(small_case: Case) -> None:
    volumes = finished(small_case, intra=False)
    settled = Saveable(case=small_case, mask=volumes.mask(), volumes=volumes).kept().settled(("inter", "intra"))
    assert settled.volumes is not None
    assert settled.volumes.intra is None
    assert settled.volumes.inter is not volumes.inter
    drawn = Saveable(case=small_case, mask=volumes.mask()).kept()
    assert drawn.settled(("inter",)) is drawn


def test_lesions_are_measured_with_what_the_run_has_said(small_case: Case) -> None:
    volumes = finished(small_case)
    content = Saveable(case=small_case, mask=volumes.mask(), volumes=volumes)
    (lesion,) = content.lesions
    assert content.lesions is content.lesions
    assert lesion.mean_uncertainty == 0.25
    assert lesion.modality_scores is not None
    np.testing.assert_array_equal(content.labels, volumes.mask())
    (drawn,) = Saveable(case=small_case, mask=volumes.mask()).lesions
    assert (drawn.mean_probability, drawn.mean_uncertainty, drawn.modality_scores) == (None, None, None)


def test_only_the_runs_own_mask_can_have_been_edited(small_case: Case) -> None:
    mask = np.zeros(small_case.grid.shape, np.uint8)
    assert Saveable(case=small_case, mask=mask, is_models=True, edited_slices=(3,)).was_edited
    assert not Saveable(case=small_case, mask=mask, is_models=True).was_edited
    assert not Saveable(case=small_case, mask=mask, edited_slices=(3,)).was_edited


def test_a_model_has_a_short_title(tiny_bundle: Bundle) -> None:
    facts = ModelFacts.of(tiny_bundle)
    assert facts.title == f"{tiny_bundle.name} {tiny_bundle.version}"
    assert ModelFacts("", "", "", "ab" * 32, "").title == "abababababab"


def test_a_model_knows_its_patient_under_the_name_that_is_saved(small_case: Case) -> None:
    mask = np.zeros(small_case.grid.shape, np.uint8)
    knows = ModelFacts("own", "1", "full", "ab" * 32, "", (small_case.name,))
    content = Saveable(case=small_case, mask=mask, model=knows)
    told = ["the model own 1 was trained on this patient; how well it does here says nothing of others"]
    assert content.model_cautions == told
    assert content.named("Patient_1").named("Patient_2").model_cautions == told
    assert replace(content, model=None, proposed_by=knows).model_cautions == told
    other = replace(small_case, name="Other_001")
    assert replace(content, case=other).named(small_case.name).model_cautions == []


def test_lesions_keep_the_numbers_that_they_had(small_case: Case) -> None:
    mask = np.zeros(small_case.grid.shape, np.uint8)
    mask[2, 2:8, 2:8] = mask[5, 2:5, 2:5] = 1
    numbering = Numbering(mask.shape)
    numbering.number(find_lesions(mask, small_case.spacing)[0])
    mask[2] = 0  # the larger one is deleted, and one larger still is drawn
    mask[4:7, 10:20, 10:20] = 1
    for _ in range(2):  # asking changes nothing
        content = Saveable(case=small_case, mask=mask, numbering=numbering).kept()
        assert [lesion.label for lesion in content.lesions] == [3, 2]
        assert (content.labels[5, 15, 15], content.labels[5, 3, 3], content.labels[0, 0, 0]) == (3, 2, 0)
    assert [lesion.label for lesion in Saveable(case=small_case, mask=mask).lesions] == [1, 2]
