"""What a run has said, while the results of another are on screen: who takes that one back needs it again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_ddmd.viewer.layer_tag import Role

if TYPE_CHECKING:
    from napari_ddmd.viewer.run_settings import Recipe
    from napari_ddmd.volumes import Volumes


@dataclass(frozen=True)
class KeptRun:
    """A run and how it was looked at.

    Attributes
    ----------
    recipe : Recipe
        Its settings.
    volumes : Volumes
        Its results.
    sample : int
        Which sampled mask was on screen, from 0.
    limits : dict of Role to (float, float)
        Between which its maps were displayed.
    """

    recipe: Recipe
    volumes: Volumes
    sample: int
    limits: dict[Role, tuple[float, float]]
