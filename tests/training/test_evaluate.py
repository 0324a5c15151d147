"""Evaluation: the fixed form of its file, undefined figures, and what is kept between calls."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_ddmd.case import Case, load_case
from napari_ddmd.model import Bundle, load_bundle
from napari_ddmd.segment import SliceResult, brain_slices
from src_training import evaluate as evaluate_module
from src_training.evaluate import evaluate, evaluate_case
from src_training.metrics import METRICS
from src_training.run import Run

from ..results import slice_result
from .conftest import PATIENTS, tiny_recipe


@pytest.fixture(scope="module")
def summary(tiny_out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((tiny_out / "metrics.json").read_text())
    return found


def test_metrics_have_the_fixed_form(summary: dict[str, Any]) -> None:
    assert set(summary["systems"]) == {"ddmd"}
    figures = summary["systems"]["ddmd"]
    assert set(METRICS) == {
        *("dice_volume", "dice_slice", "dice_slice_all", "dice_pooled", "iou_foreground", "miou"),
        *("pixel_accuracy", "class_accuracy", "hd95", "healthy_fp_rate", "slice_auroc", "ece"),
    }
    assert set(METRICS) <= set(figures)
    for figure in figures.values():
        assert {"mean", "std", "per_patient"} <= set(figure)
        assert set(figure["per_patient"]) == set(PATIENTS)


def test_means_are_over_patients(summary: dict[str, Any]) -> None:
    for name in METRICS:
        figure = summary["systems"]["ddmd"][name]
        known = [value for value in figure["per_patient"].values() if value is not None]
        assert figure["mean"] == pytest.approx(np.mean(known))
        assert figure["std"] == pytest.approx(np.std(known, ddof=1))
        assert figure["interval"][0] <= figure["mean"] <= figure["interval"][1]
        if name != "hd95":
            assert all(0 <= value <= 1 for value in known)


def test_each_patient_was_held_out(tiny_out: Path, tiny_run: Run) -> None:
    for split in Run(replace(tiny_run.recipe, fold="cv")).splits():
        judged = {file.stem for file in (split.folder / "evaluation").iterdir()}
        assert judged == set(split.test_cases)
        bundle = load_bundle(split.folder / "bundle")
        assert bundle.provenance["held_out_cases"] == split.test_cases
        assert not set(bundle.provenance["training_cases"]) & judged


def stub(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the model find exactly what the expert drew."""

    def perfect(case: Case, bundle: Bundle, **_: object) -> list[SliceResult]:
        return [slice_result(case, index, samples=bundle.settings.sampling.samples) for index in brain_slices(case)]

    monkeypatch.setattr(evaluate_module, "segment", perfect)


def test_a_perfect_model(cohort: Path, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    stub(tiny_bundle, monkeypatch)
    case = load_case(cohort / PATIENTS[0])
    assert case.mask is not None
    figures = evaluate_case(case, tiny_bundle, device="cpu")
    values = figures["values"]

    perfect = (
        *("dice_volume", "dice_slice", "dice_slice_all", "dice_pooled", "iou_foreground", "miou", "pixel_accuracy"),
        *("class_accuracy", "slice_auroc", "slice_auroc_height_matched", "dice_volume_one_sample"),
    )
    assert {name: values[name] for name in perfect} == dict.fromkeys(perfect, 1.0)
    assert values["hd95"] == values["healthy_fp_rate"] == 0
    # The lesion's share of the brain, stated with 0.7: the mean of masks of 0.9, 0.8 … 0.5.
    share = (case.mask > 0).sum() / case.brain.sum()
    assert values["ece"] == pytest.approx(0.3 * share, rel=1e-4)
    assert values["volume_ml"] == values["expert_volume_ml"] == pytest.approx((case.mask > 0).sum() * 0.012)
    assert figures["case"] == PATIENTS[0]
    assert figures["system"] == "ddmd"
    assert figures["confusion"]["false_positive"] == figures["confusion"]["false_negative"] == 0


def test_what_is_undefined_is_none(cohort: Path, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    stub(tiny_bundle, monkeypatch)
    case = load_case(cohort / PATIENTS[0])
    assert case.mask is not None
    healthy = replace(case, mask=np.zeros_like(case.mask))
    values = evaluate_case(healthy, tiny_bundle, device="cpu")["values"]

    assert {name for name in METRICS if values[name] is None} == {"dice_slice", "hd95", "slice_auroc"}
    assert values["dice_volume"] == values["dice_slice_all"] == 1
    json.dumps(values, allow_nan=False)


def test_a_case_without_an_image_is_judged_without_maps(cohort: Path, tiny_bundle: Bundle) -> None:
    case = load_case(cohort / PATIENTS[0])
    images = case.images.copy()
    images[2] = 0
    values = evaluate_case(replace(case, images=images), tiny_bundle, device="cpu")["values"]
    assert 0 <= values["dice_volume"] <= 1
    assert not {"inter_auroc", "inter_pixel_auroc", "intra_pixel_auroc"} & values.keys()


def test_only_slices_with_brain_count(cohort: Path, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    stub(tiny_bundle, monkeypatch)
    case = load_case(cohort / PATIENTS[0])
    counts = evaluate_case(case, tiny_bundle, device="cpu")["confusion"]

    assert sum(counts.values()) == len(brain_slices(case)) * case.images[0, 0].size < case.images[0].size


def test_a_case_without_mask_cannot_be_judged(cohort: Path, tiny_bundle: Bundle) -> None:
    with pytest.raises(ValueError, match="has no expert mask"):
        evaluate_case(replace(load_case(cohort / PATIENTS[0]), mask=None), tiny_bundle)


def test_what_was_judged_is_kept_until_the_sampling_changes(
    cohort: Path, tiny_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: list[str] = []

    def count(case: Case, bundle: Bundle, **options: Any) -> dict[str, Any]:
        judged.append(case.name)
        return evaluate_case(case, bundle, **options)

    monkeypatch.setattr(evaluate_module, "evaluate_case", count)
    fold = ("--fold", "0")
    evaluate(Run(tiny_recipe(cohort, tiny_copy, *fold)))
    assert judged == []

    evaluate(Run(tiny_recipe(cohort, tiny_copy, *fold, "--model.sampling.threshold", "0.9")))
    assert sorted(judged) == [PATIENTS[2], PATIENTS[3]]


def test_json_goes_to_standard_output(cohort: Path, tiny_copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate(Run(tiny_recipe(cohort, tiny_copy, "--fold", "1", "--json")))
    said = capsys.readouterr()

    assert json.loads(said.out) == json.loads((tiny_copy / "metrics.json").read_text())


def test_the_final_model_holds_nobody_out(tiny_run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    before = (tiny_run.root / "metrics.json").stat().st_size
    evaluate(tiny_run)

    assert "final: no patient is held out; nothing to evaluate" in capsys.readouterr().err
    assert (tiny_run.root / "metrics.json").stat().st_size == before
    assert not (tiny_run.root / "final" / "evaluation").exists()
