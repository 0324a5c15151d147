"""The noise of a mask depends on who the mask is, and on nothing beside it."""

from __future__ import annotations

import numpy as np
import torch

from napari_ddmd.noise import mask_noise

SHAPE = (1, 8, 8)


def test_a_mask_has_its_noise_in_any_company() -> None:
    together = mask_noise(3, [(4, 0), (4, 1), (9, 0)], 5, SHAPE)

    assert together.shape == (3, *SHAPE)
    assert torch.equal(mask_noise(3, [(9, 0), (4, 1)], 5, SHAPE), together[[2, 1]])


def test_numbers_of_numpy_are_numbers() -> None:
    plain = mask_noise(3, [(4, 1)], 5, SHAPE)
    assert torch.equal(mask_noise(np.int64(3), [(np.int32(4), np.uint8(1))], np.int64(5), SHAPE), plain)  # type: ignore[arg-type]


def test_seed_slice_number_and_step_each_change_it() -> None:
    requests = [(0, (4, 0), 5), (1, (4, 0), 5), (0, (5, 0), 5), (0, (4, 1), 5), (0, (4, 0), 6), (0, (0, 4), 5)]
    drawn = [mask_noise(seed, [key], step, SHAPE) for seed, key, step in requests]

    for place, one in enumerate(drawn):
        assert not any(torch.allclose(one, other) for other in drawn[:place])


def test_it_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    mask_noise(0, [(1, 2)], -1, SHAPE)

    assert torch.equal(torch.rand(3), expected)


def test_it_is_standard_normal_and_masks_are_independent() -> None:
    drawn = mask_noise(0, [(index, number) for index in range(20) for number in range(2)], -1, (1, 32, 32))

    assert abs(float(drawn.mean())) < 0.02
    assert abs(float(drawn.std()) - 1) < 0.02
    one, other = drawn.reshape(20, 2, -1).unbind(1)
    assert abs(float((one * other).mean())) < 0.03
