"""Images without their bias field, for the networks' eyes alone: found where a first look suspects no lesion."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock
from typing import Final
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from napari_ddmd.case import MODALITIES, Case
from napari_ddmd.case.bias_field import ANATOMY, BiasField, find_bias_field
from napari_ddmd.case.guards import Kind
from napari_ddmd.case.guards.wording import names_of
from napari_ddmd.case_sampler import CaseSampler
from napari_ddmd.model.bundle import Bundle
from napari_ddmd.workers import workers

_EVERY_MM: Final = 6.0
"""Between the slices of the first look."""
_SUSPECT: Final = 0.1
"""Probability above which a voxel is left out of the estimate: rather too much than too little."""
_KIND: Final = "Uneven brightness"

_known: WeakKeyDictionary[Case, dict[tuple[str, str, str], BiasField]] = WeakKeyDictionary()
_knowing = Lock()


def is_evened(case: Case, bundle: Bundle) -> bool:
    """Whether a run of this model looks at the case without its bias field: where the guards find one."""
    return bundle.settings.evens_out and any(finding.kind is Kind.UNEVEN for finding in case.findings)


def even_out(run: CaseSampler, threads: int | None = None, tell: Callable[[str], None] | None = None) -> None:
    """Let a run that is prepared look at its case without the bias field, where that is called for.

    N4 alone takes a large lesion for a bright part of the field and flattens it. So the model looks at a slice every
    few millimetres, one evaluation each, and what may be lesion is left out. The field of a case is kept as long as the
    case is.

    Parameters
    ----------
    run
        Its window is replaced.
    threads
        That look at slices side by side; None means as many as a run has.
    tell
        Called with one line before, since it takes some seconds, and with what was done.

    Raises
    ------
    CancelledError
        If the run was cancelled.
    """
    if not is_evened(run.case, run.bundle):
        return
    key = (*_model(run.bundle), str(run.device))
    with _knowing:
        field = _known.setdefault(run.case, {}).get(key)
    if field is None:
        if tell is not None:
            tell(f"{_KIND}: looking for the bias field (N4), some seconds.")
        field = _field_of(run, threads)
    with _knowing:
        _known[run.case][key] = field
    names = [name for name, strength in zip(MODALITIES, field.strengths, strict=True) if strength > ANATOMY]
    run.read_images(field.taken_out(run.case.images), names)
    run.started = time.perf_counter()  # what is left is told from the pace of the slices
    if tell is not None:
        tell(f"{_KIND}: taken out of {names_of(names)} for the model (N4)." if names else f"{_KIND}: left as it is.")


def looks_before(case: Case, bundle: Bundle) -> int:
    """Slices that the next run of this model looks at before its own, to find the bias field: 0 where it looks at none.

    Quick: of a case that the guards have not looked at yet, nothing is expected.
    """
    if "findings" not in vars(case) or not is_evened(case, bundle):
        return 0
    with _knowing:
        is_known = any(key[:2] == _model(bundle) for key in _known.get(case, {}))
    return 0 if is_known else 2 * len(_looked_at(case))


def _model(bundle: Bundle) -> tuple[str, str]:
    return bundle.sha256, bundle.settings_sha256


def _field_of(run: CaseSampler, threads: int | None) -> BiasField:
    """Find the field in two rounds: a strong one hides lesion, and shows some where there is none."""
    case = run.case
    field = find_bias_field(case.images, case.spacing, lesion=_suspected(run, threads))
    return field.refined(_suspected(run, threads, field.taken_out(case.images, wholly=True)))


def _suspected(run: CaseSampler, threads: int | None, images: NDArray[np.float32] | None = None) -> NDArray[np.bool_]:
    """Where there may be lesion, ``(S, H, W)``: on a slice that is not looked at, as on the nearest one that is.

    Other images than those that the run is prepared with may be given.
    """
    case = run.case
    look = CaseSampler(
        case=case,
        bundle=run.bundle,
        device=run.device,
        samples=1,
        steps=1,
        sampler="ddim",
        seed=0,
        cancel=run.cancel,
        in_background=run.in_background,
    )
    if images is None:
        look.window, look.has_maps = run.window, run.has_maps
    else:
        look.read_images(images)
        del images  # as large as the case
    look.move_to(run.device)
    slices = _looked_at(case)
    found = np.zeros((len(slices), *case.brain.shape[1:]), bool)
    with workers(run.device, threads, in_background=run.in_background) as pool:
        for place, results in enumerate(pool.map(look.results, [[index] for index in slices])):
            found[place] = results[slices[place]].samples[0] > _SUSPECT
    nearest = np.abs(np.subtract.outer(np.arange(len(case.brain)), slices)).argmin(axis=1)
    lesion: NDArray[np.bool_] = found[nearest]
    return lesion


def _looked_at(case: Case) -> list[int]:
    return list(case.brain_slices)[:: max(1, round(_EVERY_MM / case.spacing[0]))]
