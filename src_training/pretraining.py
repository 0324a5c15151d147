"""Stage ``pretrain``: the denoiser's first lessons come from synthetic patients, of whom there can be any number.

Few labelled patients show few tumours in few places. The synthetic ones hold every size, place and contrast; what only
real images show is learned after that. No fold is involved, so that all splits of a run start from the same weights.
"""

from __future__ import annotations

import sys

from src_training import distributed
from src_training.diffusion import has_denoisers, load_denoisers, train_diffusion
from src_training.discrepancies import make_discrepancies
from src_training.run import Run
from src_training.synthetic_patients import prepare_synthetic


def pretrain(run: Run) -> None:
    """Write ``synthetic/``: patients, and a run over them that ends with ``final/diffusion/denoiser.safetensors``.

    What is there already is kept. Nothing is done when the recipe asks for no synthetic patients. When all is done,
    the patients' images in ``synthetic/patients`` may be deleted.
    """
    if not run.recipe.pretraining.patients:
        return
    synthetic = run.synthetic()
    if run.patients_path.exists() and synthetic.index_path.exists():
        run.check_patients()
        split = synthetic.split("final")
        if has_denoisers(split):
            load_denoisers(split)  # refuses those of other settings
            return
    prepare_synthetic(run)
    if distributed.is_main():
        print("pretrain: these stages run over synthetic patients", file=sys.stderr)
    # The autoencoders that the maps need are trained where the maps are made.
    for stage in (make_discrepancies, train_diffusion):
        stage(synthetic)
