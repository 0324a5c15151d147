"""A trained model as two files: ``model.json`` (settings, provenance, hashes) and ``weights.safetensors``."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import nn

from napari_ddmd.model.autoencoder import Ensemble
from napari_ddmd.model.denoiser import Denoiser
from napari_ddmd.model.schedule import NoiseSchedule
from napari_ddmd.model.settings import (
    AutoencoderSettings,
    DenoiserSettings,
    FrameSettings,
    ModelSettings,
)

FORMAT = "napari-ddmd bundle 1"
SETTINGS_FILE, WEIGHTS_FILE = "model.json", "weights.safetensors"


class BundleError(ValueError):
    """A bundle that is missing, damaged or not one of ours; the message is one line."""


class DdmdNetworks(nn.Module):
    """All that is learned: AE-1, AE-2 and the denoiser."""

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.ae_1 = Ensemble(settings.autoencoder)
        self.ae_2 = Ensemble(settings.autoencoder)
        self.denoiser = Denoiser(settings)


@dataclass(frozen=True)
class Bundle:
    """A model ready for `napari_ddmd.segment`.

    Attributes
    ----------
    name, version
        Of the model, not of the package.
    settings
        Everything that training and inference must agree on.
    networks
        In evaluation mode, float32.
    sha256
        Hash of the weights file.
    provenance
        Data, folds, iterations, metrics and package version of the training.
    card
        One paragraph for the person who chooses a model.
    """

    name: str
    version: str
    settings: ModelSettings
    networks: DdmdNetworks
    sha256: str
    provenance: dict[str, Any]
    card: str

    @property
    def variant(self) -> str:
        """``mini``, ``light`` or ``full``."""
        return self.settings.variant

    @property
    def has_inter(self) -> bool:
        """Whether results carry the inter-discrepancy map: always, the ensembles are part of every bundle."""
        return True

    @property
    def has_intra(self) -> bool:
        """Whether results carry the intra-discrepancy map: needs more than one member in AE-2."""
        return self.settings.autoencoder.members > 1

    @property
    def schedule(self) -> NoiseSchedule:
        """The forward process."""
        diffusion = self.settings.diffusion
        return NoiseSchedule.linear(diffusion.timesteps, diffusion.beta_start, diffusion.beta_end)


def new_bundle(
    settings: ModelSettings,
    networks: DdmdNetworks,
    *,
    name: str,
    version: str,
    provenance: dict[str, Any],
    card: str,
) -> Bundle:
    """A bundle whose weights are rounded to half precision, as `save_bundle` stores them."""
    weights = _weights(networks)
    rounded = DdmdNetworks(settings)
    rounded.load_state_dict({key: value.float() for key, value in weights.items()})
    digest = hashlib.sha256(save_tensors(weights)).hexdigest()
    return Bundle(name, version, settings, rounded.eval().requires_grad_(False), digest, provenance, card)


def untrained_bundle(
    variant: str = "full",
    *,
    name: str = "untrained",
    frame_size: int = 32,
    learned_variance: bool = False,
    prediction: str = "x0",
    seed: int = 0,
) -> Bundle:
    """A tiny model with random weights, for tests and for trying the plumbing."""
    defaults = ModelSettings().to_dict()
    settings = ModelSettings.from_dict(
        defaults
        | {
            "variant": variant,
            "diffusion": defaults["diffusion"] | {"learned_variance": learned_variance, "prediction": prediction},
        }
    )
    settings = replace(
        settings,
        frame=FrameSettings(size=frame_size),
        autoencoder=AutoencoderSettings(size=16, widths=(8, 8, 8, 8), hidden=16, latent=4),
        denoiser=DenoiserSettings(channels=(8, 16)),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        networks = DdmdNetworks(settings)
    return new_bundle(
        settings, networks, name=name, version="0", provenance={"training": "none"}, card="Random weights."
    )


def save_bundle(folder: Path | str, bundle: Bundle) -> Path:
    """Write a bundle; ``model.json`` last, so that a torn write is never mistaken for a bundle."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    weights = save_tensors(_weights(bundle.networks))
    description = {
        "format": FORMAT,
        "name": bundle.name,
        "version": bundle.version,
        "card": bundle.card,
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        "settings_sha256": _settings_hash(bundle.settings.to_dict()),
        "settings": bundle.settings.to_dict(),
        "provenance": bundle.provenance,
    }
    text = json.dumps(description, indent=2) + "\n"
    for name, content in ((WEIGHTS_FILE, weights), (SETTINGS_FILE, text.encode())):
        temporary = folder / f".{name}.part"
        temporary.write_bytes(content)
        temporary.replace(folder / name)
    return folder


def read_bundle(folder: Path | str) -> Bundle:
    """Read a bundle folder and check its hashes.

    Raises
    ------
    BundleError
        One line: which file, what is wrong with it, what to do.
    """
    folder = Path(folder)
    description = read_description(folder)
    path = folder / WEIGHTS_FILE
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path}: {error.strerror or error}; copy the whole model folder again") from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != description["weights_sha256"]:
        raise BundleError(f"{path}: is damaged (its hash is not the one in {SETTINGS_FILE}); copy it again")
    try:
        settings = ModelSettings.from_dict(description["settings"])
        if _settings_hash(description["settings"]) != description["settings_sha256"]:
            raise ValueError("settings were changed after the model was published (their hash differs)")
        networks = DdmdNetworks(settings)
        networks.load_state_dict({key: value.float() for key, value in load_tensors(content).items()})
    except (ValueError, RuntimeError, TypeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise BundleError(f"{folder / SETTINGS_FILE}: {reason}; publish or copy the model again") from error
    return Bundle(
        name=description["name"],
        version=description["version"],
        settings=settings,
        networks=networks.eval().requires_grad_(False),
        sha256=digest,
        provenance=description["provenance"],
        card=description["card"],
    )


def read_description(folder: Path) -> dict[str, Any]:
    """The contents of ``model.json``, checked for its keys but not against the weights."""
    path = folder / SETTINGS_FILE
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BundleError(
            f"{path}: {error.strerror or error}; choose a folder with {SETTINGS_FILE} and {WEIGHTS_FILE}"
        ) from error
    except ValueError as error:
        raise BundleError(f"{path}: is not JSON ({error}); copy the model again") from error
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise BundleError(f"{path}: is not a {FORMAT!r} file; use a model that this version can read")
    wanted: dict[str, type] = {
        "name": str,
        "version": str,
        "card": str,
        "weights_sha256": str,
        "settings_sha256": str,
        "settings": dict,
        "provenance": dict,
    }
    for key, kind in wanted.items():
        if not isinstance(description.get(key), kind):
            raise BundleError(f"{path}: has no {key!r} of the right kind; copy the model again")
    return description


def _weights(networks: nn.Module) -> dict[str, torch.Tensor]:
    """Half-precision copies: the rounding is far below the noise of training, and halves the package."""
    return {
        key: (value.half() if value.is_floating_point() else value).detach().cpu().contiguous()
        for key, value in networks.state_dict().items()
    }


def _settings_hash(settings: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
