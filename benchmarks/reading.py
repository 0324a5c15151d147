"""Reading a case against nibabel reading its four images one after another; both end in float32 arrays.

They take turns, so that a machine that becomes slower in the meantime slows both.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
import warnings
from pathlib import Path

import nibabel
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.shared import USER_ERRORS, Row, count, fault, finish, machine, parser
from napari_ddmd.case import CaseFiles, find_cases, load_case
from napari_ddmd.synthetic import write_case


def main() -> int:
    """Measure and report; the exit status."""
    options = parser(__doc__.split("\n", 1)[0] if __doc__ else "")
    options.add_argument("--cases", type=Path, help="folder of cases; without it, the synthetic case of full size")
    options.add_argument("--repeats", type=count, default=5, help="readings of each case")
    arguments = options.parse_args()
    try:
        with tempfile.TemporaryDirectory(prefix="napari-ddmd-reading-") as folder:
            return _compare(arguments, arguments.cases or write_case(Path(folder) / "synthetic").parent)
    except USER_ERRORS as error:
        return fault(error)


def _compare(arguments: argparse.Namespace, folder: Path) -> int:
    rows: list[Row] = []
    for files in find_cases(folder):
        ours, theirs = [], []
        for _ in range(arguments.repeats):
            started = time.perf_counter()
            one_after_another(files)
            between = time.perf_counter()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                load_case(files)
            theirs.append(between - started)
            ours.append(time.perf_counter() - between)
        mine, other = statistics.median(ours), statistics.median(theirs)
        rows.append(
            {
                "case": files.name,
                "mask": "read too" if files.mask is not None else "none",
                "load_case s": mine,
                "nibabel s": other,
                "ratio": mine / other,
            }
        )
    heading = {"machine": machine(torch.device("cpu")), "cases": {"number": len(rows), "repeats": arguments.repeats}}
    ratio = statistics.median(float(str(row["ratio"])) for row in rows)
    finish([*rows, dict.fromkeys(rows[0], "") | {"case": "median", "ratio": ratio}], heading, arguments.json)
    return 0


def one_after_another(files: CaseFiles) -> NDArray[np.float32]:
    """The four images as nibabel reads them, without any check of what they hold."""
    return np.stack(
        [
            np.asanyarray(nibabel.Nifti1Image.from_filename(path).dataobj, dtype=np.float32)
            for path in files.images.values()
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
