"""The window: whole voxels, the same for all slices, and back again."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_ddmd.model.frame import Frame
from napari_ddmd.model.settings import FrameSettings


def block(shape: tuple[int, int, int], rows: slice, columns: slice) -> np.ndarray:
    brain = np.zeros(shape, bool)
    brain[:, rows, columns] = True
    return brain


def test_the_paper_pads_240_to_256_and_back_without_a_change() -> None:
    settings = FrameSettings(size=256, extent_mm=256.0, centre="image")
    frame = Frame.around(block((3, 240, 240), slice(40, 200), slice(60, 180)), (1.0, 1.0, 1.0), settings)
    images = torch.rand(2, 4, 240, 240)
    framed = frame.to_frame(images)
    assert framed.shape == (2, 4, 256, 256)
    assert torch.equal(framed[:, :, 8:-8, 8:-8], images)
    assert torch.equal(frame.to_slice(framed), images)


@given(
    st.integers(20, 60),
    st.integers(20, 60),
    st.integers(0, 10),
    st.integers(0, 10),
    st.sampled_from([(1.0, 1.0), (0.5, 0.5), (1.0, 2.0), (0.9375, 0.9375)]),
)
def test_a_brain_always_lies_inside_its_window(
    height: int, width: int, top: int, left: int, spacing: tuple[float, float]
) -> None:
    brain = block((2, height, width), slice(top, height - 3), slice(left, width - 5))
    frame = Frame.around(brain, (1.0, *spacing), FrameSettings(size=32, extent_mm=24.0))
    back = frame.to_slice(torch.ones(1, 1, 32, 32))[0, 0].numpy()
    assert back.shape == (height, width)
    assert np.all(back[brain[0]] > 0.5)


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.6, 0.6), (1.0, 1.5)])
def test_a_blob_comes_back_where_it_was(spacing: tuple[float, float]) -> None:
    rows, columns = np.mgrid[:200, :180]
    blob = ((rows - 90) * spacing[0]) ** 2 + ((columns - 100) * spacing[1]) ** 2 < 25.0**2
    brain = block((1, 200, 180), slice(30, 170), slice(40, 150))
    frame = Frame.around(brain, (1.0, *spacing), FrameSettings(size=128, extent_mm=192.0))
    image = torch.from_numpy(blob.astype(np.float32))[None, None]
    back = frame.to_slice(frame.to_frame(image))[0, 0].numpy() > 0.5
    assert 2 * (back & blob).sum() / (back.sum() + blob.sum()) > 0.97


def test_a_brain_far_from_the_middle_of_the_image_lies_inside_the_window() -> None:
    brain = block((1, 400, 400), slice(0, 150), slice(10, 140))
    frame = Frame.around(brain, (1.0, 1.0, 1.0), FrameSettings(size=256, extent_mm=256.0, centre="image"))
    back = frame.to_slice(torch.ones(1, 1, 256, 256))[0, 0].numpy()
    assert np.all(back[brain[0]] > 0.5)
    assert frame.window == (400, 400)


def test_a_large_brain_widens_the_window() -> None:
    brain = block((1, 300, 300), slice(10, 290), slice(100, 200))
    frame = Frame.around(brain, (1.0, 1.0, 1.0), FrameSettings())
    assert frame.window == (280, 280)
    assert frame.start[0] == 10


def test_no_brain_still_gives_a_window() -> None:
    frame = Frame.around(np.zeros((2, 50, 40), bool), (1.0, 1.0, 1.0), FrameSettings(size=32))
    assert frame.to_frame(torch.zeros(1, 4, 50, 40)).shape == (1, 4, 32, 32)
