"""``python -m src_training [STAGE] --data DIR --out RUN [--preset compact|paper] ...``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

try:
    from src_training.options import parse_options
except ModuleNotFoundError as error:
    print(
        f"src_training: {error}; install what training needs with: pip install -e '.[train]' (in the project's folder)",
        file=sys.stderr,
    )
    raise SystemExit(2) from None

from napari_ddmd.case import CaseError
from napari_ddmd.closed_pipe import ending_quietly, write_out
from napari_ddmd.device import DeviceError
from napari_ddmd.faults import is_out_of_memory
from napari_ddmd.launcher import LauncherError
from napari_ddmd.model.bundle import BundleError
from napari_ddmd.one_line import one_line, print_any_name
from napari_ddmd.segment import InferenceError
from napari_ddmd.whole_files import ExportError, sweep
from src_training.cases import FaultyCasesError
from src_training.checks import check_recipe, refuse_idle
from src_training.distributed import is_main
from src_training.files import allow_many_files
from src_training.recipe import PRESETS, SYSTEMS, Recipe, RecipeError, preset
from src_training.run import Run
from src_training.saved import kept_recipe, read_recipe
from src_training.start import own_preset, refuse_unused, started

STAGES = {
    "prepare": "prepare:prepare",
    "autoencoders": "autoencoders:train_autoencoders",
    "discrepancies": "discrepancies:make_discrepancies",
    "pretrain": "pretraining:pretrain",
    "diffusion": "diffusion:train_diffusion",
    "evaluate": "evaluate:evaluate",
    "publish": "publish:publish",
}
"""What a call without a stage does, in this order."""
JUDGEMENTS = {"robustness": "robustness:robustness"}
"""What judges a trained run further, when it is asked to."""
JUDGES_BUNDLES = ("evaluate", "robustness")
"""Stages that take ``--bundle``, if only to say that it is not for them."""
COMPARISON = {
    "baseline": "baseline:baseline",
    "table": "table:table",
    "figures": "figures:figures",
}
_OUT_OF_MEMORY = (
    "not enough memory; take each batch in more parts (--accumulate 2 or more) or choose another "
    "device; the same command goes on from the last saved state"
)
USAGE = f"""python -m src_training [STAGE] --data DIR --out RUN [--preset {"|".join(PRESETS)}] [--fold final|0..|cv] ...

STAGE is one of: {", ".join(STAGES)}.
Without a stage all of them run in turn. Call again with the same --out to go on after an interruption.

robustness judges the held-out patients again, with images that are worse than theirs were.

The comparison of the paper: baseline NAME trains and evaluates one system ({", ".join(SYSTEMS)});
table does so for all that are missing and prints Table 1; figures draws the paper's figures from what table left.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the stages that the command line asks for; the exit status."""
    print_any_name()
    allow_many_files()
    return ending_quietly(lambda: _main(arguments))


def _main(arguments: Sequence[str] | None) -> int:
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        stage, system, words = read_stage(words)
        if "" in words:  # as of a variable that was never set: for a path, it would be the folder that one is in
            raise RecipeError("an option has an empty value; give one or leave the option out")
        recipe = parse(words)
        check_recipe(recipe, stage, system)
        if recipe.dry_run:
            if stage in COMPARISON or stage in JUDGEMENTS or recipe.bundle is not None:
                raise RecipeError("--dry-run counts the training of the recipe's own variant; leave the stage out")
            from src_training.dry_run import dry_run

            print(dry_run(recipe))
            write_out()
            return 0
        if recipe.bundle is not None and stage not in JUDGES_BUNDLES:
            raise RecipeError("--bundle is for the stage 'evaluate', which judges a published model; name it first")
        _say_what_was_left(recipe.out)
        with kept_recipe(recipe):
            run = Run(recipe) if system is None else Run(recipe).for_system(system)
            for name in STAGES if stage == "all" else (stage,):
                _stage(name)(run)
        write_out()
    except (RecipeError, CaseError, BundleError, DeviceError, ExportError, InferenceError, LauncherError) as error:
        lines: Sequence[object] = (error,)
        if isinstance(error, FaultyCasesError):
            lines = error.lines if is_main() else ()  # all processes have found the same
        for line in lines:
            print(f"src_training: {one_line(line)}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        raise
    except OSError as error:
        print(one_line(f"src_training: {error.filename or ''}: {error.strerror or error}"), file=sys.stderr)
        return 2
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        print(f"src_training: {_OUT_OF_MEMORY}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("src_training: interrupted; the same command goes on from the last saved state", file=sys.stderr)
        return 130
    return 0


def _say_what_was_left(out: Path) -> None:
    """Remove what a call that was killed was writing, and say so."""
    left = sweep(out, deep=True) if is_main() else ""
    if left:
        print(f"src_training: {left}", file=sys.stderr)


def read_stage(words: Sequence[str]) -> tuple[str, str | None, list[str]]:
    """The stage that a command line begins with ("all" without one), the name that follows ``baseline``, and the rest.

    Raises
    ------
    RecipeError
        If there is no stage or system of that name.
    """
    rest = list(words)

    def leading() -> str | None:
        return rest.pop(0) if rest and not rest[0].startswith("-") else None

    stage = leading() or "all"
    known = (*STAGES, *JUDGEMENTS, *COMPARISON)
    if stage not in ("all", *known):
        raise RecipeError(f"unknown stage {stage!r}; choose one of {', '.join(known)}")
    if stage != "baseline":
        return stage, None, rest
    system = leading()
    if system is None and {"-h", "--help"} & set(rest):
        return stage, None, rest
    if system not in SYSTEMS:
        problem = "'baseline' needs the name of a system" if system is None else f"system {system!r} does not exist"
        raise RecipeError(f"{problem}; choose one of {', '.join(SYSTEMS)}")
    return stage, system, rest


def parse(words: Sequence[str]) -> Recipe:
    """The recipe of a command line: the preset, or what the run was begun with, changed by the options given.

    A training that starts from a model has the model's preset and settings of the networks.

    Raises
    ------
    RecipeError
        If a run that was begun without a model is to start from one, or options are given that go unused.
    """
    wanted, start = _option(words, "--preset"), _option(words, "--start-from")
    base = next((preset(name) for name in PRESETS if name == wanted), Recipe())
    if start is not None:
        base = started(own_preset(start) if wanted is None else base, start)
    if "--preset" not in {word.split("=")[0] for word in words}:
        out = Path(_option(words, "--out") or base.out)
        kept = read_recipe(out, base)
        if start is not None and kept is not base and kept.start_from is None:
            raise RecipeError(f"{out}: was begun without --start-from; choose another --out")
        base = kept
    recipe = parse_options(words, base, USAGE)
    refuse_unused(recipe, base)
    refuse_idle(recipe, base)
    return recipe


def _option(words: Sequence[str], name: str) -> str | None:
    """Value of an option before the real parser runs, which takes the last one, too, and checks the value."""
    value = None
    for place, word in enumerate(words):
        option, equals, given = word.partition("=")
        if option.replace("_", "-") == name:  # as that parser takes it
            value = given if equals else next(iter(words[place + 1 :]), None)
    return None if value == "None" else value


def _stage(name: str) -> Callable[[Run], object]:
    """The function of a stage; imported late, because each stage brings much with it."""
    module, function = (STAGES | JUDGEMENTS | COMPARISON)[name].split(":")
    stage: Callable[[Run], object] = getattr(import_module(f"src_training.{module}"), function)
    return stage


if __name__ == "__main__":
    sys.exit(main())
