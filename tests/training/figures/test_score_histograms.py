"""Fig 4: numbers of a panel, and the figures of a run."""

from __future__ import annotations

import json

import pytest

from src_training.figures.score_histograms import BINS, fig4_scores, panel_numbers
from src_training.figures.scores import WHOLE
from src_training.figures.trained import Patient
from src_training.run import Run

from .test_scores import scored


def test_scores_that_tell_all_slices_apart() -> None:
    panel = panel_numbers(scored([1, 2, 8, 9], [False, False, True, True]), "inter", WHOLE)

    assert panel["auroc"] == panel["auroc_height_matched"] == 1
    assert panel["auroc_per_fold"] == {"fold0": 1}
    assert panel["overlap"] == 0
    assert sum(panel["healthy"]) == sum(panel["abnormal"]) == 1
    assert len(panel["healthy"]) == BINS


def test_scores_that_tell_nothing() -> None:
    panel = panel_numbers(scored([1, 2, 1, 2], [False, False, True, True]), "intra", "t1")

    assert panel["auroc"] == 0.5
    assert panel["overlap"] == 1


def test_what_is_undefined_is_none() -> None:
    panel = panel_numbers(scored([1, 2], [True, True]), "inter", WHOLE)

    assert panel["auroc"] is panel["overlap"] is panel["auroc_height_matched"] is None
    json.dumps(panel, allow_nan=False)


def test_figures_of_a_run(drawn_run: Run, patients: list[Patient]) -> None:
    written = fig4_scores(drawn_run, patients)

    assert [path.name for path in written[:3]] == ["fig4_scores.png", "fig4_scores.svg", "fig4_scores.json"]
    assert all(path.stat().st_size for path in written)
    plain, matched = (json.loads(path.read_text()) for path in (written[2], written[5]))
    index = json.loads(drawn_run.index_path.read_text())["cases"]
    labels = [label for case in index.values() for label in case["unhealthy"]]
    assert (plain["patients"], plain["abnormal"], plain["healthy"]) == (4, sum(labels), len(labels) - sum(labels))
    assert 0 < matched["healthy"] == matched["abnormal"] <= plain["abnormal"]
    picture = written[1].read_text(encoding="utf-8")
    assert f"AUROC {plain['inter']['all']['auroc']:.2f}" in picture, "the text of the picture is text"
    assert ">healthy<" in picture


def test_without_ensembles_it_is_left_out(
    drawn_run: Run, patients: list[Patient], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("src_training.figures.score_histograms.has_ensembles", lambda *_: False)

    assert fig4_scores(drawn_run, patients) == []
    assert "'baseline ddmd' trains them" in capsys.readouterr().err
