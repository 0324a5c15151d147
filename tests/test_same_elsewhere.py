"""One seed gives one mask in any process; on another processor or device, and in another precision, nearly.

How nearly, and where the bounds come from (measured by `python -m benchmarks.processors`):

- *Processors.* In float32 the sums of a convolution are made in another order by each instruction set. Measured with
  the shipped model on 16 slices of the synthetic case (five masks each), AVX2 against AVX, SSE4.1 and none of them: the
  probability differs by 1e-6 at most, the mask in none of 17,782 voxels. The bound is twenty times that.
- *Precisions.* Bfloat16 rounds to one part in 256, float32 to one in 16,777,216. Measured in the same way: 0.008 in the
  probability, 6 of 17,782 voxels of the mask. The bound is four times that.
- *Devices.* A GPU computes the denoiser in bfloat16 where it can, so that the bound is that of precisions; the maps are
  in float32, which a GPU multiplies with 10 bits (TF32).
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from napari_ddmd.case import MODALITIES, Case
from napari_ddmd.model import load_bundle
from napari_ddmd.segment import segment
from napari_ddmd.synthetic.case import make_small_case

ACROSS_PROCESSORS = 2e-5
ACROSS_PRECISIONS = 0.03
MASK_ACROSS_PRECISIONS = 1 / 500
MAPS_ACROSS_DEVICES = 5e-3

Volumes = dict[str, NDArray[np.float32]]

_CHILD = """
import sys
import numpy as np
from tests.test_same_elsewhere import results
np.savez(sys.argv[1], **results())
"""


def synthetic() -> tuple[Case, list[int]]:
    """A brain of 4 mm voxels, and slices of it: through the lesion's middle, at its edge, and beyond."""
    made = make_small_case(3)
    case = Case.from_arrays("synthetic", [made.images[name] for name in MODALITIES], made.affine, made.mask)
    assert case.mask is not None
    lesion = np.flatnonzero(case.mask.any(axis=(1, 2)))
    return case, [int(lesion[len(lesion) // 2]), int(lesion[0]), int(lesion[0]) - 3]


def results(*, device: str = "cpu", dtype: str | None = "float32") -> Volumes:
    """What the shipped model says, in a precision or in that which the device has."""
    case, slices = synthetic()
    with pytest.MonkeyPatch.context() as patch:
        for user in ("masks", "workers") if dtype else ():
            patch.setattr(import_module(f"napari_ddmd.{user}"), "inference_dtype", lambda _: getattr(torch, str(dtype)))
        # A bundle of its own for each device: a run moves its networks there.
        found = list(segment(case, load_bundle("compact"), slices=slices, samples=3, seed=3, device=device))
    kinds = ("samples", "probability", "inter", "intra")
    return {kind: np.stack([getattr(result, kind) for result in found]) for kind in kinds}


def elsewhere(tmp_path: Path, **environment: str) -> Volumes:
    """The same in a process of its own."""
    out = tmp_path / "elsewhere.npz"
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, str(out)],
        env=os.environ | environment,
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with np.load(out, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


@pytest.fixture(scope="module")
def here() -> Volumes:
    found = results()
    lesion = (found["probability"] > 0.5).sum(axis=(1, 2))
    assert lesion[0] > 100, "there is a mask to compare"
    return found


@pytest.mark.torture
@pytest.mark.fault("Same result")
@pytest.mark.parametrize(
    "environment",
    [{"OMP_NUM_THREADS": "1"}, {"OMP_NUM_THREADS": "3", "PYTHONHASHSEED": "1"}],
    ids=str,
)
def test_another_process_gives_the_same_bits(environment: dict[str, str], here: Volumes, tmp_path: Path) -> None:
    found = elsewhere(tmp_path, **environment)
    for kind, layers in here.items():
        np.testing.assert_array_equal(found[kind], layers, err_msg=kind)


@pytest.mark.torture
@pytest.mark.fault("Same result")
@pytest.mark.parametrize(
    "environment",
    [
        {"ATEN_CPU_CAPABILITY": "default"},
        {"ONEDNN_MAX_CPU_ISA": "SSE41"},
        {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_CBWR": "COMPATIBLE"},
    ],
    ids=str,
)
def test_another_processor_gives_the_same_mask(environment: dict[str, str], here: Volumes, tmp_path: Path) -> None:
    """What a processor with fewer instructions computes; where this one has no more of them, the same bits."""
    found = elsewhere(tmp_path, **environment)
    for kind, layers in here.items():
        np.testing.assert_allclose(found[kind], layers, rtol=0, atol=ACROSS_PROCESSORS, err_msg=kind)
    certain = abs(here["probability"] - 0.5) > ACROSS_PROCESSORS
    assert np.array_equal((found["probability"] > 0.5)[certain], (here["probability"] > 0.5)[certain])
    assert certain.mean() > 0.999


def assert_near(found: Volumes, expected: Volumes, maps: float) -> None:
    for kind in ("inter", "intra"):
        np.testing.assert_allclose(found[kind], expected[kind], rtol=0, atol=maps, err_msg=kind)
    np.testing.assert_allclose(found["probability"], expected["probability"], rtol=0, atol=ACROSS_PRECISIONS)
    one, other = found["probability"] > 0.5, expected["probability"] > 0.5
    assert (one != other).sum() <= max(1, MASK_ACROSS_PRECISIONS * other.sum())


@pytest.mark.fault("Same result")
def test_bfloat16_gives_nearly_the_same_mask(here: Volumes) -> None:
    found = results(dtype="bfloat16")
    assert not np.array_equal(found["samples"], here["samples"]), "it was computed in another precision"
    assert_near(found, here, maps=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.fault("Same result", count=2)
@pytest.mark.parametrize("dtype", [None, "float32"])
def test_a_gpu_gives_nearly_the_same_mask(here: Volumes, dtype: str | None) -> None:
    assert_near(results(device="cuda", dtype=dtype), here, maps=MAPS_ACROSS_DEVICES)
