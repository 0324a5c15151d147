"""The report as one HTML page that needs no other file, and no script."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from html import escape
from pathlib import Path

from napari_ddmd import __version__
from napari_ddmd.report import facts
from napari_ddmd.report.pictures import Picture, map_pictures, score_plot, slice_pictures
from napari_ddmd.report.style import STYLE
from napari_ddmd.saveable import Saveable
from napari_ddmd.whole_files import write_text

NOTICE = "For research use only. Not a medical device; no basis for the diagnosis or treatment of a patient."
_FEWEST_COLUMNS = 4
_READING = (
    "Pictures are in radiological view: R is the patient's right. "
    "Solid line: the mask. Diameters are measured on the mask's outline within one axial slice."
)


def write_report(path: str | Path, content: Saveable) -> Path:
    """Write the report; an existing file is replaced in one step.

    Parameters
    ----------
    path
        The file, ``.html``.
    content
        What there is to report; nothing of the patient but the case's name goes in.

    Raises
    ------
    ExportError
        If the file cannot be written.
    """
    return write_text(path, report_page(content))


def report_page(content: Saveable) -> str:
    """Make the page's HTML."""
    name = escape(content.case.name)
    pictures = [*slice_pictures(content), *map_pictures(content)]
    # In one row, so that all fits one page; few are not blown up.
    columns = f"grid-template-columns: repeat({max(len(pictures), _FEWEST_COLUMNS)}, minmax(0, 1fr))"
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{name}: lesion report</title>
<style>{STYLE}</style>
</head>
<body>
<header>
<h1>Lesion report: {name}</h1>
</header>
<main>
{_finding(content)}
<section>
<h2>Key slices</h2>
<div class="pictures" style="{columns}">
{_figures(pictures)}
</div>
</section>
{_lesions(content)}
{_scores(content)}
<div class="columns">
{_settings(content)}
{_model(content)}
</div>
</main>
<footer>
<p>{escape(_numbers(content))} {_READING}</p>
<p>Made with napari-ddmd {escape(__version__)}. {NOTICE}</p>
</footer>
</body>
</html>
"""


def _numbers(content: Saveable) -> str:
    """What the numbers of slices mean: the viewer counts from the lower end, whatever the files do."""
    lowest = content.case.grid.file_slice(0)
    if lowest == 0:
        return "Slices are numbered from 0 as in the files."
    return f"Slices are numbered from 0 as in the files, which begin at the upper end: {lowest} is slice 0 in napari."


def _finding(content: Saveable) -> str:
    told = filter(None, (facts.origin(content), facts.acceptance(content), facts.coverage(content)))
    lines = [
        f'<p class="volume">{escape(facts.total_volume(content))}</p>',
        f"<p>{escape(' '.join(told))}</p>",
        f'<p class="notice">{NOTICE}</p>',
    ]
    remarks = "".join(f"<li>{escape(text)}</li>" for text in facts.warnings(content))
    if remarks:
        lines.append(f'<p>About the images and the model:</p>\n<ul class="warnings">{remarks}</ul>')
    return "\n".join(lines)


def _figures(pictures: Sequence[Picture]) -> str:
    return "\n".join(
        f'<figure><img src="data:image/png;base64,{b64encode(picture.png).decode("ascii")}" '
        f'alt="{escape(picture.alt)}"><figcaption>{escape(picture.caption)}</figcaption></figure>'
        for picture in pictures
    )


def _lesions(content: Saveable) -> str:
    head, rows, rest = facts.lesion_table(content)
    if not rows:
        return ""
    cells = "".join(f'<th scope="col">{escape(text)}</th>' for text in head)
    body = "\n".join(f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in row)}</tr>" for row in rows)
    more = f"<p>{escape(rest)}</p>" if rest else ""
    return f"""<section>
<h2>Lesions, largest first</h2>
<table>
<thead><tr>{cells}</tr></thead>
<tbody>
{body}
</tbody>
</table>
{more}
</section>"""


def _scores(content: Saveable) -> str:
    plot = score_plot(content)
    return "" if plot is None else f"<section>\n<h2>Scores over the slices</h2>\n{_figures([plot])}\n</section>"


def _settings(content: Saveable) -> str:
    rows = facts.settings(content)
    return f"<section>\n<h2>Settings</h2>\n{_list(rows)}\n</section>" if rows else ""


def _model(content: Saveable) -> str:
    rows = facts.model(content)
    if not rows or content.model is None:
        return ""
    card = f'<p class="card">{escape(content.model.card)}</p>' if content.model.card else ""
    return f"<section>\n<h2>Model</h2>\n{_list(rows)}\n{card}\n</section>"


def _list(rows: Sequence[tuple[str, str]]) -> str:
    return f"<dl>{''.join(f'<dt>{escape(name)}</dt><dd>{escape(value)}</dd>' for name, value in rows)}</dl>"
