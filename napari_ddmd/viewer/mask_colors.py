"""Colours of masks."""

LESION_COLOR = "#ffd23f"
SAVED_COLOR = "#3fd2ff"


def one_color(color: str) -> dict[int | None, str]:
    """Colours of a mask: every label alike, nothing where there is none."""
    return {None: color, 0: "transparent"}
