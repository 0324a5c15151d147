"""Commands whose output is read by another one, such as ``head``, that ends first."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable

CLOSED = 141
"""Exit status of a process that the system ends for it: 128 and the number of SIGPIPE."""


def ending_quietly(run: Callable[[], int]) -> int:
    """Run a command; where nobody reads its output any more, end without a word.

    Parameters
    ----------
    run
        The command, which calls `write_out` at its end and lets a BrokenPipeError through.

    Returns
    -------
    int
        The command's exit status, or `CLOSED`.
    """
    try:
        return run()
    except BrokenPipeError:
        if not _is_closed():
            raise
        # What is still to be printed goes nowhere, when Python ends, too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED


def write_out() -> None:
    """Write out what is still to be printed, while whatever fails can still be told of."""
    if sys.stdout is not None:  # a window that was started from no terminal has none
        sys.stdout.flush()


def _is_closed() -> bool:
    """Whether nobody reads the standard output: another pipe may be what broke."""
    if not hasattr(select, "poll"):
        return True
    poll = select.poll()
    poll.register(sys.stdout.fileno(), select.POLLOUT)
    return any(event & (select.POLLERR | select.POLLHUP) for _file, event in poll.poll(0))
