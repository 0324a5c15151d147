"""``napari-ddmd predict``: cases in, results out, and a table of all where there are several."""

from __future__ import annotations

import argparse
import json
import sys
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from napari_ddmd.argument_types import a_path, portion, positive, slice_range, whole
from napari_ddmd.command_faults import AT_FAULT, BROKEN, DONE, tell_fault, tell_what_was_left, user_errors
from napari_ddmd.one_line import one_line
from napari_ddmd.without_values import reason, without_values

if TYPE_CHECKING:
    from argparse import ArgumentParser, _SubParsersAction

    from napari_ddmd.cohort_table import CohortRow

# Those of `napari_ddmd.model.samplers`, which would load torch before the help is shown.
_SAMPLERS: Final = ("ddim", "dpm-solver++", "ddpm")
_ABOUT_PREDICT = (
    "Segment cases and save the results under DIR/<case>/. Given again after it was cut off, the same command goes on: "
    "cases that are done, with the same settings, model and images, are kept as they are."
)


def add_predict_command(commands: _SubParsersAction[Any]) -> ArgumentParser:
    """Add the command to a parser's sub-commands."""
    predict: ArgumentParser = commands.add_parser(
        "predict", help="segment cases and save the results, without a window", description=_ABOUT_PREDICT
    )
    predict.add_argument(
        "cases",
        nargs="+",
        type=a_path,
        metavar="CASE",
        help="folder of a case, any of its files, or a folder of such folders",
    )
    predict.add_argument("--out", type=a_path, required=True, metavar="DIR", help="results go to DIR/<case>/")
    _add_run_options(predict)
    again = predict.add_mutually_exclusive_group()
    again.add_argument("--overwrite", action="store_true", help="replace earlier results of the same cases")
    again.add_argument(
        "--update", action="store_true", help="replace those made with other settings, model or images; keep the rest"
    )
    predict.add_argument(
        "--report",
        action="store_true",
        help="save a report (HTML) and a table of lesions (CSV), too; where there are results without, with --update",
    )
    predict.add_argument(
        "--session",
        action="store_true",
        help="save a session, too, that napari-ddmd opens with all that was found (.ddmd); likewise with --update",
    )
    predict.add_argument(
        "--allow-missing", action="store_true", help="take cases that lack one modality, at a cost in accuracy"
    )
    predict.add_argument("--json", action="store_true", help="print the summary as one JSON object")
    predict.set_defaults(run=_predict)
    return predict


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    from napari_ddmd.device import DEVICES

    parser.add_argument(
        "--model", default="compact", metavar="NAME_OR_DIR", help="an installed model, or a model's folder"
    )
    parser.add_argument(
        "--slices",
        type=slice_range,
        metavar="A:B",
        help="slices A to B-1, counted from 0 along the files' inferior-superior axis (default: all that hold brain)",
    )
    own = "the model's own"
    parser.add_argument("--samples", type=positive, metavar="N", help=f"masks a slice (default: {own}; compact: 5)")
    parser.add_argument("--steps", type=positive, metavar="N", help=f"denoiser evaluations a mask (default: {own})")
    parser.add_argument(
        "--sampler", choices=_SAMPLERS, metavar="NAME", help=f"ddim, dpm-solver++ or ddpm (default: {own})"
    )
    parser.add_argument("--seed", type=whole, default=0, metavar="N", help="of the sampled noise (default: 0)")
    parser.add_argument(
        "--threshold",
        type=portion,
        metavar="P",
        help=f"the lesion is where the probability exceeds P, from 0 to below 1 (default: {own}; compact: 0.5)",
    )
    parser.add_argument("--device", choices=DEVICES, default="auto", help="default: auto")


def _predict(options: argparse.Namespace) -> int:
    from napari_ddmd.cases_meant import as_written, collect_cases
    from napari_ddmd.cohort import do_case
    from napari_ddmd.cohort_table import CohortRow, refuse_foreign_table
    from napari_ddmd.launcher import device_name, rank, share, world_size
    from napari_ddmd.predict import (
        PredictError,
        PredictSettings,
        refuse_impossible,
        refuse_without_napari,
        saving_places,
    )

    found, faults = collect_cases(options.cases)
    is_cohort = len(found) + len(faults) > 1
    if rank() > 0:
        faults = []  # the first process tells of them
    for fault in faults:
        tell_fault(fault)
    if is_cohort:
        refuse_foreign_table(options.out)  # before the work whose table it would be
    roots = [folder for case in options.cases for folder in as_written(case)]
    rows = [CohortRow.of_failed(fault.place.name, fault, *fault.folders, *roots) for fault in faults]
    failed = [str(fault) for fault in faults]
    if not found:
        if is_cohort:
            if options.json:
                _print_cohort([], failed)
            _end_cohort(rows, options)
        return AT_FAULT
    if rank() == 0:
        tell_what_was_left(*saving_places(options.out, (files.name for files in found)))
    cases = share(found)
    from napari_ddmd.model import load_bundle

    bundle = load_bundle(options.model)
    settings = PredictSettings(
        slices=options.slices,
        samples=options.samples,
        steps=options.steps,
        sampler=options.sampler,
        seed=options.seed,
        threshold=options.threshold,
        device=device_name(options.device),
        allow_missing=options.allow_missing,
    )
    refuse_impossible(settings, bundle)
    if options.session:
        refuse_without_napari()
    summaries: list[dict[str, Any]] = []
    status = DONE
    for number, files in enumerate(cases, start=1):
        try:
            done = do_case(
                files,
                bundle,
                options.out,
                settings,
                overwrite=options.overwrite,
                update=options.update,
                report=options.report,
                session=options.session,
                place=f"{number}/{len(cases)}",
            )
        except user_errors() as error:
            tell_fault(error)
            failed.append(str(error))
        except MemoryError as error:
            short = PredictError(f"{files.name}: the memory does not suffice ({str(error) or 'no more is free'})")
            tell_fault(short)
            failed.append(str(short))
        except Exception as error:  # a defect must not cost the cases after it
            traceback.print_exception(without_values(error))
            failed.append(f"{files.name}: {reason(error)}")
            status = BROKEN
        else:
            rows.append(CohortRow.of_done(files.name, done))
            if options.json:
                summaries.append(done.summary)
            else:
                print(one_line(done.line), flush=True)
            continue
        rows.append(CohortRow.of_failed(files.name, failed[-1], files.folder.parent, options.out))
    if options.json:
        if is_cohort or world_size() > 1:
            _print_cohort(summaries, failed)
        elif summaries:
            print(json.dumps(summaries[0], indent=1))
    is_told = not is_cohort or _end_cohort(rows, options)
    return status or (AT_FAULT if failed or not is_told else DONE)


def _print_cohort(summaries: Sequence[dict[str, Any]], failed: Sequence[str]) -> None:
    """Print one JSON object, on one line where each of several processes prints its own."""
    from napari_ddmd.launcher import world_size

    indent = None if world_size() > 1 else 1
    print(json.dumps({"cases": summaries, "failed": failed}, indent=indent), flush=True)


def _end_cohort(rows: Sequence[CohortRow], options: argparse.Namespace) -> bool:
    """Count all cases of all processes in one line, and put them into a table; tell whether that could be written."""
    from napari_ddmd.cohort_table import cohort_line, write_cohort_table
    from napari_ddmd.export import ExportError
    from napari_ddmd.launcher import gather

    everybodys = gather(rows)
    if everybodys is None:
        return True  # another process tells of them
    is_written, table = True, None
    try:
        table = write_cohort_table(options.out, everybodys) if options.out.is_dir() else None
    except ExportError as error:
        tell_fault(error)
        is_written = False
    line = cohort_line(everybodys, options.out, table)
    print(one_line(line), file=sys.stderr if options.json else sys.stdout, flush=True)
    return is_written
