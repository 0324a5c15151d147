"""Models of other versions: what earlier ones do not say, and what is done no more."""

from __future__ import annotations

from typing import Any, Final


class OtherVersionError(ValueError):
    """A model whose ways this version does not have; the message is one line and says itself what to do."""


EARLIER_SAMPLING: Final[dict[str, Any]] = {
    "shared_guess": False,
    "healthy_below": 0.0,
    "evens_out": False,
    "min_peak": 0.0,
}
"""How models and runs sample that are older than these settings."""

_NO_CONTEXT: Final[dict[str, Any]] = {"slices": 0, "step_mm": 3.0}
_EARLIER: Final[dict[str, dict[str, Any]]] = {
    "sampling": {"min_part": 0.0} | EARLIER_SAMPLING,
    "denoiser": {"members": 1},
    "diffusion": {"scaled_input": False},
}
"""What settings mean that do not say it, by group."""

_NO_MORE: Final[dict[tuple[str, str], str]] = {
    ("sampling", "mirror"): "draws every second mask from the mirrored slice",
    ("context", "mirrored"): "looks at the mirror image of each slice",
}
"""Settings that were tried and taken back: a model that has one switched on cannot be used as it was."""


def brought_up_to_date(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings of a model of any earlier version in the terms of this one.

    Raises
    ------
    OtherVersionError
        If the model does what no version does any more.
    """
    current = {"context": _NO_CONTEXT} | settings
    for group, unsaid in _EARLIER.items():
        if isinstance(current.get(group), dict):
            current[group] = unsaid | current[group]
    for (group, key), what in _NO_MORE.items():
        entries = current.get(group)
        if isinstance(entries, dict) and key in entries:
            if entries[key] is not False:
                _refuse(f"{what} (settings.{group}.{key})")
            current[group] = {name: value for name, value in entries.items() if name != key}
    return current


def refuse_partners(provenance: dict[str, Any]) -> None:
    """Refuse a model of several runs' denoisers, as there were for a while; those of one run are settings.

    Raises
    ------
    OtherVersionError
        If it is one.
    """
    if provenance.get("partners"):
        _refuse("has the denoisers of several runs (provenance.partners)")


def refuse_later(what: str) -> None:
    """Refuse what only a later version can know.

    Raises
    ------
    OtherVersionError
        Always.
    """
    raise OtherVersionError(f"{what}; if a later version of napari-ddmd published the model, update napari-ddmd")


def _refuse(what: str) -> None:
    raise OtherVersionError(
        f"is of a model that {what}, which this version does no more; "
        "train and publish it again, or choose another model"
    )
