"""Whether a model was trained on the very patient whom it looks at: there it does better than elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_ddmd.case.naming import patient_key

if TYPE_CHECKING:
    from napari_ddmd.model import Bundle
    from napari_ddmd.saveable import ModelFacts


def training_cases(bundle: Bundle) -> tuple[str, ...]:
    """The cases that a model says it was trained on; none where it does not say so as it should."""
    cases = bundle.provenance.get("training_cases")
    return tuple(name for name in cases if isinstance(name, str)) if isinstance(cases, list) else ()


def cautions_of(case: str, *models: ModelFacts) -> list[str]:
    """Say so where a case is of a patient whom a model was trained on, as far as the names tell.

    Parameters
    ----------
    case
        Its name.
    *models
        Of which something is said of the case.

    Returns
    -------
    list of str
        One line for each model that was; the case's name is not in it.
    """
    patient = patient_key(case)
    return [
        f"the model {model.title} was trained on this patient; how well it does here says nothing of others"
        for model in dict.fromkeys(models)
        if patient in map(patient_key, model.training_cases)
    ]
