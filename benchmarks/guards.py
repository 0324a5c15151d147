"""What the guards notice of wrong uses made on purpose, and how often they raise a false alarm."""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.heads import SPACING, head_and_brain
from benchmarks.shared import USER_ERRORS, Row, count, fault, finish, machine, parser
from benchmarks.wrong_uses import WrongUse, with_noise, wrong_uses
from napari_ddmd.case import MODALITIES, Case, find_cases, load_case
from napari_ddmd.case.guards import Kind, check_images
from napari_ddmd.case.guards.sample import Spacing
from napari_ddmd.synthetic import make_case

Images = NDArray[np.float32]

_MM: Spacing = (1.0, 1.0, 1.0)


def main() -> int:
    """Measure and report; the exit status."""
    options = parser(__doc__ or "")
    data = os.environ.get("NAPARI_DDMD_DATA")
    folder = Path(data) / "brats" if data else None
    options.add_argument("--cases", type=Path, default=folder, help="folder of cases that are used rightly")
    options.add_argument("--synthetic", type=count, default=6, help="synthetic cases, typical and wide in turn")
    options.add_argument("--heads", type=Path, help="folder of label maps of whole heads (benchmarks/heads.py)")
    arguments = options.parse_args()
    try:
        return _measure(arguments)
    except USER_ERRORS as error:
        return fault(error)


def _measure(arguments: argparse.Namespace) -> int:
    tally = _Tally()
    for group, name, images in _right_cases(arguments):
        print(f"{name} ...", file=sys.stderr, flush=True)
        tally.add(f"nothing wrong ({group})", name, None, images, _MM)
        for number, use in enumerate(wrong_uses()):
            rng = np.random.default_rng((arguments.seed, number))
            tally.add(use.name, name, use, *use.make(images, _MM, rng))
    for file in sorted(arguments.heads.glob("*.nii*")) if arguments.heads is not None else ():
        print(f"{file.name} ...", file=sys.stderr, flush=True)
        rng = np.random.default_rng(arguments.seed)
        head, brain = head_and_brain(file, rng)
        tally.add("nothing wrong (healthy brains)", file.name, None, brain, SPACING)
        head_use = WrongUse("whole heads of other people", Kind.SKULL, lambda images, spacing, _rng: (images, spacing))
        tally.add(head_use.name, file.name, head_use, head, SPACING)
        tally.add(f"{head_use.name}, noisy air", file.name, head_use, with_noise(head, rng), SPACING)
    heading = {
        "machine": machine(torch.device("cpu")),
        "seconds of a check": {"median": f"{statistics.median(tally.seconds):.2f}", "longest": max(tally.seconds)},
    }
    finish(tally.rows(), heading, arguments.json, details=tally.details)
    return 0


def _right_cases(arguments: argparse.Namespace) -> Iterator[tuple[str, str, Images]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for files in find_cases(arguments.cases) if arguments.cases is not None else ():
            yield "real", files.name, load_case(files).images
    for number in range(arguments.synthetic):
        made = make_case(number // 2, wide=bool(number % 2))
        group = "widely varied synthetic" if number % 2 else "synthetic"
        case = Case.from_arrays("made", [made.images[name] for name in MODALITIES], affine=made.affine)
        yield group, f"{group} {number // 2}", case.images


class _Tally:
    """Counts what is noticed."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.details: list[Row] = []
        self._noticed: dict[str, list[bool]] = {}
        self._expected: dict[str, str] = {}

    def add(self, name: str, case: str, use: WrongUse | None, images: Images, spacing: Spacing) -> None:
        """Check a case; without a wrong use, or with one that images cannot tell, nothing should be said."""
        started = time.process_time()
        findings = check_images(dict(zip(MODALITIES, images, strict=True)), spacing)
        self.seconds.append(time.process_time() - started)
        if spacing == SPACING:  # which the guards are right to remark
            findings = tuple(finding for finding in findings if finding.kind is not Kind.SPACING)
        kind = None if use is None else use.kind
        self._expected[name] = "nothing" if kind is None else kind.value
        is_noticed = bool(findings) if use is None or kind is None else use.is_noticed(findings)
        self._noticed.setdefault(name, []).append(is_noticed)
        said = [f"{finding.kind}: {finding}" for finding in findings]
        self.details.append({"case": case, "wrong use": name, "noticed": is_noticed, "said": said})

    def rows(self) -> list[Row]:
        """The table."""
        return [
            {"wrong use": name, "should say": self._expected[name], "said of": f"{sum(found)} of {len(found)}"}
            for name, found in self._noticed.items()
        ]


if __name__ == "__main__":
    sys.exit(main())
