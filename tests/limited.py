"""The command line in processes that may take neither long nor much memory, each of which begins at once.

``python -m tests.limited`` imports what the command needs, then reads a list of arguments a line, and forks for each:
the child runs ``napari-ddmd`` with them. `Limited` is the other end of it.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MOST_BYTES, MOST_SECONDS = 4 * 2**30, 10.0
"""Of one command: what takes longer is killed, and what asks for more memory gets none."""
_ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes
    ----------
    status : int or None
        Its exit status, negative for a signal; None where it took too long.
    seconds, peak : float, int
        From fork to end, less what other processes had of the processor; the most memory that it had at any moment,
        in bytes.
    out, err : str
        What it printed.
    """

    status: int | None
    seconds: float
    peak: int
    out: str
    err: str


class Limited:
    """Runs commands, one after the other, in children of one process; a context manager.

    Parameters
    ----------
    first : sequence of str
        A command that is run before all others without limits: the modules that it needs are imported once for all.
    """

    def __init__(self, first: Sequence[str] = ()) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.limited", json.dumps(list(first))],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )

    def __enter__(self) -> Limited:
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.communicate(timeout=60)

    def run(self, *arguments: str | Path) -> Ended:
        """Run ``napari-ddmd`` with these arguments; after ``-c`` stands Python's own code, to try the limits."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([str(word) for word in arguments]) + "\n")
        self._process.stdin.flush()
        return Ended(**json.loads(self._process.stdout.readline()))


def main() -> None:
    """Serve until standard input ends."""
    first = json.loads(sys.argv[1])
    if first:
        _import_what_it_needs(first)
    import napari_ddmd.cli  # noqa: F401

    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)  # whatever else is printed must not be taken for an answer
    for line in sys.stdin:
        answers.write(json.dumps(_in_a_child(json.loads(line))) + "\n")
        answers.flush()


def _in_a_child(arguments: list[str]) -> dict[str, Any]:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.monotonic()
        child = os.fork()
        if child == 0:
            _become(arguments, out.fileno(), err.fileno())
        status, seconds, used = _wait(child, started)
        printed = []
        for file in (out, err):
            file.seek(0)
            printed.append(file.read().decode(errors="replace"))
    return Ended(status, seconds, used.ru_maxrss * 1024, *printed).__dict__


def _wait(child: int, started: float) -> tuple[int | None, float, resource.struct_rusage]:
    is_late, seconds = False, 0.0
    while True:
        pid, status, used = os.wait4(child, 0 if is_late else os.WNOHANG)
        if pid:
            return None if is_late else os.waitstatus_to_exitcode(status), seconds, used
        seconds = time.monotonic() - started - _kept_waiting(child)
        if seconds > MOST_SECONDS:
            os.kill(child, signal.SIGKILL)
            is_late = True
        else:
            time.sleep(0.002)


def _kept_waiting(child: int) -> float:
    """Seconds that a process would have gone on and got no processor: other work on the machine is no hang of it."""
    try:
        return int(Path(f"/proc/{child}/schedstat").read_text(encoding="ascii").split()[1]) / 1e9
    except (OSError, IndexError):  # ended, or not Linux
        return 0.0


def _become(arguments: list[str], out: int, err: int) -> None:
    """Be the command, and end with its status."""
    status = 1
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        # Of all that the process may write to; files that are mapped, as libraries are, take no memory of their own.
        resource.setrlimit(resource.RLIMIT_DATA, (MOST_BYTES, MOST_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if arguments[0] == "-c":
            exec(arguments[1])
            status = 0
        else:
            from napari_ddmd.cli import main as command

            status = command(arguments)
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def _import_what_it_needs(arguments: list[str]) -> None:
    """Let a child run the command and tell what it has imported: threads that libraries begin must not be forked."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            from napari_ddmd.cli import main as command

            os.dup2(2, 1)
            assert command(arguments) == 0
            with os.fdopen(write, "w") as names:
                names.write("\n".join(sys.modules))
            os._exit(0)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    os.close(write)
    with os.fdopen(read) as names:
        found = names.read().split()
    if os.waitpid(child, 0)[1]:
        raise SystemExit("the first command failed")
    for name in found:
        try:
            __import__(name)
        except ImportError:  # made by another module, under a name that is no file's
            continue


if __name__ == "__main__":
    main()
