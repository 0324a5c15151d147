"""Every wrong use is noticed, and nothing is said of what is right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.wrong_uses import WrongUse, wrong_uses
from napari_ddmd.case import find_cases, load_case
from napari_ddmd.case.guards import Kind
from napari_ddmd.synthetic.case import make_small_case
from tests.case.guards.conftest import SPACING, Images, by_name, check

USES = list(wrong_uses())
# What the small case's own voxels make the guards say.
COARSE = {Kind.SPACING}

thoroughly = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.fault("Wrong use")
@pytest.mark.parametrize("use", [use for use in USES if use.kind not in (None, Kind.SPACING)], ids=lambda use: use.name)
def test_a_wrong_use_is_noticed(use: WrongUse, brain: Images) -> None:
    found = check(*use.make(brain, SPACING, np.random.default_rng(0)))

    assert use.is_noticed(found), [str(finding) for finding in found]
    assert all("\n" not in finding.text and "/" not in finding.text for finding in found)


@pytest.mark.fault("Wrong use")
@pytest.mark.parametrize("use", [use for use in USES if use.kind is Kind.SPACING], ids=lambda use: use.name)
def test_voxels_that_are_not_of_1_mm_are_noticed(use: WrongUse, brain: Images) -> None:
    images = brain.repeat(4, axis=1).repeat(4, axis=2).repeat(4, axis=3)
    assert check(images, (1.0, 1.0, 1.0)) == ()

    assert use.is_noticed(check(*use.make(images, (1.0, 1.0, 1.0), np.random.default_rng(0))))


def test_what_images_cannot_tell_is_not_guessed(brain: Images) -> None:
    silent = [use for use in USES if use.kind is None]

    assert [use.name for use in silent] == ["mirrored left-right"]
    for use in silent:
        assert {found.kind for found in check(*use.make(brain, SPACING, np.random.default_rng(0)))} == COARSE


@pytest.mark.torture
@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("wide", [False, True])
def test_nothing_is_said_of_other_synthetic_patients(seed: int, wide: bool) -> None:
    from napari_ddmd.case import MODALITIES, Case

    made = make_small_case(seed, wide=wide)
    case = Case.from_arrays("other", [made.images[name] for name in MODALITIES], affine=made.affine)

    assert {found.kind for found in case.findings} == COARSE


@pytest.mark.torture
def test_nothing_is_said_of_real_patients(real_cases: Path) -> None:
    said = {files.name: load_case(files).findings for files in find_cases(real_cases)}

    assert len(said) >= 15
    assert {name: found for name, found in said.items() if found} == {}


@pytest.mark.torture
@thoroughly
@given(scales=st.lists(st.floats(1e-3, 1e4), min_size=4, max_size=4), gamma=st.floats(0.8, 1.25))
def test_a_scanners_scale_does_not_matter(scales: list[float], gamma: float, brain: Images) -> None:
    tops = brain.max(axis=(1, 2, 3), keepdims=True)
    images = ((brain / tops) ** gamma * np.reshape(scales, (4, 1, 1, 1))).astype(np.float32)

    assert {found.kind for found in check(images)} == COARSE


@pytest.mark.torture
@thoroughly
@given(level=st.floats(0, 0.06), seed=st.integers(0, 99))
def test_noise_in_the_brain_does_not_matter(level: float, seed: int, brain: Images) -> None:
    noise = np.random.default_rng(seed).standard_normal(brain.shape, dtype=np.float32)
    middles = np.array([np.median(image[image > 0]) for image in brain]).reshape(4, 1, 1, 1)
    noisy = np.maximum(brain + level * middles * noise, 0.01 * middles)
    images = np.where(brain > 0, noisy, 0).astype(np.float32)

    assert {found.kind for found in check(images)} == COARSE


@pytest.mark.torture
@thoroughly
@given(share=st.floats(0.001, 0.03), seed=st.integers(0, 99))
def test_of_noise_around_the_brain_nothing_else_is_said(share: float, seed: int, brain: Images) -> None:
    noise = np.abs(np.random.default_rng(seed).standard_normal(brain.shape, dtype=np.float32))
    tops = np.percentile(brain, 99, axis=(1, 2, 3)).reshape(4, 1, 1, 1)
    images = np.where(brain == 0, share * tops * noise, brain).astype(np.float32)

    assert {found.kind for found in check(images)} == COARSE | {Kind.BACKGROUND}


@pytest.mark.torture
@thoroughly
@given(shift=st.tuples(*[st.integers(-4, 4)] * 3))
def test_where_the_brain_lies_does_not_matter(shift: tuple[int, int, int], brain: Images) -> None:
    assert {found.kind for found in check(np.roll(brain, shift, (1, 2, 3)))} == COARSE


@pytest.mark.parametrize("missing", range(4))
def test_a_modality_may_be_missing(missing: int, brain: Images) -> None:
    images = brain.copy()
    images[missing] = 0

    assert {found.kind for found in check(images)} == COARSE


def test_the_images_are_left_as_they_are(brain: Images) -> None:
    before = brain.copy()
    check(brain)

    np.testing.assert_array_equal(brain, before)
    assert set(by_name(brain)) == {"t1", "t1ce", "t2", "flair"}
