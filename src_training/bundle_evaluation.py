"""Judge a published model: ``evaluate --bundle``; and what its card says of itself, to be checked against that."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_ddmd.case import CaseError, CaseFiles, load_case
from napari_ddmd.case.naming import patient_key
from napari_ddmd.model.bundle import Bundle, save_bundle
from napari_ddmd.model.library import list_bundles, load_bundle
from napari_ddmd.whole_files import sweep
from src_training import distributed
from src_training.card import PICTURE, model_card, recorded
from src_training.cases import labelled_cases
from src_training.evaluate import evaluate_case
from src_training.figures.failures import failures
from src_training.files import read_json, write_bytes, write_json
from src_training.folds import lesion_hash, of_known_patients, told_lesions
from src_training.judged import judge_each
from src_training.metrics import METRICS
from src_training.recipe import RecipeError
from src_training.report import markdown_table
from src_training.run import Run
from src_training.summary import join_patients


def evaluate_bundle(run: Run) -> None:
    """Judge the labelled cases of ``--data`` with the model of ``--bundle``; ``metrics.json`` and ``metrics.md``.

    Patients that the model was trained on are left out with all of their time points, also under other names where the
    model tells of their lesions. Where its card has figures of the same patients, the largest difference is said.
    ``figures/failures.png`` shows the worst slices. With ``--record`` the figures become part of the model and of its
    card, with ``--pictures`` that picture, too.

    Raises
    ------
    RecipeError
        If the folder of the run holds a training, or no patient is left.
    """
    recipe = run.recipe
    if run.index_path.exists():
        raise RecipeError(f"{run.root}: holds a training; choose another --out for the figures of a published model")
    assert recipe.bundle is not None
    bundle = load_bundle(recipe.bundle)
    if not _is_readable(bundle.provenance):
        raise RecipeError(f"{bundle.name}: its model.json does not say as it should how it was made; copy it again")
    if recipe.record:
        _card(bundle)  # what cannot be written in the end is refused before hours of judging
    seen = {patient_key(name) for name in bundle.provenance["training_cases"]}
    labelled = labelled_cases(recipe.data, task="judging", is_wanted=lambda name: patient_key(name) not in seen)
    left_out = {patient_key(files.name) for files in labelled} & seen
    if left_out:
        print(f"{bundle.name} was trained on {len(left_out)} of these patients, which are left out", file=sys.stderr)
    judged = {files.name: files for files in labelled if patient_key(files.name) not in seen}
    renamed = _renamed(bundle, list(judged.values()))
    if renamed:
        count = len({patient_key(name) for name in renamed})
        print(
            f"{bundle.name} was trained on {count} of these patients under other names, as their lesions tell "
            f"({', '.join(renamed[:3])}); they are left out",
            file=sys.stderr,
        )
    judged = {name: files for name, files in judged.items() if name not in renamed}
    if not judged:
        raise RecipeError(f"{recipe.data}: has no labelled case that {bundle.name} has not been trained on")
    made_with = {"sha256": bundle.sha256, "sampling": bundle.settings.sampling.told(), "seed": recipe.seed}
    folder, device = run.root / "evaluation", str(distributed.own_device(recipe.device))

    def figures(name: str) -> dict[str, Any]:
        return evaluate_case(load_case(judged[name]), bundle, device=device, seed=recipe.seed)

    own = {name: judged[name] for name in distributed.share(list(judged))}
    judge_each(own, folder, made_with, figures, title=f"evaluate {bundle.name}", needs=("worst_slices",))
    if not distributed.is_main():
        return
    remedy = "give the same command again"
    patients = [read_json(folder / f"{name}.json", remedy=remedy) for name in judged]
    summary = {
        "systems": {patients[0]["system"]: join_patients(patients)},
        "patients": len(patients),
        "made_with": made_with,
    }
    write_json(run.root / "metrics.json", summary)
    write_bytes(run.root / "metrics.md", markdown_table(summary).encode())
    print(mean_dice(bundle, patients), file=sys.stderr)
    print(compared_with_card(bundle, patients, recipe.seed), file=sys.stderr)
    drawn = failures(run, bundle, patients, lambda name: load_case(judged[name]), seed=recipe.seed, device=device)
    print(drawn[0] if drawn else f"{bundle.name}: no wrong voxel, and so no picture of failures", file=sys.stderr)
    if recipe.record:
        picture = drawn[0] if drawn and recipe.pictures else None
        record(bundle, recipe.bundle, patients, recipe.seed, picture)
    if recipe.json:
        print(json.dumps(summary))


def _renamed(bundle: Bundle, cases: list[CaseFiles]) -> list[str]:
    """Names of cases of patients whom the model was trained on under other names, by the lesion of one."""
    known = told_lesions(bundle.provenance)
    found: dict[str, str | None] = {}
    for files in cases if known else ():
        with suppress(CaseError):  # of which judging tells
            found[files.name] = None if files.mask is None else lesion_hash(files.mask)
    return of_known_patients(found, list(known), known | found)


def _is_readable(provenance: dict[str, Any]) -> bool:
    """Tell whether what is read of a model's provenance has the form that `publish` gives it; anybody may write one."""
    cases, entries = provenance.get("training_cases"), provenance.get("evaluations", [])
    if not isinstance(provenance.get("system", ""), str):
        return False
    recipe = provenance.get("recipe", {})
    band = recipe.get("slices", {}) if isinstance(recipe, dict) else None
    if not (isinstance(cases, list) and isinstance(entries, list) and isinstance(band, dict)):
        return False
    ends = [band[end] for end in ("first_slice", "last_slice") if end in band]
    return (
        all(isinstance(name, str) for name in cases)
        and all(isinstance(end, int) for end in ends)
        and all(_is_evaluation(entry) for entry in entries)
    )


def _is_evaluation(entry: Any) -> bool:
    """Tell whether figures of some patients have the form that `recorded` gives them."""
    if not (isinstance(entry, dict) and isinstance(entry.get("seed"), int) and isinstance(entry.get("patients"), list)):
        return False
    patients = entry["patients"]
    return bool(patients) and all(
        isinstance(one, dict)
        and isinstance(one.get("case"), str)
        and isinstance(one.get("values"), dict)
        and all(value is None or isinstance(value, (int, float)) for value in one["values"].values())
        for one in patients
    )


def _card(bundle: Bundle) -> bytes:
    """The model's card; refuses a provenance that it cannot be made from."""
    try:
        return model_card(bundle).encode()
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise RecipeError(
            f"{bundle.name}: its model.json does not say as it should how it was made, so that no card can be written; "
            "leave --record out"
        ) from error


def record(
    bundle: Bundle, place: str | Path, patients: list[dict[str, Any]], seed: int, picture: Path | None = None
) -> None:
    """Put figures into a model's provenance and card, in the place of earlier ones of the same patients.

    A picture of the worst slices goes beside the card, which shows it with these figures. There is one: it takes the
    place of an earlier one, which otherwise stays as long as its patients' figures do.
    """
    folder = {folder.name: folder for folder in list_bundles()}.get(str(place), Path(place))
    left = sweep(folder)
    if left:
        print(left, file=sys.stderr)
    names = {patient["case"] for patient in patients}
    others = [
        entry if picture is None else {key: value for key, value in entry.items() if key != "failures"}
        for entry in bundle.provenance.get("evaluations", [])
        if not names & {patient["case"] for patient in entry["patients"]}
    ]
    own = recorded(patients, seed) | ({} if picture is None else {"failures": PICTURE})
    evaluations = [*others, own]
    updated = replace(bundle, provenance=bundle.provenance | {"evaluations": evaluations})
    # The model names the picture and the card shows it, so that it is there before, and goes after.
    card = _card(updated)
    if picture is not None:
        write_bytes(folder / PICTURE, picture.read_bytes())
    save_bundle(folder, updated)
    write_bytes(folder / "README.md", card)
    if not any("failures" in entry for entry in evaluations):
        (folder / PICTURE).unlink(missing_ok=True)


def mean_dice(bundle: Bundle, patients: list[dict[str, Any]]) -> str:
    """One line: the mean volume Dice over the patients."""
    dices = [patient["values"]["dice_volume"] for patient in patients]
    return f"{bundle.name}: mean volume Dice {sum(dices) / len(dices):.3f} over {len(dices)} patients"


def compared_with_card(bundle: Bundle, patients: list[dict[str, Any]], seed: int) -> str:
    """One line: how far the figures are from those that the model's card has of the same patients."""
    card = {
        patient["case"]: patient["values"]
        for entry in bundle.provenance.get("evaluations", [])
        if entry["seed"] == seed
        for patient in entry["patients"]
    }
    pairs = [
        (abs(patient["values"][metric] - card[patient["case"]][metric]), metric, patient["case"])
        for patient in patients
        if patient["case"] in card
        for metric in METRICS
        if None not in (patient["values"].get(metric), card[patient["case"]].get(metric))
    ]
    if not pairs:
        return f"the card of {bundle.name} has no figures of these patients"
    difference, metric, case = max(pairs)
    count = len({case for _, _, case in pairs})
    agreed = f"figures of {count} patients against the card of {bundle.name}: "
    if difference == 0:
        return agreed + "the same to the last digit"
    return agreed + f"largest difference {difference:.2g} ({metric} of {case})"
