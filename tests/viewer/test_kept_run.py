from __future__ import annotations

import dataclasses

import pytest

from napari_ddmd.case import Case
from napari_ddmd.model import Bundle
from napari_ddmd.viewer.kept_run import MOST_BYTES, KeptRun, KeptRuns
from napari_ddmd.viewer.run_settings import RunRequest, Sampling
from napari_ddmd.volumes import Volumes


@pytest.fixture
def run(case: Case, tiny_bundle: Bundle) -> KeptRun:
    recipe = RunRequest(case, tiny_bundle, Sampling(samples=2), (4,)).recipe
    return KeptRun(recipe, Volumes(case, 2, intra=True, inter=True), 0, {})


def with_seed(run: KeptRun, seed: int) -> KeptRun:
    sampling = dataclasses.replace(run.recipe.sampling, seed=seed)
    return dataclasses.replace(run, recipe=dataclasses.replace(run.recipe, sampling=sampling))


def test_the_run_that_left_longest_ago_makes_room(run: KeptRun) -> None:
    runs = KeptRuns(most=2)
    for number in (0, 1, 0, 2):  # the first one came back meanwhile
        runs.take(number)
        runs.keep(number, run)
    assert runs.numbers == {0, 2}
    assert runs.take(1) is None
    assert runs.take(0) is run
    assert runs.take(0) is None


def test_memory_bounds_them_but_the_latest_stays(run: KeptRun) -> None:
    # Probability, uncertainty and two maps in four bytes a voxel; two masks and the agreement in one.
    assert run.nbytes == run.volumes.probability.size * (4 * 4 + 2 + 1)
    runs = KeptRuns(most=9, most_bytes=2 * run.nbytes)
    for number in range(4):
        runs.keep(number, run)
    assert runs.numbers == {2, 3}
    small = KeptRuns(most=9, most_bytes=run.nbytes - 1)
    for number in range(4):
        small.keep(number, run)
    assert small.numbers == {3}


def test_three_runs_of_a_whole_case_of_five_samples_fit() -> None:
    voxels = 155 * 240 * 240
    assert 3 * voxels * (4 * 4 + 5 + 1) <= MOST_BYTES


def test_a_run_is_found_by_its_settings_the_latest_first(run: KeptRun) -> None:
    runs = KeptRuns()
    runs.keep(4, with_seed(run, 1))
    runs.keep(5, with_seed(run, 2))
    runs.keep(6, with_seed(run, 1))
    assert runs.number_of(with_seed(run, 1).recipe) == 6
    assert runs.number_of(with_seed(run, 2).recipe) == 5
    assert runs.number_of(with_seed(run, 3).recipe) is None
