"""Stage ``baseline NAME``: one system of Table 1 on the folds that are asked for, trained and evaluated."""

from __future__ import annotations

from src_training.baselines.training import check_network
from src_training.evaluate import evaluate_split, write_summary
from src_training.prepare import prepare
from src_training.run import Run
from src_training.systems import system_name, train_system


def baseline(run: Run) -> None:
    """Prepare, train and evaluate the run's system; what is done is kept.

    A split that holds nobody out is trained alone.
    """
    check_network(run.home.recipe, system_name(run))
    prepare(run)
    train_system(run)
    for split in run.splits():
        if split.test_cases:
            evaluate_split(split)
    write_summary(run.home)
