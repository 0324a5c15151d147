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
    for number in range(3):
        runs.keep(number, run)
    assert runs.numbers == {1, 2}
    assert runs.exchange(0, 3, run) is None
    assert runs.numbers == {1, 2}, "nothing was done"
    assert runs.exchange(1, 3, run) is run
    assert runs.numbers == {2, 3}
    runs.keep(4, run)
    assert runs.numbers == {3, 4}, "2 has left the screen before 3"


def test_an_exchange_never_makes_another_run_go(run: KeptRun) -> None:
    """Of runs of all sizes: their memory together is as before."""
    runs = KeptRuns(most=3, most_bytes=run.nbytes)
    runs.keep(0, run)
    large = dataclasses.replace(run, volumes=Volumes(run.recipe.case, 40, intra=True, inter=True))
    assert runs.exchange(0, 1, large) is run
    assert runs.numbers == {1}
    runs = KeptRuns(most=3, most_bytes=3 * run.nbytes)
    for number in range(3):
        runs.keep(number, run)
    assert runs.exchange(2, 3, large) is run
    assert runs.numbers == {0, 1, 3}
    assert runs.exchange(1, 2, run) is run
    assert runs.numbers == {0, 2, 3}


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
