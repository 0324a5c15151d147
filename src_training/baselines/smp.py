"""The one door to segmentation-models-pytorch: its networks, without its pretrained weights."""

from __future__ import annotations

from torch import nn

from src_training.recipe import RecipeError


def smp_network(architecture: str, encoder: str, modalities: int, classes: int) -> nn.Module:
    """A network of segmentation-models-pytorch with random weights; nothing is downloaded.

    Parameters
    ----------
    architecture
        Name of a class of the library, such as ``Unet``.
    encoder
        One of the library's encoders.
    modalities
        C, the number of image channels.
    classes
        Number of classes, the background among them.

    Returns
    -------
    nn.Module
        ``(B, C, h, w)`` in [0, 1] to logits ``(B, classes, h, w)``.

    Raises
    ------
    RecipeError
        If the library has no such encoder, or cannot use it in this architecture.
    """
    import segmentation_models_pytorch as smp  # takes seconds, which a command that needs none of it should not wait

    if encoder not in smp.encoders.get_encoder_names():
        raise RecipeError(
            f"baselines.encoder: segmentation-models-pytorch has no encoder {encoder!r}; choose one that its "
            "documentation lists, such as resnet34"
        )
    try:
        # `encoder_weights` is "imagenet" by default, which would be fetched.
        network: nn.Module = getattr(smp, architecture)(
            encoder, encoder_weights=None, in_channels=modalities, classes=classes
        )
    except ValueError as error:  # for one, VGG encoders cannot be dilated
        raise RecipeError(f"baselines.encoder: {encoder} does not go with {architecture}: {error}") from error
    return network
