"""``python -m fuzz --seconds N [TARGET ...]``: fuzz each target, and print what was tried, reached and found.

As many targets as there are processors are fuzzed side by side, each in a process of its own.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from fuzz.targets import TARGETS

SLOWEST_SECONDS, MOST_MEGABYTES = 10, 4096
"""Of one input; what takes longer or more is a crash."""
_PULSE = re.compile(r"^#(\d+)\s+\w+\s+cov: (\d+) ft: (\d+) corp: (\d+)", re.MULTILINE)
_NO_REPORT = ("#", '"', "INFO:", "WARNING: Failed to find function", "\tNEW_FUNC")
_CRASHES = ("crash-", "timeout-", "oom-", "leak-")
"""What libFuzzer calls the inputs of; slow ones are none."""
_DONE = re.compile(r"^Done (\d+) runs in ", re.MULTILINE)


@dataclass(frozen=True)
class Outcome:
    """What came of one target.

    Attributes
    ----------
    executions, edges, features, corpus
        Inputs that were tried; branches and their combinations that were reached; inputs kept for reaching more.
    crash
        What the first crash says, and the input that it came of; None without one.
    """

    target: str
    executions: int
    edges: int
    features: int
    corpus: int
    crash: str | None


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz; the exit status is 1 where anything crashed, 2 where the fuzzer is not installed and no target is tried."""
    parser = argparse.ArgumentParser(
        prog="python -m fuzz", description="Fuzz each reader of files, and print what was tried, reached and found."
    )
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)} (default: all)")
    parser.add_argument("--seconds", type=int, default=60, help="for each target (default: 60)")
    parser.add_argument("--seed", type=int, default=0, help="0 draws another each time (default)")
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="of inputs that reach more; what crashes is always kept"
    )
    parser.add_argument("--where-it-can", action="store_true", help="exit 0 where the fuzzer is not installed")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.targets if name not in TARGETS]
    if unknown:
        parser.error(f"no target {unknown[0]!r}; choose of {', '.join(TARGETS)}")
    if importlib.util.find_spec("atheris") is None:
        print("\n".join(table([], not_tried=options.targets or list(TARGETS))))
        print("fuzz: atheris is not installed; on Linux: pip install -e '.[fuzz]'", file=sys.stderr)
        return 0 if options.where_it_can else 2
    place = (options.keep or Path(tempfile.mkdtemp(prefix="fuzz-"))).absolute()
    outcomes: list[Outcome] = []
    before = _crashes(place)
    try:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            outcomes += pool.map(
                lambda name: fuzz(name, place / name, seconds=options.seconds, seed=options.seed),
                options.targets or TARGETS,
            )
    finally:
        if any(outcome.crash for outcome in outcomes) or _crashes(place) - before:
            print(f"fuzz: what crashed is in {place}", file=sys.stderr)
        elif options.keep is None:
            shutil.rmtree(place, ignore_errors=True)
    print("\n".join(table(outcomes)))
    for outcome in outcomes:
        if outcome.crash is not None:
            print(f"\n{outcome.target}:\n{outcome.crash}", file=sys.stderr)
    return int(any(outcome.crash for outcome in outcomes))


def _crashes(place: Path) -> set[Path]:
    return {file for file in place.glob("*/found/*") if file.name.startswith(_CRASHES)}


def fuzz(name: str, place: Path, *, seconds: int, seed: int = 0) -> Outcome:
    """Fuzz one target, with its corpus under `place`, in a process of its own: libFuzzer ends the one it is in."""
    target = importlib.import_module(f"fuzz.targets.{name}")
    corpus, found = place / "corpus", place / "found"
    for folder in (corpus, found):
        folder.mkdir(parents=True, exist_ok=True)
    for number, content in enumerate(target.seeds()):
        (corpus / f"seed-{number}").write_bytes(content)
    settings = {
        "max_total_time": seconds,
        "seed": seed,
        "max_len": target.LONGEST,
        "timeout": SLOWEST_SECONDS,
        "rss_limit_mb": MOST_MEGABYTES,
        "artifact_prefix": f"{found}/",
    }
    command = [sys.executable, "-m", "fuzz.one", name, *(f"-{key}={value}" for key, value in settings.items())]
    done = subprocess.run(
        [*command, str(corpus)],
        cwd=Path(__file__).parents[1],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    return read_output(name, done.stdout, done.returncode, found)


def read_output(name: str, printed: str, status: int, found: Path) -> Outcome:
    """Take the figures from what libFuzzer printed, and its report where it did not end well."""
    pulses = _PULSE.findall(printed)
    done = _DONE.search(printed)
    tried, edges, features, corpus = map(int, pulses[-1]) if pulses else (0, 0, 0, 0)
    crash = None
    if status != 0 or done is None:
        inputs = ", ".join(map(str, sorted(found.iterdir()))) or "no input"
        crash = f"{report_in(printed)}\nkept: {inputs}"
    return Outcome(name, int(done[1]) if done else tried, edges, features, corpus, crash)


def report_in(printed: str) -> str:
    """The part of the fuzzer's output that tells what went wrong: its end, without the pulses."""
    lines = [line for line in printed.splitlines() if not line.startswith(_NO_REPORT)]
    return "\n".join(lines[-60:])


def table(outcomes: Sequence[Outcome], not_tried: Sequence[str] = ()) -> list[str]:
    """The outcomes as the lines of a Markdown table, with a line, too, for each target that was not tried."""
    head = "| target   | executions | edges | features | corpus | crashes |"
    rule = "| -------- | ---------: | ----: | -------: | -----: | ------: |"
    return (
        [head, rule]
        + [
            f"| {one.target:8} | {one.executions:10} | {one.edges:5} | {one.features:8} | {one.corpus:6} "
            f"| {int(one.crash is not None):7} |"
            for one in outcomes
        ]
        + [f"| {name:8} | {'not tried':>10} | {'-':>5} | {'-':>8} | {'-':>6} | {'-':>7} |" for name in not_tried]
    )


if __name__ == "__main__":
    raise SystemExit(main())
