"""Wrong use that shows in the images themselves: what is no BRATS case is noticed, and said."""

from napari_ddmd.case.guards.check import check_images
from napari_ddmd.case.guards.finding import Finding, Kind

__all__ = ["Finding", "Kind", "check_images"]
