"""What is learned and its maths: autoencoders, discrepancy maps, denoiser, diffusion, samplers, the bundle."""

from napari_ddmd.model.bundle import (
    Bundle,
    BundleError,
    DdmdNetworks,
    new_bundle,
    read_bundle,
    read_description,
    save_bundle,
    untrained_bundle,
)
from napari_ddmd.model.denoiser import Denoiser, condition
from napari_ddmd.model.discrepancy import DiscrepancyMaps, DiscrepancyScores, discrepancy_maps
from napari_ddmd.model.frame import Frame
from napari_ddmd.model.library import DEFAULT_MODEL, list_bundles, load_bundle
from napari_ddmd.model.settings import ModelSettings

__all__ = [
    "DEFAULT_MODEL",
    "Bundle",
    "BundleError",
    "DdmdNetworks",
    "Denoiser",
    "DiscrepancyMaps",
    "DiscrepancyScores",
    "Frame",
    "ModelSettings",
    "condition",
    "discrepancy_maps",
    "list_bundles",
    "load_bundle",
    "new_bundle",
    "read_bundle",
    "read_description",
    "save_bundle",
    "untrained_bundle",
]
