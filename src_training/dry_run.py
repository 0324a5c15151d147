"""What a run would take, told before it starts: slices, parameters, operations, memory and hours (``--dry-run``)."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch

from napari_ddmd.device import MemoryEstimate, free_memory_mb
from napari_ddmd.first_guess import guesses, is_shared
from src_training.autoencoders import needed_sets
from src_training.census import Census
from src_training.costs import Costs, activation_bytes, micro_batch
from src_training.recipe import Recipe, synthetic_autoencoder_slices
from src_training.run import Run, Split
from src_training.synthetic_patients import patient_names, seconds_a_patient

Rows = list[tuple[str, str]]


def dry_run(recipe: Recipe, *, budget_s: float = 12.0) -> str:
    """Count and measure what the stages of a recipe would take; nothing is trained, and nothing is left.

    The slices are counted in the run's slice store, or else in the cases themselves. Operations are those of the
    convolutions and matrix products. Hours follow from them and from the speed of this device, as busy as it is, which
    is measured at the largest of a few growing sizes that keeps within the budget; of the synthetic patients, one is
    made, in a folder that is removed again. Reading, augmenting and judging are
    not in them.

    Parameters
    ----------
    recipe
        The recipe.
    budget_s
        Seconds for one measurement.

    Returns
    -------
    str
        A page of aligned lines.
    """
    run = Run(recipe)
    census = Census.of(run)
    splits = run.splits(census.folds)
    costs = Costs.of(recipe, budget_s)
    stages = _stages(run, census, splits, costs)
    parts = [
        ("Slices", _slice_rows(recipe, census, splits)),
        ("Networks", _network_rows(recipe, costs)),
        ("Memory of the denoiser's training", _memory_rows(recipe, costs)),
        ("Stages", _stage_rows(stages)),
        (f"Measured on {_describe(costs.device)}", _speed_rows(costs)),
    ]
    width = max(len(label) for _, rows in parts for label, _ in rows)
    return "\n".join(
        line for title, rows in parts for line in (title, *(f"  {label:<{width}}  {text}" for label, text in rows))
    )


@dataclass(frozen=True)
class Stage:
    """What a stage takes."""

    name: str
    work: str
    flops: float
    seconds: float


def _stages(run: Run, census: Census, splits: Sequence[Split], costs: Costs) -> list[Stage]:
    recipe = run.recipe
    own = _training_stages(recipe, census, splits, costs)
    before, lessons = _synthetic_stages(run, census, costs) if recipe.pretraining.patients else ([], [])
    training = [*before, own.autoencoders, own.discrepancies, *lessons, own.diffusion]
    slices = sum(census.judged[case] for split in splits for case in split.test_cases)
    if not slices:
        return training
    sampling = recipe.model.sampling
    a_slice, calls = sampling.samples * sampling.steps, f"{sampling.steps:,} evaluations each"
    if is_shared(recipe.model, sampling.sampler, sampling.steps):
        a_slice += guesses(recipe.model, sampling.samples) - sampling.samples
        calls = f"{a_slice:,} evaluations together at most"
    evaluations = slices * a_slice
    return [
        *training,
        Stage(
            "evaluate",
            f"{slices:,} held-out slices, {sampling.samples} masks of {calls}",
            evaluations * costs.flops["denoiser"] + 2 * slices * costs.flops["ensemble"],
            costs.seconds("denoiser", evaluations) + costs.seconds("ensemble", 2 * slices),
        ),
    ]


class _Training(NamedTuple):
    """Stages of a run over some patients."""

    autoencoders: Stage
    discrepancies: Stage
    diffusion: Stage


def _training_stages(recipe: Recipe, census: Census, splits: Sequence[Split], costs: Costs) -> _Training:
    """Autoencoders, maps and denoiser of some splits."""
    sets = {tuple(sorted(cases)) for split in splits for cases in needed_sets(split)}
    learned = steps = 0
    synthetic = synthetic_autoencoder_slices(recipe)
    for cases in sets:
        healthy, unhealthy = census.learned_from(cases, recipe)
        for count in (healthy + unhealthy, healthy):  # AE-1 and AE-2
            size = min(recipe.autoencoders.batch_size - synthetic, count)
            own = recipe.autoencoders.epochs * max(1, count // size) if size else 0
            learned, steps = learned + own * (size + synthetic), steps + own
    mapped = sum(sum(census.kinds(split.training_cases)) for split in splits)
    members = recipe.model.denoiser.members
    iterations = len(splits) * members * recipe.diffusion.iterations
    denoised = iterations * recipe.diffusion.batch_size
    times = f" for each of {len(splits)} splits" if len(splits) > 1 else ""
    are_trained = f"{len(sets)} set{'s' * (len(sets) > 1)} of patients, {recipe.autoencoders.epochs} epochs"
    return _Training(
        Stage(
            "autoencoders",
            are_trained + (", beside synthetic ones" if synthetic else "") if sets else "the model's are kept",
            learned * costs.flops["ensemble step"],
            costs.seconds("ensemble step", learned, steps),
        ),
        Stage(
            "discrepancies",
            f"{mapped:,} slices",
            2 * mapped * costs.flops["ensemble"],
            costs.seconds("ensemble", 2 * mapped),
        ),
        Stage(
            "diffusion",
            f"{recipe.diffusion.iterations:,} iterations of {recipe.diffusion.batch_size} slices"
            f"{_each(members)}{times}",
            denoised * costs.flops["denoiser step"],
            costs.seconds("denoiser step", denoised, iterations),
        ),
    )


def _synthetic_stages(run: Run, census: Census, costs: Costs) -> tuple[list[Stage], list[Stage]]:
    """What is done with synthetic patients before the real ones' autoencoders are trained, and after their maps.

    Those that are not made yet are taken to have the slices of real ones.
    """
    synthetic, patients = run.synthetic(), run.recipe.pretraining.patients
    are_made = synthetic.index_path.exists()
    theirs = Census.of(synthetic) if are_made else census.imagined(patient_names(run), synthetic.recipe)
    ensembles, maps, denoiser = _training_stages(synthetic.recipe, theirs, synthetic.splits(theirs.folds), costs)
    if run.recipe.start_from is None:
        before = [replace(ensembles, name="synthetic autoencoders")]
        flops, seconds = maps.flops + denoiser.flops, maps.seconds + denoiser.seconds
        lessons = [Stage("pretrain", f"maps of {maps.work}, {denoiser.work}", flops, seconds)]
    else:  # the model has taken them
        before, lessons = [], [replace(maps, name="pretrain", work=f"maps of {maps.work}")]
    if not are_made:
        at_once = max(1, min(run.recipe.workers, patients, os.cpu_count() or 1))
        seconds = seconds_a_patient(run)
        side_by_side = f", {at_once} side by side" if at_once > 1 else ""
        work = f"{patients} to be made, {seconds:.0f} s each{side_by_side}; slices as many as real patients have"
        made = Stage("synthetic patients", work, 0, math.ceil(patients / at_once) * seconds)
        (before if before else lessons).insert(0, made)
    return before, lessons


def _each(members: int) -> str:
    return f" for each of {members} denoisers" if members > 1 else ""


def _slice_rows(recipe: Recipe, census: Census, splits: Sequence[Split]) -> Rows:
    rows = [("patients", f"{len(census.folds)} with a mask in {recipe.data}, {len(set(census.folds.values()))} folds")]
    for split in splits:
        cases, held_out = split.training_cases, split.test_cases
        all_kinds, kept = census.kinds(cases), census.learned_from(cases, recipe)
        thinned = f", balanced to {kept[0]:,} + {kept[1]:,}" if recipe.slices.balance_sets else ""
        rows.append(
            (f"{split.name}, learned from", f"{len(cases)} patients, {_kinds(all_kinds)} slices{thinned}"),
        )
        if held_out:
            judged = sum(census.judged[case] for case in held_out)
            rows.append(
                (
                    f"{split.name}, held out",
                    f"{len(held_out)} patients, {_kinds(census.kinds(held_out))} slices, {judged:,} judged",
                )
            )
    return rows


def _network_rows(recipe: Recipe, costs: Costs) -> Rows:
    model, batch = recipe.model, recipe.diffusion.batch_size
    members, small, size = model.autoencoder.members, model.autoencoder.size, model.frame.size
    one = costs.parameters["ensemble"] / members
    turns = f" each, {model.denoiser.members} take turns" if model.denoiser.members > 1 else ""
    return [
        ("autoencoder", f"{one / 1e6:.2f} M parameters, {members} + {members} for each set of patients"),
        ("  one evaluation", f"{_flop(costs.flops['ensemble'] / members)} for a slice of {small} × {small}"),
        (f"denoiser ({model.variant})", f"{costs.parameters['denoiser'] / 1e6:.2f} M parameters{turns}"),
        ("  one evaluation", f"{_flop(costs.flops['denoiser'])} for a slice of {size} × {size}"),
        ("  one training step", f"{_flop(batch * costs.flops['denoiser step'])} for {batch} slices"),
    ]


def _speed_rows(costs: Costs) -> Rows:
    names = {
        "ensemble": "autoencoders, evaluation",
        "ensemble step": "autoencoders, training",
        "denoiser": "denoiser, evaluation",
        "denoiser step": "denoiser, training",
    }
    rows = [(name, str(costs.speeds[use])) for use, name in names.items()]
    return [*rows, ("denoiser, AdamW and average", f"{costs.updates['denoiser step']:.3f} s a step")]


def _memory_rows(recipe: Recipe, costs: Costs) -> Rows:
    """Weights, gradients, Adam's two moments and the average in float32, and what autograd keeps."""
    batch = micro_batch(recipe)
    weights = 5 * 4 * costs.parameters["denoiser"]
    activations = activation_bytes(recipe.model, batch, costs.dtype)
    needed = (weights + activations) / 2**20
    estimate = MemoryEstimate(needed, free_memory_mb(costs.device), str(costs.device))
    return [
        ("weights, gradients, Adam, average", f"{weights / 2**30:.2f} GiB"),
        (
            "activations",
            f"{activations / 2**30:.2f} GiB of {batch} slices, {_precision(costs.dtype)}: all that autograd keeps",
        ),
        ("together", f"{str(estimate).removesuffix(': expect smaller batches')}, without workspaces"),
        *(
            []
            if estimate.fits
            else [("does not fit", "give a smaller --diffusion.batch-size or a larger --accumulate")]
        ),
    ]


def _stage_rows(stages: Sequence[Stage]) -> Rows:
    total = Stage("together", "", sum(stage.flops for stage in stages), sum(stage.seconds for stage in stages))
    return [
        (s.name, f"{_flop(s.flops) if s.flops else '-':>11}  {_hours(s.seconds):>12}  {s.work}".rstrip())
        for s in (*stages, total)
    ]


def _kinds(counts: tuple[int, int]) -> str:
    return f"{counts[0]:,} healthy + {counts[1]:,} unhealthy"


def _describe(device: torch.device) -> str:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
    return f"{name}, {torch.get_num_threads()} threads" if device.type == "cpu" else name


def _precision(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _flop(count: float) -> str:
    for unit, size in (("EFLOP", 1e18), ("PFLOP", 1e15), ("TFLOP", 1e12), ("GFLOP", 1e9)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count / 1e6:.3g} MFLOP"


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:,.1f} hours" if seconds >= 3600 else f"{seconds / 60:,.1f} minutes"
