"""What a run leaves behind, in words: what made way for it, what its cut leaves out, and why it could not be shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_ddmd.viewer.left_out import left_out

if TYPE_CHECKING:
    from napari_ddmd.case import Case
    from napari_ddmd.viewer.result_layers import ResultLayers


def standing(results: ResultLayers) -> set[int]:
    """Slices that are a model's, and would make way for a run with other settings.

    Of a mask that was restored without its results, those on which there was something and nothing was edited.
    """
    if results.done:
        return results.done
    written, data = results.lesion.written, results.lesion.data
    had_said = np.flatnonzero(written.any(axis=(1, 2)))
    return {int(index) for index in had_said if np.array_equal(written[index], data[index])}


def worded(case: Case, error: Exception) -> Exception:
    """Say what to do where results cannot be shown for want of memory."""
    if not isinstance(error, MemoryError):
        return error
    return MemoryError(f"{case.name}: not enough memory to show the results; close other cases, then run again")


def ending_remarks(results: ResultLayers, case: Case, put_aside: int) -> tuple[str, ...]:
    """Say what is not in the lesion, and what became of results that the run found, if they are other ones.

    Parameters
    ----------
    results : ResultLayers
        Of the case, settled.
    case : Case
        The patient.
    put_aside : int
        Slices that were done with other settings.
    """
    found = left_out(results, case)
    # In the order in which they matter: a lesion that nobody sees comes first.
    remarks = () if found is None else (f"{found} (tab Look).",)
    return (*remarks, *put_aside_remarks(results, put_aside))


def put_aside_remarks(results: ResultLayers, number: int) -> tuple[str, ...]:
    """Say what became of the results that a run with other settings found."""
    if not number:
        return ()
    were = "1 slice that was" if number == 1 else f"{number} slices that were"
    back = "; Undo brings them back" if results.lesion.next_undo is not None else ""
    return (f"The {were} done with other settings made way{back}.",)
