"""The figures that are reported together, each defined in one place.

A case is counted on its own grid. ``lesion`` arrays are boolean ``(S, H, W)``, true is the expert's mask. Slices count
where they hold brain. Figures are fractions, distances are millimetres; a figure that is not defined is ``nan``.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from monai.metrics.hausdorff_distance import compute_hausdorff_distance
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

Mask = NDArray[np.bool_]

METRICS = (
    "dice_volume",
    "dice_slice",
    "dice_slice_all",
    "dice_pooled",
    "iou_foreground",
    "miou",
    "pixel_accuracy",
    "class_accuracy",
    "hd95",
    "healthy_fp_rate",
    "slice_auroc",
    "ece",
)


@dataclass(frozen=True)
class Confusion:
    """Numbers of pixels."""

    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int

    @classmethod
    def of(cls, predicted: Mask, lesion: Mask) -> Confusion:
        """Count the pixels of two masks of one shape."""
        both = int(np.count_nonzero(predicted & lesion))
        found, present = int(np.count_nonzero(predicted)), int(np.count_nonzero(lesion))
        return cls(both, found - both, present - both, lesion.size - found - present + both)

    def __add__(self, other: Confusion) -> Confusion:
        return Confusion(
            self.true_positive + other.true_positive,
            self.false_positive + other.false_positive,
            self.false_negative + other.false_negative,
            self.true_negative + other.true_negative,
        )

    @property
    def dice(self) -> float:
        """2 TP / (2 TP + FP + FN); two empty masks agree fully (1)."""
        return _ratio(2 * self.true_positive, 2 * self.true_positive + self.false_positive + self.false_negative)

    @property
    def iou_foreground(self) -> float:
        """TP / (TP + FP + FN); two empty masks agree fully (1)."""
        return _ratio(self.true_positive, self.true_positive + self.false_positive + self.false_negative)

    @property
    def iou_background(self) -> float:
        """TN / (TN + FP + FN)."""
        return _ratio(self.true_negative, self.true_negative + self.false_positive + self.false_negative)

    @property
    def miou(self) -> float:
        """Mean of foreground and background IoU."""
        return (self.iou_foreground + self.iou_background) / 2

    @property
    def pixel_accuracy(self) -> float:
        """(TP + TN) / all."""
        return _ratio(
            self.true_positive + self.true_negative,
            self.true_positive + self.true_negative + self.false_positive + self.false_negative,
        )

    @property
    def class_accuracy(self) -> float:
        """Mean of the accuracies within the lesion and outside it."""
        inside = _ratio(self.true_positive, self.true_positive + self.false_negative)
        outside = _ratio(self.true_negative, self.true_negative + self.false_positive)
        return (inside + outside) / 2


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 1.0


def dice(predicted: Mask, lesion: Mask) -> float:
    """Dice of two masks of any shape; 1 where both are empty."""
    return Confusion.of(predicted, lesion).dice


def slice_dices(predicted: Mask, lesion: Mask, slices: NDArray[np.intp]) -> NDArray[np.float64]:
    """Dice of each of the given slices."""
    return np.array([dice(predicted[index], lesion[index]) for index in slices])


def hd95(predicted: Mask, lesion: Mask, spacing: tuple[float, float, float]) -> float:
    """95th percentile of the surface distances in mm, both ways (MONAI); nan where a mask is empty."""
    if not predicted.any() or not lesion.any():
        return float("nan")
    box = tuple(
        slice(int(found.min()), int(found.max()) + 1) for found in np.nonzero(predicted | lesion)
    )  # distances do not change outside the box, and it is faster
    one, other = (torch.from_numpy(mask[box])[None, None] for mask in (predicted, lesion))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # MONAI 1.6 calls itself in a way that it has deprecated
        distance = compute_hausdorff_distance(one, other, include_background=True, percentile=95, spacing=list(spacing))
    return float(distance)


def healthy_false_positive_rate(predicted: Mask, lesion: Mask, slices: NDArray[np.intp]) -> float:
    """Share of the lesion-free slices on which any lesion is found."""
    healthy = [index for index in slices if not lesion[index].any()]
    return float(np.mean([predicted[index].any() for index in healthy])) if healthy else float("nan")


def auroc(scores: NDArray[np.floating], labels: NDArray[np.bool_]) -> float:
    """Area under the ROC curve; nan where only one class is present."""
    if labels.all() or not labels.any():
        return float("nan")
    return float(roc_auc_score(labels, scores))


def height_matched_auroc(
    scores: NDArray[np.floating],
    labels: NDArray[np.bool_],
    heights: NDArray[np.floating],
    tolerance: float = 5.0,
) -> float:
    """Share of the pairs (slice with lesion, slice without, at about the same height) that the score puts in order.

    Lesion-free slices lie near the top and the bottom of the brain, so that a score that knows the height alone
    reaches a high plain AUROC. Here only slices within ``tolerance`` (in the unit of ``heights``) are compared.
    """
    sick, well = np.flatnonzero(labels), np.flatnonzero(~labels)
    near = np.abs(heights[sick][:, None] - heights[well][None]) <= tolerance
    difference = (scores[sick][:, None] - scores[well][None])[near]
    if difference.size == 0:
        return float("nan")
    return float(np.mean((difference > 0) + 0.5 * (difference == 0)))


def expected_calibration_error(probability: NDArray[np.floating], lesion: Mask, where: Mask, bins: int = 15) -> float:
    """Mean distance between the stated probability and the frequency of lesion, in equal bins inside ``where``."""
    counts = calibration(probability, lesion, where, bins)
    stated, observed = np.array(counts["stated"]), np.array(counts["lesion"])
    return float(np.abs(stated - observed).sum() / sum(counts["voxels"]))


def calibration(probability: NDArray[np.floating], lesion: Mask, where: Mask, bins: int = 15) -> dict[str, list[float]]:
    """Counts behind a reliability diagram, in equal bins of the probability inside ``where``.

    Returns
    -------
    dict
        ``voxels``; ``stated``, the sum of their probabilities; ``lesion``, how many are lesion. Patients may be added.
    """
    p, y = probability[where].astype(np.float64), lesion[where].astype(np.float64)
    place = np.minimum((p * bins).astype(int), bins - 1)
    return {
        "voxels": np.bincount(place, minlength=bins).tolist(),
        "stated": np.bincount(place, weights=p, minlength=bins).tolist(),
        "lesion": np.bincount(place, weights=y, minlength=bins).tolist(),
    }


UNCERTAINTY_BINS = 200
"""Equal bins of the stated uncertainty, which is told in [0, 1]."""


def errors_by_uncertainty(
    uncertainty: NDArray[np.floating], wrong: Mask, where: Mask
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Voxels and wrong voxels inside ``where``, counted in `UNCERTAINTY_BINS` equal bins of the uncertainty.

    Counts of several patients may be added.
    """
    place = np.minimum((uncertainty[where] * UNCERTAINTY_BINS).astype(int), UNCERTAINTY_BINS - 1)
    voxels = np.bincount(place, minlength=UNCERTAINTY_BINS)
    return voxels, np.bincount(place[wrong[where]], minlength=UNCERTAINTY_BINS)


def risk_coverage(
    voxels: NDArray[np.integer], errors: NDArray[np.integer], coverages: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Share of wrong voxels among the surest ones (Geifman and El-Yaniv, NeurIPS 2017).

    Parameters
    ----------
    voxels, errors
        Counts from `errors_by_uncertainty`, the surest bin first. Within a bin the errors are spread evenly.
    coverages
        Shares of all voxels that are kept, in (0, 1].

    Returns
    -------
    ndarray
        The risk at each coverage; nan without voxels.
    """
    total = voxels.sum()
    if total == 0:
        return np.full(len(coverages), np.nan)
    kept = np.concatenate([[0], np.cumsum(voxels)]) / total
    wrong = np.concatenate([[0], np.cumsum(errors)]) / total
    risk: NDArray[np.float64] = np.interp(coverages, kept, wrong) / coverages
    return risk


def error_detection_auroc(voxels: NDArray[np.integer], errors: NDArray[np.integer]) -> float:
    """How well the stated uncertainty tells wrong voxels from right ones; nan where all are right, or all wrong."""
    right = voxels - errors
    if not errors.sum() or not right.sum():
        return float("nan")
    below = np.concatenate([[0], np.cumsum(right)[:-1]])
    return float((errors * (below + right / 2)).sum() / (errors.sum() * right.sum()))


def sample_spread(samples: NDArray[np.uint8], lesion: Mask) -> tuple[float, float]:
    """How far sampled masks lie from each other, and from the expert's, as mean 1 - Dice.

    Parameters
    ----------
    samples
        ``(K, S, H, W)`` in {0, 1}.
    lesion
        ``(S, H, W)``.

    Returns
    -------
    between, to_expert
        Mean over the pairs of masks (nan with fewer than two), and over the masks.
    """
    masks = samples.astype(bool)
    pairs = [1 - dice(masks[i], masks[j]) for i in range(len(masks)) for j in range(i)]
    between = float(np.mean(pairs)) if pairs else float("nan")
    return between, float(np.mean([1 - dice(mask, lesion) for mask in masks]))


def bootstrap_interval(
    values: NDArray[np.floating], *, level: float = 0.95, draws: int = 10_000, seed: int = 0
) -> tuple[float, float]:
    """Percentile interval of the mean over patients."""
    generator = np.random.default_rng(seed)
    means = generator.choice(values, (draws, len(values))).mean(axis=1)
    low, high = np.quantile(means, ((1 - level) / 2, (1 + level) / 2))
    return float(low), float(high)
