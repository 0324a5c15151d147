"""One target under the fuzzer, in a process of its own: ``python -m fuzz.one TARGET [options of libFuzzer]``.

The process ends with the fuzzer's own status; the runner reads what it prints.
"""

from __future__ import annotations

import importlib
import logging
import sys
from random import Random

import atheris

from fuzz.targets import TARGETS

# Share of changes that know nothing of an input's form.
_BYTES_ALONE = 0.4


def main() -> None:
    """Fuzz until libFuzzer's options, or a crash, end it."""
    name = sys.argv[1]
    if name not in TARGETS:
        raise SystemExit(f"fuzz: no target {name!r}; choose one of {', '.join(TARGETS)}")
    logging.disable()
    with atheris.instrument_imports(include=TARGETS[name]):
        target = importlib.import_module(f"fuzz.targets.{name}")
    for seed in target.seeds():
        target.run(seed)  # what is slow the first time is no hang

    def mutate(data: bytes, longest: int, seed: int) -> bytes:
        random = Random(seed)
        if random.random() < _BYTES_ALONE:
            return bytes(atheris.Mutate(data, longest))
        return bytes(target.mutate(data, random))[:longest]

    atheris.Setup([sys.argv[0], *sys.argv[2:]], target.run, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
