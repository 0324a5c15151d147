"""The ``napari-ddmd`` command.

Each command imports what it needs when it runs: help must not wait for torch, nor a cluster need Qt.
"""

from __future__ import annotations

import argparse
import json
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from napari_ddmd import __version__
from napari_ddmd.argument_types import portion, positive, slice_range, whole
from napari_ddmd.closed_pipe import ending_quietly, write_out
from napari_ddmd.import_dicom import add_import_command
from napari_ddmd.one_line import one_line, print_any_name
from napari_ddmd.without_values import reason, without_values

DONE, BROKEN, AT_FAULT, INTERRUPTED = 0, 1, 2, 130
_DEMO_FOLDER = Path("napari-ddmd-demo")
_ABOUT_PREDICT = (
    "Segment cases and save the results under DIR/<case>/. Given again after it was cut off, the same command goes on: "
    "cases that are done, with the same settings, model and images, are kept as they are."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    arguments
        What follows the program's name; by default the process's own.

    Returns
    -------
    int
        Exit status: 0 done, 1 a defect of the program, 2 the input is at fault (one line on standard error says why),
        130 interrupted, 141 whoever read the output has gone.
    """
    print_any_name()
    return ending_quietly(lambda: _main(arguments))


def _main(arguments: Sequence[str] | None) -> int:
    try:
        parser = build_parser()
        options, unknown = parser.parse_known_args(arguments)
        if unknown:
            parser.prog += f" {options.command}"  # whose help lists what there is
            parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    except SystemExit as exit_request:
        return int(exit_request.code or 0)
    try:
        status: int = options.run(options)
        write_out()
    except KeyboardInterrupt:
        print("\nnapari-ddmd: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        raise
    except _user_errors() as error:
        return _fault(error)
    except Exception as error:
        traceback.print_exception(without_values(error))
        return BROKEN
    return status


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, as every other error of the command.

    Options are to be written in full: a slip of the keyboard must not come to replace results.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"allow_abbrev": False, **settings})

    def error(self, message: str) -> NoReturn:
        self.exit(AT_FAULT, f"{self.prog}: {message}; see {self.prog} --help\n")


def build_parser() -> argparse.ArgumentParser:
    """Make the parser of all commands; what it returns has the chosen command as ``run``."""
    parser = _Parser(prog="napari-ddmd", description="Find lesions in multi-modality brain MRI. Research use only.")
    parser.add_argument("--version", action="version", version=f"napari-ddmd {__version__}")
    commands = parser.add_subparsers(title="commands", dest="command", required=True, metavar="COMMAND")

    view = commands.add_parser("view", help="open napari with a case, or a saved session, and the panel")
    view.add_argument(
        "case", nargs="?", type=Path, metavar="CASE", help="a case (folder or file), DICOM study or session"
    )
    view.set_defaults(run=_view)

    predict = commands.add_parser(
        "predict", help="segment cases and save the results, without a window", description=_ABOUT_PREDICT
    )
    predict.add_argument(
        "cases", nargs="+", metavar="CASE", help="folder of a case, any of its files, or a folder of such folders"
    )
    predict.add_argument("--out", type=Path, required=True, metavar="DIR", help="results go to DIR/<case>/")
    _add_run_options(predict)
    again = predict.add_mutually_exclusive_group()
    again.add_argument("--overwrite", action="store_true", help="replace earlier results of the same cases")
    again.add_argument(
        "--update", action="store_true", help="replace those made with other settings, model or images; keep the rest"
    )
    predict.add_argument("--report", action="store_true", help="save a report (HTML) and a table of lesions (CSV), too")
    predict.add_argument(
        "--allow-missing", action="store_true", help="take cases that lack one modality, at a cost in accuracy"
    )
    predict.add_argument("--json", action="store_true", help="print the summary as one JSON object")
    predict.set_defaults(run=_predict)

    demo = commands.add_parser("demo", help="run the bundled model on a synthetic case")
    demo.add_argument(
        "--out",
        type=Path,
        default=_DEMO_FOLDER,
        metavar="DIR",
        help="for the files of a run without a window",
    )
    demo.add_argument("--headless", action="store_true", help="open no window, even where there is a display")
    demo.set_defaults(run=_demo)

    models = commands.add_parser("models", help="list the models that are installed")
    models.set_defaults(run=_models)

    sample = commands.add_parser("sample-case", help="write a synthetic case in BRATS form")
    sample.add_argument("folder", type=Path, metavar="DIR", help="folder of the case; must not hold anything")
    sample.add_argument("--seed", type=whole, default=0, help="another seed gives another head (default: 0)")
    sample.set_defaults(run=_sample_case)
    add_import_command(commands)
    return parser


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
    parser.add_argument("--samples", type=positive, default=5, help="masks a slice (default: 5)")
    parser.add_argument("--steps", type=positive, metavar="N", help="denoiser evaluations a mask")
    parser.add_argument("--sampler", metavar="NAME", help="ddim, dpm-solver++ or ddpm")
    parser.add_argument("--seed", type=int, default=0, help="of the sampled noise (default: 0)")
    parser.add_argument("--threshold", type=portion, default=0.5, help="the lesion's probability (default: 0.5)")
    parser.add_argument("--device", choices=DEVICES, default="auto", help="default: auto")


def _predict(options: argparse.Namespace) -> int:
    from napari_ddmd.cohort import do_case
    from napari_ddmd.launcher import device_name, rank, share, wait_for_all, world_size
    from napari_ddmd.predict import PredictError, PredictSettings, collect_cases, saving_places

    found, faults = collect_cases(options.cases)
    if rank() > 0:
        faults = []  # the first process tells of them
    for fault in faults:
        _fault(fault)
    if not found:
        return AT_FAULT
    if rank() == 0:
        _sweep(*saving_places(options.out, (files.name for files in found)))
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
    summaries: list[dict[str, Any]] = []
    failed = [str(fault) for fault in faults]
    status = DONE
    for number, files in enumerate(cases, start=1):
        try:
            summary, line = do_case(
                files,
                bundle,
                options.out,
                settings,
                overwrite=options.overwrite,
                update=options.update,
                report=options.report,
                place=f"{number}/{len(cases)}",
            )
        except _user_errors() as error:
            _fault(error)
            failed.append(str(error))
            continue
        except MemoryError as error:
            short = PredictError(f"{files.name}: the memory does not suffice ({str(error) or 'no more is free'})")
            _fault(short)
            failed.append(str(short))
            continue
        except Exception as error:  # a defect must not cost the cases after it
            traceback.print_exception(without_values(error))
            failed.append(f"{files.name}: {reason(error)}")
            status = BROKEN
            continue
        if options.json:
            summaries.append(summary)
        else:
            print(one_line(line), flush=True)
    if options.json:
        single = len(found) == 1 and not faults
        if world_size() > 1:
            print(json.dumps({"cases": summaries, "failed": failed}), flush=True)  # one line a process
        elif not single:
            print(json.dumps({"cases": summaries, "failed": failed}, indent=1))
        elif summaries:
            print(json.dumps(summaries[0], indent=1))
    wait_for_all()
    return status or (AT_FAULT if failed else DONE)


def _demo(options: argparse.Namespace) -> int:
    from napari_ddmd.display import window_problem

    if not options.headless and window_problem() is None:
        from napari_ddmd.viewer.launch import demo_window

        demo_window()
        return DONE
    from napari_ddmd.cohort import result_line
    from napari_ddmd.demo import run_demo
    from napari_ddmd.progress_line import ProgressLine
    from napari_ddmd.whole_files import nearest_folder

    _sweep(options.out, deep=True)
    _sweep(nearest_folder(options.out.absolute().parent))
    with ProgressLine("demo") as line:
        picture, done = run_demo(options.out, progress=line.update)
    print(result_line(done))
    print(f"picture: {picture}")
    return DONE


def _view(options: argparse.Namespace) -> int:
    from napari_ddmd.case import find_case_files
    from napari_ddmd.dicom import is_study, require_libraries
    from napari_ddmd.display import DisplayError, window_problem
    from napari_ddmd.viewer.session.archive import is_session, read_session

    if options.case is not None and is_session(options.case):
        read_session(options.case)
    elif options.case is not None and is_study(options.case):
        require_libraries()
    elif options.case is not None:
        find_case_files(options.case)
    problem = window_problem()
    if problem is not None:
        raise DisplayError(f"no window can be opened here: {problem}; use predict, which needs none")
    from napari_ddmd.viewer.launch import view_window

    view_window(options.case)
    return DONE


def _models(options: argparse.Namespace) -> int:
    from napari_ddmd.model import BundleError, list_bundles, read_description

    folders = list_bundles()
    if not folders:
        print("no model is installed")
    status = DONE
    for folder in folders:
        try:
            about = read_description(folder)
        except BundleError as error:
            status = _fault(error)
            continue
        variant = about["settings"].get("variant", "?")
        print(f"{folder.name}  version {about['version']}, variant {variant}, {folder}")
        print(f"    {about['card']}")
    return status


def _sample_case(options: argparse.Namespace) -> int:
    from napari_ddmd.synthetic import write_case

    _sweep(options.folder.absolute().parent)
    print(write_case(options.folder, seed=options.seed))
    return DONE


def _sweep(*folders: Path, deep: bool = False) -> None:
    """Say what a command that was killed has left, and remove it."""
    from napari_ddmd.whole_files import sweep

    for folder in folders:
        left = sweep(folder, deep=deep)
        if left:
            print(f"napari-ddmd: {left}", file=sys.stderr)


def _user_errors() -> tuple[type[Exception], ...]:
    """Errors whose one line tells the user all."""
    from napari_ddmd.case import CaseError
    from napari_ddmd.device import DeviceError
    from napari_ddmd.display import DisplayError
    from napari_ddmd.export import ExportError
    from napari_ddmd.launcher import LauncherError
    from napari_ddmd.predict import PredictError

    errors: list[type[Exception]] = [
        *(CaseError, DeviceError, DisplayError, ExportError, LauncherError, PredictError, OSError)
    ]
    # Of modules that are large; where one has not been loaded, its error cannot have been raised.
    for module, name in (
        ("napari_ddmd.segment", "InferenceError"),
        ("napari_ddmd.model.bundle", "BundleError"),
        ("napari_ddmd.viewer.session.archive", "SessionError"),
    ):
        if module in sys.modules:
            errors.append(getattr(sys.modules[module], name))
    return tuple(errors)


def _fault(error: Exception) -> int:
    print(f"napari-ddmd: {one_line(error)}", file=sys.stderr)
    return AT_FAULT
