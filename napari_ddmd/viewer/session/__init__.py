"""A session in one file: the case, the results, the corrections, the settings and the view.

`stored` says what a file holds, `archive` how it is written, `capture` takes it from a window, `loading` reads it again
with its case, and `restore` puts it into a window.
"""

from napari_ddmd.viewer.session.archive import SUFFIX, SessionError

__all__ = ["SUFFIX", "SessionError"]
