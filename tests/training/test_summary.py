"""Figures of patients joined by system and fold, and what must not be joined."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from src_training.files import write_json
from src_training.recipe import Recipe
from src_training.run import Run
from src_training.summary import summarise
from src_training.systems import how

POOLED = ("dice_pooled", "iou_foreground", "miou", "pixel_accuracy", "class_accuracy")


def patient(
    name: str,
    dice: float | None,
    counts: tuple[int, int, int, int],
    *,
    system: str = "ddmd",
    slices: tuple[int, int] = (1, 1),
    seed: int = 0,
    recipe: Recipe | None = None,
) -> dict[str, Any]:
    keys = ("true_positive", "false_positive", "false_negative", "true_negative")
    run = Run(replace(recipe or Recipe(), seed=seed)).for_system(system)
    return {
        "case": name,
        "system": system,
        "made_with": {"sha256": name, **how(run)},
        "values": {"dice_volume": dice, "dice_slice": dice} | dict.fromkeys(POOLED, 0.5),
        "confusion": dict(zip(keys, counts, strict=True)),
        "slices": {"lesion": slices[0], "healthy": slices[1]},
    }


def test_patients_of_all_folds_and_systems_are_joined(tmp_path: Path) -> None:
    write_json(tmp_path / "fold0" / "evaluation" / "a.json", patient("a", 0.5, (1, 1, 1, 1)))
    write_json(tmp_path / "fold1" / "evaluation" / "b.json", patient("b", None, (3, 0, 0, 2), slices=(0, 2)))
    write_json(tmp_path / "fold1" / "evaluation" / "c.json", patient("c", 0.9, (0, 0, 4, 4)))
    write_json(tmp_path / "fold2" / "evaluation" / "e.json", patient("e", 0.1, (1, 0, 0, 0), seed=1))
    longer = replace(Recipe(), diffusion=replace(Recipe().diffusion, iterations=9999))
    write_json(tmp_path / "fold3" / "evaluation" / "f.json", patient("f", 0.1, (1, 0, 0, 0), recipe=longer))
    for system in ("ddmd-mini", "unet"):
        folder = tmp_path / "fold2" / "systems" / system / "evaluation"
        write_json(folder / "d.json", patient("d", None, (1, 0, 0, 0), system=system, slices=(0, 1)))
    write_json(tmp_path / "fold4" / "evaluation" / "a.json", patient("a", 0.1, (1, 0, 0, 0)))
    folds = {"a": 0, "b": 1, "c": 1, "d": 2, "e": 2, "f": 3}
    entries = {case: {"fold": fold, "slices": [], "unhealthy": []} for case, fold in folds.items()}
    write_json(tmp_path / "slices" / "index.json", {"fingerprint": {}, "cases": entries})
    found = summarise(Run(Recipe(out=tmp_path)))

    assert found["patients"] == 4, "figures of another seed or another training are not joined with these"
    assert list(found["systems"]) == ["unet", "ddmd-mini", "ddmd"], "in the order of Table 1"
    dice = found["systems"]["ddmd"]["dice_volume"]
    assert dice["per_patient"] == {"a": 0.5, "b": None, "c": 0.9}
    assert dice["per_fold"] == {"0": 0.5, "1": 0.9}
    assert dice["mean"] == pytest.approx(0.7)
    assert dice["std"] == pytest.approx(0.2 * 2**0.5)
    pooled = found["systems"]["ddmd"]["dice_pooled"]
    assert pooled["pooled"] == pytest.approx(8 / 14)
    assert pooled["per_fold"] == pytest.approx({"0": 2 / 4, "1": 6 / 10}), "over a fold's pixels, not its patients"
    alone = found["systems"]["ddmd-mini"]["dice_volume"]
    assert alone == {"mean": None, "std": None, "per_patient": {"d": None}}


def test_the_paper_like_triple_is_worked_out_fold_by_fold(tmp_path: Path) -> None:
    """Dice is a mean over slices with lesion, so that a patient with three counts three times; the rest is pooled."""
    folder = tmp_path / "fold0" / "evaluation"
    write_json(folder / "a.json", patient("a", 0.4, (6, 2, 2, 10), slices=(3, 1)))
    write_json(folder / "b.json", patient("b", 0.8, (4, 0, 2, 4), slices=(1, 3)))
    write_json(folder / "c.json", patient("c", None, (0, 0, 0, 10), slices=(0, 4)))
    write_json(tmp_path / "fold1" / "evaluation" / "d.json", patient("d", None, (0, 0, 0, 8), slices=(0, 2)))
    triple = summarise(Run(Recipe(out=tmp_path)))["paper_like"]["ddmd"]

    assert triple["0"]["dice"] == pytest.approx((3 * 0.4 + 0.8) / 4)
    # 10 true positives, 2 false positives, 4 false negatives, 24 true negatives over the fold's patients.
    assert triple["0"]["miou"] == pytest.approx((10 / 16 + 24 / 30) / 2)
    assert triple["0"]["pa"] == pytest.approx((10 / 14 + 24 / 26) / 2)
    assert triple["1"] == {"dice": None, "miou": 1.0, "pa": 1.0}
