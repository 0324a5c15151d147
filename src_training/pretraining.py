"""Stage ``pretrain``: the denoiser's first lessons come from synthetic patients, of whom there can be any number.

Few labelled patients show few tumours in few places. The synthetic ones hold every size, place and contrast; what only
real images show is learned after that. No fold is involved, so that all splits of a run start from the same weights.

What has learned from synthetic patients alone is a model of its own, from which other trainings can start.
"""

from __future__ import annotations

import sys

from src_training import distributed
from src_training.diffusion import has_denoisers, load_denoisers, train_diffusion
from src_training.discrepancies import make_discrepancies
from src_training.recipe import meets_synthetic
from src_training.run import Run, Split
from src_training.synthetic_patients import prepare_synthetic


def pretrain(run: Run) -> None:
    """Write ``synthetic/``: patients, and a run over them that ends with ``final/diffusion/denoiser.safetensors``.

    Where there are autoencoders of all of them, these and the denoiser make a model, in ``final/bundle``.

    What is there already is kept. Nothing is done when the recipe asks for no synthetic patients. When all is done, the
    patients' images in ``synthetic/patients`` may be deleted. A training that starts from a model has no lessons to
    take: its synthetic patients are made and get their maps, since they fill a part of its batches.
    """
    settings = run.recipe.pretraining
    if not settings.patients:
        return
    synthetic = run.synthetic()
    learns = run.recipe.start_from is None
    stages = (make_discrepancies, train_diffusion) if learns else (make_discrepancies,)
    if run.patients_path.exists() and synthetic.index_path.exists():
        run.check_patients()
        split = synthetic.split("final")
        if learns and has_denoisers(split):
            load_denoisers(split)  # refuses those of other settings
            _publish(split, run)
            return
    prepare_synthetic(run)
    if distributed.is_main():
        print("pretrain: these stages run over synthetic patients", file=sys.stderr)
    # The autoencoders that the maps need are trained where the maps are made.
    for stage in stages:
        stage(synthetic)
    if learns:
        _publish(synthetic.split("final"), run)


def _publish(split: Split, run: Run) -> None:
    """Put what was learned from synthetic patients together as a model, where there are autoencoders of all of them."""
    if not meets_synthetic(run.recipe):
        return
    from src_training.publish import publish_split  # which imports this module

    settings = run.recipe.pretraining
    publish_split(split, synthetic={"patients": settings.patients, "anatomy": settings.anatomy is not None})
