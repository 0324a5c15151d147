"""One page about one case, for the screen and for paper."""

from __future__ import annotations

from napari_ddmd.report.page import report_page, write_report

__all__ = ["report_page", "write_report"]
