"""Sample data: a synthetic case, made once and kept in the user's cache."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import platformdirs

from napari_ddmd.viewer.case_layers import LayerData, case_layers

if TYPE_CHECKING:
    from napari_ddmd.case import Case

SAMPLE_NAME = "Synthetic_000"


def cache_folder() -> Path:
    """Return the folder of the sample case; another version of the package may make another case."""
    from napari_ddmd import __version__

    return Path(platformdirs.user_cache_dir("napari-ddmd")) / __version__ / SAMPLE_NAME


def sample_case() -> Case:
    """Return the synthetic case of the sample menu; making it takes some seconds, the first time only."""
    from napari_ddmd.case import CaseError, load_case
    from napari_ddmd.synthetic import write_case
    from napari_ddmd.whole_files import ExportError

    folder = cache_folder()
    try:
        if not folder.exists():
            folder.parent.mkdir(parents=True, exist_ok=True)
            write_case(folder, seed=0, name=SAMPLE_NAME)
        return load_case(folder)
    except (OSError, ExportError, CaseError):
        # No cache (a read-only home, a full disk): the case can do without files.
        return _case_without_files()


def load_sample_data() -> list[LayerData]:
    """Return the layers of the synthetic case, for ``File > Open Sample``."""
    return case_layers(sample_case())


def _case_without_files() -> Case:
    from napari_ddmd.case import MODALITIES, Case
    from napari_ddmd.synthetic import make_case

    made = make_case(seed=0)
    images = np.stack([made.images[modality] for modality in MODALITIES])
    return Case.from_arrays(SAMPLE_NAME, images, made.affine, made.mask)
