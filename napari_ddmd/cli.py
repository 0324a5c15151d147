"""The ``napari-ddmd`` command.

Each command imports what it needs when it runs: help must not wait for torch, nor a cluster need Qt.
"""

from __future__ import annotations

import argparse
import re
import sys
import traceback
from collections.abc import Sequence
from difflib import get_close_matches
from itertools import takewhile
from pathlib import Path
from typing import Any, NoReturn

from napari_ddmd import __version__
from napari_ddmd.argument_types import a_path, whole
from napari_ddmd.closed_pipe import ending_quietly, write_out
from napari_ddmd.command_faults import (
    AT_FAULT,
    BROKEN,
    DONE,
    INTERRUPTED,
    tell_fault,
    tell_what_was_left,
    user_errors,
)
from napari_ddmd.import_dicom import add_import_command
from napari_ddmd.one_line import print_any_name
from napari_ddmd.predict_command import add_predict_command
from napari_ddmd.without_values import without_values

# How much alike a mistyped option and the one that was meant are.
_NEAR = 0.75
_DEMO_FOLDER = Path("napari-ddmd-demo")
_ABOUT_SAMPLE_CASE = (
    "Write T1, T1ce, T2 and FLAIR of a synthetic patient with a lesion, and the lesion's mask, as NIfTI files: a case "
    "to try things with, of nobody. It takes some ten seconds."
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
        options, unknown = build_parser().parse_known_args(arguments)
        if unknown:
            options.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
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
    except user_errors() as error:
        return tell_fault(error)
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
        self._likely: tuple[str, str] | None = None

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse as usual, and see what a mistyped option may have meant: it may show as another that is lacking."""
        words = [word.partition("=")[0] for word in (sys.argv[1:] if args is None else args)]
        options = words[: words.index("--")] if "--" in words else words
        if self._subparsers is not None:
            options = list(takewhile(lambda word: word.startswith("-"), options))  # what follows is a command's
        known = [option for option in self._option_string_actions if option not in ("-h", "--help")]
        for word in options:
            near = get_close_matches(word, known, n=1, cutoff=_NEAR) if word.startswith("--") else []
            if near and near[0] != word and word not in known:
                self._likely = (word, near[0])
                break
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """End with one line."""
        see = f"see {self.prog} --help"
        if self._likely is not None:
            word, near = self._likely
            of = "" if word in re.split(r"[\s,=]+", message) else f"{word}: "
            see = f"{of}did you mean {near}? S{see[1:]}"
        self.exit(AT_FAULT, f"{self.prog}: {message}; {see}\n")


def build_parser() -> argparse.ArgumentParser:
    """Make the parser of all commands; what it returns has the chosen command as ``run``, and its parser."""
    parser = _Parser(prog="napari-ddmd", description="Find lesions in multi-modality brain MRI. Research use only.")
    parser.add_argument("--version", action="version", version=f"napari-ddmd {__version__}")
    commands = parser.add_subparsers(title="commands", dest="command", required=True, metavar="COMMAND")

    view = commands.add_parser("view", help="open napari with a case, or a saved session, and the panel")
    view.add_argument(
        "case", nargs="?", type=a_path, metavar="CASE", help="a case (folder or file), DICOM study or session"
    )
    view.set_defaults(run=_view)

    add_predict_command(commands)

    demo = commands.add_parser("demo", help="run the bundled model on a synthetic case")
    demo.add_argument(
        "--out",
        type=a_path,
        default=_DEMO_FOLDER,
        metavar="DIR",
        help="for the files of a run without a window",
    )
    demo.add_argument("--headless", action="store_true", help="open no window, even where there is a display")
    demo.set_defaults(run=_demo)

    models = commands.add_parser("models", help="list the models that are installed")
    models.set_defaults(run=_models)

    sample = commands.add_parser(
        "sample-case", help="write a synthetic case in BRATS form", description=_ABOUT_SAMPLE_CASE
    )
    sample.add_argument("folder", type=a_path, metavar="DIR", help="folder of the case; must not hold anything")
    sample.add_argument("--seed", type=whole, default=0, help="another seed gives another head (default: 0)")
    sample.set_defaults(run=_sample_case)
    add_import_command(commands)
    for command in commands.choices.values():
        command.set_defaults(parser=command)
    return parser


def _demo(options: argparse.Namespace) -> int:
    from napari_ddmd.display import window_problem

    if not options.headless and window_problem() is None:
        from napari_ddmd.viewer.launch import demo_window

        demo_window()
        return DONE
    from napari_ddmd.cohort import result_line
    from napari_ddmd.demo import demo_places, run_demo
    from napari_ddmd.progress_line import ProgressLine
    from napari_ddmd.whole_files import nearest_folder

    tell_what_was_left(*demo_places(options.out), nearest_folder(options.out.absolute().parent))
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
            status = tell_fault(error)
            continue
        variant = about["settings"].get("variant", "?")
        print(f"{folder.name}  version {about['version']}, variant {variant}, {folder}")
        print(f"    {about['card']}")
    return status


def _sample_case(options: argparse.Namespace) -> int:
    from napari_ddmd.synthetic import refuse_place, write_case

    target = refuse_place(options.folder)
    tell_what_was_left(target, target.parent)
    print(write_case(target, seed=options.seed))
    return DONE
