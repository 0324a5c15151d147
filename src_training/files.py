"""Files that are whole or absent, whenever the process dies and however full the disk is."""

from __future__ import annotations

import errno
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as save_tensors

from napari_ddmd.whole_files import put_in_place, workplace
from src_training.recipe import RecipeError


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file under another name, and move it into its place once it is written.

    Raises
    ------
    RecipeError
        If it cannot be written, as on a full disk; what was there before stays, and nothing is left beside it.
    """
    with telling_of(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with workplace(path.parent) as place:
            fresh = place / path.name
            with fresh.open("wb") as file:
                yield file
            put_in_place(fresh, path)


@contextmanager
def telling_of(path: Path) -> Iterator[None]:
    """Say in one line which file could not be written, why, and that the same command goes on afterwards."""
    try:
        yield
    except (OSError, RuntimeError) as error:  # torch has its own words for a full disk
        cause = getattr(error, "strerror", None) or next(iter(str(error).splitlines()), type(error).__name__)
        raise RecipeError(
            f"{path}: cannot be written ({cause}); see that there is space and permission, and give the same command "
            "again: it goes on from the last saved state"
        ) from error


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file under another name, then move it into its place."""
    with replacing(path) as file:
        file.write(content)


def write_json(path: Path, data: Any) -> None:
    """Write plain containers as JSON."""
    write_bytes(path, (json.dumps(data, indent=1) + "\n").encode())


def write_array(path: Path, array: NDArray[Any]) -> None:
    """Write an array that `numpy.load` can memory-map."""
    with replacing(path) as file:
        np.save(file, array, allow_pickle=False)


def write_tensors(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Write tensors as safetensors."""
    write_bytes(path, save_tensors({key: value.detach().cpu().contiguous() for key, value in tensors.items()}))


def allow_many_files() -> None:
    """Let this process open as many files as the system lets it: every case of a training stays memory-mapped."""
    if sys.platform == "win32":
        return
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # where the most is said to be endless, it may not be
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def read_json(path: Path, *, remedy: str) -> dict[str, Any]:
    """Read a JSON object that an earlier stage or call left.

    Parameters
    ----------
    path
        The file.
    remedy
        What brings it back, for the message.

    Raises
    ------
    RecipeError
        If it is missing or damaged.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RecipeError(f"{path}: is missing; {remedy}") from error
    except (ValueError, RecursionError) as error:
        raise RecipeError(f"{path}: is damaged ({' '.join(str(error).split())}); {remedy}") from error
    if not isinstance(content, dict):
        raise RecipeError(f"{path}: is damaged (no JSON object); {remedy}")
    return content


class MappedArray(np.memmap[Any, np.dtype[Any]]):
    """A memory-mapped file that another process maps anew, where the array of numpy would be sent there whole."""

    origin: tuple[Path, str] | None = None
    """Of a whole array: its file and the remedy that is told; None of what is taken out of it or made from it."""

    def __array_finalize__(self, source: Any) -> None:
        super().__array_finalize__(source)
        self.origin = None

    def __reduce__(self) -> Any:
        return super().__reduce__() if self.origin is None else (_map_again, self.origin)


def _map_again(path: Path, remedy: str) -> NDArray[Any]:
    return read_array(path, remedy=remedy)


def read_array(path: Path, *, remedy: str) -> NDArray[Any]:
    """Memory-map an array that an earlier stage left; a process that it is sent to maps it, too.

    Parameters
    ----------
    path
        The file.
    remedy
        What brings it back, for the message: ``delete run/slices and run the stage 'prepare' again``.

    Raises
    ------
    RecipeError
        If it is missing or damaged, or too many are open.
    """
    try:
        array: MappedArray = np.load(path, mmap_mode="r", allow_pickle=False).view(MappedArray)
    except FileNotFoundError as error:
        raise RecipeError(f"{path}: is missing; {remedy}") from error
    except (ValueError, EOFError) as error:
        raise RecipeError(f"{path}: is damaged ({' '.join(str(error).split())}); {remedy}") from error
    except OSError as error:
        if error.errno not in (errno.EMFILE, errno.ENFILE):
            raise
        raise RecipeError(
            f"{path}: cannot be opened, too many files are; each case takes up to three: allow more in the shell with "
            "'ulimit -n', and give the same command again"
        ) from error
    array.origin = path.absolute(), remedy
    return array


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Read weights that an earlier training left.

    Raises
    ------
    RecipeError
        If the file is damaged.
    """
    try:
        tensors: dict[str, torch.Tensor] = load_file(path)
    except SafetensorError as error:
        raise RecipeError(f"{path}: is damaged ({error}); delete it and run its stage again") from error
    return tensors
