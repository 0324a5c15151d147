"""Whether a model was trained on the very patient whom it looks at: there it does better than elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from napari_ddmd.case.naming import patient_of

if TYPE_CHECKING:
    from napari_ddmd.model import Bundle

_CAUTION = "the model was trained on this patient; how well it does here says nothing of others"


def training_cases(bundle: Bundle) -> tuple[str, ...]:
    """The cases that a model says it was trained on; none where it does not say so as it should."""
    cases = bundle.provenance.get("training_cases")
    return tuple(name for name in cases if isinstance(name, str)) if isinstance(cases, list) else ()


def caution_of(case: str, trained_on: Iterable[str]) -> tuple[str, ...]:
    """Say so where a case is of a patient whom a model was trained on, as far as the names tell.

    Parameters
    ----------
    case
        Its name.
    trained_on
        Names of the cases that the model was trained on.

    Returns
    -------
    tuple of str
        One line that begins with the case's name, or none.
    """
    return (f"{case}: {_CAUTION}",) if patient_of(case) in set(map(patient_of, trained_on)) else ()
