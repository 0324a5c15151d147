"""The model card: what a model is, what it was trained on, how well it does, and where it must not be trusted."""

from __future__ import annotations

from typing import Any

from napari_ddmd.cut import Cut
from napari_ddmd.model.bundle import Bundle
from src_training.folds import of_known_patients, told_lesions
from src_training.report import markdown_table
from src_training.summary import join_patients

PICTURE = "failures.png"
"""Of the worst slices, beside a model's card."""


def summary_line(provenance: dict[str, Any], settings: dict[str, Any]) -> str:
    """One paragraph for the person who chooses a model."""
    method = "CIMD" if provenance.get("system") == "cimd" else f"DDMD {settings['variant']}"
    text = (
        f"{method} for whole-tumour segmentation of skull-stripped, co-registered T1, T1ce, T2 and "
        f"FLAIR images in BRATS form. {_trained_on(provenance, settings)}. "
    )
    members = settings["denoiser"]["members"]
    if members > 1:
        text += f"{members} denoisers, trained apart, take turns in drawing the masks. "
    system = next(iter(provenance["cross_validation"].values()), None)
    if system:
        dice = system["dice_volume"]
        text += (
            f"Mean whole-lesion volume Dice of the same recipe in cross-validation: {dice['mean']:.3f} "
            f"(sd {dice['std']:.3f} over {len(dice['per_patient'])} patients). "
        )
    return text + "For research; not a medical device."


def _trained_on(provenance: dict[str, Any], settings: dict[str, Any]) -> str:
    pretraining, cases = provenance["recipe"]["pretraining"], _own_cases(provenance)
    steps = f"({provenance['recipe']['diffusion']['iterations']} iterations at {settings['frame']['size']} pixels)"
    if "synthetic" in provenance:
        return f"Trained on {len(cases)} synthetic patients {steps} and on no real one: a start for other trainings"
    start = provenance.get("start")
    if start is not None:
        beside = f" beside {pretraining['patients']} synthetic ones" if pretraining["patients"] else ""
        return f"Starts from {_named(start)}, and goes on with {len(cases)} labelled patients {steps}{beside}"
    beside = "and beside " if pretraining["share"] else ""
    after = f" after {beside}{pretraining['patients']} synthetic ones" if pretraining["patients"] else ""
    return f"Trained on {len(cases)} labelled patients {steps}{after}"


def _own_cases(provenance: dict[str, Any]) -> list[str]:
    """Cases of the training itself, without those of a model that it started from."""
    cases: list[str] = provenance["training_cases"]
    return cases if "start" not in provenance else [case for case in cases if case in provenance["folds"]]


def _named(start: dict[str, Any]) -> str:
    return f"{start['name']} (version {start['version']})"


def _data(provenance: dict[str, Any]) -> str:
    cases = _own_cases(provenance)
    names = f"\n  ({', '.join(cases)})"
    if "synthetic" in provenance:
        anatomy = ", every second one with the anatomy of a real brain" if provenance["synthetic"]["anatomy"] else ""
        return f"{len(cases)} synthetic patients{anatomy}{names}"
    source = f" of {provenance['source']}" if "source" in provenance else ""  # as a publisher may tell
    return f"{len(cases)} labelled patients{source}{names}"


def _autoencoder_training(provenance: dict[str, Any]) -> str:
    pretraining = provenance["recipe"]["pretraining"]
    if "start" in provenance:
        return f"kept as {_named(provenance['start'])} has them"
    meets = pretraining["patients"] and pretraining.get("autoencoders", False)
    beside = f", after {'and beside ' if pretraining['share'] else ''}synthetic patients" if meets else ""
    return f"{provenance['recipe']['autoencoders']['epochs']} epochs{beside}"


def _caution(provenance: dict[str, Any]) -> str:
    if "synthetic" in provenance:
        return "No real patient has taught it: it is there for trainings to start from, not for anybody's case."
    return (
        "Expect failures on scanners and tumours unlike those of the training patients; false lesions and missed "
        "slices are to be\nlooked for in every case."
    )


def _maps_origin(provenance: dict[str, Any]) -> str:
    """Whether the autoencoders had seen the patients whose maps were learned from."""
    start, cases = provenance.get("start"), _own_cases(provenance)
    if start is None:
        return "out of fold" if provenance["recipe"]["discrepancies"]["out_of_fold"] else "in sample"
    known = len(of_known_patients(cases, start["training_cases"], told_lesions(provenance)))
    return f"in sample for {known} of {len(cases)} cases, which {start['name']} had seen" if known else "out of fold"


def _pretraining(provenance: dict[str, Any], members: int) -> str:
    """What came before, and which synthetic patients were beside."""
    pretraining, start = provenance["recipe"]["pretraining"], provenance.get("start")
    patients, share = pretraining["patients"], f"fill {100 * pretraining['share']:.0f} %"
    anatomy = ", every second of them with the anatomy of a real brain," if pretraining.get("anatomy") else ""
    if start is not None:
        beside = f"{patients} synthetic patients{anatomy} {share} of each batch" if patients else "nobody was beside"
        return (
            f"that of {_named(start)}, which has learned from {len(start['training_cases'])} cases (SHA-256 of its "
            f"weights: {start['sha256']}); {beside}"
        )
    if not patients:
        return "none"
    each = " of each denoiser" if members > 1 else ""
    made = f"{pretraining['iterations']} iterations{each} on {patients} synthetic patients"
    return f"{made}{anatomy or ','} who {share} of each later batch" if pretraining["share"] else made + anatomy[:-1]


def recorded(patients: list[dict[str, Any]], seed: int) -> dict[str, Any]:
    """Figures of some patients in the form in which a bundle's provenance keeps them."""
    kept = ("case", "values", "confusion", "slices")
    return {"seed": seed, "patients": [{key: patient[key] for key in kept} for patient in patients]}


def _own_figures(evaluations: list[dict[str, Any]], system: str) -> str:
    """Figures of these very weights, which `evaluate --bundle` reproduces."""
    if not evaluations:
        return ""
    tables = [
        f"{len(entry['patients'])} patients, seed {entry['seed']}:\n\n"
        + markdown_table({"systems": {system: join_patients(entry["patients"])}})
        + (f"\nWhere it fails:\n\n![The worst slices]({entry['failures']})\n" if "failures" in entry else "")
        for entry in evaluations
    ]
    return (
        "\n## Figures of these very weights\n\nPatients that they were not trained on. To be reproduced with\n\n"
        "```bash\npython -m src_training evaluate --bundle MODEL --data DIR --out FOLDER\n```\n\n" + "\n".join(tables)
    )


def _evaluated(cross_validation: dict[str, Any]) -> int:
    return len(next(iter(cross_validation.values()))["dice_volume"]["per_patient"])


def model_card(bundle: Bundle) -> str:
    """A page in Markdown."""
    settings, provenance = bundle.settings, bundle.provenance
    recipe = provenance["recipe"]
    cross_validation: dict[str, Any] = provenance["cross_validation"]
    members = settings.denoiser.members
    denoisers = (
        f"{members} denoisers, trained apart and taking turns in drawing the masks, each" if members > 1 else "denoiser"
    )
    missing = " (one may be, at a cost)" if recipe["diffusion"]["augment"] else ""
    apart = f", {settings.context.step_mm:g} mm apart" if settings.context.slices else ""
    sampling = settings.sampling
    whose = " and denoiser" if members > 1 else ""
    guess = f", one first guess a slice{whose} (kept where it stays below {sampling.healthy_below:g})"
    shared = guess if sampling.shared_guess else ""
    peak = Cut.of(sampling).asked_peak(sampling.threshold)
    sure = f"; so are parts that nowhere exceed {peak:g}" if peak else ""
    even = "\n- images that are unevenly bright are seen without their bias field (N4)" if settings.evens_out else ""
    remark = f"{provenance['remark']}\n\n" if "remark" in provenance else ""
    results = remark + (
        f"Cross-validation of the same recipe ({_evaluated(cross_validation)} of {len(provenance['folds'])} "
        "patients): each was segmented by a model that had not seen the patient. "
        "The published weights come from all training patients and were judged on none of them.\n\n"
        + markdown_table({"systems": cross_validation})
        if cross_validation
        else "This recipe has not been evaluated on held-out patients.\n"
    )
    return f"""# {bundle.name} (version {bundle.version})

{bundle.card}

## Use

Research on whole-lesion segmentation of gliomas in pre-operative MRI: four co-registered, skull-stripped modalities
(T1, T1ce, T2, FLAIR) of about 1 mm resolution. The mask is a first proposal for a person to check and correct.

## Do not use

For diagnosis or treatment; for other diseases, children, post-operative scans or scans with a skull, unless the
training data holds such; nor where more than one modality is missing{missing}.
{_caution(provenance)}

## Training

- data: {_data(provenance)}
- variant {settings.variant}: {settings.autoencoder.members} + {settings.autoencoder.members} autoencoders at
  {settings.autoencoder.size} pixels, {_autoencoder_training(provenance)}
- {denoisers} at {settings.frame.size} pixels over {settings.frame.extent_mm:.0f} mm,
  channels {settings.denoiser.channels},
  {2 * settings.context.slices} neighbouring slices shown{apart},
  prediction {settings.diffusion.prediction}, {recipe["diffusion"]["iterations"]} iterations of
  {recipe["diffusion"]["batch_size"]} slices
- pre-training: {_pretraining(provenance, members)}
- discrepancy maps of the training slices {_maps_origin(provenance)}
- sampling: {sampling.samples} masks, {sampling.sampler}, {sampling.steps} steps{shared},
  threshold {sampling.threshold}, parts below {100 * sampling.min_part:.0f} % of the largest left out{sure}{even}
- package version {provenance["package_version"]}, seed {recipe["seed"]}; all settings are in `model.json`

## Results

{results}{_own_figures(provenance.get("evaluations", []), provenance.get("system", "ddmd"))}"""
