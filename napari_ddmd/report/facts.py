"""What the report says in words: how the mask came about, what it covers, with what settings."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from napari_ddmd.case import MODALITIES, MODALITY_LABELS
from napari_ddmd.case.guards.wording import names_of
from napari_ddmd.lesions import lesion_volume_ml
from napari_ddmd.saveable import Saveable
from napari_ddmd.summary import lesion_entry
from napari_ddmd.wording import millilitres, ranges

MOST_ROWS = 5
_NO_VALUE = "–"
_SETTINGS = {
    "samples": "Sampled masks a slice",
    "steps": "Denoiser evaluations a mask",
    "sampler": "Sampler",
    "seed": "Seed",
    "min_part": "Smallest part kept (of largest)",
    "min_peak": "Parts kept that exceed probability",
    "shared_guess": "Masks share the first estimate",
    "healthy_below": "First estimate kept below probability",
    "evens_out": "Uneven images are evened out (N4)",
    "slices": "Slices asked for",
    "device": "Device",
}


def total_volume(content: Saveable) -> str:
    """The whole mask in millilitres, and the number of its parts."""
    count = len(content.lesions)
    if count == 0:
        return "No lesion in the mask"
    volume = millilitres(lesion_volume_ml(content.mask, content.case.spacing))
    return f"{volume} mL in {count} {'lesion' if count == 1 else 'lesions'}"


def origin(content: Saveable) -> str:
    """How the mask came about."""
    if content.is_restored:
        return "The mask was begun by a model in an earlier session, and edited; the results of that run are gone."
    if content.is_copy:
        by = "a model" if content.proposed_by is None else f"the model {content.proposed_by.title}"
        return f"The mask is a copy of the proposal of {by}; it may have been edited by hand."
    if not content.is_models:
        return "The mask was drawn or opened by the user; it is not the result of a run of the model."
    if not content.edited_slices:
        return "The mask is the model's proposal; it was not edited by hand."
    numbers = sorted(content.case.grid.file_slice(index) for index in content.edited_slices)
    slices = "slice" if len(numbers) == 1 else "slices"
    return f"The mask is the model's proposal, edited by hand on {slices} {ranges(numbers, dash='–')}."


def acceptance(content: Saveable) -> str:
    """Whether the reader stands by the mask."""
    if not content.accepted:
        return ""
    return f"The reader accepted it as it stands on {datetime.fromisoformat(content.accepted):%d %B %Y, %H:%M}."


def coverage(content: Saveable) -> str:
    """How much of the brain was segmented."""
    brain = set(content.brain_slices)
    if content.volumes is None or not content.volumes.done:
        return "" if content.is_copy else "No slice was segmented by a model."
    done = content.volumes.done & brain
    if not content.is_models:
        return f"Probability, maps and scores are those of a run on {len(done)} of {len(brain)} slices that hold brain."
    if len(done) == len(brain):
        return f"All {len(brain)} slices that hold brain were segmented."
    return f"Only {len(done)} of {len(brain)} slices that hold brain were segmented."


def warnings(content: Saveable) -> list[str]:
    """What the reader should know about the images, and whether a model has seen the patient before."""
    return [*content.case.cautions, *content.model_cautions]


def lesion_table(content: Saveable) -> tuple[list[str], list[list[str]], str]:
    """The largest lesions.

    Returns
    -------
    head : list of str
        The columns' names.
    rows : list of list of str
        At most `MOST_ROWS`.
    rest : str
        What the other lesions amount to, empty where all are in the table.
    """
    entries = [lesion_entry(lesion, content.case) for lesion in content.lesions]
    with_run = content.volumes is not None
    with_scores = any(entry["modality_scores"] for entry in entries)
    head = ["Lesion", "Volume (mL)", "Longest axial diameter (mm)", "on slice", "Slices"]
    if with_run:
        head += ["Mean probability", "Mean uncertainty (bits)"]
    if with_scores:
        head += [f"{MODALITY_LABELS[name]} inter score" for name in MODALITIES]
    rows = []
    for entry in entries[:MOST_ROWS]:
        first, last = entry["slices"]
        row = [
            str(entry["label"]),
            millilitres(entry["volume_ml"]),
            f"{entry['longest_diameter_mm']:.1f}",
            str(entry["diameter_slice"]),
            f"{first}" if first == last else f"{first}–{last}",
        ]
        if with_run:
            row += [_number(entry["mean_probability"], 2), _number(entry["mean_uncertainty"], 2)]
        if with_scores:
            scores = entry["modality_scores"] or {}
            row += [_number(scores.get(name), 4) for name in MODALITIES]
        rows.append(row)
    others = entries[MOST_ROWS:]
    if not others:
        return head, rows, ""
    volume = millilitres(sum(entry["volume_ml"] for entry in others))
    count = f"{len(others)} smaller {'lesion' if len(others) == 1 else 'lesions'}"
    return head, rows, f"and {count}, {volume} mL together"


def settings(content: Saveable) -> list[tuple[str, str]]:
    """What the run was asked for, name and value."""
    rows = []
    if content.threshold is not None:
        rows.append(("Threshold of the probability", f"{content.threshold:g}"))
    for name, value in content.settings.items():
        if value is not None and name != "threshold" and (value or name != "min_peak"):
            rows.append((_SETTINGS.get(name, name.replace("_", " ")), _value(value)))
    evened = () if content.volumes is None else content.volumes.evened
    if evened is None or evened or (content.volumes is not None and content.settings.get("evens_out")):
        told = "not known, the session is of an earlier version" if evened is None else names_of(evened) or "no image"
        rows.append(("Bias field taken out of, for the model", told))
    return rows


def model(content: Saveable) -> list[tuple[str, str]]:
    """The key lines of the model's card."""
    facts = content.model
    if facts is None:
        return []
    name = f"{facts.name} {facts.version} ({facts.variant})" if facts.name else ""
    rows = [("Name, version, variant", name), ("Weights (SHA-256)", f"{facts.sha256[:16]}…")]
    return [(title, value) for title, value in rows if value]


def _number(value: float | None, digits: int) -> str:
    return _NO_VALUE if value is None else f"{value:.{digits}f}"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ":".join("" if part is None else str(part) for part in value)
    return f"{value:.3g}" if isinstance(value, float) else str(value)
