from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image

from napari_ddmd.case import MODALITIES, Case, CaseError
from napari_ddmd.missing import missing_modalities
from napari_ddmd.viewer.case_choice import guess_assignment, make_case, modality_layers, open_cases
from napari_ddmd.viewer.layer_tag import Role, grid_arguments
from tests.viewer.conftest import add_case


def foreign_layers(case: Case, names: tuple[str, ...] = MODALITIES) -> dict[str, Image]:
    """Layers as another plugin would open them: no tag, but scale and position."""
    return {
        modality: Image(image.copy(), name=name, scale=case.spacing, translate=case.grid.translate)
        for modality, name, image in zip(MODALITIES, names, case.images, strict=True)
    }


def test_only_three_dimensional_images_can_be_modalities(viewer: ViewerModel, case: Case) -> None:
    viewer.add_image(np.zeros((5, 5)))
    viewer.add_image(np.zeros((5, 5, 5, 3)), rgb=True)
    viewer.add_labels(np.zeros(case.grid.shape, int))
    viewer.add_image(np.zeros(case.grid.shape), **grid_arguments(case, Role.PROBABILITY))
    assert [layer.name for layer in modality_layers(viewer.layers)] == list(MODALITIES)


def test_layers_as_opened_give_their_own_case(viewer: ViewerModel, case: Case) -> None:
    assert open_cases(viewer.layers) == [case]
    assert make_case(guess_assignment(viewer.layers, case)) is case


def test_renamed_layers_are_still_known(viewer: ViewerModel, case: Case) -> None:
    viewer.layers["t1"].name = "flair (my copy)"
    assert make_case(guess_assignment(viewer.layers, case)) is case


def test_of_two_cases_each_gets_its_own_layers(viewer: ViewerModel, case: Case) -> None:
    other = dataclasses.replace(case, name="Other", images=case.images * 2)
    add_case(viewer, other)
    assert open_cases(viewer.layers) == [case, other]
    assert make_case(guess_assignment(viewer.layers, other)) is other


def test_layers_of_other_plugins_are_guessed_by_name(case: Case) -> None:
    names = ("P1_T1", "P1_t1gd", "P1-t2w", "P1 FLAIR")
    layers = foreign_layers(case, names)
    guess = guess_assignment([*layers.values(), Image(np.zeros(case.grid.shape), name="P1_seg")], None)
    assert guess == layers


def test_layers_of_other_plugins_make_a_case_where_they_lie(case: Case) -> None:
    made = make_case(foreign_layers(case))
    np.testing.assert_array_equal(made.images, case.images)
    assert made.spacing == pytest.approx(case.spacing)
    assert made.grid.translate == pytest.approx(case.grid.translate)
    assert made.grid.shape == case.grid.shape


def test_an_assumed_orientation_is_owned_up_to(viewer: ViewerModel, case: Case) -> None:
    (remark,) = make_case(foreign_layers(case, ("P1_t1n", "P1_t1c", "P1_t2w", "P1_t2f"))).warnings
    assert remark.startswith("orientation is assumed")
    assert "\n" not in remark
    # With layers of a case there is nothing to assume.
    assignment = guess_assignment(viewer.layers, case)
    assert make_case({**assignment, "t1": assignment["t2"], "t2": assignment["t1"]}).warnings == ()


def test_a_layer_from_elsewhere_is_taken_and_named(viewer: ViewerModel, case: Case) -> None:
    assignment = guess_assignment(viewer.layers, case)
    made = make_case({**assignment, "flair": foreign_layers(case)["flair"]})
    (remark,) = made.warnings
    assert remark.startswith(
        "the layer for FLAIR is not of this case and is taken to lie as its images do; if it does not, open its file"
    )
    assert made.grid == case.grid

    other = dataclasses.replace(case, name="Other", images=case.images * 2)
    add_case(viewer, other)
    mixed = {**assignment, "t2": guess_assignment(viewer.layers, other)["t2"]}
    (remark,) = make_case(mixed).warnings
    assert remark.startswith("the layer for T2 is not of this case")


def test_a_corrected_assignment_keeps_the_grid_of_the_files(viewer: ViewerModel, case: Case) -> None:
    assignment = guess_assignment(viewer.layers, case)
    swapped = {**assignment, "t1": assignment["t2"], "t2": assignment["t1"]}
    made = make_case(swapped)
    np.testing.assert_array_equal(made.images, case.images[[2, 1, 0, 3]])
    assert made.grid == case.grid
    assert made.name == case.name


def test_other_data_in_a_layer_makes_another_case(viewer: ViewerModel, case: Case) -> None:
    viewer.layers["t2"].data = case.images[2] + 1
    made = make_case(guess_assignment(viewer.layers, case))
    assert made is not case
    np.testing.assert_array_equal(made.images[2], case.images[2] + 1)


def test_a_missing_modality_is_named(case: Case) -> None:
    layers = foreign_layers(case)
    with pytest.raises(CaseError, match="t2: no layer chosen"):
        make_case({**layers, "t2": None})


@pytest.mark.parametrize("gone", MODALITIES)
def test_one_modality_may_be_missing_where_that_is_allowed(case: Case, viewer: ViewerModel, gone: str) -> None:
    place = MODALITIES.index(gone)
    own = guess_assignment(viewer.layers, case)
    for assignment in (foreign_layers(case), own):
        made = make_case({**assignment, gone: None}, allow_missing=True)
        assert missing_modalities(made) == (gone,)
        others = [index for index in range(len(MODALITIES)) if index != place]
        np.testing.assert_array_equal(made.images[others], case.images[others])
        assert made.images[place].shape == case.images[place].shape
    assert case.images[place].any(), "the layer's own image is left alone"
    two = {**own, gone: None, MODALITIES[place - 1]: None}
    with pytest.raises(CaseError, match="no layer chosen"):
        make_case(two, allow_missing=True)


def test_a_case_that_was_opened_without_a_modality_is_itself(case: Case) -> None:
    images = case.images.copy()
    images[2] = 0
    lacking = dataclasses.replace(case, images=images)
    viewer = ViewerModel()
    add_case(viewer, lacking)
    assignment = {**guess_assignment(viewer.layers, lacking), "t2": None}
    assert make_case(assignment, allow_missing=True) is lacking


def test_one_layer_for_two_modalities_is_refused(case: Case) -> None:
    layers = foreign_layers(case)
    with pytest.raises(CaseError, match='"t1" stands for t1 and t1ce'):
        make_case({**layers, "t1ce": layers["t1"]})


def test_layers_that_do_not_fit_together_are_refused(case: Case) -> None:
    layers = foreign_layers(case)
    small = Image(np.zeros((2, 3, 4)), name="small")
    with pytest.raises(CaseError, match='"small" has shape 2×3×4, "t1" has 8×28×24'):
        make_case({**layers, "t2": small})
    layers["t2"].translate = (0, 0, 0)
    with pytest.raises(CaseError, match='"t2" lies elsewhere than "t1"'):
        make_case(layers)


@pytest.mark.parametrize(("value", "what"), [(np.nan, "holds NaN or infinite values"), (0, "all voxels are zero")])
def test_layers_without_usable_values_are_refused(viewer: ViewerModel, case: Case, value: float, what: str) -> None:
    foreign = foreign_layers(case)
    viewer.layers["t2"].data = case.images[2] + 1
    for assignment, name in ((foreign, "layers"), (guess_assignment(viewer.layers, case), case.name)):
        assignment["t2"].data[:] = value  # in place, so that napari does not look at it
        with pytest.raises(CaseError, match=rf"^{name}, t2: {what}; [^\n]+$"):
            make_case(assignment)


def test_rotated_layers_are_refused(case: Case) -> None:
    layers = foreign_layers(case)
    layers["t1"].rotate = [[1, 0, 0], [0, 0.8, -0.6], [0, 0.6, 0.8]]
    with pytest.raises(CaseError, match="rotated or sheared"):
        make_case(layers)
