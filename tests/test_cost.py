"""Seconds are foretold from a pace, and corrected by what earlier runs took."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from napari_ddmd.cost import TimeEstimate, Work, calibrate, estimate_seconds, measure_pace, pace_key, past_run, rounded
from napari_ddmd.model import Bundle
from napari_ddmd.run_history import Pace, RunHistory

CPU = torch.device("cpu")
PACE = Pace(voxel_s=0.0, slice_s=0.1, call_s=0.0, row_s=0.01)
WORK = Work(slices=120, samples=5, steps=2, sampler="ddim")


@pytest.fixture(autouse=True)
def two_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    for user in ("cost", "device"):
        monkeypatch.setattr(f"napari_ddmd.{user}.device_line", lambda device: "cpu, bfloat16, 2 threads", raising=False)
    monkeypatch.setattr("napari_ddmd.cost.worker_count", lambda device: 2)
    monkeypatch.setattr("napari_ddmd.cost.rows_at_once", lambda device: 15)


@pytest.fixture
def history(tmp_path: Path, tiny_bundle: Bundle) -> RunHistory:
    history = RunHistory(tmp_path / "runs.json")
    history.keep_pace(pace_key(tiny_bundle, CPU), PACE)
    return history


def keep(history: RunHistory, bundle: Bundle, work: Work, seconds: float, doubtful: float) -> None:
    computed = round(work.slices * (1 + doubtful * work.samples * (work.steps - 1)))
    history.keep_run(past_run(bundle, "cpu", work, computed=computed, seconds=seconds))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.01, "1 s"),
        (12.4, "12 s"),
        (43, "45 s"),
        (89, "1 min 30 s"),
        (121, "2 min"),
        (130, "2 min 10 s"),
        (720, "12 min"),
        (3600, "1 h"),
        (4900, "1 h 20 min"),
    ],
)
def test_a_duration_is_no_more_exact_than_it_can_be(seconds: float, words: str) -> None:
    assert rounded(seconds) == words


def test_what_is_not_measured_is_a_range() -> None:
    assert str(TimeEstimate(12.2, 12.2, 12.2)) == "about 12 s"
    assert str(TimeEstimate(12, 4, 36)) == "4 s to 35 s"


def test_the_pace_gives_the_seconds(tiny_bundle: Bundle, history: RunHistory) -> None:
    # 12 turns of 5 slices on 2 threads: 5 slices' maps, 5 first guesses, and half of 25 masks.
    assert estimate_seconds(tiny_bundle, CPU, WORK, history).seconds == pytest.approx(12 * (0.5 + 0.05 + 0.125))
    ancestral = replace(WORK, sampler="ddpm")
    assert estimate_seconds(tiny_bundle, CPU, ancestral, history).seconds == pytest.approx(12 * (0.5 + 2 * 0.25))


def test_each_of_two_denoisers_makes_first_guesses_and_is_called_apart(
    tiny_bundle: Bundle, history: RunHistory
) -> None:
    settings = tiny_bundle.settings
    two = replace(tiny_bundle, settings=replace(settings, denoiser=replace(settings.denoiser, members=2)))
    assert estimate_seconds(two, CPU, WORK, history).seconds == pytest.approx(12 * (0.5 + 0.1 + 0.125))
    one_mask = replace(WORK, samples=1)
    assert estimate_seconds(two, CPU, one_mask, history).seconds == pytest.approx(20 * (0.3 + 0.03 + 0.015))
    history.keep_pace(pace_key(two, CPU), replace(PACE, call_s=1.0))
    ancestral = replace(WORK, sampler="ddpm", slices=1, samples=2)
    calls = estimate_seconds(two, CPU, ancestral, history).seconds - 0.1 - 2 * 2 * 0.01
    assert calls == pytest.approx(2 * 2 * 1.0), "both masks at each of two steps"


def test_few_slices_are_taken_to_show_a_lesion(tiny_bundle: Bundle, history: RunHistory) -> None:
    one = replace(WORK, slices=1)
    assert estimate_seconds(tiny_bundle, CPU, one, history).seconds == pytest.approx(0.1 + 0.01 + 0.05)


def test_one_thread_by_itself_is_faster(tiny_bundle: Bundle, history: RunHistory) -> None:
    one, two = (replace(WORK, slices=slices) for slices in (1, 2))
    before = [estimate_seconds(tiny_bundle, CPU, work, history).seconds for work in (one, two)]
    history.keep_pace(pace_key(tiny_bundle, CPU), replace(PACE, alone=0.5))
    after = [estimate_seconds(tiny_bundle, CPU, work, history).seconds for work in (one, two)]
    assert after == pytest.approx([before[0] / 2, before[1]])


def test_the_case_is_prepared_once(tiny_bundle: Bundle, history: RunHistory) -> None:
    history.keep_pace(pace_key(tiny_bundle, CPU), replace(PACE, voxel_s=1e-3))
    small, large = (
        estimate_seconds(tiny_bundle, CPU, replace(WORK, shape=shape), history).seconds
        for shape in ((10, 10, 10), (10, 10, 20))
    )
    assert large - small == pytest.approx(1.0)


def test_looking_for_a_bias_field_takes_looks_and_preparations(tiny_bundle: Bundle, history: RunHistory) -> None:
    pace = replace(PACE, voxel_s=1e-7)
    history.keep_pace(pace_key(tiny_bundle, CPU), pace)
    even, uneven = (estimate_seconds(tiny_bundle, CPU, replace(WORK, looks=n), history).seconds for n in (0, 40))
    voxels = WORK.shape[0] * WORK.shape[1] * WORK.shape[2]
    assert uneven - even == pytest.approx(40 * 0.11 + 8 * 1e-7 * voxels)


def test_without_a_measurement_it_is_a_range(tiny_bundle: Bundle, tmp_path: Path) -> None:
    found = estimate_seconds(tiny_bundle, CPU, WORK, RunHistory(tmp_path / "none.json"))
    assert found.low < found.seconds < found.high
    assert " to " in str(found)


def test_runs_correct_the_pace_and_the_share_of_doubtful_slices(tiny_bundle: Bundle, history: RunHistory) -> None:
    before = estimate_seconds(tiny_bundle, CPU, WORK, history).seconds
    plain = 20 * (0.3 + 0.03 + 0.15 * 0.2)
    keep(history, tiny_bundle, WORK, 3 * plain, doubtful=0.2)
    after = estimate_seconds(tiny_bundle, CPU, WORK, history)
    assert after.seconds == pytest.approx(3 * plain, rel=1e-3)
    assert after.seconds != pytest.approx(before, rel=0.1)
    assert after.low == after.high


def test_the_median_of_the_runs_counts(tiny_bundle: Bundle, history: RunHistory) -> None:
    plain = 20 * (0.3 + 0.03 + 0.15 * 0.2)
    for ratio in (1.2, 1.3, 9.0):
        keep(history, tiny_bundle, WORK, ratio * plain, doubtful=0.2)
    assert estimate_seconds(tiny_bundle, CPU, WORK, history).seconds == pytest.approx(1.3 * plain, rel=1e-3)


def test_runs_of_a_like_length_count_first(tiny_bundle: Bundle, history: RunHistory) -> None:
    one = replace(WORK, slices=1)
    for _ in range(5):
        keep(history, tiny_bundle, one, 4 * 0.16, doubtful=1.0)
        keep(history, tiny_bundle, WORK, 20 * (0.3 + 0.03 + 0.075), doubtful=0.5)
    assert estimate_seconds(tiny_bundle, CPU, one, history).seconds == pytest.approx(4 * 0.16, rel=1e-3)
    whole = estimate_seconds(tiny_bundle, CPU, WORK, history).seconds
    assert whole == pytest.approx(20 * (0.3 + 0.03 + 0.075), rel=1e-3)


def test_runs_of_another_length_teach_nothing(tiny_bundle: Bundle, history: RunHistory) -> None:
    before = estimate_seconds(tiny_bundle, CPU, WORK, history)
    keep(history, tiny_bundle, replace(WORK, slices=1), 60.0, doubtful=1.0)
    assert estimate_seconds(tiny_bundle, CPU, WORK, history) == before


def test_runs_of_another_model_or_device_teach_nothing(tiny_bundle: Bundle, history: RunHistory) -> None:
    before = estimate_seconds(tiny_bundle, CPU, WORK, history)
    keep(history, replace(tiny_bundle, sha256="another"), WORK, 1000.0, doubtful=0.5)
    history.keep_run(replace(past_run(tiny_bundle, "cpu", WORK, computed=1, seconds=1000.0), device="cuda"))
    assert estimate_seconds(tiny_bundle, CPU, WORK, history) == before


def test_a_run_is_measured_as_it_is_made(tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    forward = type(tiny_bundle.networks.denoiser).forward

    def watched(self: torch.nn.Module, x_t: torch.Tensor, *rest: torch.Tensor) -> object:
        assert self is not tiny_bundle.networks.denoiser, "a run may have those in hand"
        sizes.append(len(x_t))
        return forward(self, x_t, *rest)

    monkeypatch.setattr("napari_ddmd.case_sampler.rows_at_once", lambda device: 15)
    monkeypatch.setattr(type(tiny_bundle.networks.denoiser), "forward", watched)
    pace = measure_pace(tiny_bundle, CPU)
    assert set(sizes) == {5, 15}, "one call each"
    assert pace.voxel_s > 0
    assert pace.slice_s > 0
    assert pace.row_s >= 0
    assert pace.call_s >= 0
    assert 0 < pace.alone <= 1


def test_it_is_measured_once(tiny_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[object] = []

    def measure(*of: object) -> Pace:
        measured.append(of)
        return PACE

    monkeypatch.setattr("napari_ddmd.cost.measure_pace", measure)
    for _ in range(2):
        assert calibrate(tiny_bundle, CPU, RunHistory(tmp_path / "runs.json")) == PACE
    assert len(measured) == 1
    calibrate(replace(tiny_bundle, sha256="another"), CPU, RunHistory(tmp_path / "runs.json"))
    assert len(measured) == 2
