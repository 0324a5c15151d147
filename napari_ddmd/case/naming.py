"""Which modality a BRATS file name stands for, over all years of the challenge."""

from __future__ import annotations

import re
from typing import Final

MODALITIES: Final[tuple[str, ...]] = ("t1", "t1ce", "t2", "flair")
"""The modalities of a case, in the order of the channel axis everywhere in this package."""

MODALITY_LABELS: Final[dict[str, str]] = {"t1": "T1", "t1ce": "T1ce", "t2": "T2", "flair": "FLAIR"}
"""How the modalities are written for people."""

MASK: Final = "seg"
"""What :func:`guess_modality` calls an expert mask."""

_NIFTI: Final = (".nii", ".nii.gz")
_FOREIGN: Final = (".mha", ".mhd", ".nrrd", ".img", ".hdr")
_SEPARATORS: Final = " ._-"

# A plain "mask" is left out on purpose: no challenge named the expert's mask so, but brain masks and the
# masks that `napari-ddmd predict` writes are, and neither may pass for the truth.
_WORDS: Final[dict[str, str]] = {
    **dict.fromkeys(("t1", "t1n", "t1w"), "t1"),
    **dict.fromkeys(("t1ce", "t1c", "t1gd", "t1gad", "t1post", "t1wce"), "t1ce"),
    **dict.fromkeys(("t2", "t2w"), "t2"),
    **dict.fromkeys(("flair", "t2f", "t2flair"), "flair"),
    **dict.fromkeys(("seg", "segm", "segmentation", "ot", "truth", "gt"), MASK),
}


def guess_modality(name: str) -> str | None:
    """Guess the modality from a file, folder or layer name.

    The last telling word counts, so that a patient's identifier does not hide the suffix: names of 2012
    (``BRATS_HG0001_T1C``), of the VSD layouts of 2013 to 2015 (``VSD.Brain.XX.O.MR_Flair.54512``), of 2017
    to 2021 (``_t1ce``) and from 2023 on (``-t2f``) are all known, in any letter case.

    Parameters
    ----------
    name : str
        For example ``"BraTS20_001_t1ce.nii.gz"``, or a layer's name such as ``"flair"``.

    Returns
    -------
    str or None
        One of `MODALITIES`, ``"seg"`` for an expert mask, or None where the name says nothing.
    """
    telling = _find_modality(_strip_extension(name))
    return None if telling is None else telling[0]


def name_without_modality(name: str) -> str:
    """Return what a file name says beside the modality: the name of a case whose files share a folder.

    Examples
    --------
    >>> name_without_modality("BraTS20_001_t1ce.nii.gz")
    'BraTS20_001'
    """
    stem = _strip_extension(name)
    telling = _find_modality(stem)
    if telling is not None:
        _, first, end = telling
        stem = stem[:first].rstrip(_SEPARATORS) + stem[end:]
    return stem.strip(_SEPARATORS)


def _find_modality(stem: str) -> tuple[str, int, int] | None:
    """Return the modality, and where in the name it starts and ends."""
    words = list(re.finditer(r"[A-Za-z0-9]+", stem))  # not of the lower stem: some letters become two
    for position in reversed(range(len(words))):
        # "t1_ce" and "t1 gd" are written apart as often as together.
        for parts in (words[max(position - 1, 0) : position + 1], [words[position]]):
            modality = _WORDS.get("".join(part[0] for part in parts).lower())
            if modality is not None:
                return modality, parts[0].start(), parts[-1].end()
    return None


def _strip_extension(name: str) -> str:
    return re.sub(r"(?i)(\.nii(\.gz)?|\.(mha|mhd|nrrd|img|hdr)(\.gz)?)$", "", name)


def missing_remark(name: str, modality: str) -> str:
    """What is to be known of a case that lacks a modality."""
    return f"{name}: has no {modality}; what is found without it is less sure"


def patient_of(case_name: str) -> str:
    """The patient of a case: 2023 names end in the number of the time point, the others are one case a patient."""
    match = re.fullmatch(r"(?i)(brats-\w+-\d+)-\d{3}", case_name)
    return match.group(1) if match else case_name


def patient_key(case_name: str) -> str:
    """The same for the cases of a patient, in whatever letters their names are written, and for nobody else's."""
    return patient_of(case_name).casefold()


def is_nifti(name: str) -> bool:
    """Tell whether a file name ends as a NIfTI file's does."""
    return name.lower().endswith(_NIFTI)


def is_foreign(name: str) -> bool:
    """Tell whether a file name ends as that of another image format that the challenge, or its users, had."""
    return name.lower().endswith(_FOREIGN)
