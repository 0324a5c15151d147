"""What a run has left to draw from: its trained systems, and the patients that they have not seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_ddmd.case import Case, CaseFiles, load_case
from napari_ddmd.model.bundle import SETTINGS_FILE, Bundle
from napari_ddmd.results import SliceResult
from napari_ddmd.segment import segment
from src_training.diffusion import load_denoisers
from src_training.judged import case_files
from src_training.publish import published
from src_training.recipe import RecipeError
from src_training.run import Split
from src_training.systems import DIFFUSION_SYSTEMS, for_system

LABELS = {
    "unet": "U-Net",
    "segnet": "SegNet",
    "deeplabv3plus": "DeepLabv3+",
    "cimd": "CIMD",
    "ddmd-mini": "DDMD-mini",
    "ddmd-light": "DDMD-light",
    "ddmd": "DDMD",
    "unet-tuned": "U-Net, tuned",
}
"""How the systems are called in figures."""


@dataclass(frozen=True)
class Patient:
    """A held-out patient.

    Attributes
    ----------
    name
        Of the case.
    split
        The split of the run's own variant that holds the patient out.
    systems
        Those that were trained on this split, in the order in which they are shown.
    """

    name: str
    split: Split
    systems: tuple[str, ...]

    def files(self) -> CaseFiles:
        """The images and the mask on disk, where they are by now."""
        return case_files(self.split.run, [self.name])[self.name]

    def load(self) -> Case:
        """The images and the mask.

        Raises
        ------
        RecipeError
            If the mask is gone.
        """
        case = load_case(self.files())
        if case.mask is None:
            raise RecipeError(f"{self.name}: has no mask any more; put it back beside the images")
        return case

    def bundle(self, system: str) -> Bundle:
        """The published model of a diffusion system; refuses one of other settings than the run has."""
        return published(own_split(self.split, system))

    def results(self, system: str, case: Case, slices: Sequence[int]) -> Iterator[SliceResult]:
        """What a system says of some slices that hold brain."""
        recipe = self.split.run.recipe
        if system in DIFFUSION_SYSTEMS:
            return segment(case, self.bundle(system), slices=slices, device=recipe.device, seed=recipe.seed)
        from src_training.baselines.segmentation import segment_with
        from src_training.baselines.training import load_baseline

        network = load_baseline(own_split(self.split, system))
        return segment_with(network, case, recipe.model, slices, device=recipe.device)


def own_split(split: Split, system: str) -> Split:
    """The same division of the patients, for a system of Table 1."""
    return for_system(split.run, system).split(str(split.held_out), split.folds)


def trained_systems(split: Split, names: Sequence[str]) -> tuple[str, ...]:
    """Those of some systems that were trained on a split; refuses what was trained with other settings."""
    return tuple(name for name in names if _is_trained(own_split(split, name), name))


def _is_trained(split: Split, name: str) -> bool:
    from src_training.baselines.training import WEIGHTS, load_baseline, training_folder

    if name in DIFFUSION_SYSTEMS and not (split.work / "bundle" / SETTINGS_FILE).exists():
        return False
    if name in DIFFUSION_SYSTEMS and name != "cimd":
        load_denoisers(split)
    elif (training_folder(split) / WEIGHTS).exists():
        load_baseline(split)
    else:
        return False
    return True


def largest_lesion_slice(mask: NDArray[np.uint8]) -> int | None:
    """The slice of ``(S, H, W)`` labels with the most lesion, the lowest of equal ones; None without lesion."""
    areas = (mask > 0).sum(axis=(1, 2))
    return int(areas.argmax()) if areas.any() else None


def shown_slices(patients: Sequence[Patient], count: int) -> list[tuple[Patient, Case, int]]:
    """The first patients, in their order, that have a lesion, each with the slice where it is largest.

    The rule looks at the expert's masks alone, so that no picture is picked for what a system makes of it.
    """
    shown: list[tuple[Patient, Case, int]] = []
    for patient in patients:
        if len(shown) == count:
            break
        case = patient.load()
        assert case.mask is not None  # load has seen to it
        index = largest_lesion_slice(case.mask)
        if index is not None:
            shown.append((patient, case, index))
    return shown
