"""A case as the networks see it, and the way back to its slices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_ddmd.case import Case
from napari_ddmd.case.normalise import normalise
from napari_ddmd.model.settings import ContextSettings, FrameSettings, ModelSettings, NormalisationSettings
from napari_ddmd.segment import brain_slices
from napari_ddmd.window import CaseWindow

SIZE = 32
# As many millimetres as pixels of the case's 2 mm: nothing is interpolated.
EXACT = ModelSettings(frame=FrameSettings(size=SIZE, extent_mm=2.0 * SIZE))


def test_images_are_normalised_and_cut_about_the_brain(small_case: Case) -> None:
    indices = brain_slices(small_case)[1:4]
    images = CaseWindow(small_case, EXACT).images(indices)
    settings = EXACT.normalisation
    expected = normalise(
        small_case.images, small_case.brain, lower=settings.lower_percentile, upper=settings.upper_percentile
    )

    assert images.shape == (3, 4, SIZE, SIZE)
    assert images.dtype == torch.float32
    assert 0 <= images.min() < images.max() <= 1
    for image, index in zip(images, indices, strict=True):
        assert float(image.sum()) == pytest.approx(float(expected[:, index].sum()), rel=1e-5)
        rows, columns = np.nonzero(image.amax(0).numpy())
        assert abs(rows.min() + rows.max() - SIZE) <= 8
        assert abs(columns.min() + columns.max() - SIZE) <= 8


@pytest.mark.parametrize("indices", [[3], [5, 2, 4]])
def test_the_window_lies_back_on_its_slices(small_case: Case, indices: list[int]) -> None:
    window = CaseWindow(small_case, EXACT)
    on_slices = window.on_slices(window.images(indices), indices)

    assert on_slices.shape == (len(indices), 4, *small_case.images.shape[2:])
    np.testing.assert_allclose(on_slices, window.normalised[:, indices].swapaxes(0, 1), atol=1e-6)


def test_nothing_is_laid_outside_the_brain(small_case: Case) -> None:
    indices = brain_slices(small_case)[:2]
    ones = torch.ones(2, 1, SIZE, SIZE, dtype=torch.bfloat16)
    on_slices = CaseWindow(small_case, EXACT).on_slices(ones, indices)

    assert on_slices.dtype == np.float32
    assert np.array_equal(on_slices[:, 0], small_case.brain[indices].astype(np.float32))


def test_a_scaled_window_comes_back_to_interpolation(small_case: Case) -> None:
    settings = replace(EXACT, frame=FrameSettings(size=64, extent_mm=64.0))
    indices = brain_slices(small_case)[2:4]
    window = CaseWindow(small_case, settings)
    images = window.images(indices)
    on_slices = window.on_slices(images, indices)
    wanted = window.normalised[:, indices].swapaxes(0, 1)
    brain = np.broadcast_to(small_case.brain[indices][:, None], wanted.shape)

    assert images.shape[-2:] == (64, 64)
    assert np.corrcoef(on_slices[brain], wanted[brain])[0, 1] > 0.95


def test_percentiles_come_from_the_settings(small_case: Case) -> None:
    loose = replace(EXACT, normalisation=NormalisationSettings(lower_percentile=0.0, upper_percentile=60.0))
    bright = CaseWindow(small_case, loose).normalised
    plain = CaseWindow(small_case, EXACT).normalised

    assert (bright == 1).sum() > 5 * (plain == 1).sum()


@pytest.mark.parametrize(
    ("spacing", "offsets"), [(1.0, (0, -3, 3, -6, 6)), (2.0, (0, -2, 2, -4, 4)), (7.0, (0, -1, 1, -2, 2))]
)
def test_neighbours_lie_whole_slices_away(spacing: float, offsets: tuple[int, ...]) -> None:
    assert ContextSettings(slices=2, step_mm=3.0).offsets(spacing) == offsets
    assert ContextSettings(slices=0).offsets(spacing) == (0,)


def test_neighbours_come_after_the_slice_itself(small_case: Case) -> None:
    window = CaseWindow(small_case, EXACT)
    depth, step = len(small_case.brain), window.offsets[2]
    indices = [depth - 1, 4, 0, 3]
    shown = window.with_neighbours(indices)

    assert window.offsets == (0, -step, step)
    assert shown.shape == (4, 12, SIZE, SIZE)
    torch.testing.assert_close(shown[:, :4], window.images(indices))
    torch.testing.assert_close(shown[1, 4:8], window.images([4 - step])[0])
    torch.testing.assert_close(shown[1, 8:], window.images([4 + step])[0])
    assert not shown[0, 8:].any()  # above the last slice
    assert not shown[2, 4:8].any()  # below the first
