"""Stage ``evaluate``: held-out patients through the published bundle and `napari_ddmd.segment`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from typing import Any

from torch import nn

from napari_ddmd.case import Case, load_case
from napari_ddmd.missing import missing_modalities
from napari_ddmd.model.bundle import Bundle
from napari_ddmd.results import SliceResult
from napari_ddmd.segment import segment
from src_training import distributed
from src_training.files import write_bytes, write_json
from src_training.judged import case_files, judge_each
from src_training.patient import judged_slices, patient_figures
from src_training.recipe import DDMD_VARIANTS, DataRecipe, Recipe
from src_training.report import markdown_table
from src_training.run import Run, Split
from src_training.summary import summarise
from src_training.systems import how, load_judge, publish_figures, system_name


def evaluate(run: Run) -> None:
    """Evaluate the held-out patients of every split, and write ``metrics.json`` and ``metrics.md`` of all of them.

    A patient's figures are kept in ``<split>/evaluation/<case>.json``; ``metrics.json`` joins those of all splits that
    have been evaluated so far in the same way, so that it covers every patient once after ``--fold cv``, and of all
    systems that have been. With ``--bundle`` a published model is judged instead.
    """
    if run.recipe.bundle is not None:
        from src_training.bundle_evaluation import evaluate_bundle

        evaluate_bundle(run)
        return
    for split in run.splits():
        if not split.test_cases:
            print(f"{split.name}: no patient is held out; nothing to evaluate", file=sys.stderr)
            continue
        evaluate_split(split)
    write_summary(run)


def write_summary(run: Run) -> dict[str, Any]:
    """Join all figures of a run, write ``metrics.json`` and ``metrics.md``, and print them where that is asked for."""
    summary = summarise(run)
    if distributed.is_main():
        if summary["systems"]:
            write_json(run.root / "metrics.json", summary)
            write_bytes(run.root / "metrics.md", markdown_table(summary).encode())
        if run.recipe.json:
            print(json.dumps(summary))
    return summary


def evaluate_split(split: Split) -> None:
    """Judge the held-out patients of a split, each process its share; figures that hold are kept."""
    folder = split.work / "evaluation"
    digest, judge = load_judge(split)
    made_with = {"sha256": digest, **how(split.run)}
    title = f"evaluate {system_name(split.run)} {split.name}"
    files = case_files(split.run, distributed.share(split.test_cases))

    def figures(name: str) -> dict[str, Any]:
        return judge(load_case(files[name])) | {"system": system_name(split.run)}

    judge_each(files, folder, made_with, figures, title=title)
    publish_figures(split)


def evaluate_case(case: Case, bundle: Bundle, *, device: str = "auto", seed: int = 0) -> dict[str, Any]:
    """Every figure of one patient, segmented by a bundle; over the band of slices that it learned from."""
    slices = band_slices(case, bundle)
    sampling = bundle.settings.sampling
    clock = _Clock()
    figures = patient_figures(
        case,
        clock.timed(segment(case, bundle, slices=slices, device=device, seed=seed)),
        slices,
        sampling,
        samples=sampling.samples,
        has_maps=not missing_modalities(case),
    )
    figures["values"]["seconds"] = clock.seconds
    variant_name = next(name for name, variant in DDMD_VARIANTS.items() if variant == bundle.variant)
    return figures | {"system": bundle.provenance.get("system", variant_name)}


def band_slices(case: Case, bundle: Bundle) -> list[int]:
    """Axial slices of a case that a bundle is judged on: those that hold brain, of the band that it learned from."""
    learned_from: dict[str, Any] = bundle.provenance.get("recipe", {}).get("slices", {})
    band = DataRecipe()
    first = learned_from.get("first_slice", band.first_slice)
    return judged_slices(case, first, learned_from.get("last_slice", band.last_slice))


def evaluate_network(
    case: Case, network: nn.Module, recipe: Recipe, system: str, *, device: str = "auto"
) -> dict[str, Any]:
    """Every figure of one patient, segmented by a network that gives one mask a slice."""
    from src_training.baselines.segmentation import segment_with

    slices = judged_slices(case, recipe.slices.first_slice, recipe.slices.last_slice)
    clock = _Clock()
    figures = patient_figures(
        case,
        clock.timed(segment_with(network, case, recipe.model, slices, device=device)),
        slices,
        recipe.model.sampling,
        samples=1,
        has_maps=False,
    )
    figures["values"]["seconds"] = clock.seconds
    return figures | {"system": system}


class _Clock:
    """Seconds that a stream of results took to come, without what is done with them in between."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def timed(self, results: Any) -> Iterator[SliceResult]:
        stream = iter(results)
        while True:
            started = time.perf_counter()
            result = next(stream, None)
            self.seconds += time.perf_counter() - started
            if result is None:
                return
            yield result
