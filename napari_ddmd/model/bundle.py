"""A trained model as two files: ``model.json`` (settings, provenance, hashes) and ``weights.safetensors``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, cast

import torch
from torch import nn

from napari_ddmd.model.autoencoder import Ensemble
from napari_ddmd.model.denoiser import Denoiser
from napari_ddmd.model.foreign import one_line, read_plain_file, strict_json
from napari_ddmd.model.older import OtherVersionError, refuse_later, refuse_partners
from napari_ddmd.model.schedule import NoiseSchedule
from napari_ddmd.model.settings import (
    AutoencoderSettings,
    DenoiserSettings,
    FrameSettings,
    ModelSettings,
)
from napari_ddmd.model.weights import fill, most_file_bytes, stored_weights, weights_content, without_memory
from napari_ddmd.whole_files import settle, settle_names, workplace

_OURS: Final = "napari-ddmd bundle "
FORMAT = f"{_OURS}1"
SETTINGS_FILE, WEIGHTS_FILE = "model.json", "weights.safetensors"
MOST_SETTINGS_BYTES: Final = 8 * 2**20
LONGEST_NAME: Final = 100
"""Letters of a model's name or version, at most."""
_LONGEST_CARD: Final = 10_000
_KINDS: Final[dict[str, type]] = {
    "format": str,
    "name": str,
    "version": str,
    "card": str,
    "weights_sha256": str,
    "settings_sha256": str,
    "settings": dict,
    "provenance": dict,
}


class BundleError(ValueError):
    """A bundle that is missing, damaged or not one of ours; the message is one line."""


class DdmdNetworks(nn.Module):
    """All that is learned: AE-1, AE-2, the denoiser, and its partners where several take turns."""

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.ae_1 = Ensemble(settings.autoencoder)
        self.ae_2 = Ensemble(settings.autoencoder)
        self.denoiser = Denoiser(settings)
        self.partners = nn.ModuleList(Denoiser(settings) for _ in range(settings.denoiser.members - 1))

    @property
    def denoisers(self) -> list[Denoiser]:
        """All of them, in the order of their turns: mask n of a slice is drawn by denoiser n modulo their number."""
        return [self.denoiser, *(cast(Denoiser, partner) for partner in self.partners)]


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
    published
        Settings that were read, and how they stand in ``model.json``: less, where that is older than this version.
    """

    name: str
    version: str
    settings: ModelSettings
    networks: DdmdNetworks
    sha256: str
    provenance: dict[str, Any]
    card: str
    published: tuple[ModelSettings, dict[str, Any]] | None = None

    @property
    def settings_sha256(self) -> str:
        """Hash of the settings, as ``model.json`` has it."""
        return _settings_hash(self.told_settings)

    @property
    def told_settings(self) -> dict[str, Any]:
        """The settings as ``model.json`` has them: as they were read, so that the same model keeps its name."""
        if self.published is not None and self.published[0] == self.settings:
            return self.published[1]
        return self.settings.to_dict()

    @property
    def full_settings_sha256(self) -> str:
        """Hash of all settings that change anything, which results were told to be of for a while."""
        return _settings_hash(self.settings.to_dict() | {"sampling": self.settings.sampling.told()})

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
        return NoiseSchedule.of(self.settings.diffusion)


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
    rounded = DdmdNetworks(settings)
    rounded.load_state_dict({key: value.float() for key, value in stored_weights(networks).items()})
    digest = hashlib.sha256(weights_content(networks)).hexdigest()
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
    """Write a bundle; ``model.json`` last, so that a torn write is never mistaken for a bundle.

    Where the weights stay, which is so for new figures on the card, the bundle there is the old one or the new one at
    any moment.

    Raises
    ------
    ValueError
        If it would be refused when it is read.
    """
    folder = Path(folder)
    weights = weights_content(bundle.networks)
    description = {
        "format": FORMAT,
        "name": bundle.name,
        "version": bundle.version,
        "card": bundle.card,
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        "settings_sha256": bundle.settings_sha256,
        "settings": bundle.told_settings,
        "provenance": bundle.provenance,
    }
    text = (json.dumps(description, indent=2, allow_nan=False) + "\n").encode()
    _checked_description(text)
    folder.mkdir(parents=True, exist_ok=True)
    contents = {SETTINGS_FILE: text}
    if not _holds(folder / WEIGHTS_FILE, weights):
        contents = {WEIGHTS_FILE: weights, **contents}
    with workplace(folder) as place:
        for name, content in contents.items():
            (place / name).write_bytes(content)
        settle(place)
        if WEIGHTS_FILE in contents:
            # Between the two there is no model, rather than one whose weights are not its own.
            (folder / SETTINGS_FILE).unlink(missing_ok=True)
        for name in contents:
            (place / name).replace(folder / name)
        settle_names(folder)
    return folder


def _holds(file: Path, content: bytes) -> bool:
    return file.is_file() and file.stat().st_size == len(content) and file.read_bytes() == content


def read_bundle(folder: Path | str) -> Bundle:
    """Read a bundle folder, which may come from anybody.

    Nothing in it is run, no file outside it is touched, and no memory is taken for the weights before the settings,
    the size of the file and its hash have been checked.

    Raises
    ------
    BundleError
        One line: which file, what is wrong with it, what to do.
    """
    folder = Path(folder)
    description = read_description(folder)
    settings = ModelSettings.from_dict(description["settings"])
    with _told(folder / SETTINGS_FILE, "publish or copy the model again"):
        refuse_partners(description["provenance"])
        networks = without_memory(lambda: DdmdNetworks(settings))
        bundle = Bundle(
            name=description["name"],
            version=description["version"],
            settings=settings,
            networks=networks,
            sha256=description["weights_sha256"],
            provenance=description["provenance"],
            card=description["card"],
            published=(settings, description["settings"]),
        )
        bundle.schedule  # noqa: B018 - refuses variances that are none
    with _told(folder / WEIGHTS_FILE, "copy the whole model folder again"):
        content = read_plain_file(folder / WEIGHTS_FILE, most_file_bytes(networks))
        if hashlib.sha256(content).hexdigest() != bundle.sha256:
            raise ValueError(f"is damaged (its hash is not the one in {SETTINGS_FILE})")
        fill(networks, content)
    networks.eval().requires_grad_(False)
    return bundle


def read_description(folder: Path) -> dict[str, Any]:
    """The contents of ``model.json``; all is checked but whether the weights fit.

    Raises
    ------
    BundleError
        As `read_bundle`.
    """
    path = folder / SETTINGS_FILE
    with _told(path, f"choose a folder with {SETTINGS_FILE} and {WEIGHTS_FILE}"):
        content = read_plain_file(path, MOST_SETTINGS_BYTES)
    with _told(path, "publish or copy the model again"):
        return _checked_description(content)


def _checked_description(content: bytes) -> dict[str, Any]:
    try:
        description = strict_json(content)
    except ValueError as error:
        raise ValueError(f"is not JSON ({error})") from error
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        told = f"is not a {FORMAT!r} file, the only format that this version reads"
        if isinstance(description, dict) and str(description.get("format")).startswith(_OURS):
            refuse_later(told)
        raise ValueError(told)
    for key, kind in _KINDS.items():
        if not isinstance(description.get(key), kind):
            raise ValueError(f"has no {key!r} of the right kind")
    extra = sorted(description.keys() - _KINDS.keys())
    if extra:
        refuse_later(f"has unknown keys: {', '.join(extra)[:100]}")
    for key, longest in (("name", LONGEST_NAME), ("version", LONGEST_NAME), ("card", _LONGEST_CARD)):
        _refuse_odd_text(description[key], key, longest)
    refuse_odd_name(description["name"])
    ModelSettings.from_dict(description["settings"])
    if _settings_hash(description["settings"]) != description["settings_sha256"]:
        raise ValueError("settings were changed after the model was published (their hash differs)")
    return description


def refuse_odd_name(name: str) -> None:
    """Refuse names of models that are none: empty, long, or with the signs of paths.

    Raises
    ------
    ValueError
        One line.
    """
    _refuse_odd_text(name, "name", LONGEST_NAME)
    if not name.strip(" .") or any(sign in name for sign in "/\\:"):
        raise ValueError(f"name {name!r} must be a plain name, without a path")


def _refuse_odd_text(text: str, key: str, longest: int) -> None:
    if len(text) > longest or not text.isprintable():
        raise ValueError(f"{key} must be {longest} letters at most, in one line and without control characters")


@contextmanager
def _told(path: Path, remedy: str) -> Iterator[None]:
    """Say in one line what is wrong with a file of a bundle."""
    try:
        yield
    except OSError as error:
        raise BundleError(f"{path}: {error.strerror or one_line(error)}; {remedy}") from error
    except MemoryError as error:
        raise BundleError(f"{path}: does not fit into memory; close other programs") from error
    except OtherVersionError as error:
        raise BundleError(f"{path}: {one_line(error)}") from error
    except (ValueError, RuntimeError, TypeError) as error:
        raise BundleError(f"{path}: {one_line(error)}; {remedy}") from error


def _settings_hash(settings: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
