"""``napari-ddmd import-dicom``: a DICOM study as a case in BRATS form, from the command line."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any, Final

from napari_ddmd.argument_types import a_path
from napari_ddmd.one_line import one_line, printable

if TYPE_CHECKING:
    from argparse import ArgumentParser, _SubParsersAction

# The order of `napari_ddmd.case.MODALITIES`, which would load numpy before the help is shown.
_MODALITIES: Final = ("t1", "t1ce", "t2", "flair")


def add_import_command(commands: _SubParsersAction[Any]) -> ArgumentParser:
    """Add the command to a parser's sub-commands."""
    command: ArgumentParser = commands.add_parser(
        "import-dicom", help="write a case in BRATS form from a DICOM study; needs the extra [dicom]"
    )
    command.add_argument("study", type=a_path, metavar="STUDY", help="folder of the study, searched to any depth")
    command.add_argument(
        "folder", nargs="?", type=a_path, metavar="DIR", help="folder of the case; must not hold anything"
    )
    command.add_argument("--list", action="store_true", help="only tell how each series is recognised")
    command.add_argument(
        "--series",
        action="append",
        default=[],
        type=_series,
        metavar="MODALITY=NUMBER",
        help="take the series of this number, as in t1ce=7; may be given for each modality",
    )
    command.add_argument(
        "--brain-mask", type=a_path, metavar="FILE", help="NIfTI file above 0 in the brain; all else becomes 0"
    )
    command.add_argument(
        "--allow-missing", action="store_true", help="take a study that lacks one of the four, at a cost in accuracy"
    )
    command.set_defaults(run=_import)
    return command


def _series(text: str) -> tuple[str, int]:
    modality, _equals, number = text.partition("=")
    if modality.lower() not in _MODALITIES or not number.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not MODALITY=NUMBER, such as t1ce=7")
    return modality.lower(), int(number)


def _import(options: argparse.Namespace) -> int:
    from napari_ddmd.dicom import DicomError, find_study, propose
    from napari_ddmd.dicom.convert import choose_by_number, listing, write_nifti_case
    from napari_ddmd.dicom.examinations import examinations_remark, names_remark
    from napari_ddmd.new_folder import free_folder, refuse_new_folder
    from napari_ddmd.whole_files import sweep

    if options.folder is None and not options.list:
        raise DicomError("give the folder DIR of the case to be written, or --list to see the series")
    proposal = propose(find_study(options.study))
    for remark in proposal.study.remarks:
        _tell(f"warning: {remark}; --list names them")
    if options.list:
        named = names_remark(proposal.assignment.values())
        if named is not None:
            _tell(f"warning: {named}")
        for line in (*listing(proposal), *(f"    -  cannot be read: {file}" for file in proposal.study.unreadable)):
            print(printable(line))
        return 0
    target = free_folder(options.folder)
    refuse_new_folder(target, [f"{target.name}_t1ce.nii.gz"])
    for left in filter(None, map(sweep, (target, target.parent))):
        _tell(left)
    given = [modality for modality, _number in options.series]
    twice = next((modality for modality in given if given.count(modality) > 1), None)
    if twice is not None:
        raise DicomError(f"--series gives {twice} twice; give one number for each modality")
    chosen = choose_by_number(proposal, dict(options.series), allow_missing=options.allow_missing)
    several = examinations_remark(proposal.study, chosen)
    if several is not None:
        _tell(f"warning: {several}; --list shows which series are of which")
    from napari_ddmd.dicom.load import load_study

    case = load_study(
        chosen,
        brain_mask=options.brain_mask,
        tell=lambda text: _tell(text, target.name),
        allow_missing=options.allow_missing,
    )
    # What both say, as of a skull, is said once.
    for remark in dict.fromkeys((*case.warnings, *map(str, case.findings))):
        _tell(f"warning: {remark}")
    print(write_nifti_case(target, case))
    return 0


def _tell(text: str, who: str = "napari-ddmd") -> None:
    print(one_line(f"{who}: {text}"), file=sys.stderr, flush=True)
