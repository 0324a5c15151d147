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
        The command, which lets a BrokenPipeError through; it calls `write_out` while it can tell of what fails.

    Returns
    -------
    int
        The command's exit status, or `CLOSED`.
    """
    try:
        try:
            status = run()
        except SystemExit:  # of a parser that has printed its help
            write_out()
            raise
        write_out()
    except BrokenPipeError:
        if not _is_closed():
            raise
        _print_nowhere()
        return CLOSED
    return status


def write_out() -> None:
    """Write out what is still to be printed, while whatever fails can still be told of."""
    if sys.stdout is None:  # a window that was started from no terminal has none
        return
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError:  # a full disk
        _print_nowhere()
        raise


def _print_nowhere() -> None:
    """Drop what is still to be printed, which Python would try once more at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _is_closed() -> bool:
    """Whether nobody reads the standard output: another pipe may be what broke."""
    if sys.stdout is None:
        return False
    if not hasattr(select, "poll"):
        return True
    poll = select.poll()
    poll.register(sys.stdout.fileno(), select.POLLOUT)
    return any(event & (select.POLLERR | select.POLLHUP) for _file, event in poll.poll(0))
